//! Trains: several messages of one connection to one user. Where each of them happens whatever the others say, they are decided, applied and
//! published as one; otherwise one by one, as if each had come alone.

use super::chats::Chat;
use super::decide::{self, Asker};
use super::desk::{Asked, Desk};
use super::keys::Sent;
use super::publish::SLOTS_PER_COMMAND;
use super::state::fingerprint;
use crate::ids::{ConnectionId, Ordinal, Position, Time, UserId, Version};
use crate::rings::{AnswerBody, InboundSlot, TRAIN, To, TrainSend};

/// A train that goes message by message takes a slot for each, and its acknowledgement one more.
const _: () = assert!((TRAIN as u64) < SLOTS_PER_COMMAND);

/// Messages of one connection to one user that happen together.
pub(super) struct Train {
    pub(super) asker: Asker,
    pub(super) to: UserId,
    /// The conversation as it was before.
    pub(super) chat: Chat,
    pub(super) time: Time,
    /// The connection that they came from.
    pub(super) answered: ConnectionId,
}

impl Desk {
    /// Messages to one user that came right behind each other.
    pub(super) fn train(&mut self, slot: &InboundSlot, asker: Asker, to: UserId, body: &[u8]) {
        if self.train_as_one(slot, asker, to, body) {
            return;
        }
        for (send, content) in contents(&slot.train, body) {
            debug_assert!(!self.publisher.is_going_on(), "two people's devices are told in one slot");
            let asked = Asked { connection: slot.connection, request: send.request };
            if let Err(refusal) = self.send(asked, asker, send.key, To::User(to), content) {
                self.say(asked, AnswerBody::Refused(refusal));
            }
        }
    }

    /// Makes all of it happen in one slot. Returns false, with nothing changed, unless all is simple.
    fn train_as_one(&mut self, slot: &InboundSlot, asker: Asker, to: UserId, body: &[u8]) -> bool {
        let Some(chat) = decide::train(&self.state, &self.limits, asker, to, &slot.train) else { return false };
        let Self { state, sessions, publisher, clock, .. } = self;
        let train = Train { asker, to, chat, time: *clock, answered: slot.connection };
        publisher.train(state, sessions, &train, contents(&slot.train, body))
    }
}

/// Each message of a train with its content.
fn contents<'a>(sends: &'a [TrainSend], body: &'a [u8]) -> impl Iterator<Item = (&'a TrainSend, &'a [u8])> {
    let mut begin = 0;
    sends.iter().map(move |send| {
        let content = body.get(begin..send.end as usize).unwrap_or_default();
        begin = send.end as usize;
        (send, content)
    })
}

impl Train {
    /// What is remembered of its message with this key and content, once it has a version.
    pub(super) fn sent(&self, send: &TrainSend, content: &[u8], ordinal: Ordinal, position: Position) -> Sent {
        Sent {
            key: send.key,
            version: Version(0),
            ordinal,
            time: self.time,
            position,
            fingerprint: if send.key.0 == 0 { 0 } else { fingerprint(self.to.0, 0, content) },
            made: 0,
        }
    }
}
