//! Groups: the first member of each writes to all others.

use super::flow::{Pace, Schedule, Sender, take_next};
use crate::client::Client;
use crate::fleet::Workload;
use crate::report::{Counts, Latency};
use crate::wire::{Entry, To};

/// Devices g * members .. (g + 1) * members are group g.
pub struct Fanout {
    members: usize,
    groups: Vec<u64>,
    pace: Pace,
    schedule: Schedule,
    senders: Vec<Sender>,
    got: Vec<u64>,
    counts: Counts,
    stopped: bool,
    measuring: bool,
    delivery: Latency,
    answer: Latency,
}

impl Fanout {
    /// Groups of so many members each, the sender among them.
    pub fn new(groups: Vec<u64>, members: usize, pace: Pace) -> Self {
        let rate = if let Pace::Rate(rate) = pace { rate } else { 1.0 };
        Self {
            members,
            pace,
            schedule: Schedule::new(rate),
            senders: groups.iter().map(|_| Sender::default()).collect(),
            got: vec![0; groups.len() * members],
            groups,
            counts: Counts::default(),
            stopped: false,
            measuring: false,
            delivery: Latency::new(),
            answer: Latency::new(),
        }
    }

    fn send(&mut self, clients: &mut [Client], group: usize, meant_ns: u64) {
        let to = To::Group(self.groups[group]);
        self.senders[group].send(&mut clients[group * self.members], to, meant_ns);
    }

    /// What was measured, by name.
    pub fn latencies(self) -> Vec<(&'static str, Latency)> {
        vec![("delivery", self.delivery), ("answer", self.answer)]
    }
}

impl Workload for Fanout {
    fn begin(&mut self, clients: &mut [Client]) {
        let Pace::Window(window) = self.pace else { return };
        let groups = self.groups.len();
        for group in 0..groups {
            (0..Pace::share(window, group, groups)).for_each(|_| self.send(clients, group, 0));
        }
    }

    fn send_due(&mut self, clients: &mut [Client], dirty: &mut Vec<usize>, now_ns: u64) -> Option<u64> {
        let Pace::Rate(_) = self.pace else { return None };
        while !self.stopped {
            let (meant_ns, number) = self.schedule.peek();
            if meant_ns > now_ns {
                return Some(meant_ns);
            }
            let group = number as usize % self.groups.len();
            self.send(clients, group, meant_ns);
            self.schedule.advance();
            dirty.push(group * self.members);
        }
        None
    }

    fn answered(&mut self, clients: &mut [Client], who: usize, id: u32, now_ns: u64) -> Result<(), String> {
        let group = who / self.members;
        let took_ns = self.senders[group].answered(id, now_ns)?;
        self.counts.sends += 1;
        if self.measuring {
            self.answer.record(took_ns);
        }
        if let Pace::Window(_) = self.pace
            && !self.stopped
        {
            self.send(clients, group, now_ns);
        }
        Ok(())
    }

    fn delivered(&mut self, _: &mut [Client], who: usize, entry: &Entry<'_>, now_ns: u64) -> Result<(), String> {
        if entry.text.is_empty() {
            // that the group was made
            return Ok(());
        }
        let stamp = take_next(&mut self.got[who], entry.text)?;
        self.counts.deliveries += 1;
        if self.measuring {
            self.delivery.record(now_ns.saturating_sub(stamp.meant_ns));
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn measure(&mut self, on: bool) {
        self.measuring = on;
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn missing(&self) -> Option<String> {
        let unanswered: u64 = self.senders.iter().map(Sender::unanswered).sum();
        let missing = |(who, got): (usize, &u64)| match who % self.members {
            0 => 0,
            _ => self.senders[who / self.members].sent - got,
        };
        let undelivered: u64 = self.got.iter().enumerate().map(missing).sum();
        (unanswered + undelivered > 0).then(|| format!("{unanswered} sends unanswered, {undelivered} undelivered"))
    }
}
