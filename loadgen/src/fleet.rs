//! Everyone's connections on one thread: reads what comes, hands it to the workload, writes what that wants, and keeps the time.

mod stages;

use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use mio::{Events, Poll, Token};
use stages::{AFTERMATH, Sight, Stages};

use crate::crew::{Crew, Presence};
use crate::distance::Partner;
use crate::latency::Named;
use crate::measure::OnTime;
use crate::onlooker::Onlooker;
use crate::process::{self, Family};
use crate::reports::count;
use crate::results::{Checked, Distance, During};
use crate::system::{Book, Heard, Target};
use crate::watch::Watch;
use crate::workload::{Clock, Workload};

/// What one read takes.
const CHUNK: usize = 64 << 10;
/// A poll cannot time finer than this: what is due earlier is waited for by looking again and again.
const FINEST: Duration = Duration::from_millis(2);
/// The longest wait in a poll.
const LONGEST: Duration = Duration::from_millis(50);
/// How long what was sent may take to arrive after the load has stopped, and how long everyone may take to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Whatever is not acknowledged yet is acknowledged so often.
const ACK_EVERY: Duration = Duration::from_secs(5);
/// How many come at a time when nothing is measured: less than any server's backlog.
const AT_ONCE: usize = 100;
/// Intervals in which latencies are kept: so many over a run, none shorter than the second.
const INTERVALS: u32 = 60;
const SHORTEST: Duration = Duration::from_millis(50);

/// How often the progress bar is told: it reads the clock each time.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// What one poll brings.
const EVENTS: usize = 1024;
/// The same where some are read first: before each of the others those are looked after again.
const EVENTS_BETWEEN: usize = 64;

/// How long a load lasts, and how its thread waits.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub duration: Duration,
    /// Looks for news so long before it sleeps.
    pub spin: Duration,
    /// Up to where the load itself has to be on time.
    pub on_time: OnTime,
    /// The core of the server, if it is to be known how far that is apart from the load's.
    pub server_core: Option<usize>,
    /// Measuring begins when they are at most so many nanoseconds apart.
    pub at_most_ns: Option<f64>,
}

impl Timing {
    /// How long a load takes at least, from its begin until it stops.
    pub fn at_least(self) -> Duration {
        let around = if self.server_core.is_some() { 2 * AFTERMATH } else { Duration::ZERO };
        self.warm_up.saturating_add(self.duration).saturating_add(around)
    }
}

/// What a run came to.
pub struct Measured {
    /// When measuring began.
    pub measured_from: SystemTime,
    /// How long was measured.
    pub duration: Duration,
    /// Sends that were over and deliveries while measuring.
    pub counts: Checked,
    /// Sends that were handed over while measuring.
    pub sent: u64,
    /// Time while measuring in which there was nothing to read or to send; not known where some are read before the others.
    pub idle: Option<Duration>,
    /// Over the whole run.
    pub all: Checked,
    /// CPU time while measuring.
    pub cpu: process::Spent,
    /// CPU time of everyone else and of the kernel's threads, over the whole run.
    pub others: (Duration, Duration),
    /// How long the whole run took.
    pub whole: Duration,
    /// The server's memory at the end of measuring.
    pub memory: Option<process::Memory>,
    /// How far the cores were apart, while both had work.
    pub distance: Distance,
    /// The same while it was measured.
    pub during: During,
    /// How often somebody had to sync.
    pub syncs: u64,
    /// People who were connected at its end.
    pub present: u64,
    /// What was missing at the end, in words.
    pub missing: Option<String>,
}

/// Figures at the begin or end of what is measured.
struct Mark {
    at_ns: u64,
    time: SystemTime,
    counts: Checked,
    sent: u64,
    idle: Duration,
    cpu: process::Clocks,
}

/// All connections.
pub struct Fleet {
    poll: Poll,
    events: Option<Events>,
    /// Of those who are read first, and how many these are.
    first: Option<(Poll, Events)>,
    crew: Crew,
    buffer: Vec<u8>,
    /// Whose last read was a full one.
    unread: Vec<usize>,
    clock: Clock,
    /// The last look at the clock: what is only looked after now and then does without one of its own.
    now_ns: u64,
    quiet_since_ns: u64,
    /// Whether the last turn found nothing to read, and nothing was done since that look.
    was_quiet: bool,
    /// Time in which there was nothing to read or to send.
    idle: Duration,
}

impl Fleet {
    /// So many people, none of whom is connected. What comes for the first of them is read before anything else: they are on machines of their
    /// own, as it were, and do not wait while thousands of others are served.
    ///
    /// # Errors
    /// The system has no room for them.
    pub fn new(target: &Target, book: &dyn Book, people: usize, first: usize, payload: usize) -> Result<Self, String> {
        let open = || -> std::io::Result<(Poll, mio::Registry)> {
            let poll = Poll::new()?;
            let registry = poll.registry().try_clone()?;
            Ok((poll, registry))
        };
        let (poll, registry) = open().map_err(|error| error.to_string())?;
        let (first_poll, first_registry) = open().map_err(|error| error.to_string())?;
        let some = first > 0;
        Ok(Self {
            poll,
            events: Some(Events::with_capacity(if some { EVENTS_BETWEEN } else { EVENTS })),
            first: some.then(|| (first_poll, Events::with_capacity(EVENTS))),
            crew: Crew::new(target, registry, (first, first_registry), book, people, payload),
            buffer: Vec::new(),
            unread: Vec::new(),
            clock: Clock::start(),
            now_ns: 0,
            quiet_since_ns: 0,
            was_quiet: false,
            idle: Duration::ZERO,
        })
    }

    /// Connects people, a hundred at a time, and waits until all of them have signed in. What they are told of each other is for `workload`.
    ///
    /// # Errors
    /// Somebody is refused, or not answered.
    pub fn gather(&mut self, who: impl Iterator<Item = usize>, workload: &mut dyn Workload) -> Result<(), String> {
        let mut waiting: Vec<usize> = who.collect();
        waiting.reverse();
        let mut gathering = Gathering { coming: 0, came: 0, workload };
        let mut last = (Instant::now(), 0);
        while !waiting.is_empty() || gathering.coming > 0 {
            while gathering.coming < AT_ONCE
                && let Some(who) = waiting.pop()
            {
                self.crew.connect(who)?;
                gathering.coming += 1;
            }
            self.turn(&mut gathering, Duration::ZERO)?;
            if last.1 != gathering.came {
                last = (Instant::now(), gathering.came);
            }
            if last.0.elapsed() > PATIENCE {
                return Err(format!(
                    "{} came, and {} not answered",
                    gathering.came,
                    count(gathering.coming as u64, "is", "are")
                ));
            }
        }
        Ok(())
    }

    /// Runs a workload to its end: everything that was sent has arrived, or is lost.
    ///
    /// # Errors
    /// A connection broke, or something was refused, or whoever looks on ends it.
    pub fn run(
        &mut self,
        workload: &mut dyn Workload,
        timing: Timing,
        server: Option<&Family>,
        title: &str,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Measured, String> {
        let partner = timing.server_core.and_then(Partner::on);
        let look = || partner.as_ref().and_then(Partner::round_trip_ns);
        let watch = || timing.server_core.and_then(Watch::on);
        let sight = partner.is_some().then_some(Sight { look: &look, watch: &watch });
        self.run_seen_by(sight, workload, timing, server, title, onlooker)
    }

    /// The same, the cores seen by somebody else.
    fn run_seen_by(
        &mut self,
        sight: Option<Sight<'_>>,
        workload: &mut dyn Workload,
        timing: Timing,
        server: Option<&Family>,
        title: &str,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Measured, String> {
        let before = process::OtherClocks::read(server)?;
        let began = Instant::now();
        self.restart_clock();
        workload.begin(&mut self.crew, self.now_ns);
        let mut stages = Stages::new(timing, server, sight, onlooker, progress_bar(timing, title));
        let (mut acknowledged_ns, mut shown_ns) = (0, 0);
        while !stages.go_on(self, workload)? {
            if self.now_ns - acknowledged_ns >= ACK_EVERY.as_nanos() as u64 {
                acknowledged_ns = self.now_ns;
                self.crew.acknowledge();
            }
            self.turn(workload, timing.spin)?;
            if self.now_ns - shown_ns >= SHOWN_EVERY.as_nanos() as u64 {
                shown_ns = self.now_ns;
                stages.bar.set_position(shown_ns / 1_000_000);
            }
        }
        stages.bar.finish_and_clear();
        let Stages { from: Some(from), to: Some((to, memory)), distance, watch, .. } = stages else {
            return Err("nothing was measured".into());
        };
        Ok(Measured {
            measured_from: from.time,
            duration: Duration::from_nanos(to.at_ns - from.at_ns),
            counts: Checked {
                sends: to.counts.sends - from.counts.sends,
                deliveries: to.counts.deliveries - from.counts.deliveries,
                ..Checked::default()
            },
            sent: to.sent - from.sent,
            idle: self.first.is_none().then(|| to.idle - from.idle),
            all: workload.counts(),
            cpu: to.cpu.since(from.cpu),
            others: process::OtherClocks::read(server)?.since(before),
            whole: began.elapsed(),
            memory,
            distance,
            during: watch.map(Watch::end).unwrap_or_default(),
            syncs: self.crew.syncs(),
            present: self.crew.present() as u64,
            missing: workload.missing(),
        })
    }

    fn mark(&self, workload: &dyn Workload, server: Option<&Family>) -> Result<Mark, String> {
        Ok(Mark {
            at_ns: self.clock.now_ns(),
            time: SystemTime::now(),
            counts: workload.counts(),
            sent: workload.sent(),
            idle: self.idle,
            cpu: process::Clocks::read(server)?,
        })
    }

    fn restart_clock(&mut self) {
        (self.clock, self.now_ns, self.quiet_since_ns, self.was_quiet) = (Clock::start(), 0, 0, false);
    }

    /// Writes, waits, and reads once. The clock is read once before the poll, unless nothing was done since it was read last, and then behind each
    /// read of a socket, or else behind the poll: reading it costs as much as reading a frame.
    fn turn(&mut self, workload: &mut dyn Workload, spin: Duration) -> Result<(), String> {
        let due = workload.due(&mut self.crew, self.clock)?;
        let more = workload.turn(&mut self.crew, self.clock)?;
        self.was_quiet &= due.is_none() && !more && !self.crew.has_marked();
        self.crew.flush_marked()?;
        if !self.was_quiet {
            self.now_ns = self.clock.now_ns();
        }
        let asked_ns = self.now_ns;
        let wait = due.map_or(LONGEST, |due| Duration::from_nanos(due.saturating_sub(asked_ns)).min(LONGEST));
        // those who are read first would not wake it
        let hot = more
            || self.first.is_some()
            || !self.unread.is_empty()
            || wait < FINEST
            || Duration::from_nanos(asked_ns - self.quiet_since_ns) < spin;
        let timeout = if hot { Duration::ZERO } else { wait };
        // taken out, as reading needs all of the rest
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(EVENTS));
        if let Err(error) = self.poll.poll(&mut events, Some(timeout))
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.to_string());
        }
        self.was_quiet = events.is_empty() && self.unread.is_empty() && self.first.is_none();
        if events.is_empty() {
            self.now_ns = self.clock.now_ns();
        }
        if self.was_quiet {
            self.idle += Duration::from_nanos(self.now_ns - asked_ns);
        }
        for who in std::mem::take(&mut self.unread) {
            self.read(who, workload)?;
        }
        let mut next = due;
        for event in &events {
            self.read_first(workload)?;
            let Token(who) = event.token();
            self.read(who, workload)?;
            // an end that had come with what was read is told only once
            if event.is_read_closed() {
                self.unread.push(who);
            }
            if next.is_some_and(|next| next <= self.clock.now_ns()) {
                next = workload.due(&mut self.crew, self.clock)?;
            }
        }
        if !events.is_empty() {
            self.quiet_since_ns = self.now_ns;
        }
        self.events = Some(events);
        self.read_first(workload)
    }

    /// Reads what came for those who are read first.
    fn read_first(&mut self, workload: &mut dyn Workload) -> Result<(), String> {
        let Some((mut poll, mut events)) = self.first.take() else { return Ok(()) };
        if let Err(error) = poll.poll(&mut events, Some(Duration::ZERO))
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.to_string());
        }
        for event in &events {
            let Token(who) = event.token();
            self.read(who, workload)?;
            if event.is_read_closed() {
                self.unread.push(who);
            }
        }
        self.first = Some((poll, events));
        Ok(())
    }

    /// Reads what came for one person, and writes what that leads to with one call.
    fn read(&mut self, who: usize, workload: &mut dyn Workload) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let (end, more) = self.crew.read(who, &mut buffer, CHUNK)?;
        if more {
            self.unread.push(who);
        }
        let now_ns = self.clock.now_ns();
        self.now_ns = now_ns;
        let mut at = 0;
        while at < end {
            let person = self.crew.person(who);
            let Some((used, heard)) = person.dialect.hear(&buffer[at..end], &mut person.out)? else { break };
            at += used;
            let crew = &mut self.crew;
            match heard {
                Heard::Nothing => {}
                Heard::Text(text) => {
                    crew.check(who, &text)?;
                    workload.delivered(crew, who, &text, now_ns)?;
                }
                Heard::Answered => workload.answered(crew, who, now_ns)?,
                Heard::Texts(texts) => {
                    for text in &texts {
                        crew.check(who, text)?;
                        workload.delivered(crew, who, text, now_ns)?;
                    }
                    if !crew.person(who).dialect.is_behind() {
                        workload.caught_up(crew, who, now_ns)?;
                    }
                }
                Heard::Presence { who: contact, online } => workload.presence(who, contact, online)?,
                Heard::There { who: contacts, first } => workload.there(who, &contacts, first)?,
                Heard::Ready if crew.presence(who) == Presence::Ready => {
                    return Err(format!("person {who} was welcomed a second time on one connection"));
                }
                Heard::Ready => {
                    crew.person(who).presence = Presence::Ready;
                    workload.ready(crew, who, now_ns)?;
                    if !crew.person(who).dialect.is_behind() {
                        workload.caught_up(crew, who, now_ns)?;
                    }
                }
            }
            if self.crew.presence(who) == Presence::Away {
                break;
            }
        }
        if self.crew.presence(who) != Presence::Away {
            self.crew.keep(who, &buffer[at..end]);
        }
        self.buffer = buffer;
        self.crew.flush(who)
    }
}

/// Waits for everyone who comes before a load begins.
struct Gathering<'a> {
    coming: usize,
    came: usize,
    workload: &'a mut dyn Workload,
}

impl Workload for Gathering<'_> {
    fn begin(&mut self, _: &mut Crew, _: u64) {}

    fn ready(&mut self, _: &mut Crew, _: usize, _: u64) -> Result<(), String> {
        self.coming -= 1;
        self.came += 1;
        Ok(())
    }

    fn presence(&mut self, who: usize, contact: usize, online: bool) -> Result<(), String> {
        self.workload.presence(who, contact, online)
    }

    fn there(&mut self, who: usize, contacts: &[usize], first: bool) -> Result<(), String> {
        self.workload.there(who, contacts, first)
    }

    fn answered(&mut self, _: &mut Crew, who: usize, _: u64) -> Result<(), String> {
        Err(format!("person {who} sent nothing, and was answered"))
    }

    fn delivered(&mut self, _: &mut Crew, who: usize, _: &[u8], _: u64) -> Result<(), String> {
        Err(format!("nobody wrote to person {who}, who got a text"))
    }

    fn stop(&mut self) {}

    fn measure(&mut self, _: bool, _: u64) {}

    fn counts(&self) -> Checked {
        Checked::default()
    }

    fn missing(&self) -> Option<String> {
        None
    }

    fn latencies(&mut self) -> Vec<&mut Named> {
        Vec::new()
    }
}

fn cut_all(workload: &mut dyn Workload, at: Duration) {
    workload.latencies().into_iter().for_each(|named| named.latency.cut(at));
}

fn progress_bar(timing: Timing, title: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {eta} left");
    // hidden by itself where standard error is no terminal
    ProgressBar::new((timing.warm_up + timing.duration).as_millis() as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(title.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::crew::tests::nowhere;
    use crate::stamp::STAMP;
    use crate::system::{Book, Dialect, To};

    /// Frames of one byte: `R` welcomes, `2` answers two sends, and `t` is a text of that one byte.
    struct Terse(bool);

    impl Dialect for Terse {
        fn hello(&mut self, _: &mut Vec<u8>) {}

        fn send(&mut self, _: &mut Vec<u8>, _: To, _: &[u8]) {}

        fn hear<'a>(&mut self, bytes: &'a [u8], _: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
            Ok(Some(match bytes[0] {
                b'R' => (1, Heard::Ready),
                b'2' => {
                    self.0 = !self.0;
                    (usize::from(!self.0), Heard::Answered)
                }
                _ => (1, Heard::Text(bytes[..1].into())),
            }))
        }
    }

    impl Book for Terse {
        fn dialect(&self, _: usize) -> Box<dyn Dialect> {
            Box::new(Self(false))
        }
    }

    /// Counts welcomes and answers.
    #[derive(Default)]
    struct Tally(usize, usize);

    impl Workload for Tally {
        fn begin(&mut self, _: &mut Crew, _: u64) {}

        fn ready(&mut self, _: &mut Crew, _: usize, _: u64) -> Result<(), String> {
            self.0 += 1;
            Ok(())
        }

        fn answered(&mut self, _: &mut Crew, _: usize, _: u64) -> Result<(), String> {
            self.1 += 1;
            Ok(())
        }

        fn delivered(&mut self, _: &mut Crew, _: usize, _: &[u8], _: u64) -> Result<(), String> {
            Ok(())
        }

        fn stop(&mut self) {}

        fn measure(&mut self, _: bool, _: u64) {}

        fn counts(&self) -> Checked {
            Checked::default()
        }

        fn missing(&self) -> Option<String> {
            None
        }

        fn latencies(&mut self) -> Vec<&mut Named> {
            Vec::new()
        }
    }

    /// What one person makes of what a server says, up to the first fault or its end.
    fn heard(said: &[u8]) -> (usize, usize, String) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target { address: server.local_addr().unwrap(), ..nowhere() };
        let mut fleet = Fleet::new(&target, &Terse(false), 1, 0, STAMP).unwrap();
        fleet.crew.connect(0).unwrap();
        server.accept().unwrap().0.write_all(said).unwrap();
        let mut tally = Tally::default();
        loop {
            if let Err(why) = fleet.turn(&mut tally, Duration::ZERO) {
                return (tally.0, tally.1, why);
            }
        }
    }

    #[test]
    fn one_frame_may_answer_several_sends() {
        let (welcomes, answers, why) = heard(b"R22");
        assert_eq!((welcomes, answers), (1, 4));
        assert!(why.ends_with("closed the connection"), "{why}");
    }

    /// The story: whoever wrote a dialect said so for each subscription that was confirmed, and of 20 people 18446744073709551608 were not answered.
    #[test]
    fn nobody_is_welcomed_twice() {
        let (welcomes, _, why) = heard(b"RR");
        assert_eq!((welcomes, &*why), (1, "person 0 was welcomed a second time on one connection"));
    }

    #[test]
    fn what_arrives_is_compared_with_what_was_written() {
        let (_, _, why) = heard(b"Rt");
        assert_eq!(why, "person 0 got a text of 1 bytes, and 16 were written");
    }
}
