//! What was sent, who has to get it, and what came of it: the check that each message arrives everywhere once and in order, and how long it took.

use std::collections::{BTreeSet, VecDeque};

use crate::crew::Crew;
use crate::latency::Named;
use crate::results::Checked;
use crate::stamp::Stamp;
use crate::system::To;

/// Messages that came too late to be waited for in memory: a load with more missing than this ends.
const MISSING: usize = 10_000;

/// How much is sent when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Closed loop: so many sends at a time that are not over, over all streams.
    Window(u64),
    /// Open loop: so many sends a second, over all streams, whatever comes back.
    Rate(f64),
}

impl Pace {
    /// A stream's share of a window; the first ones take the rest.
    pub fn share(window: u64, stream: usize, streams: usize) -> u64 {
        let streams = streams as u64;
        window / streams + u64::from((stream as u64) < window % streams)
    }
}

/// The schedule of an open loop: the n-th send is meant for a time, whatever happened before (no coordinated omission).
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    rate: f64,
    next: u64,
}

impl Schedule {
    /// So many sends a second.
    pub fn new(rate: f64) -> Self {
        Self { rate, next: 0 }
    }

    /// When the next one is meant, and its number.
    pub fn peek(&self) -> (u64, u64) {
        ((self.next as f64 / self.rate * 1e9) as u64, self.next)
    }

    /// It was sent.
    pub fn advance(&mut self) {
        self.next += 1;
    }
}

/// A send that is not over: it was not answered, or has not reached everyone.
#[derive(Clone, Copy, Debug)]
struct Open {
    meant_ns: u64,
    sent_ns: u64,
    recipients: u32,
    unanswered: bool,
}

/// One sender's texts to one recipient or group.
#[derive(Debug)]
struct Stream {
    sender: usize,
    to: To,
    recipients: u32,
    /// The number of the first send in `open`.
    first: u64,
    open: VecDeque<Open>,
}

/// A text that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// In which stream.
    pub stream: usize,
    /// How long after it was meant.
    pub took_ns: u64,
    /// When it was meant.
    pub meant_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// Its send is over: it was answered, and everyone has it.
    pub over: bool,
}

/// Whether latencies are told apart by when a send was meant and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Whoever waits sends next: both are the same.
    Closed,
    /// A schedule says when.
    Open,
}

/// All streams of a load.
pub struct Flow {
    streams: Vec<Stream>,
    /// By person: the streams whose answers are owed, in order.
    owed: Vec<VecDeque<(u32, u64)>>,
    /// By person: the next number of each stream that they read.
    next: Vec<Vec<(u32, u64)>>,
    /// Skipped by some person: (person, stream, number).
    missing: BTreeSet<(usize, usize, u64)>,
    answers: bool,
    kind: Loop,
    measuring: bool,
    /// Sends that are over, and deliveries.
    counts: Checked,
    delivery: Named,
    delivery_service: Named,
    answer: Named,
    answer_service: Named,
    last: Named,
    lag: Named,
}

impl Flow {
    /// No streams yet between so many people. `answers`: every send is answered.
    pub fn new(people: usize, answers: bool, kind: Loop) -> Self {
        Self {
            streams: Vec::new(),
            owed: vec![VecDeque::new(); people],
            next: vec![Vec::new(); people],
            missing: BTreeSet::new(),
            answers,
            kind,
            measuring: false,
            counts: Checked::default(),
            delivery: Named::new("delivery", "response"),
            delivery_service: Named::new("delivery", "service"),
            answer: Named::new("answer", "response"),
            answer_service: Named::new("answer", "service"),
            last: Named::new("last member", "response"),
            lag: Named::new("send", "lag"),
        }
    }

    /// A new stream, read by these.
    pub fn stream(&mut self, sender: usize, to: To, readers: impl Iterator<Item = usize>) -> usize {
        let stream = self.streams.len();
        let mut recipients = 0;
        for reader in readers {
            self.next[reader].push((stream as u32, 0));
            recipients += 1;
        }
        self.streams.push(Stream { sender, to, recipients, first: 0, open: VecDeque::new() });
        stream
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Who writes a stream.
    pub fn sender(&self, stream: usize) -> usize {
        self.streams[stream].sender
    }

    /// Sends the next text of a stream.
    pub fn send(&mut self, crew: &mut Crew, stream: usize, meant_ns: u64, sent_ns: u64) {
        let Stream { sender, to, recipients, first, ref mut open } = self.streams[stream];
        let number = first + open.len() as u64;
        open.push_back(Open { meant_ns, sent_ns, recipients, unanswered: self.answers });
        if self.answers {
            self.owed[sender].push_back((stream as u32, number));
        }
        if self.measuring && self.kind == Loop::Open {
            self.lag.latency.record(sent_ns.saturating_sub(meant_ns));
        }
        crew.send(sender, to, Stamp { stream: stream as u64, number });
    }

    /// The oldest send of a person was answered. Returns its stream if that send is over now.
    ///
    /// # Errors
    /// None is unanswered.
    pub fn answered(&mut self, who: usize, now_ns: u64) -> Result<Option<usize>, String> {
        let (stream, number) = self.owed[who].pop_front().ok_or("an answer came to no send")?;
        let stream = stream as usize;
        let first = self.streams[stream].first;
        let Some(open) = self.streams[stream].open.get_mut((number - first) as usize) else { return Ok(None) };
        open.unanswered = false;
        let (meant_ns, sent_ns, over) = (open.meant_ns, open.sent_ns, open.recipients == 0);
        if self.measuring {
            self.answer.latency.record(now_ns.saturating_sub(meant_ns));
            if self.kind == Loop::Open {
                self.answer_service.latency.record(now_ns.saturating_sub(sent_ns));
            }
        }
        Ok(over.then(|| self.over(stream)))
    }

    /// A person got a text. `None`: one that came twice, which was counted.
    ///
    /// # Errors
    /// It is none of this load's, or was not meant for them, or too much is missing.
    pub fn delivered(&mut self, who: usize, text: &[u8], now_ns: u64) -> Result<Option<Arrived>, String> {
        let stamp = Stamp::read(text).ok_or("a text without a stamp arrived")?;
        let stream = stamp.stream as usize;
        let known = self.next[who].iter_mut().find(|(known, _)| *known as usize == stream);
        let Some((_, next)) = known else { return Err(format!("person {who} got a text of stream {stream}")) };
        if stamp.number == *next {
            *next += 1;
        } else if stamp.number > *next {
            let skipped = *next..stamp.number;
            *next = stamp.number + 1;
            if self.missing.len() as u64 + (skipped.end - skipped.start) > MISSING as u64 {
                return Err(format!("more than {MISSING} messages are missing"));
            }
            self.missing.extend(skipped.map(|number| (who, stream, number)));
        } else if self.missing.remove(&(who, stream, stamp.number)) {
            self.counts.reordered += 1;
        } else {
            self.counts.duplicated += 1;
            return Ok(None);
        }
        self.counts.deliveries += 1;
        let place = stamp.number.checked_sub(self.streams[stream].first);
        let open = place.and_then(|place| self.streams[stream].open.get_mut(place as usize));
        let Some(open) = open else { return Err(format!("stream {stream} has sent no text {}", stamp.number)) };
        open.recipients = open.recipients.saturating_sub(1);
        let (meant_ns, sent_ns) = (open.meant_ns, open.sent_ns);
        let (everywhere, over) = (open.recipients == 0, open.recipients == 0 && !open.unanswered);
        let took_ns = now_ns.saturating_sub(meant_ns);
        if self.measuring {
            self.delivery.latency.record(took_ns);
            if self.kind == Loop::Open {
                self.delivery_service.latency.record(now_ns.saturating_sub(sent_ns));
            }
            if everywhere && self.streams[stream].recipients > 1 {
                self.last.latency.record(took_ns);
            }
        }
        if over {
            self.over(stream);
        }
        Ok(Some(Arrived { stream, took_ns, meant_ns, sent_ns, over }))
    }

    /// A send of this stream is over: those at the begin that are, are forgotten.
    fn over(&mut self, stream: usize) -> usize {
        self.counts.sends += 1;
        let Stream { open, first, .. } = &mut self.streams[stream];
        while open.front().is_some_and(|open| open.recipients == 0 && !open.unanswered) {
            open.pop_front();
            *first += 1;
        }
        stream
    }

    /// Whether latencies count.
    pub fn measure(&mut self, on: bool) {
        self.measuring = on;
    }

    /// Whether they do.
    pub fn measuring(&self) -> bool {
        self.measuring
    }

    /// What was counted so far; what has not arrived counts as lost.
    pub fn counts(&self) -> Checked {
        Checked { lost: self.missing().1, ..self.counts }
    }

    /// Sends that are not answered, and deliveries that are missing.
    fn missing(&self) -> (u64, u64) {
        let unanswered: usize = self.owed.iter().map(VecDeque::len).sum();
        let open = self.streams.iter().flat_map(|stream| &stream.open);
        (unanswered as u64, open.map(|open| u64::from(open.recipients)).sum())
    }

    /// Whether nothing that a person sent is lost if they are cut off now: it was answered or, where nothing is, has arrived.
    pub fn is_settled(&self, who: usize) -> bool {
        let is_over = |stream: &Stream| stream.sender != who || stream.open.is_empty();
        self.owed[who].is_empty() && (self.answers || self.streams.iter().all(is_over))
    }

    /// What has not arrived or was not answered, in words.
    pub fn missing_words(&self) -> Option<String> {
        let (unanswered, undelivered) = self.missing();
        (unanswered + undelivered > 0).then(|| format!("{unanswered} sends unanswered, {undelivered} undelivered"))
    }

    /// All latencies; those of which nothing was recorded too.
    pub fn latencies(&mut self) -> Vec<&mut Named> {
        vec![
            &mut self.delivery,
            &mut self.delivery_service,
            &mut self.answer,
            &mut self.answer_service,
            &mut self.last,
            &mut self.lag,
        ]
    }
}
