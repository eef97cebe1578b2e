//! The borrowing codec of the record that almost every record is: one message.
//!
//! `Record { events: [ Event { message_sent } ] }`, all lengths minimal, no default written.

use std::ops::Range;

use super::varint::{Fields, NUMBER, Room, number_len, put, put_number, varint};

const EVENTS: u8 = 0x0a; // Record.events
const MESSAGE_SENT: u8 = 0x0a; // Event.message_sent
const GROUP_CHANGED: u8 = 0x12; // Event.group_changed
const CURSOR_MOVED: u8 = 0x1a; // Event.cursor_moved
const PRESENCE_CHOSEN: u8 = 0x6a; // Event.presence_chosen
const PROFILE_CHANGED: u8 = 0x42; // Event.profile_changed
/// What else stands in inboxes: Event.contact_changed, profile_changed, contacts_imported, account_deleted.
const RARE: [u8; 4] = [0x3a, PROFILE_CHANGED, 0x4a, 0x52];

/// A message or a group change, as the log has it; the fields of `MessageSent` and `GroupChanged` in log.proto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// Who.
    pub from: u64,
    /// On which device.
    pub device: u32,
    /// The device's key, 0: none.
    pub key: u64,
    /// 1:1: the other one.
    pub user: u64,
    /// The group, 0: 1:1.
    pub group: u64,
    /// Its number in the conversation.
    pub ordinal: u64,
    /// Fields 8 to 18 of the wire's Entry.
    pub content: &'a [u8],
    /// The position of the message before in the conversation, 0: none.
    pub previous: u64,
}

/// Between whom messages go: what their records have in common.
#[derive(Clone, Copy, Debug)]
pub struct Between {
    from: Fields<24>,
    to: Fields<24>,
}

impl Between {
    /// Between whom a message goes.
    #[inline]
    pub fn of(m: &LogEntry<'_>) -> Self {
        let from = Fields::of(|room| {
            room.number(0x08, m.from);
            room.number(0x10, u64::from(m.device));
        });
        let to = Fields::of(|room| {
            room.number(0x20, m.user);
            room.number(0x28, m.group);
        });
        Self { from, to }
    }
}

/// Appends a record that holds one message, and returns where its content stands in `out`.
pub fn put_message(out: &mut Vec<u8>, m: &LogEntry<'_>) -> Range<usize> {
    put_message_between(out, &Between::of(m), m)
}

/// The same for one of several messages between the same people, who are encoded already.
#[inline]
pub fn put_message_between(out: &mut Vec<u8>, between: &Between, m: &LogEntry<'_>) -> Range<usize> {
    let behind = m.content.len() + number_len(m.previous);
    put(out, |room: &mut Room<'_, { 9 * NUMBER }>| {
        room.byte(EVENTS);
        room.nested(behind, |room| {
            room.byte(MESSAGE_SENT);
            room.nested(behind, |room| {
                room.fields(&between.from);
                room.number(0x18, m.key);
                room.fields(&between.to);
                room.number(0x30, m.ordinal);
                // a length is a number field too, in all but its meaning
                room.number(0x3a, m.content.len() as u64);
            });
        });
    });
    let content = out.len()..out.len() + m.content.len();
    out.extend_from_slice(m.content);
    put_number(out, 0x40, m.previous);
    content
}

/// The message, if the record holds one message and nothing else. `None`: something else, or nothing that this codec writes; the
/// generated decoder then decides.
pub fn as_message(body: &[u8]) -> Option<LogEntry<'_>> {
    single(body, MESSAGE_SENT)
}

/// Whether a record's first event is a message, told by its first bytes. Such a record holds nothing else.
pub fn is_message(body: &[u8]) -> bool {
    let event = body.strip_prefix(&[EVENTS]).and_then(varint);
    event.is_some_and(|(_, event)| event.first() == Some(&MESSAGE_SENT))
}

/// Whether a record says nothing of who there is and who belongs where: it is a message, a device's cursor, or what someone lets others
/// see of themselves, told by its first bytes. Almost every record is.
pub fn is_talk(body: &[u8]) -> bool {
    let event = body.strip_prefix(&[EVENTS]).and_then(varint);
    event.is_some_and(|(length, event)| match event.first() {
        Some(&MESSAGE_SENT) => true,
        // these may have others behind them
        Some(&(CURSOR_MOVED | PRESENCE_CHOSEN)) => event.len() as u64 == length,
        _ => false,
    })
}

/// What of a record stands in inboxes: its first event, if that is of a kind that does.
pub fn as_entry(body: &[u8]) -> Option<LogEntry<'_>> {
    single(body, MESSAGE_SENT).or_else(|| single(body, GROUP_CHANGED)).or_else(|| {
        let event = first_field(body, EVENTS)?;
        let arm = *event.first()?;
        let mut entry = RARE.contains(&arm).then(|| fields(only_field(event, arm)?, arm)).flatten()?;
        // a profile is one's own
        entry.user = if arm == PROFILE_CHANGED { entry.from } else { entry.user };
        Some(entry)
    })
}

fn single(body: &[u8], arm: u8) -> Option<LogEntry<'_>> {
    let event = only_field(body, EVENTS)?;
    fields(only_field(event, arm)?, arm)
}

fn fields(mut rest: &[u8], arm: u8) -> Option<LogEntry<'_>> {
    let mut entry = LogEntry::default();
    let mut last = 0;
    while let [tag, behind @ ..] = rest {
        if *tag == 0x4a && RARE.contains(&arm) {
            // who else it is about: nothing that an inbox shows
            let (length, behind) = varint(behind)?;
            rest = behind.get(usize::try_from(length).ok()?..)?;
            continue;
        }
        if *tag <= last {
            return None; // out of order or repeated: the generated decoder knows what to do
        }
        last = *tag;
        if *tag == 0x3a {
            let (length, behind) = varint(behind)?;
            (entry.content, rest) = behind.split_at_checked(usize::try_from(length).ok()?)?;
            continue;
        }
        let (value, behind) = varint(behind)?;
        match tag {
            0x08 => entry.from = value,
            0x10 => entry.device = u32::try_from(value).ok()?,
            0x18 => entry.key = value,
            0x20 if arm != GROUP_CHANGED => entry.user = value,
            0x28 => entry.group = value,
            0x30 => entry.ordinal = value,
            0x40 => entry.previous = value,
            // what a contact's change came to shows in its content
            0x48 if RARE.contains(&arm) => {}
            _ => return None,
        }
        rest = behind;
    }
    Some(entry)
}

/// The bytes of the first field, if it is this one.
fn first_field(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (length, rest) = varint(bytes.strip_prefix(&[tag])?)?;
    rest.get(..usize::try_from(length).ok()?)
}

/// The bytes of a length-delimited field, if it is all there is.
fn only_field(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (length, rest) = varint(bytes.strip_prefix(&[tag])?)?;
    (rest.len() as u64 == length).then_some(rest)
}
