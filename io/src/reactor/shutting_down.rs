//! Shutdown: this end of the handshake.
//!
//! ```text
//!  RUNNING ──asked──▶ STOPPING ──all is published──▶ DRAINING ──journal done, ring empty──▶ SAYING ──all read it──▶ FINISHED
//!                     no accepting, no reading       output goes on                         bye     or time is up
//! ```

use ringdove_core::wire::Code;

use super::Edge;
use crate::clock::Tick;

/// How long all connections together may take to read their bye, in milliseconds.
const FAREWELL_MS: u64 = 500;
/// Connections that may come back in one second after a restart.
const RETURNING: u64 = 5_000;

/// How far the shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody has asked.
    Running,
    /// Nothing new is taken; what was taken is being published.
    Stopping,
    /// The engine and the journal are ending.
    Draining,
    /// Byes are on their way, until this tick at the latest.
    Saying(Tick),
    /// All sockets are closed.
    Finished,
}

impl Edge {
    /// Does what the phase asks for. `quiet`: nothing came from the commit ring in this turn.
    pub(super) fn run_phase(&mut self, quiet: bool) -> usize {
        match self.phase {
            Phase::Running if self.shutdown.is_asked() => {
                self.accepting.doors = None;
                self.accepting.tcp_waits = false;
                self.accepting.admin_waits = false;
                self.phase = Phase::Stopping;
                1
            }
            Phase::Running => self.accept() + self.read_ready(),
            Phase::Stopping if self.inlet.is_clear() => {
                self.shutdown.reactor_done();
                self.engine.ring();
                self.phase = Phase::Draining;
                1
            }
            Phase::Draining if quiet && self.shutdown.is_journal_done() => {
                self.say_goodbye();
                self.phase = Phase::Saying(self.clock.tick().after(FAREWELL_MS));
                1
            }
            Phase::Saying(until) => self.see_off(until),
            Phase::Stopping | Phase::Draining | Phase::Finished => 0,
        }
    }

    /// Says bye to everyone, with times to come back that are spread so that not all come at once.
    fn say_goodbye(&mut self) {
        let spread_ms = (self.admission.open() as u64 * 1_000 / RETURNING).max(1_000);
        let keys: Vec<u32> = self.connections.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            // any spread will do: a multiplicative hash of the place
            let share = u64::from(key.wrapping_add(1).wrapping_mul(0x9E37_79B9) >> 16);
            self.bye(key, Code::GoingAway, (1 + spread_ms * share / 65_536) as u32);
        }
        self.inlet.give_up();
    }

    /// Reads what comes and throws it away, so that no close destroys a bye on its way; closes all when time is up.
    fn see_off(&mut self, until: Tick) -> usize {
        let work = self.read_ready();
        if self.clock.tick() >= until {
            let keys: Vec<u32> = self.connections.iter().map(|(key, _)| key as u32).collect();
            for key in keys {
                self.drop_connection(key);
            }
            self.inlet.give_up();
        }
        if self.connections.is_empty() {
            self.phase = Phase::Finished;
            return work + 1;
        }
        work
    }
}
