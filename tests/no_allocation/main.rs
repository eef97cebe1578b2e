//! From socket to socket nothing is allocated: a message, its delivery, its answer, an acknowledgement, a ping and a pong pass
//! reactor, engine and journal in memory that was there before.
//!
//! What may still be allocated while the broker runs, and is not in the steady state that is measured here: rings, inboxes, keys
//! and buffers grow to their bounds once, which the warm-up sees to; a text above 4 KiB is moved in a box; everything but the
//! frames named above (sign-in, sync, groups, refusals, JSON) goes through the generated codecs.

mod client;
mod counting;
mod pipeline;

use client::Client;
use pipeline::Pipeline;
use ringdove_core::wire::v1::send::To;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Keys that a device keeps; every device has sent so many messages before anything is measured, an inbox its 256 entries, and
/// every slot of the rings was used.
const KEYS: u64 = 1_024;
/// Rounds before anything is measured, with the longest texts, so that every buffer is as large as it will have to be.
const WARM_UP: u64 = 100;
/// A burst of texts of so many bytes is a train, and as large as one may be.
const IN_TRAIN: usize = 92;
/// Trains before anything is measured: each slot of the rings has held some.
const TRAINS: u64 = 1_100;
/// Rounds that are measured.
const MEASURED: u64 = 300;
/// Messages in one write.
const BURST: u64 = 16;
/// Frames that the measured rounds have at least.
const FRAMES: u64 = 10_000;
/// Allocations of the hot thread over all measured rounds. One a round would be 300. What is left is a connection whose bytes
/// the kernel hands over in two halves for the first time: it borrows a buffer that nobody has needed before, which then grows.
const ALLOWED: u64 = 16;

/// Four people: two who write to each other, and a group of all.
struct People {
    all: [Client; 4],
    group: u64,
}

impl People {
    fn frames(&self) -> u64 {
        self.all.iter().map(|client| client.frames).sum()
    }

    /// `count` messages from one to another in a single write; everyone hears, acknowledges, and pings.
    fn talk(&mut self, from: usize, to: usize, count: u64, text: &str) {
        let user = self.all[to].user;
        for _ in 0..count {
            self.all[from].put_text(To::User(user), text);
        }
        self.all[from].flush();
        for _ in 0..count {
            let entry = self.all[to].entry(0);
            assert_eq!(entry.text, text);
        }
        for _ in 0..count {
            self.all[from].entry(7);
        }
        self.acknowledge(to);
    }

    fn talk_to_all(&mut self, from: usize, text: &str) {
        self.all[from].put_text(To::Group(self.group), text);
        self.all[from].flush();
        self.all[from].entry(7);
        for other in (0..self.all.len()).filter(|other| *other != from) {
            assert_eq!(self.all[other].entry(0).text, text);
            self.acknowledge(other);
        }
    }

    fn acknowledge(&mut self, who: usize) {
        let client = &mut self.all[who];
        client.put_ack();
        client.put_ping();
        client.flush();
        client.pong();
    }

    fn round(&mut self, text: &str) {
        self.talk(0, 1, 1, text);
        self.talk(1, 0, 1, text);
        self.talk_to_all(0, text);
        self.talk_to_all(2, text);
        self.talk(1, 0, BURST, text);
        self.talk(0, 1, BURST, text);
    }
}

#[test]
fn a_message_crosses_without_an_allocation() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = Pipeline::start(folder.path());
    let mut all = ["alice", "bob", "carol", "dave"].map(|handle| Client::register(pipeline.address, handle));
    let members = [all[1].user, all[2].user, all[3].user];
    let group = all[0].make_group(&members);
    all[1..].iter_mut().for_each(|client| drop(client.entry(0)));
    let mut people = People { all, group };

    let long = "x".repeat(1_000);
    for from in 0..people.all.len() {
        (0..KEYS / BURST).for_each(|_| people.talk(from, (from + 1) % 4, BURST, &long));
    }
    (0..WARM_UP).for_each(|_| people.round(&long));
    (0..TRAINS).for_each(|_| people.talk(0, 1, BURST, &long[..IN_TRAIN]));
    (0..WARM_UP).for_each(|_| people.round(&long[..IN_TRAIN]));
    let grown = counting::count();
    assert!(grown > 0, "sign-in allocates: else nothing is counted");

    let before = people.frames();
    counting::remember_places();
    for nth in 0..MEASURED {
        people.round(&long[..1 + (nth as usize * 37) % 900]);
    }
    let (frames, allocations) = (people.frames() - before, counting::count() - grown);
    println!("{allocations} allocations in {frames} frames; {grown} before, in sign-in and warm-up");
    let places = counting::places();
    people.all[0].make_group(&[]);
    let after = counting::count() - grown - allocations;
    pipeline.stop();
    assert!(after > 0, "a group that is made allocates: else nothing was counted");
    assert!(frames >= FRAMES, "only {frames} frames were measured");
    assert!(allocations <= ALLOWED, "{allocations} allocations in {frames} frames, the first ones here:\n{places}");
}
