//! What has happened. Only events change state; a record of the journal holds all events of one command.

use prost::Message;

use crate::wire::log::event::Event as Arm;
use crate::wire::log::{self, AccountRegistered, CursorMoved, DeviceAdded, DeviceRemoved};
use crate::wire::record::{self as hot, LogEntry};

/// One event. Messages are borrowed from their bytes, all others are rare enough to own what they hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A message was accepted.
    MessageSent(LogEntry<'a>),
    /// A group was made or changed; its content is the change.
    GroupChanged(LogEntry<'a>),
    /// A device has stored everything up to a version.
    CursorMoved(CursorMoved),
    /// An account exists.
    AccountRegistered(AccountRegistered),
    /// A device exists, or has a new token.
    DeviceAdded(DeviceAdded),
    /// A device is signed out.
    DeviceRemoved(DeviceRemoved),
}

/// Why a record cannot be applied: it is of a newer ringdove, or it is no record of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the record cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Hands the events of a record's body to `each`, in order.
pub(super) fn decode(body: &[u8], mut each: impl FnMut(Event<'_>)) -> Result<(), Unreadable> {
    if let Some(message) = hot::as_message(body) {
        each(Event::MessageSent(message));
        return Ok(());
    }
    let record = log::Record::decode(body).map_err(|error| Unreadable(error.to_string()))?;
    for event in record.events {
        match event.event.ok_or_else(|| Unreadable("an event of a kind that this version does not know".into()))? {
            Arm::MessageSent(message) => each(Event::MessageSent(LogEntry {
                from: message.from,
                device: message.device,
                key: message.key,
                user: message.user,
                group: message.group,
                ordinal: message.ordinal,
                content: &message.content,
                previous: message.previous,
            })),
            Arm::GroupChanged(change) => each(Event::GroupChanged(LogEntry {
                from: change.from,
                device: change.device,
                key: change.key,
                user: 0,
                group: change.group,
                ordinal: change.ordinal,
                content: &change.content,
                previous: change.previous,
            })),
            Arm::CursorMoved(event) => each(Event::CursorMoved(event)),
            Arm::AccountRegistered(event) => each(Event::AccountRegistered(event)),
            Arm::DeviceAdded(event) => each(Event::DeviceAdded(event)),
            Arm::DeviceRemoved(event) => each(Event::DeviceRemoved(event)),
        }
    }
    Ok(())
}

/// Appends the body of a record that holds `events`, and returns where in it the content of the one entry among them stands.
pub(super) fn encode(out: &mut Vec<u8>, events: &[Event<'_>]) -> (u32, u32) {
    if let [Event::MessageSent(message)] = events {
        let range = hot::put_message(out, message);
        return (range.start as u32, range.end as u32);
    }
    let mut content = (0, 0);
    for event in events {
        let (arm, bytes) = match event {
            Event::MessageSent(entry) => (
                Arm::MessageSent(log::MessageSent {
                    from: entry.from,
                    device: entry.device,
                    key: entry.key,
                    user: entry.user,
                    group: entry.group,
                    ordinal: entry.ordinal,
                    content: entry.content.to_vec(),
                    previous: entry.previous,
                }),
                entry.content,
            ),
            Event::GroupChanged(entry) => (
                Arm::GroupChanged(log::GroupChanged {
                    from: entry.from,
                    device: entry.device,
                    key: entry.key,
                    group: entry.group,
                    ordinal: entry.ordinal,
                    content: entry.content.to_vec(),
                    previous: entry.previous,
                }),
                entry.content,
            ),
            Event::CursorMoved(event) => (Arm::CursorMoved(*event), &[][..]),
            Event::AccountRegistered(event) => (Arm::AccountRegistered(event.clone()), &[][..]),
            Event::DeviceAdded(event) => (Arm::DeviceAdded(event.clone()), &[][..]),
            Event::DeviceRemoved(event) => (Arm::DeviceRemoved(*event), &[][..]),
        };
        let begin = out.len();
        let record = log::Record { events: vec![log::Event { event: Some(arm) }] };
        out.extend_from_slice(&record.encode_to_vec());
        if let Some(at) = find(&out[begin..], bytes) {
            content = ((begin + at) as u32, (begin + at + bytes.len()) as u32);
        }
    }
    content
}

/// Where the last occurrence of `needle` begins; an encoded event holds its content verbatim, near its end.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack.windows(needle.len()).rposition(|window| window == needle)
}
