//! 1:1 conversations: how far each is.

use std::cell::Cell;

use super::chunked::{Chunked, Parted};
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
    chats: Chunked<Chat>,
    places: Parted<Pair, u32>,
    /// The place that was asked for last: a message is decided and then applied, and the next one is often of the same conversation. A conversation
    /// keeps its place for ever.
    latest: Cell<Option<(Pair, u32)>>,
}

/// Two users, the smaller id first.
type Pair = (u64, u64);

impl Chats {
    pub(super) fn new() -> Self {
        Self { chats: Chunked::new(), places: Parted::new(), latest: Cell::new(None) }
    }

    pub(super) fn get(&self, one: UserId, other: UserId) -> Chat {
        let chat = self.place(pair(one, other)).and_then(|place| self.chats.get(place as usize));
        chat.copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, one: UserId, other: UserId, chat: Chat) {
        let pair = pair(one, other);
        match self.place(pair).and_then(|place| self.chats.get_mut(place as usize)) {
            Some(known) => *known = chat,
            None => {
                let place = self.chats.len() as u32;
                self.places.insert(pair, place);
                self.chats.push(chat);
                self.latest.set(Some((pair, place)));
            }
        }
    }

    fn place(&self, pair: Pair) -> Option<u32> {
        match self.latest.get() {
            Some((latest, place)) if latest == pair => Some(place),
            _ => {
                let place = *self.places.get(&pair)?;
                self.latest.set(Some((pair, place)));
                Some(place)
            }
        }
    }

    /// All of them, in no order.
    pub(super) fn unordered(&self) -> impl Iterator<Item = (&Pair, &Chat)> {
        self.places.unordered().filter_map(|(pair, place)| Some((pair, self.chats.get(*place as usize)?)))
    }
}

fn pair(one: UserId, other: UserId) -> Pair {
    (one.0.min(other.0), one.0.max(other.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_found_from_either_side_whatever_was_asked_for_before() {
        let chat = |ordinal| Chat { ordinal: Ordinal(ordinal), last: Position(8 * ordinal) };
        let (one, two, three) = (UserId::nth(1), UserId::nth(2), UserId::nth(3));
        let mut chats = Chats::new();
        assert_eq!(chats.get(one, two), Chat::default());
        chats.set(one, two, chat(1));
        chats.set(three, two, chat(7));
        chats.set(two, one, chat(2));
        assert_eq!(chats.get(two, three), chat(7));
        assert_eq!(chats.get(one, two), chat(2));
        assert_eq!(chats.get(one, three), Chat::default());
        assert_eq!(chats.unordered().count(), 2);
    }
}
