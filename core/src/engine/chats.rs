//! 1:1 conversations: how far each is.

use super::chunked::Parted;
use crate::ids::{Ordinal, Position, UserId};

/// How far a conversation is, 1:1 or a group's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chat {
    /// Of its latest message; 0: none yet.
    pub(super) ordinal: Ordinal,
    /// Of its latest message; 0: none yet.
    pub(super) last: Position,
}

#[derive(Debug)]
pub(super) struct Chats {
    of_pair: Parted<(u64, u64), Chat>,
}

impl Chats {
    pub(super) fn new() -> Self {
        Self { of_pair: Parted::new() }
    }

    pub(super) fn get(&self, one: UserId, other: UserId) -> Chat {
        self.of_pair.get(&pair(one, other)).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, one: UserId, other: UserId, chat: Chat) {
        self.of_pair.insert(pair(one, other), chat);
    }

    /// All of them, in no order.
    pub(super) fn unordered(&self) -> impl Iterator<Item = (&(u64, u64), &Chat)> {
        self.of_pair.unordered()
    }
}

fn pair(one: UserId, other: UserId) -> (u64, u64) {
    (one.0.min(other.0), one.0.max(other.0))
}
