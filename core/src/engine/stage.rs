//! The engine as a stage: commands in from the inbound ring, slots out to the commit ring, one thread.

use std::collections::VecDeque;
use std::sync::Arc;

use super::decide::Limits;
use super::desk::Desk;
use super::publish::{Publisher, SLOTS_PER_COMMAND};
use super::state::State;
use crate::agent::Agent;
use crate::ids::{Epoch, Time};
use crate::record::Cursor;
use crate::rings::{CommitProducer, Doorbell, InboundConsumer, InboundSlot, Progress, Shutdown, SpaceSignal};

/// Where the journal goes on.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Where the next record goes.
    pub cursor: Cursor,
    /// The epoch of everything new.
    pub epoch: Epoch,
    /// The time of the last record.
    pub time: Time,
}

/// How the engine is tied to the other stages.
pub struct Ties {
    /// What reactors ask.
    pub inbound: InboundConsumer,
    /// What is told.
    pub commit: CommitProducer,
    /// How far the journal is.
    pub progress: Arc<Progress>,
    /// The thread of the journal.
    pub journal: Arc<Doorbell>,
    /// Tells reactors that the inbound ring has space again.
    pub inbound_space: Vec<Arc<SpaceSignal>>,
    /// Set when the engine waits for the commit ring; reactors tell it that there is space again.
    pub commit_space: Arc<SpaceSignal>,
    /// The shutdown handshake.
    pub shutdown: Arc<Shutdown>,
}

/// The single-threaded owner of all state.
pub struct Engine {
    inbound: InboundConsumer,
    desk: Desk,
    journal: Arc<Doorbell>,
    inbound_space: Vec<Arc<SpaceSignal>>,
    commit_space: Arc<SpaceSignal>,
    shutdown: Arc<Shutdown>,
    progress: Arc<Progress>,
    reactors: u64,
    batch: u64,
    /// Commands of a batch that met a ring without credit. At most a batch.
    waiting: VecDeque<InboundSlot>,
    finished: bool,
}

impl Engine {
    /// An engine that goes on from `state`, deciding at most `batch` commands in a turn.
    pub fn new(state: State, limits: Limits, start: Start, batch: u64, ties: Ties) -> Self {
        let reactors = ties.commit.reactors();
        let large = Arc::clone(ties.inbound.budget());
        let publisher = Publisher::new(ties.commit, start.cursor, start.epoch, Arc::clone(&ties.progress));
        let desk = Desk::open(state, reactors, publisher, limits, start.time, large);
        Self {
            inbound: ties.inbound,
            desk,
            journal: ties.journal,
            inbound_space: ties.inbound_space,
            commit_space: ties.commit_space,
            shutdown: ties.shutdown,
            progress: ties.progress,
            reactors: reactors as u64,
            batch,
            waiting: VecDeque::new(),
            finished: false,
        }
    }

    /// The state as it is now: for tests and figures.
    pub fn state(&self) -> &State {
        &self.desk.state
    }

    /// Decides what waits, then what is new, as far as credit goes. Returns how many commands.
    fn turn(&mut self) -> usize {
        let Self { inbound, desk, waiting, batch, .. } = self;
        desk.publisher.go_on();
        let mut decided = desk.catch_up();
        while desk.has_credit()
            && let Some(slot) = waiting.pop_front()
        {
            desk.handle(&slot);
            decided += 1;
        }
        let credit = desk.publisher.credit();
        if !waiting.is_empty() || credit < SLOTS_PER_COMMAND {
            return decided;
        }
        // most commands take one slot: leave half for those that take more
        let taken = inbound.take((*batch).min(credit / 2), |slot| {
            if waiting.is_empty() && desk.has_credit() {
                desk.handle(slot);
                decided += 1;
            } else {
                waiting.push_back(slot.set_aside());
            }
        });
        if taken > 0 {
            for space in &self.inbound_space {
                space.freed();
            }
        }
        decided.max(taken)
    }

    fn is_out_of_credit(&self) -> bool {
        self.desk.publisher.is_going_on()
            || self.desk.presence.has_news()
            || !self.waiting.is_empty()
            || self.desk.publisher.credit() < SLOTS_PER_COMMAND
    }
}

impl Agent for Engine {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn do_work(&mut self) -> usize {
        if self.finished {
            return 0;
        }
        // read before the ring: what the reactors published before they said so is in it
        let last = self.shutdown.is_asked() && self.shutdown.reactors_done() >= self.reactors;
        let mut work = self.turn();
        if self.is_out_of_credit() {
            self.commit_space.wait();
            work += self.turn();
        }
        if !self.desk.presence.is_waiting() {
            self.progress.want_ticks(false);
        }
        let published = self.desk.publisher.take_published();
        if last && work == 0 && published == 0 && !self.is_out_of_credit() {
            self.shutdown.engine_done();
            self.finished = true;
            self.journal.ring();
        } else if published > 0 {
            self.journal.ring();
        }
        work + published
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}
