//! Pairs of users: A writes to B. Round trip (B answers on delivery), a window, or a rate.

use super::flow::{Pace, Schedule, Sender, take_next};
use crate::client::Client;
use crate::fleet::Workload;
use crate::report::{Counts, Latency};
use crate::wire::{Entry, To};

/// Devices 2n and 2n + 1 are a pair.
pub struct Pair {
    pace: Option<Pace>,
    schedule: Schedule,
    senders: Vec<Sender>,
    /// Texts that each device got.
    got: Vec<u64>,
    counts: Counts,
    stopped: bool,
    measuring: bool,
    round_trip: Latency,
    delivery: Latency,
    answer: Latency,
}

impl Pair {
    /// So many pairs. Without a pace: one message in flight for each pair, B answers it, and A then sends the next.
    pub fn new(pairs: usize, pace: Option<Pace>) -> Self {
        let rate = if let Some(Pace::Rate(rate)) = pace { rate } else { 1.0 };
        Self {
            pace,
            schedule: Schedule::new(rate),
            senders: (0..2 * pairs).map(|_| Sender::default()).collect(),
            got: vec![0; 2 * pairs],
            counts: Counts::default(),
            stopped: false,
            measuring: false,
            round_trip: Latency::new(),
            delivery: Latency::new(),
            answer: Latency::new(),
        }
    }

    fn send(&mut self, clients: &mut [Client], who: usize, meant_ns: u64) {
        let to = To::User(clients[who ^ 1].user);
        self.senders[who].send(&mut clients[who], to, meant_ns);
    }

    /// What was measured, by name.
    pub fn latencies(self) -> Vec<(&'static str, Latency)> {
        match self.pace {
            None => vec![("round trip", self.round_trip), ("delivery", self.delivery), ("answer", self.answer)],
            Some(_) => vec![("delivery", self.delivery), ("answer", self.answer)],
        }
    }
}

impl Workload for Pair {
    fn begin(&mut self, clients: &mut [Client]) {
        let pairs = clients.len() / 2;
        for pair in 0..pairs {
            let first = match self.pace {
                None => 1,
                Some(Pace::Window(window)) => Pace::share(window, pair, pairs),
                Some(Pace::Rate(_)) => 0,
            };
            (0..first).for_each(|_| self.send(clients, 2 * pair, 0));
        }
    }

    fn send_due(&mut self, clients: &mut [Client], dirty: &mut Vec<usize>, now_ns: u64) -> Option<u64> {
        let Some(Pace::Rate(_)) = self.pace else { return None };
        while !self.stopped {
            let (meant_ns, number) = self.schedule.peek();
            if meant_ns > now_ns {
                return Some(meant_ns);
            }
            let who = 2 * (number as usize % (clients.len() / 2));
            self.send(clients, who, meant_ns);
            self.schedule.advance();
            if dirty.last() != Some(&who) {
                dirty.push(who);
            }
        }
        None
    }

    fn answered(&mut self, clients: &mut [Client], who: usize, id: u32, now_ns: u64) -> Result<(), String> {
        let took_ns = self.senders[who].answered(id, now_ns)?;
        self.counts.sends += 1;
        if self.measuring {
            self.answer.record(took_ns);
        }
        if let Some(Pace::Window(_)) = self.pace
            && !self.stopped
        {
            self.send(clients, who, now_ns);
        }
        Ok(())
    }

    fn delivered(&mut self, clients: &mut [Client], who: usize, entry: &Entry<'_>, now_ns: u64) -> Result<(), String> {
        let stamp = take_next(&mut self.got[who], entry.text)?;
        self.counts.deliveries += 1;
        let took_ns = now_ns.saturating_sub(stamp.meant_ns);
        if self.pace.is_none() && who.is_multiple_of(2) {
            if self.measuring {
                self.round_trip.record(took_ns);
            }
            if !self.stopped {
                self.send(clients, who, now_ns);
            }
            return Ok(());
        }
        if self.measuring {
            self.delivery.record(took_ns);
        }
        if self.pace.is_none() {
            self.send(clients, who, stamp.meant_ns);
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
        let undelivered: u64 = (0..self.got.len()).map(|who| self.senders[who ^ 1].sent - self.got[who]).sum();
        (unanswered + undelivered > 0).then(|| format!("{unanswered} sends unanswered, {undelivered} undelivered"))
    }
}
