//! Who is signed in on which connection. It lives and dies with the process, so it is no part of the journaled state.

use smallvec::SmallVec;

use super::chunked::Chunked;
use crate::ids::{ConnectionId, DeviceId, Time, UserId, Version};

/// A device that is signed in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) device: DeviceId,
    pub(super) connection: ConnectionId,
}

/// What sits on a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seat {
    generation: u32,
    pub(super) user: UserId,
    pub(super) device: DeviceId,
    /// The highest version that the device acknowledged here.
    pub(super) acked: Version,
    /// When that was journaled last.
    pub(super) journaled: Time,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    of_user: Chunked<SmallVec<[Session; 1]>>,
    of_reactor: Vec<Chunked<Seat>>,
}

impl Sessions {
    pub(super) fn new(reactors: usize) -> Self {
        Self { of_user: Chunked::new(), of_reactor: (0..reactors).map(|_| Chunked::new()).collect() }
    }

    /// The connections of a user, by their counter.
    pub(super) fn of(&self, user: UserId) -> &[Session] {
        user.counter().and_then(|counter| self.of_user.get(counter as usize)).map_or(&[], SmallVec::as_slice)
    }

    /// What sits on a connection; `None`: nobody is signed in there (any more).
    pub(super) fn seat(&mut self, connection: ConnectionId) -> Option<&mut Seat> {
        self.of_reactor
            .get_mut(connection.reactor as usize)?
            .get_mut(connection.key as usize)
            .filter(|seat| seat.generation == connection.generation && seat.user != UserId::default())
    }

    /// The connection that a device is on.
    pub(super) fn connection_of(&self, user: UserId, device: DeviceId) -> Option<ConnectionId> {
        self.of(user).iter().find(|session| session.device == device).map(|session| session.connection)
    }

    /// Who sits in a connection's place, of whatever generation.
    pub(super) fn sits(&self, connection: ConnectionId) -> Option<(UserId, DeviceId)> {
        let seat = self.of_reactor.get(connection.reactor as usize)?.get(connection.key as usize)?;
        (seat.user != UserId::default()).then_some((seat.user, seat.device))
    }

    /// Signs a device in and returns the connection that had it before.
    pub(super) fn open(
        &mut self,
        connection: ConnectionId,
        user: UserId,
        device: DeviceId,
        acked: Version,
    ) -> Option<ConnectionId> {
        let before = self.connection_of(user, device);
        if let Some(before) = before {
            self.close(before);
        }
        self.vacate(connection);
        let counter = user.counter().unwrap_or_default() as usize;
        while self.of_user.len() <= counter {
            self.of_user.push(SmallVec::new());
        }
        if let Some(sessions) = self.of_user.get_mut(counter) {
            sessions.push(Session { device, connection });
        }
        if let Some(seats) = self.of_reactor.get_mut(connection.reactor as usize) {
            while seats.len() <= connection.key as usize {
                seats.push(Seat::default());
            }
            if let Some(seat) = seats.get_mut(connection.key as usize) {
                *seat = Seat { generation: connection.generation, user, device, acked, journaled: Time(0) };
            }
        }
        before
    }

    /// A connection is reused before its close was heard of: whoever sat there is gone.
    fn vacate(&mut self, connection: ConnectionId) {
        let seats = self.of_reactor.get(connection.reactor as usize);
        if let Some(seat) = seats.and_then(|seats| seats.get(connection.key as usize)) {
            self.close(ConnectionId { generation: seat.generation, ..connection });
        }
    }

    /// Ends the session on a connection, if there is one.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        let Some(seat) = self.seat(connection) else { return };
        let user = std::mem::take(seat).user;
        if let Some(sessions) = user.counter().and_then(|counter| self.of_user.get_mut(counter as usize)) {
            sessions.retain(|session| session.connection != connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_sits_on_one_connection_and_a_late_close_hurts_nobody() {
        let mut sessions = Sessions::new(1);
        let first = ConnectionId { reactor: 0, key: 3, generation: 1 };
        let second = ConnectionId { reactor: 0, key: 3, generation: 2 };
        let user = UserId::nth(5);
        assert_eq!(sessions.open(first, user, DeviceId(1), Version(0)), None);
        assert_eq!(sessions.open(second, user, DeviceId(1), Version(0)), Some(first));
        sessions.close(first);
        assert_eq!(sessions.of(user).len(), 1);
        assert!(sessions.seat(first).is_none());
        sessions.close(second);
        assert!(sessions.of(user).is_empty());
    }

    #[test]
    fn a_close_that_comes_after_its_place_was_taken_leaves_no_ghost() {
        let mut sessions = Sessions::new(1);
        let first = ConnectionId { reactor: 0, key: 3, generation: 1 };
        let second = ConnectionId { reactor: 0, key: 3, generation: 2 };
        sessions.open(first, UserId::nth(1), DeviceId(1), Version(0));
        sessions.open(second, UserId::nth(2), DeviceId(1), Version(0));
        sessions.close(first);
        assert!(sessions.of(UserId::nth(1)).is_empty());
        assert_eq!(sessions.of(UserId::nth(2)).len(), 1);
    }
}
