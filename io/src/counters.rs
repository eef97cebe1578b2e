//! Everything that the edge counts, in one place.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident => $label:literal,)+) => {
        /// Everything that a reactor counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Counter { $($(#[doc = $help])+ $name,)+ }

        impl Counter {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The counter's name in metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }

            /// What it counts.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => concat!($($help),+)),+ }
            }
        }
    };
}

counters! {
    /// Sockets accepted.
    Accepted => "connections_accepted",
    /// Sockets closed at once: too many connections, in all or from one address.
    TurnedAway => "connections_turned_away",
    /// Failures to accept a socket, such as no file descriptor left.
    AcceptFailed => "accepts_failed",
    /// Connections closed, by whomever.
    Closed => "connections_closed",
    /// Connections closed without a bye because their dialect could not be told.
    UnknownDialect => "connections_unknown_dialect",
    /// Byes sent.
    Byes => "byes_sent",
    /// Frames read.
    FramesIn => "frames_in",
    /// Bytes read.
    BytesIn => "bytes_in",
    /// Bytes written.
    BytesOut => "bytes_out",
    /// System calls that wrote.
    Writes => "writes",
    /// System calls that read.
    Reads => "reads",
    /// Commands published to the inbound ring; sends that go together are one.
    Commands => "commands",
    /// Times that the inbound ring was full.
    RingFull => "inbound_ring_full",
    /// Pushes written.
    Pushes => "pushes",
    /// Pushes left out because the connection is behind or wants notices only.
    PushesLeftOut => "pushes_left_out",
    /// Signals written.
    Signals => "signals",
    /// Signals left out because the connection had no room for them.
    SignalsDropped => "signals_dropped",
    /// Notices written.
    Notices => "notices",
    /// Connections that fell behind because they read too slowly.
    FellBehind => "connections_fell_behind",
    /// Output for a connection that is no longer there.
    Stale => "output_stale",
    /// Pages of missed entries written.
    Pages => "pages",
    /// Signed in.
    Welcomes => "welcomes",
    /// Hellos refused.
    HellosRefused => "hellos_refused",
    /// Requests refused by the reactor itself: limits, rates, order, what is not served.
    Refused => "requests_refused",
    /// Requests refused that wanted no answer.
    RefusedSilently => "requests_refused_unanswered",
    /// Acknowledgements of versions that the inbox has not reached.
    FutureAcks => "acks_from_the_future",
}

const COUNT: usize = Counter::ALL.len();

/// One reactor's counters. Only the reactor itself counts; anyone may read.
#[derive(Debug)]
pub struct Counters {
    values: [AtomicU64; COUNT],
}

impl Default for Counters {
    fn default() -> Self {
        Self { values: [const { AtomicU64::new(0) }; COUNT] }
    }
}

impl Counters {
    /// How many.
    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize].load(Ordering::Relaxed)
    }

    /// One writer only: a load and a store cost a tenth of an atomic addition.
    pub(crate) fn add(&self, counter: Counter, count: u64) {
        let value = &self.values[counter as usize];
        value.store(value.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_explained() {
        let mut names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COUNT);
        assert!(Counter::ALL.iter().all(|counter| counter.help().trim().ends_with('.')));
    }
}
