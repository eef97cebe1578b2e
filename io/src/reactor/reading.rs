//! Reading: bytes from sockets, frames from bytes.
//!
//! The poll is edge-triggered. A short read means that the socket is drained, unless the peer has closed its half; after a full read, or
//! when frames had to wait, the connection stands in the queue of those to be looked at again.

use std::collections::VecDeque;
use std::io::ErrorKind;

use ringdove_core::wire::frame::{self, Split};
use ringdove_core::wire::{Code, Refusal};

use super::Edge;
use crate::config::{GREETING_BYTES, GREETING_FRAME, PREFIX, READ_CHUNK};
use crate::connection::{Connection, Stage};
use crate::counters::Counter;
use crate::dialect::{self, Dialect, Told, json_lines};

/// Connections that one turn reads at most.
const READS: usize = 256;
/// How often somebody who comes is read, about: not yet there, with a hello, and at the end.
const READS_A_COMER: usize = 2;
/// Frames that one turn takes, about. With more, whoever has sent them would have nothing to do for long.
const FRAMES: u64 = 512;
/// A frame over the limit is told by its id, which stands within so many bytes of its begin.
const START: usize = PREFIX + 6;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It was taken; go on behind it.
    Next,
    /// The inbound ring is full: it stays where it is, and no socket is read until there is space.
    Full,
    /// It has to wait for something of its own connection.
    Wait,
    /// Its connection takes nothing more.
    Gone,
}

/// Why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// No whole frame is left.
    Drained,
    /// What is left has to wait.
    Held(Step),
}

/// Connections that have something to say, in the order in which they began to. Each stands in one of the queues once.
#[derive(Default)]
pub(super) struct Ready {
    /// People who are signed in, operators, and whoever else neither comes nor goes.
    signed_in: VecDeque<u32>,
    /// Those who come, and those who go.
    crowd: VecDeque<u32>,
    /// The crowd got nothing of the last turn.
    was_left_out: bool,
}

impl Ready {
    /// Whether nobody has anything to say.
    pub fn is_empty(&self) -> bool {
        self.signed_in.is_empty() && self.crowd.is_empty()
    }

    fn put(&mut self, key: u32, comes_or_goes: bool) {
        if comes_or_goes { self.crowd.push_back(key) } else { self.signed_in.push_back(key) }
    }

    /// Comes before everyone else of its queue.
    fn put_first(&mut self, key: u32, comes_or_goes: bool) {
        if comes_or_goes { self.crowd.push_front(key) } else { self.signed_in.push_front(key) }
    }

    /// Whose turn it is, each queue with how many of it a turn reads at most; of the crowd `share`.
    fn turn(&mut self, share: usize) -> [(Queue, usize); 2] {
        let signed_in = (Queue::SignedIn, self.signed_in.len().min(READS));
        let crowd = (Queue::Crowd, self.crowd.len().min(share));
        // a turn that ends early must not leave them out for good
        if std::mem::replace(&mut self.was_left_out, !self.crowd.is_empty()) {
            [crowd, signed_in]
        } else {
            [signed_in, crowd]
        }
    }

    fn take(&mut self, queue: Queue) -> Option<u32> {
        match queue {
            Queue::SignedIn => self.signed_in.pop_front(),
            Queue::Crowd => {
                self.was_left_out = false;
                self.crowd.pop_front()
            }
        }
    }
}

/// One of the queues of those who have something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    SignedIn,
    Crowd,
}

impl Edge {
    /// Puts a connection into the queue of those to be looked at.
    pub(super) fn enqueue(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(key as usize)
            && !connection.queued
        {
            connection.queued = true;
            self.ready.put(key, connection.comes_or_goes());
        }
    }

    /// Looks at the connections that have something to say: first those who are signed in, then some of those who come or go. Returns how many; stops
    /// when the inbound ring is full.
    pub(super) fn read_ready(&mut self) -> usize {
        self.inlet.full = false;
        let enough = self.output.counters.get(Counter::FramesIn) + FRAMES;
        let mut count = 0;
        for (queue, most) in self.ready.turn(READS_A_COMER * self.comers()) {
            for _ in 0..most {
                let Some(key) = self.ready.take(queue) else { break };
                let Some(connection) = self.connections.get_mut(key as usize) else { continue };
                if !std::mem::take(&mut connection.queued) {
                    continue;
                }
                self.look_at_one(key);
                if self.inlet.full {
                    return count;
                }
                count += 1;
                if self.output.counters.get(Counter::FramesIn) >= enough {
                    return count;
                }
            }
        }
        count
    }

    fn look_at_one(&mut self, key: u32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        if let Some(end) = self.fill(key, &mut buffer) {
            let (used, halt) = self.decode(key, &buffer[..end]);
            self.keep(key, &buffer[used..end], halt);
        }
        self.buffer = buffer;
    }

    /// Puts what was left over, and what the socket has, into the buffer. Nothing if the connection is gone.
    fn fill(&mut self, key: u32, buffer: &mut [u8]) -> Option<usize> {
        let now = self.clock.tick();
        let connection = self.connections.get_mut(key as usize)?;
        let base = connection.partial.len();
        buffer[..base].copy_from_slice(&connection.partial);
        if connection.holding || !connection.readable || connection.read_closed {
            return Some(base);
        }
        let greets = matches!(connection.stage, Stage::New | Stage::Greeting);
        let room = if greets { GREETING_BYTES } else { READ_CHUNK };
        self.output.counters.count(Counter::Reads);
        match connection.socket.read(&mut buffer[base..base + room]) {
            Ok(0) => {
                connection.read_closed = true;
                connection.readable = false;
                Some(base)
            }
            Ok(count) => {
                connection.heard = now;
                connection.readable = count == room || connection.read_closing;
                self.output.counters.add(Counter::BytesIn, count as u64);
                Some(base + count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.readable = false;
                Some(base)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(base),
            Err(_) => {
                self.drop_connection(key);
                None
            }
        }
    }

    /// Keeps what was not decoded, and sees to what comes next.
    fn keep(&mut self, key: u32, left: &[u8], halt: Halt) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if left.is_empty() {
            self.output.pool.give_back(&mut connection.partial);
        } else {
            if connection.partial.capacity() == 0 {
                connection.partial = self.output.pool.take();
            }
            connection.partial.clear();
            connection.partial.extend_from_slice(left);
        }
        connection.holding = halt != Halt::Drained;
        if halt == Halt::Held(Step::Full) {
            connection.queued = true;
            return self.ready.put_first(key, connection.comes_or_goes());
        }
        if connection.holding {
            return;
        }
        if connection.readable {
            self.enqueue(key);
        } else if connection.read_closed {
            if connection.stage == Stage::Lingering || connection.stage == Stage::New || connection.is_settled() {
                self.drop_connection(key);
            } else {
                connection.deaf = true;
            }
        }
    }

    /// Whether the connection's frames have to wait: for a hello that is being answered, or for answers that are not told or not read yet.
    pub(super) fn must_wait(&self, connection: &Connection) -> bool {
        match connection.stage {
            Stage::Checking => true,
            Stage::Live | Stage::Behind | Stage::Operator => {
                connection.unanswered >= self.config.limits.unanswered || connection.backlog() > self.output.bound
            }
            _ => false,
        }
    }

    /// Takes frames until none is left or one has to wait. Returns the bytes that were used.
    fn decode(&mut self, key: u32, bytes: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        loop {
            let Some(connection) = self.connections.get(key as usize) else { return (bytes.len(), Halt::Drained) };
            if connection.stage.is_ending() || connection.deaf {
                return (bytes.len(), Halt::Drained);
            }
            let left = &bytes[used..];
            if connection.skip > 0 {
                used += self.skip(key, left.len());
                if used == bytes.len() {
                    return (used, Halt::Drained);
                }
                continue;
            }
            if connection.stage == Stage::New {
                match self.tell_dialect(key, left) {
                    Some(preamble) => used += preamble,
                    None => return (used, Halt::Drained),
                }
                continue;
            }
            if self.must_wait(connection) {
                return (used, Halt::Held(Step::Wait));
            }
            if left.is_empty() {
                return (used, Halt::Drained);
            }
            let (stage, dialect) = (connection.stage, connection.dialect);
            let (taken, step) = self.decode_one(key, stage, dialect, left);
            used += taken;
            match step {
                None => return (used, Halt::Drained),
                Some(Step::Next) => {}
                Some(Step::Gone) => return (bytes.len(), Halt::Drained),
                Some(held) => return (used, Halt::Held(held)),
            }
        }
    }

    /// Throws away what is left of a frame over the limit. Returns how much of `bytes` that is.
    fn skip(&mut self, key: u32, bytes: usize) -> usize {
        let Some(connection) = self.connections.get_mut(key as usize) else { return bytes };
        let skipped = bytes.min(connection.skip as usize);
        connection.skip -= skipped as u32;
        skipped
    }

    fn tell_dialect(&mut self, key: u32, bytes: &[u8]) -> Option<usize> {
        let told = dialect::tell(bytes);
        let connection = self.connections.get_mut(key as usize)?;
        match told {
            Told::NotYet => None,
            Told::Garbage => {
                self.drop_unknown(key);
                None
            }
            Told::OtherVersion => {
                connection.dialect = Dialect::Native;
                self.bye(key, Code::Unsupported, 0);
                None
            }
            Told::Speaks(dialect, preamble) => {
                connection.dialect = dialect;
                connection.stage = Stage::Greeting;
                Some(preamble)
            }
        }
    }

    /// Takes one frame. No step: there is no whole one.
    fn decode_one(&mut self, key: u32, stage: Stage, dialect: Dialect, bytes: &[u8]) -> (usize, Option<Step>) {
        let limit = self.config.limits.frame as usize;
        let limit = if stage == Stage::Greeting { limit.min(GREETING_FRAME) } else { limit };
        if dialect == Dialect::JsonLines {
            return self.decode_line(key, stage, bytes, limit);
        }
        match frame::split(bytes, limit) {
            Split::Frame { frame, used } => {
                let (more, step) = match dialect {
                    Dialect::Admin => (0, self.operate(key, frame)),
                    _ => self.take_native(key, frame, &bytes[used..]),
                };
                self.account(key, stage, used + more, step)
            }
            Split::Partial { .. } => (0, None),
            Split::TooLarge { length, prefix } => self.too_large(key, bytes, prefix, length),
            Split::Malformed => self.malformed(key),
        }
    }

    fn decode_line(&mut self, key: u32, stage: Stage, bytes: &[u8], limit: usize) -> (usize, Option<Step>) {
        match json_lines::split(bytes, limit) {
            json_lines::Line::Whole { line, used } => {
                let step = self.take_line(key, line);
                self.account(key, stage, used, step)
            }
            json_lines::Line::Partial => (0, None),
            json_lines::Line::TooLarge => {
                self.bye(key, Code::TooLarge, 0);
                (bytes.len(), Some(Step::Gone))
            }
        }
    }

    /// Counts a frame that was taken at a `stage`; before Welcome there is a bound on all of them together.
    fn account(&mut self, key: u32, stage: Stage, used: usize, step: Step) -> (usize, Option<Step>) {
        if matches!(step, Step::Full | Step::Wait) {
            return (0, Some(step));
        }
        self.output.counters.count(Counter::FramesIn);
        if stage != Stage::Greeting {
            return (used, Some(step));
        }
        let Some(connection) = self.connections.get_mut(key as usize) else { return (used, Some(Step::Gone)) };
        if let Some(greeting) = connection.greeting() {
            greeting.bytes += used;
            if greeting.bytes > GREETING_BYTES {
                self.bye(key, Code::TooLarge, 0);
                return (used, Some(Step::Gone));
            }
        }
        (used, Some(step))
    }

    pub(super) fn malformed(&mut self, key: u32) -> (usize, Option<Step>) {
        self.bye(key, Code::Malformed, 0);
        (0, Some(Step::Gone))
    }

    /// A frame over the limit is refused by its id and thrown away as it comes; without an id to name it the connection ends.
    fn too_large(&mut self, key: u32, bytes: &[u8], prefix: usize, length: usize) -> (usize, Option<Step>) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return (0, None) };
        let operates = connection.stage == Stage::Operator;
        let known = connection.stage.is_signed_in() || operates;
        if known && bytes.len() < START {
            return (0, None);
        }
        if operates && connection.unanswered > 0 {
            return (0, Some(Step::Wait));
        }
        match request_id(&bytes[prefix..]) {
            Some(id) if known => {
                connection.skip = u32::try_from(prefix + length).unwrap_or(u32::MAX);
                let refusal = Refusal::of(Code::TooLarge).field("frame");
                if operates {
                    self.refuse_operator(key, id, &refusal);
                    return (0, Some(Step::Next));
                }
                (0, Some(self.refuse(key, id, refusal)))
            }
            _ => {
                self.bye(key, Code::TooLarge, 0);
                (0, Some(Step::Gone))
            }
        }
    }
}

/// The request id, if the frame begins with one.
fn request_id(frame: &[u8]) -> Option<u32> {
    let (&tag, bytes) = frame.split_first()?;
    if tag != 0x08 {
        return None;
    }
    let mut id = 0u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        id |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return u32::try_from(id).ok().filter(|id| *id > 0);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_named_by_the_id_at_its_begin() {
        assert_eq!(request_id(&[0x08, 0x02, 0x1a]), Some(2));
        assert_eq!(request_id(&[0x08, 0xff, 0xff, 0xff, 0xff, 0x0f]), Some(u32::MAX));
        assert_eq!(request_id(&[0x08, 0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(request_id(&[0x08, 0x00]), None);
        assert_eq!(request_id(&[0x1a, 0x00]), None);
        assert_eq!(request_id(&[0x08, 0x80]), None);
        assert_eq!(request_id(&[]), None);
    }

    #[test]
    fn the_crowd_comes_behind_those_who_are_signed_in_but_does_come() {
        let mut ready = Ready::default();
        (0..300).for_each(|key| ready.put(key, false));
        (1_000..1_020).for_each(|key| ready.put(key, true));
        assert_eq!(ready.turn(8), [(Queue::SignedIn, READS), (Queue::Crowd, 8)]);
        assert_eq!(ready.take(Queue::SignedIn), Some(0));
        // that turn ends early
        assert_eq!(ready.turn(8), [(Queue::Crowd, 8), (Queue::SignedIn, READS)]);
        assert_eq!(ready.take(Queue::Crowd), Some(1_000));
        assert_eq!(ready.turn(8), [(Queue::SignedIn, READS), (Queue::Crowd, 8)]);
        ready.put_first(7, false);
        assert_eq!(ready.take(Queue::SignedIn), Some(7));
        // nobody of the crowd is left who could have been left out
        while ready.take(Queue::Crowd).is_some() {}
        ready.turn(8);
        assert_eq!(ready.turn(8), [(Queue::SignedIn, READS), (Queue::Crowd, 0)]);
    }
}
