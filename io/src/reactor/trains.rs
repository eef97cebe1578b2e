//! Trains: the sends that stand right behind each other in what was read, from one connection to one user. They go into the inbound ring as one
//! command.

use ringdove_core::ids::{Key, UserId};
use ringdove_core::rings::{Command, TrainSend, make_room, train_has_room};
use ringdove_core::wire::frame::{Split, split};
use ringdove_core::wire::hot::{self, HotClient, HotSend};
use ringdove_core::wire::varint::NUMBER;

use super::Edge;
use super::publishing::Body;
use crate::counters::Counter;

/// A train that is being put together.
#[derive(Default)]
pub(super) struct Train {
    pub(super) sends: Vec<TrainSend>,
    /// The contents, one behind the other.
    pub(super) contents: Vec<u8>,
}

impl Train {
    fn clear(&mut self) {
        self.sends.clear();
        self.contents.clear();
    }

    fn add(&mut self, send: &HotSend<'_>) {
        make_room(&mut self.contents, hot::text_content_len(send.text).max(NUMBER));
        hot::put_text_content(&mut self.contents, send.text);
        self.sends.push(TrainSend { request: send.id, key: Key(send.key), end: self.contents.len() as u32 });
    }
}

impl Edge {
    /// Puts a train together of an allowed send and those at the begin of `behind` that go the same way, which are allowed then. Returns the bytes of
    /// their frames; 0: there is no train. Whatever is special about a frame, it goes alone: so does one that wants no answer, acknowledges
    /// something new, or would be refused here.
    pub(super) fn couple(&mut self, key: u32, first: &HotSend<'_>, behind: &[u8]) -> usize {
        let Some(connection) = self.connections.get(key as usize) else { return 0 };
        let most = self.config.limits.unanswered.saturating_sub(connection.unanswered) as usize;
        let (limit, acked) = (self.config.limits.frame as usize, connection.acked.0);
        let goes_along = |send: &HotSend<'_>| send.to == first.to && send.id != 0 && send.ack <= acked;
        self.train.clear();
        if first.id == 0 {
            return 0;
        }
        let (mut coupled, mut messages, mut contents) = (0, 1, hot::text_content_len(first.text));
        while let Split::Frame { frame, used } = split(&behind[coupled..], limit)
            // a content is shorter than its frame
            && train_has_room(messages + 1, contents + frame.len())
            && let HotClient::Send(send) = hot::decode_client(frame)
            && goes_along(&send)
            && self.check_text(send.text).is_ok()
        {
            if messages >= most || self.allow(key).is_err() {
                break;
            }
            if coupled == 0 {
                self.train.add(first);
            }
            self.train.add(&send);
            messages += 1;
            contents = self.train.contents.len();
            coupled += used;
        }
        coupled
    }

    /// Publishes the train that was put together. Returns false, with nothing changed, if the ring is full.
    pub(super) fn publish_train(&mut self, key: u32, to: UserId) -> bool {
        let Some(first) = self.train.sends.first().map(|first| first.request) else { return true };
        let more = self.train.sends.len() as u32 - 1;
        let mut train = std::mem::take(&mut self.train);
        let done = self.request_put(key, first, |slot| *slot = Command::Train { to }, Body::Train(&mut train));
        self.train = train;
        if done && let Some(connection) = self.connections.get_mut(key as usize) {
            connection.unanswered += more;
            self.output.counters.add(Counter::FramesIn, more.into());
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use ringdove_core::rings::LARGE_BODY;
    use ringdove_core::wire::hot::HotTo;

    use super::*;

    /// A slot takes the buffer and keeps it.
    #[test]
    fn a_buffer_that_is_nearly_full_does_not_double_for_a_short_text() {
        let send = |text| HotSend { id: 1, ack: 0, key: 0, to: HotTo::Myself, text };
        let long = "x".repeat(3_882);
        let mut train = Train { contents: Vec::with_capacity(3_893), ..Train::default() };
        train.add(&send(&long));
        assert_eq!((train.contents.len(), train.contents.capacity()), (3_885, 3_893));
        train.add(&send("y"));
        assert!(train.contents.capacity() <= LARGE_BODY, "{}", train.contents.capacity());
    }
}
