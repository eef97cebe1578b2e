//! All devices of a load on one thread: reads what comes, hands it to the workload, writes what that wants, and keeps the time.

use std::io;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mio::{Events, Interest, Poll, Token};

use crate::client::{Client, SignedIn};
use crate::process;
use crate::report::Counts;
use crate::wire::v1::server_frame::Body;
use crate::wire::{Entry, Heard, heard, split};

/// What one read takes.
const CHUNK: usize = 64 << 10;
/// A poll cannot time finer than this: what is due earlier is waited for by looking again and again.
const FINEST: Duration = Duration::from_millis(2);
/// The longest wait in a poll.
const LONGEST: Duration = Duration::from_millis(50);
/// How long what was sent may take to arrive after the load has stopped.
const PATIENCE: Duration = Duration::from_secs(20);
/// Whatever is not acknowledged yet is acknowledged so often.
const ACK_EVERY: Duration = Duration::from_secs(5);

/// What a device heard, and what the workload does with it.
pub trait Workload {
    /// The load begins: the first sends of a closed loop.
    fn begin(&mut self, clients: &mut [Client]);
    /// Sends what is due by now (open loop); returns when the next one is due.
    fn send_due(&mut self, clients: &mut [Client], dirty: &mut Vec<usize>, now_ns: u64) -> Option<u64>;
    /// A send of `who` was answered.
    fn answered(&mut self, clients: &mut [Client], who: usize, id: u32, now_ns: u64) -> Result<(), String>;
    /// `who` got a text.
    fn delivered(&mut self, clients: &mut [Client], who: usize, entry: &Entry<'_>, now_ns: u64) -> Result<(), String>;
    /// From now on nothing new is sent.
    fn stop(&mut self);
    /// Whether latencies count.
    fn measure(&mut self, on: bool);
    /// What was counted so far.
    fn counts(&self) -> Counts;
    /// What is missing, in words; `None`: every message has arrived everywhere, and every send was answered.
    fn missing(&self) -> Option<String>;
}

/// How long a load lasts, and how its thread waits.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub duration: Duration,
    /// Looks for news so long before it sleeps.
    pub spin: Duration,
}

/// What a run came to.
pub struct Run {
    /// How long was measured.
    pub measured: Duration,
    /// Counted while measuring.
    pub counts: Counts,
    /// Counted over the whole run.
    pub all: Counts,
    /// The server's CPU time while measuring.
    pub server_cpu: Option<Duration>,
    /// Our own.
    pub own_cpu: Option<Duration>,
    /// How often a device had to sync.
    pub syncs: u64,
}

/// Figures at the begin or end of what is measured.
struct Mark {
    at: Instant,
    counts: Counts,
    server_cpu: Option<Duration>,
    own_cpu: Option<Duration>,
}

/// All devices.
pub struct Fleet {
    poll: Poll,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    /// Devices with something to write that nothing was heard from.
    dirty: Vec<usize>,
    /// Devices whose last read was a full one.
    unread: Vec<usize>,
    began: Instant,
}

impl Fleet {
    /// Takes the devices over.
    ///
    /// # Errors
    /// The system has no room for them.
    pub fn new(signed_in: Vec<SignedIn>, payload: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(signed_in.len());
        for (place, signed_in) in signed_in.into_iter().enumerate() {
            let mut client = signed_in.into_client(payload)?;
            poll.registry().register(&mut client.socket, Token(place), Interest::READABLE | Interest::WRITABLE)?;
            clients.push(client);
        }
        let unread = (0..clients.len()).collect();
        Ok(Self { poll, clients, buffer: Vec::new(), dirty: Vec::new(), unread, began: Instant::now() })
    }

    /// Runs a workload to its end: everything that was sent has arrived.
    ///
    /// # Errors
    /// Something was lost, came twice or out of order, or was refused.
    pub fn run(
        &mut self,
        workload: &mut impl Workload,
        timing: Timing,
        server: Option<u32>,
        title: &str,
    ) -> Result<Run, String> {
        let mut events = Events::with_capacity(1024);
        let bar = progress_bar(timing, title);
        self.began = Instant::now();
        workload.begin(&mut self.clients);
        self.dirty.extend(0..self.clients.len());
        let (mut from, mut to) = (None, None);
        let mut acknowledged = Instant::now();
        let mut quiet_since = Instant::now();
        loop {
            let elapsed = self.began.elapsed();
            if from.is_none() && elapsed >= timing.warm_up {
                from = Some(mark(workload, server)?);
                workload.measure(true);
            }
            if to.is_none() && elapsed >= timing.warm_up + timing.duration {
                to = Some(mark(workload, server)?);
                workload.measure(false);
                workload.stop();
            }
            if to.is_some() {
                let missing = workload.missing();
                match missing {
                    None => break,
                    Some(missing) if elapsed > timing.warm_up + timing.duration + PATIENCE => {
                        return Err(format!("lost: {missing}"));
                    }
                    Some(_) => {}
                }
            }
            if acknowledged.elapsed() >= ACK_EVERY {
                acknowledged = Instant::now();
                self.clients.iter_mut().for_each(|client| client.acknowledge(1));
                self.dirty.extend(0..self.clients.len());
            }
            let now_ns = self.now_ns();
            let due = workload.send_due(&mut self.clients, &mut self.dirty, now_ns);
            self.flush()?;
            let wait = due.map_or(LONGEST, |due| Duration::from_nanos(due.saturating_sub(self.now_ns())).min(LONGEST));
            let hot = !self.unread.is_empty() || wait < FINEST || quiet_since.elapsed() < timing.spin;
            let timeout = if hot { Duration::ZERO } else { wait };
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error.to_string());
            }
            if !events.is_empty() {
                quiet_since = Instant::now();
            }
            for who in std::mem::take(&mut self.unread) {
                self.read(who, workload)?;
            }
            for event in &events {
                self.read(event.token().0, workload)?;
            }
            if !timing.duration.is_zero() {
                bar.set_position(elapsed.as_millis() as u64);
            }
        }
        bar.finish_and_clear();
        let (Some(from), Some(to)) = (from, to) else { return Err("nothing was measured".into()) };
        let spent = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
        Ok(Run {
            measured: to.at - from.at,
            counts: Counts {
                sends: to.counts.sends - from.counts.sends,
                deliveries: to.counts.deliveries - from.counts.deliveries,
            },
            all: workload.counts(),
            server_cpu: spent(from.server_cpu, to.server_cpu),
            own_cpu: spent(from.own_cpu, to.own_cpu),
            syncs: self.clients.iter().map(|client| client.syncs).sum(),
        })
    }

    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn flush(&mut self) -> Result<(), String> {
        for who in self.dirty.drain(..) {
            self.clients[who].flush()?;
        }
        Ok(())
    }

    /// Reads what came for one device, and writes what that leads to with one call.
    fn read(&mut self, who: usize, workload: &mut impl Workload) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let (end, more) = self.clients[who].read(&mut buffer, CHUNK)?;
        if more {
            self.unread.push(who);
        }
        let now_ns = self.now_ns();
        let mut at = 0;
        while let Some((frame, used)) = split(&buffer[at..end]) {
            self.hear(who, heard(frame)?, workload, now_ns)?;
            at += used;
        }
        self.clients[who].keep(&buffer[at..end]);
        self.buffer = buffer;
        self.clients[who].flush()
    }

    fn hear(&mut self, who: usize, heard: Heard<'_>, workload: &mut impl Workload, now_ns: u64) -> Result<(), String> {
        let clients = &mut self.clients;
        let frame = match heard {
            Heard::Entry { id: 0, entry } => {
                if entry.version <= clients[who].version {
                    // a client would let it pass; but it was told, so it must not be told again
                    return Err(format!("version {} of device {who} was pushed twice, or late", entry.version));
                }
                if clients[who].is_next(entry.version) {
                    workload.delivered(clients, who, &entry, now_ns)?;
                }
                return Ok(());
            }
            Heard::Entry { id, entry } => {
                clients[who].is_next(entry.version);
                return workload.answered(clients, who, id, now_ns);
            }
            Heard::Other(frame) => frame,
        };
        match frame.body {
            Some(Body::Notice(notice)) => {
                if notice.version > clients[who].version {
                    clients[who].sync();
                }
                Ok(())
            }
            Some(Body::Entries(entries)) if entries.gap => {
                Err("an inbox's window has passed its reader: the load is more than it can follow".into())
            }
            Some(Body::Entries(entries)) => {
                let mut version = 0;
                for entry in &entries.list {
                    version = if entry.version > 0 { entry.version } else { version + 1 };
                    if clients[who].is_next(version) && entry.from != 0 && entry.from != clients[who].user {
                        let text = entry.text.as_bytes();
                        workload.delivered(
                            clients,
                            who,
                            &Entry { version, from: entry.from, group: 0, text },
                            now_ns,
                        )?;
                    }
                }
                clients[who].synced(entries.more);
                Ok(())
            }
            Some(Body::Refusal(refusal) | Body::Bye(refusal)) => {
                Err(format!("refused with {} {}: {}", refusal.code, refusal.name, refusal.text))
            }
            _ => Ok(()),
        }
    }
}

fn mark(workload: &impl Workload, server: Option<u32>) -> Result<Mark, String> {
    Ok(Mark {
        at: Instant::now(),
        counts: workload.counts(),
        server_cpu: server.map(process::cpu).transpose()?,
        own_cpu: Some(process::cpu(std::process::id())?),
    })
}

fn progress_bar(timing: Timing, title: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {eta} left");
    // hidden by itself where standard error is no terminal
    ProgressBar::new((timing.warm_up + timing.duration).as_millis() as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(title.to_owned())
}
