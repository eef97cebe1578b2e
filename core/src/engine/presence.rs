//! Telling contacts who is online: what changed is gathered for a while, and only what is different then is told.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use roaring::RoaringBitmap;

use super::chunked::Chunked;
use super::contacts::place;
use super::publish::Publisher;
use super::sessions::Sessions;
use super::state::State;
use super::users::User;
use crate::ids::{Time, UserId};
use crate::wire::v1::{self, ServerFrame, Signal, server_frame::Body, signal};

/// What changed is told after so many milliseconds: whoever is back by then was never gone.
const GATHERED_MS: u64 = 100;
/// One turn tells of so many users at most, and then sees to commands again.
const AT_ONCE: usize = 64;
/// Of so many at most it is known who has seen news before they were told; if there are more, all contacts are told.
const OWED: u64 = 1 << 16;

/// What contacts were told last, and of whom there may be news. No part of the state: after a restart nobody was told anything.
#[derive(Debug, Default)]
pub(super) struct Presence {
    told: Chunked<Told>,
    /// May have news, since `begun` at the earliest. A user stands here once, so this is bounded by the number of users.
    gathering: VecDeque<u32>,
    marked: RoaringBitmap,
    begun: Time,
    /// Are about to be told of.
    telling: VecDeque<u32>,
    being_told: RoaringBitmap,
    /// Of whom there may be news, and who has seen them already: if they are taken back before anyone is told, these still have to hear of it.
    owed: BTreeMap<u32, RoaringBitmap>,
    owed_to: u64,
    nobody: Told,
}

/// State and kinds of device, as contacts know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    state: u8,
    kinds: u8,
}

impl Told {
    /// None of what anyone can know: whatever comes next is told.
    const UNCLEAR: Self = Self { state: u8::MAX, kinds: 0 };

    fn of(presence: &v1::Presence) -> Self {
        let kinds = presence.kinds.iter().fold(0, |kinds, kind| kinds | 1_u8.checked_shl(*kind as u32).unwrap_or(0));
        Self { state: presence.state as u8, kinds }
    }
}

impl Presence {
    /// There may be news of a user.
    pub(super) fn changed(&mut self, user: UserId, now: Time) {
        let Some(id) = place(user) else { return };
        if self.marked.insert(id) {
            if self.gathering.is_empty() {
                self.begun = now;
            }
            self.gathering.push_back(id);
        }
    }

    /// Whether it waits for its time.
    pub(super) fn is_waiting(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Whether there is something to tell now.
    pub(super) fn has_news(&self) -> bool {
        !self.telling.is_empty()
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Time) {
        // a clock that was set back must not hold anyone up
        if now.0.abs_diff(self.begun.0) >= GATHERED_MS && self.telling.is_empty() {
            std::mem::swap(&mut self.telling, &mut self.gathering);
            std::mem::swap(&mut self.being_told, &mut self.marked);
            self.marked.clear();
        }
    }

    /// Tells of some users, as long as `credit` is there. Returns of how many.
    pub(super) fn tell(&mut self, state: &State, sessions: &Sessions, publisher: &mut Publisher, credit: u64) -> usize {
        for count in 0..AT_ONCE {
            if publisher.credit() < credit {
                return count;
            }
            let Some(id) = self.telling.pop_front() else { return count };
            self.being_told.remove(id);
            self.tell_of(state, sessions, publisher, id);
        }
        AT_ONCE
    }

    fn tell_of(&mut self, state: &State, sessions: &Sessions, publisher: &mut Publisher, id: u32) {
        let owed = self.owed.remove(&id).unwrap_or_default();
        self.owed_to -= owed.len();
        let user = UserId::nth(id.into());
        let Some(account) = state.user(user) else { return };
        let presence = state.presence(account);
        let now = Told::of(&presence);
        if std::mem::replace(self.told_of(id), now) != now {
            publisher.signal(sessions, &frame(user, presence), friends_online(state, account));
        } else if !owed.is_empty() {
            let owed = friends_online(state, account).filter(|to| place(*to).is_some_and(|to| owed.contains(to)));
            publisher.signal(sessions, &frame(user, presence), owed);
        }
    }

    fn told_of(&mut self, id: u32) -> &mut Told {
        let at = id as usize;
        while self.told.len() <= at {
            self.told.push(Told::default());
        }
        self.told.get_mut(at).unwrap_or(&mut self.nobody)
    }

    /// A user asks which of their contacts are there, and sees what the others may not have been told yet.
    pub(super) fn shown(&mut self, state: &State, to: UserId) {
        if self.marked.is_empty() && self.being_told.is_empty() {
            return;
        }
        let (Some(account), Some(to)) = (state.user(to), place(to)) else { return };
        for of in account.contacts.accepted() {
            if let Some(contact) = state.user(UserId::nth(of.into())).filter(|_| self.is_coming(of)) {
                self.owe(of, &state.presence(contact), to);
            }
        }
    }

    /// Whether there may be news of a user, which are told soon.
    fn is_coming(&self, id: u32) -> bool {
        self.marked.contains(id) || self.being_told.contains(id)
    }

    /// Sees to it that somebody is told of a user, who is as they are seen now, with what is told next. Returns whether that has to be: all others
    /// were told something else.
    fn owe(&mut self, of: u32, seen: &v1::Presence, to: u32) -> bool {
        if *self.told_of(of) == Told::of(seen) {
            return false;
        }
        if self.owed_to >= OWED {
            *self.told_of(of) = Told::UNCLEAR;
            return true;
        }
        self.owed_to += u64::from(self.owed.entry(of).or_default().insert(to));
        true
    }

    /// Tells one user of another one: they have just become contacts, or one of them hid from the other, which looks as if they had left. It is told
    /// now, unless all contacts are about to be told news of that one: then the new one is told with them.
    pub(super) fn introduce(
        &mut self,
        state: &State,
        sessions: &Sessions,
        publisher: &mut Publisher,
        (of, to): (UserId, UserId),
        hidden: Option<Time>,
    ) {
        let Some(account) = state.user(of) else { return };
        if sessions.of(to).is_empty() {
            return;
        }
        let presence = state.presence(account);
        let coming = place(of).filter(|of| hidden.is_none() && self.is_coming(*of));
        if coming.zip(place(to)).is_some_and(|(of, to)| self.owe(of, &presence, to)) {
            return;
        }
        if presence.state() == v1::State::Offline {
            return;
        }
        let gone = |at: Time| v1::Presence { last_seen: at.0, ..v1::Presence::default() };
        let presence = hidden.map_or(presence, gone);
        publisher.signal(sessions, &frame(of, presence), std::iter::once(to));
    }
}

/// The contacts of a user who are online and may see it: a join in memory.
fn friends_online<'a>(state: &'a State, user: &'a User) -> impl Iterator<Item = UserId> + 'a {
    let online = user.contacts.accepted().filter(|id| state.online.has(*id) && !user.contacts.blocks(*id));
    online.map(|id| UserId::nth(id.into()))
}

/// The whole frame, which is the same for everyone who is told.
fn frame(from: UserId, presence: v1::Presence) -> Vec<u8> {
    let what = Some(signal::What::Presence(presence));
    ServerFrame { id: 0, body: Some(Body::Signal(Signal { from: from.0, to: None, what })) }.encode_to_vec()
}
