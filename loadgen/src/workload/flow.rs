//! What one device sent and got: the check that each message arrives once and in order.

use std::collections::VecDeque;

use crate::client::Client;
use crate::stamp::Stamp;
use crate::wire::To;

/// How much is sent when.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many unanswered sends at a time, over all senders.
    Window(u64),
    /// So many sends a second, over all senders, whatever the answers do.
    Rate(f64),
}

impl Pace {
    /// A sender's share of a window, at least 1, and the first ones take the rest.
    pub fn share(window: u64, sender: usize, senders: usize) -> u64 {
        let senders = senders as u64;
        (window / senders + u64::from((sender as u64) < window % senders)).max(1)
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

/// One sender's messages.
#[derive(Debug, Default)]
pub struct Sender {
    /// How many were sent.
    pub sent: u64,
    /// Those that wait for their answers: the request's number, and when they were meant.
    waiting: VecDeque<(u32, u64)>,
}

impl Sender {
    /// Sends the next one.
    pub fn send(&mut self, client: &mut Client, to: To, meant_ns: u64) {
        let id = client.send(to, Stamp { number: self.sent, meant_ns });
        self.sent += 1;
        self.waiting.push_back((id, meant_ns));
    }

    /// An answer came: how long it took from when the send was meant.
    ///
    /// # Errors
    /// It answers something else than the oldest send that waits.
    pub fn answered(&mut self, id: u32, now_ns: u64) -> Result<u64, String> {
        match self.waiting.pop_front() {
            Some((expected, meant_ns)) if expected == id => Ok(now_ns.saturating_sub(meant_ns)),
            other => Err(format!("request {id} was answered while {other:?} was the oldest")),
        }
    }

    /// Sends that wait for their answers.
    pub fn unanswered(&self) -> u64 {
        self.waiting.len() as u64
    }
}

/// Takes the next text of one sender at one receiver, of whom `got` were taken before.
///
/// # Errors
/// It is another one than the next: something was lost, came twice, or out of order.
pub fn take_next(got: &mut u64, text: &[u8]) -> Result<Stamp, String> {
    let stamp = Stamp::read(text).ok_or("a text without a stamp arrived")?;
    if stamp.number != *got {
        let what = if stamp.number < *got { "twice or late" } else { "too early: one before it is lost or late" };
        return Err(format!("message {} arrived {what}; {got} was expected", stamp.number));
    }
    *got += 1;
    Ok(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_message_is_taken() {
        let text = |number| {
            let mut text = vec![0; 16];
            Stamp { number, meant_ns: 0 }.write(&mut text);
            text
        };
        let mut got = 0;
        take_next(&mut got, &text(0)).unwrap();
        assert!(take_next(&mut got, &text(0)).unwrap_err().contains("twice"));
        assert!(take_next(&mut got, &text(2)).unwrap_err().contains("too early"));
        take_next(&mut got, &text(1)).unwrap();
        assert!(take_next(&mut got, b"hello").is_err());
    }

    #[test]
    fn a_window_is_shared_out_whole() {
        assert_eq!((0..3).map(|sender| Pace::share(8, sender, 3)).collect::<Vec<_>>(), [3, 3, 2]);
        assert_eq!(Pace::share(1, 2, 3), 1);
    }

    #[test]
    fn the_schedule_does_not_wait() {
        let mut schedule = Schedule::new(1000.0);
        schedule.advance();
        schedule.advance();
        assert_eq!(schedule.peek(), (2_000_000, 2));
    }
}
