//! `kill -9` under load: every acknowledged message is there, once, in order.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use tempfile::tempdir;

use crate::broker::{Broker, Shared, done, ringdove, serve};
use crate::client::{Client, Identity, text};

/// Sends that wait for their answers.
const WINDOW: usize = 64;
/// Answers of all senders before the crash.
const ANSWERS: usize = 900;

/// What one sender knows: key -> ordinal of everything that was answered, and the keys that were not.
#[derive(Default)]
struct Sent {
    answered: HashMap<u64, u64>,
    /// Keys that were refused for a while, and so may come behind later ones.
    busy: HashSet<u64>,
    last: u64,
}

/// Writes to `to` until the connection breaks.
fn write_on(mut client: Client, to: u64, sent: &Mutex<Sent>, told: &std::sync::mpsc::Sender<()>) {
    let mut waiting: HashMap<u32, u64> = HashMap::new();
    loop {
        while waiting.len() < WINDOW {
            let key = {
                let mut sent = sent.lock();
                sent.last += 1;
                sent.last
            };
            let Ok(id) = client.write(Request::Send(text(to, key, format!("{key}")))) else { return };
            waiting.insert(id, key);
        }
        let Some(frame) = client.frame() else { return };
        match frame.body {
            Some(Body::Entry(entry)) if frame.id > 0 => {
                let key = waiting.remove(&frame.id).expect("an answer to a send");
                let before = sent.lock().answered.insert(key, entry.ordinal);
                assert_eq!(before, None);
                let _ = told.send(());
            }
            // nothing was applied: the message goes again later, as retry() does
            Some(Body::Refusal(refusal)) if refusal.name == "BUSY" => {
                let key = waiting.remove(&frame.id).expect("a refusal of a send");
                sent.lock().busy.insert(key);
            }
            Some(Body::Refusal(refusal)) => panic!("{refusal:?}"),
            _ => {}
        }
    }
}

/// Three crashes under load; after each one everything that was answered is there.
fn crashes_lose_nothing(durability: &str) {
    let folder = tempdir().unwrap();
    let start = |data: &Path| {
        let mut command = serve(data);
        command.args(["--durability", durability]).env("RINGDOVE_LIMITS_WINDOW", "65536");
        Broker::start(command)
    };
    let mut broker = start(folder.path());
    let identity = |handle: &str| Client::register(broker.address, handle).identity();
    let senders: Vec<Identity> = ["ann", "bob"].iter().map(|handle| identity(handle)).collect();
    let reader = identity("cyd");
    let books: Vec<Shared<Sent>> = senders.iter().map(|_| Arc::default()).collect();
    for _ in 0..3 {
        let (told, answers) = std::sync::mpsc::channel();
        let threads: Vec<_> = senders
            .iter()
            .zip(&books)
            .map(|(identity, sent)| {
                let client = Client::resume(broker.address, identity, None);
                let (sent, to, told) = (Arc::clone(sent), reader.user, told.clone());
                thread::spawn(move || write_on(client, to, &sent, &told))
            })
            .collect();
        drop(told);
        assert_eq!(answers.iter().take(ANSWERS).count(), ANSWERS);
        broker.crash();
        threads.into_iter().for_each(|thread| thread.join().unwrap());

        broker = start(folder.path());
        // a mere crash of the process: no new epoch
        let mut cyd = Client::resume(broker.address, &reader, Some((reader.epoch, 0)));
        assert!(!cyd.welcome.gap);
        assert_eq!(cyd.welcome.epoch, reader.epoch);
        check(&cyd.sync(0), &senders, &books);
        // a retry gets the first answer, or does it now: never twice
        for (identity, sent) in senders.iter().zip(&books) {
            retry(&broker, identity, &reader, &mut sent.lock());
        }
        check(&cyd.sync(0), &senders, &books);
    }
    broker.stop();
    done(ringdove(["log", "verify", "--data"]).arg(folder.path()));
}

/// Sends what was not answered, and some of what was, again with the same keys.
fn retry(broker: &Broker, identity: &Identity, reader: &Identity, sent: &mut Sent) {
    let mut client = Client::resume(broker.address, identity, None);
    for key in sent.last.saturating_sub(2 * WINDOW as u64).max(1)..=sent.last {
        let entry = client.send(text(reader.user, key, format!("{key}"))).expect("a retry is taken");
        let before = sent.answered.insert(key, entry.ordinal);
        assert!(before.is_none_or(|ordinal| ordinal == entry.ordinal), "the first answer again");
    }
}

/// Everything that was answered is there, once, where the answer said, and in the order in which it was sent.
fn check(entries: &[v1::Entry], senders: &[Identity], books: &[Shared<Sent>]) {
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry.version, place as u64 + 1, "gapless");
    }
    for (identity, sent) in senders.iter().zip(books) {
        let theirs = entries.iter().filter(|entry| entry.from == identity.user);
        let there: Vec<(u64, u64)> = theirs.map(|entry| (entry.text.parse().unwrap(), entry.ordinal)).collect();
        assert!(there.windows(2).all(|two| two[0].1 + 1 == two[1].1), "ordinals are gapless");
        let sent = sent.lock();
        let straight: Vec<u64> = there.iter().map(|(key, _)| *key).filter(|key| !sent.busy.contains(key)).collect();
        assert!(straight.is_sorted_by(|one, next| one < next), "in order");
        let found: HashMap<u64, u64> = there.iter().copied().collect();
        assert_eq!(found.len(), there.len(), "once");
        for (key, ordinal) in &sent.answered {
            assert_eq!(found.get(key), Some(ordinal), "message {key} was acknowledged");
        }
    }
}

#[test]
fn nothing_is_lost_at_level_process() {
    crashes_lose_nothing("process");
}

#[test]
fn nothing_is_lost_at_level_disk() {
    crashes_lose_nothing("disk");
}

/// Groups, memberships, tokens and cursors come back too.
#[test]
fn a_restart_brings_groups_and_devices_back() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let bob = Client::register(broker.address, "bob").identity();
    let member = v1::Member { user: bob.user, ..v1::Member::default() };
    let change = v1::GroupChange { create: true, name: Some("two".into()), set: vec![member], ..Default::default() };
    let made = ann.send(v1::Send { key: 1, group_change: Some(change), ..Default::default() }).unwrap();
    let Some(v1::entry::To::Group(group)) = made.to else { panic!("{made:?}") };
    let ann_again = ann.identity();
    broker.crash();

    let broker = Broker::on(folder.path());
    let mut ann = Client::resume(broker.address, &ann_again, Some((ann_again.epoch, made.version)));
    assert!(!ann.welcome.gap && ann.welcome.version == made.version);
    let send = v1::Send { key: 2, to: Some(v1::send::To::Group(group)), text: "hi".into(), ..Default::default() };
    let sent = ann.send(send).unwrap();
    assert_eq!(sent.ordinal, made.ordinal + 1);
    let mut bob = Client::resume(broker.address, &bob, Some((bob.epoch, 0)));
    let missed = bob.sync(0);
    assert_eq!(missed.len(), 2);
    assert_eq!(missed[0].group_change.as_ref().and_then(|change| change.name.as_deref()), Some("two"));
    assert_eq!((&*missed[1].text, missed[1].from), ("hi", ann.welcome.user));
    broker.stop();
}

/// `ringdove log` beside a broker that runs.
#[test]
fn the_log_is_read_beside_a_running_broker() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let user = ann.welcome.user;
    for key in 1..=10 {
        ann.send(text(user, key, "remember this")).unwrap();
    }
    let said = done(ringdove(["log", "verify", "--data"]).arg(folder.path()));
    assert!(said.starts_with("whole: 11 records in "), "{said}");
    let dumped = done(ringdove(["log", "dump", "--data"]).arg(folder.path()));
    assert_eq!(dumped.lines().count(), 11);
    assert_eq!(dumped.matches("remember this").count(), 10);
    assert!(dumped.contains("(masked)") && !dumped.contains("argon2"), "{dumped}");
    assert!(!dumped.contains(&ann.welcome.token));
    broker.stop();
}
