//! Deadlines: what has to happen to a connection when nothing else does.

use ringdove_core::rings::Command;
use ringdove_core::wire::Code;

use super::Edge;
use super::shutting_down::Phase;
use crate::clock::Tick;
use crate::config::NOTICE_MS;
use crate::connection::{Connection, Stage};
use crate::deadlines::Deadline;
use crate::dialect::Dialect;

/// A connection whose deadline stands still is looked at again after so many milliseconds.
const LOOK_AGAIN_MS: u64 = 1_000;

impl Edge {
    /// Sees to everything that is due. Returns how much that was.
    pub(super) fn turn_wheel(&mut self) -> usize {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.turn(self.clock.tick(), &mut due);
        let count = due.len();
        for deadline in due.drain(..) {
            self.fire(deadline);
        }
        self.due = due;
        count
    }

    /// Whether this reactor tells the engine that time passes: the engine wants to know it, and one reactor is enough.
    pub(super) fn ticks_engine(&self) -> bool {
        self.index == 0 && self.phase == Phase::Running && self.progress.ticks_wanted()
    }

    /// Tells the engine that time has passed.
    pub(super) fn tick_engine(&mut self) {
        let now = self.clock.tick();
        // a full ring is no loss: the next turn tries again
        if now != self.ticked && self.ticks_engine() && self.publish_tick() {
            self.ticked = now;
        }
    }

    /// Makes sure that the wheel knows the connection's next deadline.
    pub(super) fn arm(&mut self, key: u32) {
        let ack_alone_ms = self.config.ack_alone_ms;
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let tick = next(connection, now, ack_alone_ms);
        if connection.armed == Tick(0) || tick < connection.armed {
            connection.armed = tick.max(now.after(1));
            let deadline = Deadline { key, generation: connection.generation, tick: connection.armed };
            self.wheel.put(deadline);
        }
    }

    fn fire(&mut self, deadline: Deadline) {
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(deadline.key as usize) else { return };
        if connection.generation != deadline.generation || connection.armed != deadline.tick {
            return;
        }
        connection.armed = Tick(0);
        self.fire_end(deadline.key, now);
        self.fire_notice(deadline.key, now);
        self.fire_ack(deadline.key, now);
        self.arm(deadline.key);
    }

    fn fire_end(&mut self, key: u32, now: Tick) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        match connection.stage {
            Stage::New | Stage::Greeting if now >= connection.patience && !waits_for_us(connection) => {
                if connection.dialect == Dialect::Unknown {
                    return self.drop_unknown(key);
                }
                self.bye(key, Code::HelloTimeout, 0);
            }
            Stage::Live | Stage::Behind if now >= silent_until(connection) && !waits_for_us(connection) => {
                self.bye(key, Code::Idle, 0);
            }
            Stage::Parting | Stage::Lingering if now >= connection.patience => self.drop_connection(key),
            _ => {}
        }
    }

    fn fire_notice(&mut self, key: u32, now: Tick) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        if connection.notice_due && now >= connection.noticed.after(NOTICE_MS) && connection.backlog() == 0 {
            self.notice(key);
        }
    }

    fn fire_ack(&mut self, key: u32, now: Tick) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        if connection.ack_due && now >= connection.ack_told.after(self.config.ack_alone_ms) {
            // a full ring is no loss: the acknowledgement stays due
            self.request(key, 0, Command::Nothing, &[]);
        }
    }
}

/// The earliest of a connection's deadlines.
fn next(connection: &Connection, now: Tick, ack_alone_ms: u64) -> Tick {
    let mut tick = match connection.stage {
        Stage::Live | Stage::Behind => silent_until(connection),
        Stage::Checking | Stage::Operator => now.after(LOOK_AGAIN_MS * 30),
        _ => connection.patience,
    };
    if tick <= now {
        tick = now.after(LOOK_AGAIN_MS);
    }
    if connection.stage.is_signed_in() {
        if connection.notice_due && connection.backlog() == 0 {
            tick = tick.min(connection.noticed.after(NOTICE_MS));
        }
        if connection.ack_due {
            tick = tick.min(connection.ack_told.after(ack_alone_ms));
        }
    }
    tick
}

fn silent_until(connection: &Connection) -> Tick {
    Tick(connection.heard.0.saturating_add(connection.patience.0))
}

/// Silence of a peer that we do not listen to is none.
fn waits_for_us(connection: &Connection) -> bool {
    connection.queued || connection.holding
}
