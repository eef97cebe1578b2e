//! Ends: a bye goes out before every close that we start, and the engine hears of every end.

use ringdove_core::rings::Command;
use ringdove_core::wire::{Code, Refusal};

use super::Edge;
use super::output::put_bye;
use crate::connection::{Connection, Stage};
use crate::counters::Counter;
use crate::dialect::Dialect;

impl Edge {
    /// Says bye, then closes.
    pub(super) fn bye(&mut self, key: u32, code: Code, retry_ms: u32) {
        self.bye_with(key, Refusal::of(code).retry(retry_ms));
    }

    /// Says bye, then closes.
    pub(super) fn bye_with(&mut self, key: u32, refusal: Refusal) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.stage.is_ending() {
            return;
        }
        release_answers(&mut self.output, key, connection);
        if matches!(connection.dialect, Dialect::Native | Dialect::JsonLines) {
            self.output.counters.count(Counter::Byes);
            self.output.at_once(key, connection, |out| put_bye(out, refusal));
        }
        self.part(key);
    }

    /// Closes a connection that has nothing more to hear than what is written already. Its session ends now.
    pub(super) fn part(&mut self, key: u32) {
        self.tell_engine(key);
        let patience = self.clock.tick().after(self.config.linger_ms);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        release_answers(&mut self.output, key, connection);
        self.output.pool.give_back(&mut connection.partial);
        connection.stage = Stage::Parting;
        connection.holding = false;
        connection.notice_due = false;
        connection.ack_due = false;
        connection.patience = patience;
        self.output.must_flush(key, connection);
        self.arm(key);
    }

    /// All is written: says that nothing follows, and gives the peer time to read it. A close at once would destroy what it has not
    /// read yet, if there are bytes of its own that we have not.
    pub(super) fn linger(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.socket.finish_writing();
        if connection.read_closed {
            return self.drop_connection(key);
        }
        connection.stage = Stage::Lingering;
        if connection.readable {
            self.enqueue(key);
        }
    }

    /// Closes a connection whose dialect could not be told: it would not understand a bye.
    pub(super) fn drop_unknown(&mut self, key: u32) {
        self.output.counters.count(Counter::UnknownDialect);
        self.drop_connection(key);
    }

    /// Closes a connection without a word: the peer is gone, or all was said.
    pub(super) fn drop_connection(&mut self, key: u32) {
        self.tell_engine(key);
        let Some(mut connection) = self.connections.try_remove(key as usize) else { return };
        connection.socket.deregister(&self.registry);
        self.output.pool.give_back(&mut connection.partial);
        self.output.pool.give_back(&mut connection.out);
        match connection.address {
            Some(address) => self.admission.leave(address),
            None => self.operator_left(),
        }
        self.output.counters.count(Counter::Closed);
    }

    /// Tells the engine, if it ever heard of the connection, that it is gone; once. What was asked of workers for it comes to nothing.
    fn tell_engine(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        self.renewals.remove(&key);
        if std::mem::take(&mut connection.known) {
            self.publish_surely(key, 0, Command::Closed);
        }
    }
}

/// The page that is being read will not be sent any more; the answers that wait behind it will.
fn release_answers(output: &mut super::output::Output, key: u32, connection: &mut Connection) {
    let mut held = Vec::new();
    if let Some(pull) = connection.pull() {
        pull.drop_pushes();
        held = std::mem::take(&mut pull.held);
    }
    connection.aside = None;
    connection.sync = 0;
    if !held.is_empty() {
        output.at_once(key, connection, |out| out.extend_from_slice(&held));
    }
}
