//! Devices that connect, sign in with their token, and leave: how many of them a server takes in a second.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use prost::Message;

use crate::accounts::User;
use crate::process;
use crate::report::{Counts, Latency, Report};
use crate::wire::v1::{self, client_frame::Request, server_frame::Body};
use crate::wire::{PREAMBLE, put_message, split};

/// A sign-in that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// One device on its way in.
struct Caller {
    socket: TcpStream,
    user: usize,
    begun: Instant,
    hello: Option<Vec<u8>>,
    received: Vec<u8>,
}

/// All devices that are on their way in.
struct Door<'a> {
    address: SocketAddr,
    users: &'a [User],
    poll: Poll,
    callers: Vec<Option<Caller>>,
    next: usize,
    welcomed: u64,
    latency: Latency,
}

/// Signs devices in, one user after the other, so many at a time; each leaves as soon as it is welcome, without a farewell.
///
/// # Errors
/// Someone is refused, or not answered.
pub fn sign_in(
    address: SocketAddr,
    users: &[User],
    at_once: usize,
    duration: Duration,
    server: u32,
) -> Result<Report, String> {
    if users.len() < 2 * at_once {
        return Err(
            "there have to be twice as many users as sign in at once: one on two connections is replaced".into()
        );
    }
    let poll = Poll::new().map_err(|error| error.to_string())?;
    let callers = (0..at_once).map(|_| None).collect();
    let mut door = Door { address, users, poll, callers, next: 0, welcomed: 0, latency: Latency::new() };
    let (cpu, own) = (process::cpu(server)?, process::cpu(std::process::id())?);
    let begin = Instant::now();
    for place in 0..at_once {
        door.call(place)?;
    }
    let mut events = Events::with_capacity(1024);
    while begin.elapsed() < duration {
        match door.poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        for event in &events {
            door.go_on(event.token().0)?;
        }
        if door.callers.iter().flatten().any(|caller| caller.begun.elapsed() > PATIENCE) {
            return Err("somebody was not answered".into());
        }
    }
    let measured = begin.elapsed();
    let counts = Counts { sends: door.welcomed, deliveries: 0 };
    Ok(Report {
        workload: "sign-in",
        target: address.to_string(),
        settings: vec![("users", users.len().to_string()), ("at once", at_once.to_string())],
        measured,
        counts,
        checked: counts,
        latencies: vec![("hello to welcome", door.latency)],
        server_cpu: Some(process::cpu(server)?.saturating_sub(cpu)),
        own_cpu: Some(process::cpu(std::process::id())?.saturating_sub(own)),
        figures: vec![("sign-ins/s", door.welcomed as f64 / measured.as_secs_f64())],
    })
}

impl Door<'_> {
    /// The next user connects.
    fn call(&mut self, place: usize) -> Result<(), String> {
        let user = self.next % self.users.len();
        self.next += 1;
        let mut socket = TcpStream::connect(self.address).map_err(|error| error.to_string())?;
        // a reset leaves no port behind that waits for a minute
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).map_err(|error| error.to_string())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(place), interest).map_err(|error| error.to_string())?;
        let mut hello = PREAMBLE.to_vec();
        let auth = Some(v1::hello::Auth::Token(self.users[user].token.clone()));
        let request = Some(Request::Hello(v1::Hello { auth, ..v1::Hello::default() }));
        put_message(&mut hello, &v1::ClientFrame { id: 1, ack: 0, request });
        let caller = Caller { socket, user, begun: Instant::now(), hello: Some(hello), received: Vec::new() };
        self.callers[place] = Some(caller);
        Ok(())
    }

    fn go_on(&mut self, place: usize) -> Result<(), String> {
        let Some(caller) = &mut self.callers[place] else { return Ok(()) };
        let words = |error: std::io::Error| format!("a connection broke: {error}");
        if let Some(hello) = &caller.hello {
            match caller.socket.write(hello) {
                // a hello is far smaller than a socket's buffer
                Ok(count) if count == hello.len() => caller.hello = None,
                Ok(_) => return Err("half a hello was taken".into()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return Ok(()),
                Err(error) => return Err(words(error)),
            }
        }
        let mut chunk = [0; 4096];
        match caller.socket.read(&mut chunk) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(count) => caller.received.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(words(error)),
        }
        let Some((frame, _)) = split(&caller.received) else { return Ok(()) };
        let frame = v1::ServerFrame::decode(frame).map_err(|error| error.to_string())?;
        match frame.body {
            Some(Body::Welcome(welcome)) if welcome.user == self.users[caller.user].user => {}
            other => return Err(format!("hello is answered with {other:?}")),
        }
        self.latency.record(caller.begun.elapsed().as_nanos() as u64);
        self.welcomed += 1;
        self.callers[place] = None;
        self.call(place)
    }
}
