//! A run is flushed connection by connection, in the middle of a turn: sockets that fail there, and sockets that are full.

use ringdove_core::ids::{ConnectionId, Version};
use ringdove_core::rings::{Answer, AnswerBody, Recipient};
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use ringdove_io::Counter;

use crate::bench::{Bench, Client, Setup, fill_entry, sent};

/// Entries of a run at most.
const RUN: u64 = 64;

/// A group whose members are told everything in runs.
struct Group {
    bench: Bench,
    /// Those who are there, by their place among the recipients.
    members: Vec<Option<Client>>,
    ids: Vec<ConnectionId>,
    /// The version that all inboxes have come to.
    version: u64,
}

impl Group {
    fn of(members: usize, out_buffer: usize) -> Self {
        let mut setup = Setup { commits: 512, ..Setup::default() };
        setup.config.out_buffer = out_buffer;
        let mut bench = Bench::new(setup);
        let members: Vec<_> = (0..members).map(|_| Some(bench.signed_in(512, 0, 0))).collect();
        let ids = members.iter().flatten().map(|member| member.id).collect();
        bench.settle();
        Self { bench, members, ids, version: 0 }
    }

    /// Publishes entries to everyone who ever was a member, for one turn. The last one is the answer to someone, too.
    fn publish(&mut self, entries: u64, text: &str, answered: Option<ConnectionId>) {
        let last = self.version + entries;
        while self.version < last {
            self.version += 1;
            let version = self.version;
            let ids = &self.ids;
            self.bench.slot(|slot| {
                slot.recipients[0].extend(ids.iter().map(|id| Recipient::new(*id, Version(version), false)));
                fill_entry(slot, 256, 0, 768, version, text);
                if let Some(connection) = answered.filter(|_| version == last) {
                    slot.answer = Some(Answer { connection, request: 9, body: sent(version) });
                }
            });
        }
    }

    fn take(&mut self, place: usize) -> Client {
        self.members[place].take().unwrap()
    }

    /// Everyone who is there hears all versions behind `since`, once and in order, and nothing else.
    fn all_hear(&mut self, since: u64, text: &str) {
        for member in self.members.iter_mut().flatten() {
            hears(&mut self.bench, member, since + 1..=self.version, text);
        }
        self.bench.settle();
        self.members.iter_mut().flatten().for_each(|member| assert_eq!(member.frame_now(), None));
    }

    /// What was counted since `before`.
    fn counted(&self, counter: Counter, before: &Counts) -> u64 {
        self.bench.counted(counter) - before.0[counter as usize]
    }

    fn counts(&self) -> Counts {
        Counts(Counter::ALL.iter().map(|counter| self.bench.counted(*counter)).collect())
    }

    /// The engine has heard of the end of these, once each.
    fn engine_heard_of(&mut self, gone: &[ConnectionId]) {
        self.bench.settle();
        let mut closed: Vec<_> = self.bench.heard.drain(..).map(|heard| heard.connection.key).collect();
        closed.sort_unstable();
        assert_eq!(closed, gone.iter().map(|id| id.key).collect::<Vec<_>>());
    }
}

/// All counters, as they were.
struct Counts(Vec<u64>);

fn hears(bench: &mut Bench, member: &mut Client, versions: impl IntoIterator<Item = u64>, text: &str) {
    for version in versions {
        let entry = member.entry(bench);
        assert_eq!((entry.version, entry.ordinal, entry.text == text), (version, version, true));
    }
}

/// The first, one in the middle and the last of them are gone when they are written to. What would follow for them in the same turn
/// finds nobody, and whoever takes their place hears nothing of it.
#[test]
fn sockets_that_were_reset_fail_alone() {
    const GONE: [usize; 3] = [0, 3, 7];
    let mut group = Group::of(8, 1 << 20);
    GONE.iter().for_each(|place| group.take(*place).reset());
    let ids = GONE.map(|place| group.ids[place]);
    let before = group.counts();
    group.publish(RUN, "hi", None);
    group.publish(10, "hi", Some(ids[1]));
    group.bench.turn();
    assert_eq!(group.counted(Counter::Closed, &before), 3);
    assert_eq!(group.counted(Counter::Writes, &before), 8 + 5, "a write for each run of each connection");
    assert_eq!(group.counted(Counter::Pushes, &before), 8 * RUN + 5 * 10);
    assert_eq!(group.counted(Counter::Stale, &before), 3 * 10 + 1, "the second run, and the answer");
    assert_eq!(group.bench.admission.open(), 5);
    group.all_hear(0, "hi");
    group.engine_heard_of(&ids);

    let mut heirs: Vec<_> = (0..3).map(|_| group.bench.signed_in(512, group.version, group.version)).collect();
    let mut keys: Vec<_> = heirs.iter().map(|heir| heir.id.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, ids.map(|id| id.key), "the places are free");
    group.bench.heard.clear();
    let since = group.version;
    group.publish(5, "hi", None);
    group.all_hear(since, "hi");
    heirs.iter_mut().for_each(|heir| assert_eq!(heir.frame_now(), None));
    assert_eq!(group.counted(Counter::Stale, &before), 3 * 15 + 1);
}

/// A socket that is closed takes one more write, and fails at the next: between two runs of a turn, or between two turns.
#[test]
fn sockets_that_were_closed_fail_alone() {
    for runs in 1..=4 {
        let mut group = Group::of(6, 1 << 20);
        let before = group.counts();
        drop((group.take(1), group.take(4)));
        group.publish(runs * RUN + 7, "hi", None);
        group.bench.turn();
        group.all_hear(0, "hi");
        group.engine_heard_of(&[group.ids[1], group.ids[4]]);
        assert_eq!(group.counted(Counter::Closed, &before), 2);
        assert_eq!(group.bench.admission.open(), 4);
        let told = group.counted(Counter::Pushes, &before) + group.counted(Counter::Stale, &before);
        assert_eq!(told, 6 * group.version, "each entry was written or found nobody");
        let since = group.version;
        group.publish(3, "bye", None);
        group.all_hear(since, "bye");
    }
}

impl Group {
    /// Tells everyone runs, which all but the one at `slow` read, until its socket takes no more.
    fn fill(&mut self, slow: usize, text: &str) {
        let before = self.counts();
        let mut bytes = 0;
        loop {
            self.publish(RUN, text, None);
            self.bench.turn();
            let others = self.members.iter_mut().enumerate().filter(|(place, _)| *place != slow);
            bytes +=
                others.flat_map(|(_, member)| member).map(|member| member.everything().len()).max().unwrap() as u64;
            let is_full = |group: &Self| group.counted(Counter::BytesOut, &before) < bytes * group.members.len() as u64;
            if is_full(self) {
                // the system may find some more room
                self.bench.settle();
                if is_full(self) {
                    return;
                }
            }
            assert!(self.version < 1 << 16, "it is never full");
        }
    }
}

/// Writes of a turn to one whose socket is full: none, until it reads; then everything is there. It is flushed at once like all others
/// again, and nobody noticed.
#[test]
fn a_full_socket_is_left_alone_until_it_drains() {
    const SLOW: usize = 1;
    let mut group = Group::of(3, 32 << 20);
    let text = "x".repeat(1_000);
    group.fill(SLOW, &text);
    let full = group.version;
    let before = group.counts();
    group.publish(3 * RUN + 5, &text, None);
    group.bench.turn();
    assert_eq!(group.counted(Counter::Writes, &before), 2 * 4, "the full socket is not tried");
    let mut slow = group.take(SLOW);
    group.all_hear(full, &text);
    hears(&mut group.bench, &mut slow, 1..=group.version, &text);
    assert_eq!(slow.frame_now(), None);
    assert_eq!(group.bench.counted(Counter::FellBehind), 0);

    group.bench.settle();
    let (before, since) = (group.counts(), group.version);
    group.publish(2 * RUN, &text, None);
    group.bench.turn();
    assert_eq!(group.counted(Counter::Writes, &before), 3 * 2, "each run of each connection at once");
    group.all_hear(since, &text);
    hears(&mut group.bench, &mut slow, since + 1..=group.version, &text);
    group.engine_heard_of(&[]);
}

#[test]
fn a_full_socket_that_is_reset_fails_alone() {
    const SLOW: usize = 0;
    let mut group = Group::of(3, 32 << 20);
    let text = "x".repeat(1_000);
    group.fill(SLOW, &text);
    let since = group.version;
    let before = group.counts();
    group.take(SLOW).reset();
    group.publish(RUN + 5, &text, None);
    group.bench.turn();
    group.publish(RUN + 5, &text, None);
    group.all_hear(since, &text);
    group.engine_heard_of(&[group.ids[SLOW]]);
    assert_eq!(group.counted(Counter::Closed, &before), 1);
    assert_eq!(group.counted(Counter::Pushes, &before), 3 * (RUN + 5) + 2 * (RUN + 5));
    assert_eq!(group.counted(Counter::Stale, &before), RUN + 5);
    assert_eq!(group.bench.admission.open(), 2);
}

/// Its buffer is full in the middle of a run: what fits is written, the rest is left out and told by one notice.
#[test]
fn one_who_falls_behind_in_a_run_is_told_and_syncs() {
    const SLOW: usize = 2;
    let mut group = Group::of(3, 256 << 10);
    let text = "x".repeat(1_000);
    let before = group.counts();
    group.fill(SLOW, &text);
    let mut since = group.version;
    // five runs are more than the buffer has room for
    group.publish(5 * RUN, &text, None);
    group.bench.turn();
    let mut slow = group.take(SLOW);
    group.all_hear(since, &text);
    assert_eq!(group.counted(Counter::FellBehind, &before), 1);
    let left_out = group.counted(Counter::PushesLeftOut, &before);
    assert_eq!(group.counted(Counter::Pushes, &before) + left_out, 3 * group.version);
    let heard = group.version - left_out;
    assert!(heard > since && !(heard - since).is_multiple_of(RUN), "{heard} of {}: not in a run", group.version);
    hears(&mut group.bench, &mut slow, 1..=heard, &text);
    let notice = slow.frame(&mut group.bench).body;
    let expected = v1::Notice { version: group.version, unread: left_out as u32, chats: Vec::new() };
    assert_eq!(notice, Some(Body::Notice(expected)));

    group.bench.settle();
    group.bench.heard.clear();
    slow.ask(2, Request::Sync(v1::Sync { since: heard, limit: 0 }));
    let asked = group.bench.command();
    group.bench.answer(&asked, AnswerBody::Gap(Version(group.version)));
    assert!(matches!(slow.frame(&mut group.bench).body, Some(Body::Entries(_))));
    since = group.version;
    group.publish(2 * RUN, &text, None);
    group.all_hear(since, &text);
    hears(&mut group.bench, &mut slow, since + 1..=group.version, &text);
}
