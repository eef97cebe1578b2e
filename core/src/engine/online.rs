//! Who is online, as the journal says it: every device that comes and goes is an event.

use roaring::RoaringBitmap;

use super::contacts::place;
use super::state::State;
use super::users::{Seen, User};
use crate::ids::{DeviceId, Time, UserId};
use crate::wire::log::{PresenceChosen, SessionClosed, SessionOpened, SessionsClosed};
use crate::wire::v1;

/// Sets of users, by the counters of their ids.
#[derive(Debug, Default)]
pub(super) struct Online {
    /// With a device that is connected.
    all: RoaringBitmap,
    /// Of these, those whom others may see.
    visible: RoaringBitmap,
    /// Devices that are connected.
    sessions: u64,
}

impl Online {
    pub(super) fn has(&self, id: u32) -> bool {
        self.all.contains(id)
    }

    pub(super) fn shows(&self, id: u32) -> bool {
        self.visible.contains(id)
    }

    pub(super) fn users(&self) -> u64 {
        self.all.len()
    }

    pub(super) fn sessions(&self) -> u64 {
        self.sessions
    }

    fn note(&mut self, id: u32, seen: Seen) {
        if seen.open > 0 {
            self.all.insert(id)
        } else {
            self.all.remove(id)
        };
        if seen.is_visible() {
            self.visible.insert(id)
        } else {
            self.visible.remove(id)
        };
    }
}

impl State {
    pub(super) fn session_opened(&mut self, at: Time, event: &SessionOpened) {
        self.seen(UserId(event.user), |user| {
            let Some(device) = user.device_mut(DeviceId(event.device)).filter(|device| !device.online) else {
                return 0;
            };
            device.online = true;
            device.last_seen = at;
            user.seen.change(at, |seen| seen.open += 1);
            1
        });
    }

    pub(super) fn session_closed(&mut self, at: Time, event: &SessionClosed) {
        self.device_gone(at, UserId(event.user), DeviceId(event.device));
    }

    /// A device is not connected any more, if it was.
    pub(super) fn device_gone(&mut self, at: Time, user: UserId, device: DeviceId) {
        self.seen(user, |user| {
            let Some(device) = user.device_mut(device).filter(|device| device.online) else { return 0 };
            device.online = false;
            device.last_seen = at;
            user.seen.change(at, |seen| seen.open -= 1);
            -1
        });
    }

    pub(super) fn sessions_closed(&mut self, event: SessionsClosed) {
        for id in std::mem::take(&mut self.online.all) {
            let Some(user) = self.user_mut(UserId::nth(id.into())) else { continue };
            for device in user.devices.iter_mut().filter(|device| device.online) {
                device.online = false;
                device.last_seen = Time(event.at);
            }
            user.seen.change(Time(event.at), |seen| seen.open = 0);
        }
        self.online = Online::default();
    }

    pub(super) fn presence_chosen(&mut self, at: Time, event: PresenceChosen) {
        self.seen(UserId(event.user), |user| {
            user.seen.change(at, |seen| seen.chosen = event.state as u8);
            0
        });
    }

    /// Changes what is seen of a user; the change tells by how much the number of sessions grew.
    fn seen(&mut self, id: UserId, change: impl FnOnce(&mut User) -> i64) {
        let Some(user) = self.user_mut(id) else { return };
        let grown = change(user);
        let seen = user.seen;
        if let Some(place) = place(id) {
            self.online.note(place, seen);
        }
        self.online.sessions = self.online.sessions.saturating_add_signed(grown);
    }

    /// What those who may know see of a user.
    pub(super) fn presence(&self, user: &User) -> v1::Presence {
        let state = user.seen.shown();
        if state == v1::State::Offline {
            return v1::Presence { last_seen: user.seen.last.0, ..v1::Presence::default() };
        }
        let mut kinds: Vec<i32> =
            user.devices.iter().filter(|device| device.online).map(|device| device.kind.into()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        v1::Presence { state: state.into(), last_seen: 0, kinds, since: user.seen.since.0 }
    }

    /// Devices that are connected.
    pub fn sessions(&self) -> u64 {
        self.online.sessions()
    }

    /// Users with a device that is connected.
    pub fn online(&self) -> u64 {
        self.online.users()
    }
}
