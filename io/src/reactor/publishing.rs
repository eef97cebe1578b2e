//! The way into the inbound ring: what does not fit now is kept, and nothing that was accepted is lost.

use ringdove_core::ids::{ConnectionId, Time, Version};
use ringdove_core::rings::{Command, LARGE_BODY};
use ringdove_core::wire::hot;

use super::Edge;
use crate::connection::Connection;
use crate::counters::Counter;

/// Who asks, and where the answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub connection: ConnectionId,
    pub request: u32,
    pub ack: Version,
    pub time: Time,
}

/// A command's body, written into its slot without a stop between.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    /// As it is.
    Bytes(&'a [u8]),
    /// The content of a text message.
    Text(&'a str),
}

impl Body<'_> {
    const NONE: Self = Body::Bytes(&[]);

    fn len(self) -> usize {
        match self {
            Body::Bytes(bytes) => bytes.len(),
            Body::Text(text) => hot::text_content_len(text),
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            Body::Bytes(bytes) => out.extend_from_slice(bytes),
            Body::Text(text) => hot::put_text_content(out, text),
        }
    }
}

impl Edge {
    /// The envelope of a command of this connection, with the acknowledgement that rides on it.
    pub(super) fn envelope(&self, key: u32, connection: &Connection, request: u32) -> Envelope {
        Envelope {
            connection: connection.id(self.index, key),
            request,
            ack: if connection.ack_due { connection.acked } else { Version(0) },
            time: self.clock.wall(),
        }
    }

    /// Publishes a connection's request and counts it as unanswered. Returns false, with nothing changed, if the ring is full.
    pub(super) fn request(&mut self, key: u32, request: u32, command: Command, body: &[u8]) -> bool {
        let mut command = Some(command);
        self.request_put(key, request, |slot| *slot = command.take().unwrap_or_default(), Body::Bytes(body))
    }

    /// The same, with the command written where it belongs by `put`, which is called once at most: a hot command is not built here to be
    /// copied there.
    pub(super) fn request_put(
        &mut self,
        key: u32,
        request: u32,
        put: impl FnMut(&mut Command),
        body: Body<'_>,
    ) -> bool {
        let Some(connection) = self.connections.get(key as usize) else { return true };
        let envelope = self.envelope(key, connection, request);
        if !self.publish(&envelope, put, body) {
            return false;
        }
        let now = self.clock.tick();
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.known = true;
            connection.unanswered += u32::from(request > 0);
            if connection.ack_due {
                connection.ack_due = false;
                connection.ack_told = now;
            }
        }
        true
    }

    /// Publishes a command that no socket can be made to wait for, now or later, in order.
    pub(super) fn publish_surely(&mut self, envelope: Envelope, command: Command) {
        let mut command = Some(command);
        let put = |slot: &mut Command| *slot = command.take().unwrap_or_default();
        if !self.pending.is_empty() || !self.publish(&envelope, put, Body::NONE) {
            self.pending.extend(command.map(|command| (envelope, command)));
        }
    }

    /// Tries again what waits. Returns how much went.
    pub(super) fn publish_pending(&mut self) -> usize {
        let mut went = 0;
        while let Some((envelope, command)) = self.pending.pop_front() {
            let mut command = Some(command);
            if !self.publish(&envelope, |slot| *slot = command.take().unwrap_or_default(), Body::NONE) {
                if let Some(command) = command {
                    self.pending.push_front((envelope, command));
                }
                break;
            }
            went += 1;
        }
        went
    }

    /// Publishes, or returns false without having called `put`.
    fn publish(&mut self, envelope: &Envelope, mut put: impl FnMut(&mut Command), body: Body<'_>) -> bool {
        if self.try_publish(envelope, &mut put, body) {
            return true;
        }
        // whoever frees a slot between here and our sleep rings our bell
        self.space.wait();
        if self.try_publish(envelope, &mut put, body) {
            return true;
        }
        self.output.counters.count(Counter::RingFull);
        self.full = true;
        false
    }

    fn try_publish(&mut self, envelope: &Envelope, put: &mut impl FnMut(&mut Command), body: Body<'_>) -> bool {
        // everything that may allocate or fail is done before the slot is claimed
        let mut large = None;
        let len = body.len();
        if len > LARGE_BODY {
            if !self.inbound.budget().take(len) {
                return false;
            }
            let mut bytes = Box::new(Vec::with_capacity(len));
            body.put(&mut bytes);
            large = Some(bytes);
        }
        let done = self.inbound.try_publish(|slot| {
            slot.connection = envelope.connection;
            slot.request = envelope.request;
            slot.ack = envelope.ack;
            slot.time = envelope.time;
            put(&mut slot.command);
            match large.take() {
                Some(large) => slot.set_large(large),
                None => body.put(slot.body_mut()),
            }
        });
        if done {
            self.published = true;
            self.output.counters.count(Counter::Commands);
        } else if len > LARGE_BODY {
            self.inbound.budget().give_back(len);
        }
        done
    }
}
