//! Entries behind each other that go to the same connections, or from one to one other, are written connection by connection: nobody can tell.

use proptest::prelude::*;
use ringdove_core::ids::{ConnectionId, Ordinal, Position, Time, UserId, Version};
use ringdove_core::rings::{Answer, AnswerBody, CommitSlot, Page, Recipient};
use ringdove_core::wire::v1::{self, client_frame::Request};
use ringdove_core::wire::{Code, Refusal};

use crate::bench::{Bench, Client, Setup, fill_entry, welcome};

/// Those who are there: LIVE (3), with a small buffer's worth of room like all; in the background; behind; reading a page; with JSON
/// lines; and one who has gone, whose place the first one has taken.
const PEOPLE: usize = 8;
/// A message that is sent several times.
#[derive(Clone, Debug)]
struct Step {
    /// Who gets it, a bit for each.
    to: u8,
    /// Those of them whose own message it is.
    own: u8,
    /// Those of them who are told in a second slot, if that is to be.
    second: Option<u8>,
    times: usize,
    /// Bytes of the text.
    size: usize,
    answered: Option<(usize, Reply)>,
}

impl Step {
    /// The same, told in two slots only where neither has one recipient: an entry to a single one is thought to be a few bytes larger than
    /// one that is shared, which tells where room is little.
    fn in_company(&self) -> Self {
        let is_alone = |second: &u8| (self.to & second).count_ones() == 1 || (self.to & !second).count_ones() == 1;
        Self { second: self.second.filter(|second| !is_alone(second)), ..self.clone() }
    }
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Done,
    Entry,
    /// An answer that is told as news.
    News,
    Refused,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let reply = prop_oneof![
        3 => Just(Reply::Entry),
        2 => Just(Reply::News),
        1 => Just(Reply::Done),
        1 => Just(Reply::Refused),
        1 => Just(Reply::Close),
    ];
    let one = (0..PEOPLE).prop_map(|nth| 1 << nth);
    let to = prop_oneof![2 => Just(0xff), 1 => Just(0x7e), 1 => any::<u8>(), 3 => one];
    let own = prop_oneof![2 => Just(0), 1 => any::<u8>()];
    let answered = proptest::option::of((0..PEOPLE, reply));
    (to, own, proptest::option::of(any::<u8>()), 1_usize..6, 1_usize..200, answered)
        .prop_map(|(to, own, second, times, size, answered)| Step { to, own, second, times, size, answered })
}

/// The people, and the version that each has come to.
struct Room {
    bench: Bench,
    people: Vec<Client>,
    ids: Vec<ConnectionId>,
    versions: Vec<u64>,
    request: u32,
    /// Entries of all steps at most: with an empty slot behind each of two parts the ring must hold them.
    entries: usize,
}

impl Room {
    fn new(room: usize, commits: usize) -> Self {
        let mut setup = Setup { commits, ..Setup::default() };
        setup.config.out_buffer = room;
        let mut bench = Bench::new(setup);
        let gone = bench.signed_in(256, 0, 0);
        let late = gone.id;
        drop(gone);
        bench.closed();
        let mut people: Vec<_> = (0..5).map(|_| bench.signed_in(512, 0, 0)).collect();
        people[3].ask(2, Request::Mode(v1::Mode::Notice as i32));
        people.push(bench.signed_in(512, 3, 9));
        people.push(json(&mut bench));
        bench.pages_stand = true;
        people[4].ask(3, Request::Sync(v1::Sync { since: 0, limit: 0 }));
        let heard = bench.command();
        bench.slot(|slot| {
            slot.page.push(Position(1));
            let page = Page { user: UserId(512), first: Version(1), more: false, head: Version(1) };
            slot.answer =
                Some(Answer { connection: heard.connection, request: heard.request, body: AnswerBody::Page(page) });
        });
        bench.settle();
        let mut ids: Vec<_> = people.iter().map(|client| client.id).collect();
        ids.push(late);
        assert_eq!((ids.len(), ids[0].key), (PEOPLE, late.key));
        // most of them go from versions of one byte to versions of two while this goes on
        let versions = (0..PEOPLE as u64).map(|nth| 116 + 2 * nth).collect();
        Self { bench, people, ids, versions, request: 100, entries: (commits - 2) / 4 }
    }

    /// Fills one part of a step's entry in.
    fn fill(&mut self, slot: &mut CommitSlot, step: &Step, to: u8, ordinal: u64) {
        fill_entry(slot, 256, 0, 768, ordinal, &"x".repeat(step.size));
        for nth in (0..PEOPLE).filter(|nth| to >> nth & 1 == 1) {
            self.versions[nth] += 1;
            let own = step.own >> nth & 1 == 1;
            slot.recipients[0].push(Recipient::new(self.ids[nth], Version(self.versions[nth]), own));
        }
    }

    fn reply(&mut self, who: usize, reply: Reply, ordinal: u64) -> Answer {
        self.request += 1;
        self.versions[who] += 1;
        let entry = AnswerBody::Entry {
            version: Version(self.versions[who]),
            ordinal: Ordinal(ordinal),
            time: Time(5),
            position: Position(160),
            user: None,
            group: None,
        };
        let (request, body) = match reply {
            Reply::Done => (self.request, AnswerBody::Done),
            Reply::Entry => (self.request, entry),
            Reply::News => (0, entry),
            Reply::Refused => (self.request, AnswerBody::Refused(Refusal::of(Code::Forbidden))),
            Reply::Close => (self.request, AnswerBody::Close(Refusal::of(Code::Replaced))),
        };
        Answer { connection: self.ids[who], request, body }
    }

    /// The slots of all steps, for one turn.
    fn slots(&mut self, steps: &[Step]) -> Vec<CommitSlot> {
        let mut slots = Vec::new();
        let entries = steps.iter().flat_map(|step| std::iter::repeat_n(step, step.times));
        for (ordinal, step) in (1..).zip(entries.take(self.entries)) {
            let (mut first, mut last) = (CommitSlot::default(), CommitSlot::default());
            first.recipients.push(Vec::new());
            last.recipients.push(Vec::new());
            if let Some(second) = step.second {
                self.fill(&mut first, step, step.to & !second, ordinal);
                first.goes_on = true;
                slots.push(first);
                self.fill(&mut last, step, step.to & second, ordinal);
            } else {
                self.fill(&mut last, step, step.to, ordinal);
            }
            last.answer = step.answered.map(|(who, reply)| self.reply(who, reply, ordinal));
            slots.push(last);
        }
        slots
    }

    /// Everything that everyone hears of it.
    fn heard(mut self) -> Vec<Vec<u8>> {
        self.bench.settle();
        self.bench.pages_stand = false;
        self.bench.settle();
        self.people.iter_mut().map(Client::everything).collect()
    }
}

fn json(bench: &mut Bench) -> Client {
    let mut client = Client::silent(bench);
    client.bytes(b"{\"id\":1,\"hello\":{\"token\":\"t\"}}\n");
    let heard = bench.command();
    client.id = heard.connection;
    bench.answer(&heard, AnswerBody::Welcome(welcome(512, 0, 0)));
    client.line(bench);
    client
}

/// What everyone hears of the steps in one turn. `apart`: with an empty slot behind each, so that there are no runs. `more`: with something
/// behind them, so that nothing is flushed before the end of the turn.
fn told(steps: &[Step], room: usize, commits: usize, apart: bool, more: bool) -> Vec<Vec<u8>> {
    let mut there = Room::new(room, commits);
    for slot in there.slots(steps) {
        there.bench.slot(|place| {
            *place = slot;
            place.goes_on &= !apart;
        });
        if apart {
            there.bench.slot(|_| ());
        }
    }
    if more {
        there.bench.slot(|_| ());
    }
    there.heard()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_tell_everyone_the_same_as_entry_by_entry(
        steps in prop::collection::vec(step(), 1..5),
        room in 200_usize..3_000,
    ) {
        let together: Vec<_> = steps.iter().map(Step::in_company).collect();
        let expected = told(&together, room, 64, true, false);
        prop_assert_eq!(told(&together, room, 64, false, true), expected, "with little room");
        // what is flushed at once leaves more room than what waits: only who has enough of it hears the same
        let expected = told(&steps, 1 << 20, 64, true, false);
        prop_assert_eq!(told(&steps, 1 << 20, 64, false, false), expected, "flushed at once");
    }
}

/// Everyone is told by everyone else who asks for an answer, with room for all of it and with too little.
#[test]
fn an_exchange_tells_both_the_same_as_entry_by_entry() {
    for (size, room) in [(20, 1 << 20), (200, 600)] {
        for told_one in 0..=PEOPLE {
            let to = if told_one < PEOPLE { 1 << told_one } else { 0 };
            for (answered, own) in (0..PEOPLE).flat_map(|answered| [(answered, 0), (answered, to)]) {
                let answered = Some((answered, Reply::Entry));
                let steps = [Step { to, own, second: None, times: 5, size, answered }];
                let expected = told(&steps, room, 64, true, false);
                assert_eq!(told(&steps, room, 64, false, false), expected, "{steps:?} {room}");
            }
        }
    }
}

/// More entries than a run has, in more slots than are looked at together: one of them stands before the first entry, so that a fan-out
/// of two slots is cut in between.
#[test]
fn a_run_that_is_too_long_for_one_tells_everyone_the_same() {
    let before = Step { to: 0, own: 0, second: None, times: 1, size: 1, answered: Some((0, Reply::Done)) };
    for size in [20, 1_500] {
        let many = Step { to: 0x7f, own: 0x02, second: Some(0x0c), times: 300, size, answered: None };
        let steps = [before.clone(), many];
        let expected = told(&steps, 1 << 20, 2048, true, false);
        assert_eq!(told(&steps, 1 << 20, 2048, false, false), expected, "{size}");
        assert!(expected[0].len() > 300 * size);
    }
}
