//! Groups whose members are spread over several reactors, with much in flight at once: everyone hears everything, once and in order.

use std::collections::VecDeque;
use std::thread;

use ringdove_core::wire::v1::{self, Mode, client_frame::Request, entry, hello::Auth, send, server_frame::Body};
use tempfile::tempdir;

use crate::broker::{Broker, serve};
use crate::client::{Client, password, text};

/// Members of the large group: more than a slot has room for, so that its entries are told in two.
const MEMBERS: usize = 300;
/// Those of them who are in the small group, too.
const SMALL: usize = 100;
/// Those of them who write. Two have a second device.
const SENDERS: usize = 4;
/// Members with a way of their own, all of them in the small group.
const NOTIFIED: usize = SENDERS;
const WITH_LINES: usize = SENDERS + 1;
const SLOW: usize = SENDERS + 2;
/// Messages that go to the slow one alone while it does not read: far more than its buffer takes.
const PRIVATE: u64 = 700;
const PRIVATE_BYTES: usize = 16_000;

/// A device that does a client's duty, and what it heard.
struct Device {
    client: Client,
    version: u64,
    /// All messages, those of its own among them, as everyone sees them.
    heard: Vec<v1::Entry>,
    /// What was sent and is not answered, with the request's number.
    in_flight: VecDeque<(u32, v1::Send)>,
    syncs: u32,
    /// Entries that came as news.
    pushed: u32,
}

impl Device {
    fn of(client: Client) -> Self {
        let version = client.welcome.version;
        Self { client, version, heard: Vec::new(), in_flight: VecDeque::new(), syncs: 0, pushed: 0 }
    }

    fn user(&self) -> u64 {
        self.client.welcome.user
    }

    fn send_together(&mut self, sends: Vec<v1::Send>) {
        let last = self.client.write_together(sends.iter().cloned().map(Request::Send)).unwrap();
        let first = last + 1 - sends.len() as u32;
        self.in_flight.extend((first..).zip(sends));
    }

    /// Goes on until it has heard these words, and everything that came before they did.
    fn hear_until(&mut self, words: &str) {
        while !self.client.news.is_empty() || self.heard.last().is_none_or(|entry| entry.text != words) {
            self.hear();
        }
    }

    /// Goes on until everything that it sent is answered.
    fn hear_answers(&mut self) {
        while !self.in_flight.is_empty() {
            self.hear();
        }
    }

    fn hear(&mut self) {
        let frame = self.client.news();
        match frame.body {
            Some(Body::Entry(entry)) if frame.id > 0 => self.answered(frame.id, entry),
            Some(Body::Entry(entry)) => {
                self.pushed += 1;
                self.take(entry);
            }
            Some(Body::Notice(notice)) if notice.version > self.version => {
                self.syncs += 1;
                self.client.sync(self.version).into_iter().for_each(|entry| self.take(entry));
            }
            Some(Body::Notice(_)) => {}
            other => panic!("{other:?}"),
        }
    }

    /// The next version, whatever it is.
    fn take(&mut self, mut entry: v1::Entry) {
        self.version += 1;
        assert_eq!(std::mem::take(&mut entry.version), self.version, "gapless, and nothing twice: {entry:?}");
        if !entry.text.is_empty() {
            self.heard.push(entry);
        }
    }

    /// The next answer, which stands among the entries where its version says.
    fn answered(&mut self, id: u32, answer: v1::Entry) {
        let (sent, send) = self.in_flight.pop_front().expect("something was sent");
        assert_eq!(sent, id, "answers in order");
        let to = match send.to {
            Some(send::To::Group(group)) => Some(entry::To::Group(group)),
            Some(send::To::User(user)) => Some(entry::To::User(user)),
            other => panic!("{other:?}"),
        };
        self.take(v1::Entry { from: self.user(), to, text: send.text, position: 0, ..answer });
    }

    /// Whether it heard these texts, of all that begin like this.
    fn heard_texts(&self, begin: &str, texts: &[String]) -> bool {
        let heard = self.heard.iter().map(|entry| &entry.text).filter(|text| text.starts_with(begin));
        heard.eq(texts)
    }

    /// What it heard in these groups.
    fn heard_in(&self, groups: &[u64]) -> Vec<&v1::Entry> {
        let is_there = |to: &Option<entry::To>| matches!(to, Some(entry::To::Group(group)) if groups.contains(group));
        self.heard.iter().filter(|entry| is_there(&entry.to)).collect()
    }
}

fn to_user(user: u64, text: String) -> v1::Send {
    v1::Send { to: Some(send::To::User(user)), text, ..v1::Send::default() }
}

fn to_group(group: u64, text: impl Into<String>) -> v1::Send {
    v1::Send { to: Some(send::To::Group(group)), text: text.into(), ..v1::Send::default() }
}

/// Two groups at one broker.
struct Crowd {
    /// The first devices of all members but the slow one, those of the small group first.
    members: Vec<Device>,
    /// Second devices: of a sender, of a sender with JSON lines, and of one who only listens.
    seconds: Vec<Device>,
    large: u64,
    small: u64,
}

impl Crowd {
    /// Everyone, and the slow one, who is a member of both groups.
    fn at(broker: &Broker) -> (Self, Device) {
        let address = broker.address;
        let handle = |nth: usize| format!("member{nth}");
        let register = |nth| match nth {
            WITH_LINES => Client::with_lines(address).sign_in(Auth::Register(password(&handle(nth))), None),
            _ => Client::register(address, &handle(nth)),
        };
        let mut members: Vec<_> = (0..MEMBERS).map(|nth| Device::of(register(nth))).collect();
        let again = |client: Client, nth| Device::of(client.sign_in(Auth::Password(password(&handle(nth))), None));
        let seconds = vec![
            again(Client::connect(address), 0),
            again(Client::with_lines(address), 1),
            again(Client::connect(address), SMALL - 1),
        ];
        let notified = &mut members[NOTIFIED].client;
        notified.write(Request::Mode(Mode::Notice as i32)).unwrap();
        assert_eq!(notified.frame().map(|frame| frame.body), Some(None));
        let large = make_group(&mut members, MEMBERS);
        let small = make_group(&mut members, SMALL);
        let slow = members.remove(SLOW);
        (Self { members, seconds, large, small }, slow)
    }

    /// All senders write at once: so much that it goes into several runs, long stretches to one group and turns; then one by one to
    /// the same group, so that those of several senders stand behind each other.
    fn talk(&mut self, round: &str) {
        let (large, small) = (self.large, self.small);
        let users: Vec<_> = self.members[..SENDERS].iter().map(Device::user).collect();
        thread::scope(|scope| {
            for (nth, sender) in self.members[..SENDERS].iter_mut().enumerate() {
                let next = users[(nth + 1) % SENDERS];
                scope.spawn(move || {
                    let texts = to_next(nth, round);
                    sender.send_together(texts.into_iter().map(|text| to_user(next, text)).collect());
                    let stretches = [(large, 80), (small, 80), (large, 1), (small, 1), (large, 3), (small, 30)];
                    let groups = stretches.iter().flat_map(|(group, times)| std::iter::repeat_n(*group, *times));
                    let sends = groups.enumerate().map(|(place, to)| to_group(to, format!("{nth} {round} {place}")));
                    sender.send_together(sends.collect());
                    (0..60).for_each(|place| {
                        sender.send_together(vec![to_group(large, format!("{nth} {round}, alone {place}"))]);
                    });
                    sender.hear_answers();
                });
            }
        });
    }

    /// Says these words behind everything that was said; all but the slow one hear up to them.
    fn conclude(&mut self, words: &str) {
        let last = vec![to_group(self.small, format!("nearly {words}")), to_group(self.large, words)];
        self.members[0].send_together(last);
        self.members.iter_mut().chain(&mut self.seconds).for_each(|device| device.hear_until(words));
    }

    /// All devices of a sender and of the next one have heard what the former wrote to the latter.
    fn check_trains(&self, rounds: &[&str]) {
        for nth in 0..SENDERS {
            let texts: Vec<_> = rounds.iter().flat_map(|round| to_next(nth, round)).collect();
            let begin = format!("{nth} to the next");
            for of in [nth, (nth + 1) % SENDERS] {
                // the first two of them have a second device
                for device in self.members.get(of).into_iter().chain(self.seconds[..2].get(of)) {
                    assert!(device.heard_texts(&begin, &texts), "{begin}, {of}");
                }
            }
        }
    }

    /// Everyone has heard the same in each of their groups.
    fn check(&self, slow: &Device) {
        let groups = [self.large, self.small];
        let (few, others) = self.members.split_at(SMALL - 1);
        let said = few[SMALL - 2].heard_in(&groups);
        for group in groups {
            let ordinals = said.iter().filter(|entry| entry.to == Some(entry::To::Group(group)));
            // the first is the group's beginning
            assert!(ordinals.zip(2..).all(|(entry, ordinal)| entry.ordinal == ordinal));
        }
        for device in few.iter().chain(&self.seconds).chain([slow]) {
            assert!(device.heard_in(&groups) == said, "{}", device.client.welcome.handle);
        }
        let said = few[SMALL - 2].heard_in(&groups[..1]);
        for device in others {
            assert!(device.heard_in(&groups) == said, "{}", device.client.welcome.handle);
        }
    }
}

/// What a sender writes to the next one in a round: so much in a row that it goes as trains.
fn to_next(nth: usize, round: &str) -> Vec<String> {
    (0..100).map(|place| format!("{nth} to the next, {round} {place}")).collect()
}

/// The first member makes a group of the first `count`.
fn make_group(members: &mut [Device], count: usize) -> u64 {
    let set = members[1..count].iter().map(|device| v1::Member { user: device.user(), ..Default::default() }).collect();
    let change = v1::GroupChange { create: true, set, ..Default::default() };
    let made = members[0].client.send(v1::Send { group_change: Some(change), ..Default::default() }).unwrap();
    members[0].version = made.version;
    match made.to {
        Some(entry::To::Group(group)) => group,
        other => panic!("{other:?}"),
    }
}

fn private(key: u64) -> String {
    format!("{key:04}{}", "x".repeat(PRIVATE_BYTES - 4))
}

/// In the first round the slow one does not read and falls behind; in the second it is behind; in the third it reads on, syncs and comes
/// back to life.
fn everyone_hears_everything(threads: &str, reactors: &str) {
    let folder = tempdir().unwrap();
    let mut command = serve(folder.path());
    command.args(["--threads", threads, "--reactors", reactors]);
    // so large that nothing is refused as BUSY, and nothing leaves the window
    command.env("RINGDOVE_JOURNAL_SEGMENT_BYTES", "64MiB").env("RINGDOVE_LIMITS_WINDOW", "65536");
    let broker = Broker::start(command);
    let (mut crowd, mut slow) = Crowd::at(&broker);
    let mut friend = Device::of(Client::register(broker.address, "friend"));
    let (slow_user, keys) = (slow.user(), 1..=PRIVATE);
    thread::scope(|scope| {
        scope.spawn(|| {
            friend.send_together(keys.clone().map(|key| text(slow_user, key, private(key))).collect());
            friend.hear_answers();
        });
        crowd.talk("first");
    });
    crowd.talk("second");
    crowd.conclude("half");
    thread::scope(|scope| {
        scope.spawn(|| slow.hear_until("over"));
        crowd.talk("third");
        crowd.conclude("over");
    });
    assert!(slow.syncs > 0, "it fell behind");
    let heard = slow.heard.iter().filter(|entry| entry.text.len() == PRIVATE_BYTES);
    assert!(heard.map(|entry| entry.text.clone()).eq(keys.map(private)));
    assert_eq!(crowd.members[NOTIFIED].pushed, 0, "it wanted notices only");
    crowd.check(&slow);
    crowd.check_trains(&["first", "second", "third"]);
    broker.stop();
}

#[test]
fn three_reactors_of_which_one_shares_its_thread_tell_everyone_everything() {
    everyone_hears_everything("shared", "3");
}

#[test]
fn two_reactors_with_threads_of_their_own_tell_everyone_everything() {
    everyone_hears_everything("dedicated", "2");
}
