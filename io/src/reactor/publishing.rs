//! The way into the inbound ring: what does not fit now is kept, and nothing that was accepted is lost.

use std::collections::VecDeque;
use std::sync::Arc;

use ringdove_core::ids::{ConnectionId, Time, Version};
use ringdove_core::rings::{Command, InboundProducer, InboundSlot, LARGE_BODY, SpaceSignal};
use ringdove_core::wire::hot;

use super::Edge;
use super::trains::Train;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::counters::{Counter, Counters};

/// Who asks, and where the answer goes.
#[derive(Clone, Copy, Debug)]
struct Envelope {
    connection: ConnectionId,
    request: u32,
    ack: Version,
    time: Time,
}

/// A command's body, written into its slot without a stop between.
pub(super) enum Body<'a> {
    /// As it is.
    Bytes(&'a [u8]),
    /// The content of a text message.
    Text(&'a str),
    /// The contents of a train, which change places with what the slot has.
    Train(&'a mut Train),
}

impl Envelope {
    /// The envelope of a command of this connection, with the acknowledgement that rides on it.
    fn of(id: ConnectionId, connection: &Connection, request: u32, clock: &Clock) -> Self {
        let ack = if connection.ack_due { connection.acked } else { Version(0) };
        Self { connection: id, request, ack, time: clock.wall() }
    }
}

impl Body<'_> {
    const NONE: Self = Body::Bytes(&[]);

    fn len(&self) -> usize {
        match self {
            Body::Bytes(bytes) => bytes.len(),
            Body::Text(text) => hot::text_content_len(text),
            Body::Train(train) => train.contents.len(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Body::Bytes(bytes) => out.extend_from_slice(bytes),
            Body::Text(text) => hot::put_text_content(out, text),
            Body::Train(train) => {
                debug_assert!(false, "a train fits in its slot");
                out.extend_from_slice(&train.contents);
            }
        }
    }

    /// Puts it into a slot that it fits in.
    fn fill(&mut self, slot: &mut InboundSlot) {
        let body = slot.body_mut();
        match self {
            Body::Train(train) => {
                std::mem::swap(body, &mut train.contents);
                std::mem::swap(&mut slot.train, &mut train.sends);
            }
            _ => self.put(body),
        }
    }
}

/// The reactor's end of the inbound ring.
pub(super) struct Inlet {
    ring: InboundProducer,
    space: Arc<SpaceSignal>,
    /// The engine has to be woken at the end of the turn.
    published: bool,
    /// The ring was full when it was last tried.
    pub full: bool,
    /// Commands that no socket can be made to wait for.
    pending: VecDeque<(Envelope, Command)>,
}

impl Inlet {
    pub fn new(ring: InboundProducer, space: Arc<SpaceSignal>) -> Self {
        Self { ring, space, published: false, full: false, pending: VecDeque::new() }
    }

    /// Whether anything was published since this was asked last.
    pub fn take_published(&mut self) -> bool {
        std::mem::take(&mut self.published)
    }

    /// Whether no command waits for space.
    pub fn is_clear(&self) -> bool {
        self.pending.is_empty()
    }

    /// Drops what waits: the process ends.
    pub fn give_up(&mut self) {
        self.pending.clear();
    }

    /// Publishes a command that no socket can be made to wait for, now or later, in order.
    fn publish_surely(&mut self, envelope: Envelope, command: Command, counters: &Counters) {
        let mut command = Some(command);
        let put = |slot: &mut Command| *slot = command.take().unwrap_or_default();
        if !self.pending.is_empty() || !self.publish(&envelope, put, Body::NONE, counters) {
            self.pending.extend(command.map(|command| (envelope, command)));
        }
    }

    /// Tries again what waits. Returns how much went.
    pub fn publish_pending(&mut self, counters: &Counters) -> usize {
        let mut went = 0;
        while let Some((envelope, command)) = self.pending.pop_front() {
            let mut command = Some(command);
            if !self.publish(&envelope, |slot| *slot = command.take().unwrap_or_default(), Body::NONE, counters) {
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
    fn publish(
        &mut self,
        envelope: &Envelope,
        mut put: impl FnMut(&mut Command),
        mut body: Body<'_>,
        counters: &Counters,
    ) -> bool {
        let mut done = self.try_publish(envelope, &mut put, &mut body);
        if !done {
            // whoever frees a slot between here and our sleep rings our bell
            self.space.wait();
            done = self.try_publish(envelope, &mut put, &mut body);
        }
        self.published |= done;
        self.full |= !done;
        counters.count(if done { Counter::Commands } else { Counter::RingFull });
        done
    }

    fn try_publish(&mut self, envelope: &Envelope, put: &mut impl FnMut(&mut Command), body: &mut Body<'_>) -> bool {
        // everything that may allocate or fail is done before the slot is claimed
        let mut large = None;
        let len = body.len();
        if len > LARGE_BODY {
            if !self.ring.budget().take(len) {
                return false;
            }
            let mut bytes = Box::new(Vec::with_capacity(len));
            body.put(&mut bytes);
            large = Some(bytes);
        }
        let done = self.ring.try_publish(|slot| {
            slot.connection = envelope.connection;
            slot.request = envelope.request;
            slot.ack = envelope.ack;
            slot.time = envelope.time;
            put(&mut slot.command);
            match large.take() {
                Some(large) => slot.set_large(large),
                None => body.fill(slot),
            }
        });
        if !done && len > LARGE_BODY {
            self.ring.budget().give_back(len);
        }
        done
    }
}

impl Edge {
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
        let Self { connections, inlet, clock, output, index, .. } = self;
        let Some(connection) = connections.get_mut(key as usize) else { return true };
        let envelope = Envelope::of(connection.id(*index, key), connection, request, clock);
        if !inlet.publish(&envelope, put, body, &output.counters) {
            return false;
        }
        connection.known = true;
        connection.unanswered += u32::from(request > 0);
        if connection.ack_due {
            connection.ack_due = false;
            connection.ack_told = clock.tick();
        }
        true
    }

    /// Tells the engine that time has passed, which concerns no connection.
    pub(super) fn publish_tick(&mut self) -> bool {
        let Self { inlet, clock, output, index, .. } = self;
        let nowhere = ConnectionId { reactor: *index, ..ConnectionId::default() };
        let envelope = Envelope { connection: nowhere, request: 0, ack: Version(0), time: clock.wall() };
        inlet.publish(&envelope, |slot| *slot = Command::Tick, Body::NONE, &output.counters)
    }

    /// Publishes a command of this connection that no socket can be made to wait for, now or later, in order.
    pub(super) fn publish_surely(&mut self, key: u32, request: u32, command: Command) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        let envelope = Envelope::of(connection.id(self.index, key), connection, request, &self.clock);
        self.inlet.publish_surely(envelope, command, &self.output.counters);
    }
}
