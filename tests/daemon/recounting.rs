//! The online count: every +1 and -1 is in the journal, and adds up to what the broker says, also under load and across crashes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth};
use serde_json::Value;
use tempfile::tempdir;

use crate::broker::{Broker, done, refused, serve};
use crate::client::Client;
use crate::operators::{asked, objects};

/// Whose handle begins with this stays, until an operator sends it away.
const STAYS: &str = "stays";

/// Says bye, and waits for the end.
fn sign_out(client: &mut Client, bye: v1::Bye) {
    client.write(Request::Bye(bye)).expect("it reads");
    while client.frame().is_some() {}
}

/// The ways in which people come and go.
const WAYS: usize = 6;

/// Comes and goes in every way that there is, each at least once, until it is told to stop; some stay. Returns whoever is still there.
fn come_and_go(address: SocketAddr, name: usize, stop: &AtomicBool) -> Vec<Client> {
    let mut stay = Vec::new();
    for turn in 0.. {
        if turn >= WAYS && stop.load(Ordering::Relaxed) {
            break;
        }
        let handle = format!("{}-{name}-{turn}", if turn % WAYS == WAYS - 1 { STAYS } else { "goes" });
        let mut client = Client::register(address, &handle);
        let again = |client: &Client| Client::resume(address, &client.identity(), None);
        match turn % WAYS {
            0 => drop(client),
            1 => sign_out(&mut client, v1::Bye::default()),
            // replaces its own connection
            2 => drop(again(&client)),
            3 => {
                let password = v1::Password { handle, secret: "correct horse".into(), ..v1::Password::default() };
                let mut other = Client::hello(address, Auth::Password(password), None);
                sign_out(&mut other, v1::Bye { all_devices: true, ..v1::Bye::default() });
            }
            // comes back into a place that was just left
            4 => {
                let identity = client.identity();
                drop(client);
                drop(Client::resume(address, &identity, None));
            }
            _ => stay.push(client),
        }
    }
    stay
}

struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Client>>>,
}

impl Crowd {
    fn at(broker: &Broker, round: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let threads = (0..2)
            .map(|nth| {
                let (address, stop) = (broker.address, Arc::clone(&stop));
                thread::spawn(move || come_and_go(address, 10 * round + nth, &stop))
            })
            .collect();
        Self { stop, threads }
    }

    fn stop(self) -> Vec<thread::Result<Vec<Client>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(JoinHandle::join).collect()
    }
}

/// Recounts beside a running broker, which has to agree.
fn agrees(data: &Path) -> Value {
    let counted = objects("stats recount --json", data).remove(0);
    assert_eq!(counted["agrees"], true, "{counted}");
    assert_eq!(counted["broker"]["at"], counted["at"], "{counted}");
    counted
}

#[test]
fn a_recount_agrees_under_load_and_across_crashes() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    // on one thread, on many, and with a journal that waits for its disk
    let ways: [&[&str]; 3] = [&[], &["--threads", "dedicated", "--reactors", "2"], &["--durability", "disk"]];
    for (round, way) in ways.iter().enumerate() {
        let mut command = serve(data);
        command.args(*way);
        let broker = Broker::start(command);
        // so that there is something to count from the first time on
        let _first = Client::register(broker.address, &format!("first-{round}"));
        let crowd = Crowd::at(&broker, round);
        let mut before = 0;
        for turn in 0..6 {
            // an operator, too, sends people away
            let is_there = |user: &Value| user["online"] == true && user["handle"].as_str().unwrap().starts_with(STAYS);
            if let Some(user) = objects("user list --json", data).into_iter().find(is_there) {
                let what = ["sign-out", "disable", "delete --yes"][turn % 3];
                done(&mut asked(&format!("user {what} {}", user["user"]), data));
            }
            // again and again until there was more to count: under load
            let counts = std::iter::repeat_with(|| agrees(data)["records"].as_u64().unwrap());
            before = counts.take(1_000).find(|records| *records > before).expect("the crowd goes on");
        }
        if round == 1 {
            // in the middle of it: whoever is connected is in the journal, and the next start closes all
            broker.crash();
            drop(crowd.stop());
            continue;
        }
        let stayed: Vec<Client> = crowd.stop().into_iter().flat_map(|left| left.expect("nobody was refused")).collect();
        assert!(!stayed.is_empty());
        assert!(agrees(data)["sessions"].as_u64() > Some(0));
        if round == 0 {
            broker.crash();
            let counted = objects("stats recount --json", data).remove(0);
            assert!(counted["agrees"].is_null(), "there is nobody to agree");
            assert!(counted["sessions"].as_u64() > Some(0));
            continue;
        }
        let counted = agrees(data);
        for reason in ["login", "resumed"] {
            assert!(counted["opened"][reason].as_u64() > Some(0), "{reason}: {counted}");
        }
        for reason in ["logout", "dropped", "kicked", "replaced", "restart"] {
            assert!(counted["closed"][reason].as_u64() > Some(0), "{reason}: {counted}");
        }
        let most = counted["mostSessions"]["count"].as_u64().unwrap();
        assert!(most >= counted["mostOnline"]["count"].as_u64().unwrap());
        assert!(most >= counted["sessions"].as_u64().unwrap());
        let said = done(&mut asked("stats recount", data));
        assert!(said.contains("agrees") && said.contains("replaced"), "{said}");
        drop(stayed);
        broker.stop();
    }
}

#[test]
fn a_recount_without_a_broker_has_nothing_to_compare_with() {
    let folder = tempdir().unwrap();
    let said = refused(&mut asked("stats recount", folder.path()));
    assert!(said.contains("there is no journal in the data folder"), "{said}");
    let broker = Broker::on(folder.path());
    let _ann = Client::register(broker.address, "ann");
    broker.crash();
    let said = done(&mut asked("stats recount", folder.path()));
    assert!(said.contains("nothing to compare with") && said.contains("ends with the next start"), "{said}");
    Broker::on(folder.path()).stop();
    let counted = objects("stats recount --json", folder.path()).remove(0);
    assert_eq!((counted["sessions"].as_u64(), counted["closed"]["restart"].as_u64()), (Some(0), Some(1)));
}

#[test]
fn level_memory_has_no_journal_to_count_from() {
    let folder = tempdir().unwrap();
    let memory = |data: &Path| {
        let mut command = serve(data);
        command.args(["--durability", "memory"]);
        Broker::start(command)
    };
    let recount = || refused(&mut asked("stats recount", folder.path()));
    let broker = memory(folder.path());
    let ann = Client::register(broker.address, "ann");
    assert!(recount().contains("writes no journal (level memory)"));
    drop(ann);
    broker.stop();
    // an older journal lies in the folder
    let broker = Broker::on(folder.path());
    drop(Client::register(broker.address, "bob-with-a-longer-handle"));
    broker.stop();
    let broker = memory(folder.path());
    assert!(recount().contains("writes no journal (level memory)"), "also before anything happens");
    let said = done(&mut asked("log verify", folder.path()));
    assert!(!said.contains("whole: 0 records"), "that one is left alone, and whole: {said}");
    let _cyd = Client::register(broker.address, "cyd");
    assert!(recount().contains("writes no journal (level memory)"));
    broker.stop();
}
