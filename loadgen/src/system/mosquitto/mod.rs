//! Mosquitto, over MQTT 3.1.1: at QoS 0 and at QoS 1. It has one thread.

mod mqtt;

use std::rc::Rc;

use super::{Book, Cast, System, Target};
use crate::server::{Place, Server, Start, free_address, program, version};
use mqtt::Topics;

const SETTINGS: [&str; 8] = [
    // nobody has a password here
    "allow_anonymous true",
    // nothing is kept on disk, at either QoS
    "persistence false",
    // as many as a client likes may be unacknowledged: it would stop at 20
    "max_inflight_messages 0",
    // and as many may wait for a client: it would drop what is above 1,000
    "max_queued_messages 0",
    // a packet is not held back until the one before is acknowledged
    "set_tcp_nodelay true",
    // no statistics are published
    "sys_interval 0",
    // nothing to say while it runs, not even who comes and goes
    "log_type error",
    "connection_messages false",
];

/// Mosquitto.
pub struct Mosquitto {
    name: &'static str,
    about: &'static str,
    qos: u8,
}

impl Mosquitto {
    /// Nothing is acknowledged.
    pub const QOS0: Self = Self {
        name: "mosquitto",
        about: "MQTT at QoS 0: no send is answered; nothing is stored: what is sent to somebody who is away is lost",
        qos: 0,
    };
    /// Both ways are acknowledged.
    pub const QOS1: Self = Self {
        name: "mosquitto-qos1",
        about: "MQTT at QoS 1 both ways: a send is answered (PUBACK) once it is in memory for its readers, who acknowledge it too; nothing on disk",
        qos: 1,
    };
}

impl System for Mosquitto {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn answers(&self) -> bool {
        self.qos > 0
    }

    fn suits(&self, cast: &Cast) -> Result<(), &'static str> {
        if cast.circle.is_some() { Err("Mosquitto tells nobody who comes and goes") } else { Ok(()) }
    }

    fn version(&self, _: &Place) -> Result<String, String> {
        version(&program("mosquitto", "mosquitto")?, "-h")
    }

    fn start(&self, place: &Place) -> Result<Server, String> {
        let mut start = Start::new(&program("mosquitto", "mosquitto")?, place)?;
        let address = free_address()?;
        let listener = format!("listener {} {}", address.port(), address.ip());
        let file = start.file("mosquitto.conf", &SETTINGS.join("\n"), &listener)?;
        start.place(&["-c", &file.to_string_lossy()]);
        start.until_it_listens(place.cores, address)
    }

    fn prepare(&self, _: &Target, cast: &Cast) -> Result<Box<dyn Book>, String> {
        Ok(Box::new(Rc::new(Topics::new(cast, self.qos))))
    }
}
