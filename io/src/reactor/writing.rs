//! Writing: one write for each connection and turn, with everything in it. Entries for several connections may go out as soon as each has them (`runs`),
//! and a few bytes of answers later (`waiting`).

use std::io::ErrorKind;

use super::Edge;
use crate::connection::Stage;
use crate::counters::Counter;

/// Above so many bytes that are gone, what is left is moved to the front of its buffer.
const COMPACT: usize = 64 * 1024;

impl Edge {
    /// Flushes every connection that was written to since the last turn, recipients first, but for those that wait. Returns how many.
    pub(super) fn flush(&mut self) -> usize {
        let mut count = 0;
        for pushed in [true, false] {
            let mut list = std::mem::take(if pushed { &mut self.output.pushed } else { &mut self.output.answered });
            count += list.len();
            for key in list.drain(..) {
                if let Some(connection) = self.connections.get_mut(key as usize) {
                    connection.touched = false;
                    self.flush_one(key);
                }
            }
            // the list keeps its memory; what was touched meanwhile waits for the next turn
            let place = if pushed { &mut self.output.pushed } else { &mut self.output.answered };
            list.append(place);
            *place = list;
        }
        count
    }

    /// Writes frames of the native dialect right to the socket of a connection that has nothing else to write. What the socket does not take waits in its
    /// buffer. The connection may be gone behind it.
    pub(super) fn write_at_once(&mut self, key: u32, frames: &[u8]) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let result = connection.socket.write(frames);
        self.output.counters.count(Counter::Writes);
        let (written, is_full) = match result {
            Ok(written) => (written, true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => (0, true),
            Err(error) if error.kind() == ErrorKind::Interrupted => (0, false),
            Err(_) => return self.drop_connection(key),
        };
        self.output.counters.add(Counter::BytesOut, written as u64);
        if written == frames.len() {
            return self.drained(key);
        }
        self.output.open(connection).extend_from_slice(&frames[written..]);
        connection.write_blocked = is_full;
        if !is_full {
            self.output.note_pushed(key, connection);
        }
    }

    /// Writes what a connection has, unless its socket said that it takes no more.
    pub(super) fn flush_one(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.write_blocked {
            return;
        }
        if connection.backlog() > 0 {
            let result = connection.socket.write(&connection.out[connection.written as usize..]);
            self.output.counters.count(Counter::Writes);
            match result {
                Ok(count) => {
                    connection.written += count as u32;
                    self.output.counters.add(Counter::BytesOut, count as u64);
                    connection.write_blocked = connection.backlog() > 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.write_blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    connection.touched = true;
                    self.output.answered.push(key);
                    return;
                }
                Err(_) => return self.drop_connection(key),
            }
        }
        if connection.backlog() == 0 {
            self.output.pool.give_back(&mut connection.out);
            connection.written = 0;
            self.drained(key);
        } else if connection.written as usize > COMPACT {
            connection.out.drain(..connection.written as usize);
            connection.written = 0;
        }
    }

    /// Everything that was written is gone.
    fn drained(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        match connection.stage {
            Stage::Parting => self.linger(key),
            _ => {
                if connection.notice_due {
                    self.notice(key);
                }
                self.resume(key);
            }
        }
    }

    /// Goes on with a connection that had to wait, if it need not any more, and closes one that has said and heard everything.
    pub(super) fn resume(&mut self, key: u32) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        if connection.holding {
            if !self.must_wait(connection) {
                self.enqueue(key);
            }
        } else if connection.read_closed && connection.is_settled() {
            self.drop_connection(key);
        }
    }
}
