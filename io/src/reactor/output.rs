//! What connections are told: every frame that leaves is written through here, or into a buffer that was opened here; but for a run or an entry for several
//! connections, which may go right to its sockets (`writing`).

use std::sync::Arc;

use ringdove_core::wire::{Refusal, hot, json, v1};

use crate::connection::{BufferPool, Connection};
use crate::counters::Counters;
use crate::dialect::Dialect;

use super::waiting::{ENOUGH, Waiting};

/// Room for what stands before a shared tail: length, tag and length, version.
const HEAD: usize = 24;

/// Buffers and lists that are needed to write.
pub(super) struct Output {
    pub pool: BufferPool,
    /// Connections that got a push this turn; they are flushed first, so that recipients come before acknowledgements.
    pub pushed: Vec<u32>,
    /// Connections that got only something else, and enough of it.
    pub answered: Vec<u32>,
    /// Connections that got little else.
    pub waiting: Waiting,
    pub counters: Arc<Counters>,
    /// Bytes that may wait for one connection before pushes stop.
    pub bound: usize,
    frames: Vec<u8>,
}

impl Output {
    pub fn new(bound: usize, counters: Arc<Counters>) -> Self {
        Self {
            pool: BufferPool::default(),
            pushed: Vec::new(),
            answered: Vec::new(),
            waiting: Waiting::default(),
            counters,
            bound,
            frames: Vec::new(),
        }
    }

    /// Writes native frames at once, in front of anything that is held: pongs, and what ends a connection.
    pub fn at_once(&mut self, key: u32, connection: &mut Connection, put: impl FnOnce(&mut Vec<u8>)) {
        self.append(connection, put);
        self.note_answered(key, connection);
    }

    /// Writes an answer in its turn: behind what is held while a page is being read.
    pub fn answer(&mut self, key: u32, connection: &mut Connection, put: impl FnOnce(&mut Vec<u8>)) {
        match connection.pull() {
            Some(pull) => put(&mut pull.held),
            None => self.at_once(key, connection, put),
        }
    }

    /// Writes a push in its turn. `size` bounds what `put` writes. Returns false if the connection has no room for it.
    pub fn push(&mut self, key: u32, connection: &mut Connection, size: usize, put: impl FnOnce(&mut Vec<u8>)) -> bool {
        if !self.has_room(connection, size) {
            return false;
        }
        self.append(connection, put);
        self.note_pushed(key, connection);
        true
    }

    /// Whether the connection has room for pushes of so many bytes.
    pub fn has_room(&self, connection: &Connection, size: usize) -> bool {
        connection.backlog() + size + HEAD <= self.bound
    }

    /// The buffer of a connection of the native dialect, for frames that are put right into it. Whoever puts some notes them.
    pub fn open<'a>(&mut self, connection: &'a mut Connection) -> &'a mut Vec<u8> {
        debug_assert!(connection.dialect != Dialect::JsonLines, "it does not read frames");
        self.lend_buffer(connection);
        &mut connection.out
    }

    /// The connection got pushes, which this turn flushes.
    pub fn note_pushed(&mut self, key: u32, connection: &mut Connection) {
        if !connection.touched {
            connection.touched = true;
            self.pushed.push(key);
        }
    }

    /// The connection got something else, which this turn flushes, or a later one if it is little.
    pub fn note_answered(&mut self, key: u32, connection: &mut Connection) {
        if connection.backlog() >= ENOUGH {
            self.must_flush(key, connection);
        } else if !connection.touched && !connection.waits {
            connection.waits = true;
            self.waiting.put(key);
        }
    }

    /// This turn flushes the connection, behind those that got pushes.
    pub fn must_flush(&mut self, key: u32, connection: &mut Connection) {
        if !connection.touched {
            connection.touched = true;
            self.answered.push(key);
        }
    }

    fn lend_buffer(&mut self, connection: &mut Connection) {
        if connection.out.capacity() == 0 {
            connection.out = self.pool.take();
        }
    }

    fn append(&mut self, connection: &mut Connection, put: impl FnOnce(&mut Vec<u8>)) {
        self.lend_buffer(connection);
        if connection.dialect == Dialect::JsonLines {
            self.frames.clear();
            put(&mut self.frames);
            json::frames_to_lines(&mut connection.out, &self.frames);
            self.frames.shrink_to(64 * 1024);
        } else {
            put(&mut connection.out);
        }
    }
}

/// Appends a refusal, with its length; id 0: news.
pub(super) fn put_refusal(out: &mut Vec<u8>, id: u32, refusal: Refusal) {
    let body = Some(v1::server_frame::Body::Refusal(refusal.to_wire()));
    hot::put_server(out, &v1::ServerFrame { id, body });
}

/// Appends a bye, with its length.
pub(super) fn put_bye(out: &mut Vec<u8>, refusal: Refusal) {
    let body = Some(v1::server_frame::Body::Bye(refusal.to_wire()));
    hot::put_server(out, &v1::ServerFrame { id: 0, body });
}
