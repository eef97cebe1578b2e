//! What was sent, who has to get it, and what came of it: the check that each message arrives everywhere once and in order, and how long it took.

use std::collections::{BTreeSet, VecDeque};

use super::Clock;
use crate::crew::Crew;
use crate::latency::Named;
use crate::reports::count;
use crate::results::Checked;
use crate::stamp::Stamp;
use crate::system::To;

/// Sends of an open loop that go out before anything else is done: a schedule that cannot be kept must not keep the rest from its turn.
const AT_ONCE: u32 = 64;
/// Sends that may be under way in an open loop: a server that is further behind does not follow.
const UNDER_WAY: u64 = 1_000_000;
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
    /// It was meant while latencies were measured.
    pub counts: bool,
    /// Nobody else waits for it, and somebody else did.
    is_last: bool,
    /// Its send is over: it was answered, and everyone has it.
    pub over: bool,
}

/// When latencies are measured: what was meant in it counts, however late it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Interval {
    from_ns: Option<u64>,
    to_ns: Option<u64>,
}

impl Interval {
    fn holds(self, meant_ns: u64) -> bool {
        self.from_ns.is_some_and(|from_ns| meant_ns >= from_ns) && self.to_ns.is_none_or(|to_ns| meant_ns < to_ns)
    }
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
    interval: Interval,
    /// Sends that were handed over.
    sent: u64,
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
            interval: Interval::default(),
            sent: 0,
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
        self.sent += 1;
        if self.kind == Loop::Open && self.interval.holds(meant_ns) {
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
        if self.interval.holds(meant_ns) {
            self.answer.latency.record(now_ns.saturating_sub(meant_ns));
            if self.kind == Loop::Open {
                self.answer_service.latency.record(now_ns.saturating_sub(sent_ns));
            }
        }
        Ok(over.then(|| self.over(stream)))
    }

    /// A person got a text. `None`: one that came twice, which was counted. Its latency is not recorded yet.
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
        let is_last = everywhere && self.streams[stream].recipients > 1;
        let took_ns = now_ns.saturating_sub(meant_ns);
        if over {
            self.over(stream);
        }
        Ok(Some(Arrived { stream, took_ns, meant_ns, sent_ns, counts: self.interval.holds(meant_ns), is_last, over }))
    }

    /// Records how long a text took, if it counts.
    pub fn record(&mut self, arrived: &Arrived, now_ns: u64) {
        if !arrived.counts {
            return;
        }
        self.delivery.latency.record(arrived.took_ns);
        if self.kind == Loop::Open {
            self.delivery_service.latency.record(now_ns.saturating_sub(arrived.sent_ns));
        }
        if arrived.is_last {
            self.last.latency.record(arrived.took_ns);
        }
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

    /// From now on latencies count, or do not any more.
    pub fn measure(&mut self, on: bool, now_ns: u64) {
        if on {
            self.interval = Interval { from_ns: Some(now_ns), to_ns: None };
        } else {
            self.interval.to_ns = Some(now_ns);
        }
    }

    /// Whether what is meant then counts.
    pub fn measures(&self, meant_ns: u64) -> bool {
        self.interval.holds(meant_ns)
    }

    /// Sends that were handed over so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// An open loop: sends what a schedule says is due, each on the stream that its number is given, and tells when it was meant and sent. Returns
    /// when the next one is due. It goes on whatever comes back, but not for ever.
    ///
    /// # Errors
    /// A connection broke, or more is under way than anyone should remember.
    pub fn send_due(
        &mut self,
        crew: &mut Crew,
        clock: Clock,
        schedule: &mut Schedule,
        stream_of: impl Fn(u64) -> usize,
        mut sent: impl FnMut(u64, u64),
    ) -> Result<u64, String> {
        for _ in 0..AT_ONCE {
            let (meant_ns, number) = schedule.peek();
            let now_ns = clock.now_ns();
            if meant_ns > now_ns {
                return Ok(meant_ns);
            }
            let stream = stream_of(number);
            self.send(crew, stream, meant_ns, now_ns);
            schedule.advance();
            crew.flush(self.streams[stream].sender)?;
            sent(meant_ns, now_ns);
        }
        let under_way = self.sent - self.counts.sends;
        if under_way > UNDER_WAY {
            return Err(format!("{under_way} sends are under way: it does not follow"));
        }
        Ok(schedule.peek().0)
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
        (unanswered + undelivered > 0)
            .then(|| format!("{} unanswered, {undelivered} undelivered", count(unanswered, "send", "sends")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::tests::nobody_of;
    use crate::stamp::STAMP;

    /// Person 0 writes to the group of persons 1 and 2, and latencies count from the begin.
    fn group(answers: bool) -> (Flow, Crew) {
        let mut flow = Flow::new(3, answers, Loop::Open);
        flow.stream(0, To::Group(0), 1..3);
        flow.measure(true, 0);
        (flow, nobody_of(3))
    }

    fn text(number: u64) -> [u8; STAMP] {
        let mut text = [b'.'; STAMP];
        Stamp { stream: 0, number }.write(&mut text);
        text
    }

    fn count(flow: &mut Flow, of: &str, kind: &str) -> u64 {
        let all = flow.latencies();
        let named = all.into_iter().find(|named| named.of == of && named.kind == kind).unwrap();
        named.latency.total().len()
    }

    fn take(flow: &mut Flow, who: usize, number: u64, now_ns: u64) -> Option<Arrived> {
        let arrived = flow.delivered(who, &text(number), now_ns).unwrap();
        arrived.inspect(|arrived| flow.record(arrived, now_ns))
    }

    #[test]
    fn a_send_is_over_when_it_was_answered_and_everyone_has_it() {
        let (mut flow, mut crew) = group(true);
        flow.send(&mut crew, 0, 10, 20);
        assert!(!take(&mut flow, 1, 0, 100).unwrap().over);
        assert!(!take(&mut flow, 2, 0, 110).unwrap().over, "it was not answered");
        assert_eq!(flow.answered(0, 120).unwrap(), Some(0));
        assert_eq!(flow.counts(), Checked { sends: 1, deliveries: 2, ..Checked::default() });
        assert_eq!((count(&mut flow, "delivery", "response"), count(&mut flow, "last member", "response")), (2, 1));
        assert!(flow.answered(0, 130).is_err(), "an answer to no send");
        let (mut flow, mut crew) = group(false);
        flow.send(&mut crew, 0, 0, 0);
        take(&mut flow, 1, 0, 1);
        assert!(take(&mut flow, 2, 0, 1).unwrap().over, "where nothing is answered, everyone's having it is enough");
    }

    #[test]
    fn what_never_arrives_is_lost() {
        let (mut flow, mut crew) = group(true);
        (0..3).for_each(|_| flow.send(&mut crew, 0, 0, 0));
        take(&mut flow, 1, 0, 1);
        take(&mut flow, 1, 2, 1);
        assert_eq!(flow.counts().lost, 4);
        assert_eq!(flow.missing_words().as_deref(), Some("3 sends unanswered, 4 undelivered"));
    }

    #[test]
    fn what_comes_twice_or_late_is_counted() {
        let (mut flow, mut crew) = group(false);
        (0..3).for_each(|_| flow.send(&mut crew, 0, 0, 0));
        assert!(take(&mut flow, 1, 1, 1).is_some(), "one was skipped");
        assert!(take(&mut flow, 1, 0, 1).is_some(), "and comes late");
        assert!(take(&mut flow, 1, 0, 1).is_none(), "and comes twice");
        let Checked { deliveries, duplicated, reordered, .. } = flow.counts();
        assert_eq!((deliveries, duplicated, reordered), (2, 1, 1));
        // a message that is over and forgotten is known, too
        for number in 0..3 {
            take(&mut flow, 2, number, 1);
        }
        take(&mut flow, 1, 2, 1);
        assert!(take(&mut flow, 2, 0, 1).is_none());
        assert_eq!(
            flow.counts(),
            Checked { sends: 3, deliveries: 6, duplicated: 2, reordered: 1, ..Checked::default() }
        );
    }

    #[test]
    fn what_was_not_sent_to_someone_is_refused() {
        let (mut flow, mut crew) = group(false);
        flow.send(&mut crew, 0, 0, 0);
        assert!(flow.delivered(0, &text(0), 1).is_err(), "the sender is no reader");
        assert!(flow.delivered(1, &text(1), 1).is_err(), "it was never sent");
        assert!(flow.delivered(1, b"hello", 1).is_err(), "it has no stamp");
        assert!(flow.delivered(1, &text(1 << 40), 1).is_err(), "too much would be missing");
    }

    #[test]
    fn what_was_meant_while_it_was_measured_counts_however_late_it_comes() {
        let mut flow = Flow::new(2, false, Loop::Open);
        let mut crew = nobody_of(2);
        flow.stream(0, To::Person(1), std::iter::once(1));
        flow.send(&mut crew, 0, 90, 90);
        flow.measure(true, 100);
        flow.send(&mut crew, 0, 100, 150);
        flow.send(&mut crew, 0, 200, 200);
        flow.measure(false, 200);
        for number in 0..3 {
            take(&mut flow, 1, number, 5_000);
        }
        assert_eq!(count(&mut flow, "delivery", "response"), 1, "one before, one in it, one behind");
        let all = flow.latencies();
        let of =
            |kind| all.iter().find(|named| named.of != "answer" && named.kind == kind).unwrap().latency.total().max();
        let near = |ns: u64, us: u64| ns.abs_diff(us) <= us / 500;
        assert!(near(of("response"), 4_900) && near(of("service"), 4_850) && near(of("lag"), 50));
        assert_eq!(flow.sent(), 3);
    }

    #[test]
    fn a_window_is_shared_out_whole() {
        assert_eq!((0..3).map(|stream| Pace::share(8, stream, 3)).collect::<Vec<_>>(), [3, 3, 2]);
        assert_eq!((0..3).map(|stream| Pace::share(1, stream, 3)).sum::<u64>(), 1);
    }

    #[test]
    fn the_schedule_does_not_wait() {
        let mut schedule = Schedule::new(1000.0);
        schedule.advance();
        schedule.advance();
        assert_eq!(schedule.peek(), (2_000_000, 2));
    }
}
