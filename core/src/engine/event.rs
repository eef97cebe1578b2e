//! What has happened. Only events change state; a record of the journal holds all events of one command.

use prost::Message;

use crate::wire::log::event::Event as Arm;
use crate::wire::log::{
    self, AccountDisabled, AccountRegistered, Act, CursorMoved, DeviceAdded, DeviceRemoved, Left, PresenceChosen,
    SecretChanged, SessionClosed, SessionOpened, SessionsClosed,
};
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
    /// Two people's relation changed; its content is the change.
    ContactChanged(LogEntry<'a>, Act),
    /// A profile changed; its content is the change.
    ProfileChanged(LogEntry<'a>),
    /// A user has these as contacts, beside those it had; growing ids.
    ContactsImported(LogEntry<'a>, Vec<u64>),
    /// An account is gone, and was in these groups; its content is a contact's removal.
    AccountDeleted(LogEntry<'a>, Vec<Left>),
    /// A password was changed.
    SecretChanged(SecretChanged),
    /// An account was disabled, or enabled again.
    AccountDisabled(AccountDisabled),
    /// A user chose what others see.
    PresenceChosen(PresenceChosen),
    /// A device is connected.
    SessionOpened(SessionOpened),
    /// A device is not connected any more.
    SessionClosed(SessionClosed),
    /// No device is: the broker started.
    SessionsClosed(SessionsClosed),
}

impl<'a> Event<'a> {
    /// What of it stands in inboxes, if anything does.
    pub(super) fn entry(&self) -> Option<&LogEntry<'a>> {
        match self {
            Event::MessageSent(entry)
            | Event::GroupChanged(entry)
            | Event::ContactChanged(entry, _)
            | Event::ProfileChanged(entry)
            | Event::ContactsImported(entry, _)
            | Event::AccountDeleted(entry, _) => Some(entry),
            _ => None,
        }
    }
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
            Arm::ContactChanged(change) => each(Event::ContactChanged(
                LogEntry {
                    from: change.from,
                    device: change.device,
                    key: change.key,
                    user: change.user,
                    content: &change.content,
                    ..LogEntry::default()
                },
                change.act(),
            )),
            Arm::ProfileChanged(change) => each(Event::ProfileChanged(LogEntry {
                from: change.from,
                device: change.device,
                key: change.key,
                user: change.from,
                content: &change.content,
                ..LogEntry::default()
            })),
            Arm::ContactsImported(event) => {
                let entry = LogEntry { from: event.from, content: &event.content, ..LogEntry::default() };
                each(Event::ContactsImported(entry, event.contacts));
            }
            Arm::AccountDeleted(event) => {
                let entry = LogEntry { from: event.from, content: &event.content, ..LogEntry::default() };
                each(Event::AccountDeleted(entry, event.left));
            }
            Arm::SecretChanged(event) => each(Event::SecretChanged(event)),
            Arm::AccountDisabled(event) => each(Event::AccountDisabled(event)),
            Arm::PresenceChosen(event) => each(Event::PresenceChosen(event)),
            Arm::SessionOpened(event) => each(Event::SessionOpened(event)),
            Arm::SessionClosed(event) => each(Event::SessionClosed(event)),
            Arm::SessionsClosed(event) => each(Event::SessionsClosed(event)),
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
        let begin = out.len();
        let record = log::Record { events: vec![log::Event { event: Some(arm(event)) }] };
        out.extend_from_slice(&record.encode_to_vec());
        if let Some(entry) = event.entry()
            && let Some(at) = find(&out[begin..], entry.content)
        {
            content = ((begin + at) as u32, (begin + at + entry.content.len()) as u32);
        }
    }
    content
}

/// The event as the schema has it.
fn arm(event: &Event<'_>) -> Arm {
    match event {
        Event::MessageSent(entry) => Arm::MessageSent(log::MessageSent {
            from: entry.from,
            device: entry.device,
            key: entry.key,
            user: entry.user,
            group: entry.group,
            ordinal: entry.ordinal,
            content: entry.content.to_vec(),
            previous: entry.previous,
        }),
        Event::GroupChanged(entry) => Arm::GroupChanged(log::GroupChanged {
            from: entry.from,
            device: entry.device,
            key: entry.key,
            group: entry.group,
            ordinal: entry.ordinal,
            content: entry.content.to_vec(),
            previous: entry.previous,
        }),
        Event::ContactChanged(entry, act) => Arm::ContactChanged(log::ContactChanged {
            from: entry.from,
            device: entry.device,
            key: entry.key,
            user: entry.user,
            content: entry.content.to_vec(),
            act: (*act).into(),
        }),
        Event::ProfileChanged(entry) => Arm::ProfileChanged(log::ProfileChanged {
            from: entry.from,
            device: entry.device,
            key: entry.key,
            content: entry.content.to_vec(),
        }),
        Event::ContactsImported(entry, contacts) => Arm::ContactsImported(log::ContactsImported {
            from: entry.from,
            content: entry.content.to_vec(),
            contacts: contacts.clone(),
        }),
        Event::AccountDeleted(entry, left) => Arm::AccountDeleted(log::AccountDeleted {
            from: entry.from,
            content: entry.content.to_vec(),
            left: left.clone(),
        }),
        Event::CursorMoved(event) => Arm::CursorMoved(*event),
        Event::AccountRegistered(event) => Arm::AccountRegistered(event.clone()),
        Event::DeviceAdded(event) => Arm::DeviceAdded(event.clone()),
        Event::DeviceRemoved(event) => Arm::DeviceRemoved(*event),
        Event::SecretChanged(event) => Arm::SecretChanged(event.clone()),
        Event::AccountDisabled(event) => Arm::AccountDisabled(*event),
        Event::PresenceChosen(event) => Arm::PresenceChosen(*event),
        Event::SessionOpened(event) => Arm::SessionOpened(*event),
        Event::SessionClosed(event) => Arm::SessionClosed(*event),
        Event::SessionsClosed(event) => Arm::SessionsClosed(*event),
    }
}

/// Where the last occurrence of `needle` begins; an encoded event holds its content verbatim, near its end.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack.windows(needle.len()).rposition(|window| window == needle)
}
