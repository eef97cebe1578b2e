//! Borrowing codecs for hot frames: a text message, an acknowledgement, a ping, what is pushed and what is answered. Nothing here
//! allocates but the caller's buffer; a property test holds every one equal to the generated codec.

use super::frame::put_length;
use super::v1;
use super::varint::{Fields, NUMBER, Room, number_len, put, put_number, put_varint, varint, varint_len};
use super::{Code, Refusal};
use crate::ids::WIRE_BOUND;

const ID: u8 = 0x08;
const ACK: u8 = 0x10;
const SEND: u8 = 0x1a;
const SEND_KEY: u8 = 0x08;
const SEND_USER: u8 = 0x18;
const SEND_GROUP: u8 = 0x20;
const TEXT: u8 = 0x42;

const ENTRY: u8 = 0x12; // ServerFrame.entry
const ENTRIES: u8 = 0x1a; // ServerFrame.entries
const NOTICE: u8 = 0x2a; // ServerFrame.notice
const VERSION: u8 = 0x08; // Entry.version
const FROM: u8 = 0x10;
const USER: u8 = 0x18;
const GROUP: u8 = 0x20;
const ORDINAL: u8 = 0x28;
const TIME: u8 = 0x30;
const POSITION: u8 = 0x38;
const LIST: u8 = 0x0a; // Entries.list

/// A client's frame, as far as it is hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotClient<'a> {
    /// The empty frame.
    Ping,
    /// Nothing but an acknowledgement.
    Ack(u64),
    /// A text message to a number.
    Send(HotSend<'a>),
    /// Anything else, well-formed or not: the generated decoder knows.
    Cold,
}

/// A text message to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotSend<'a> {
    /// The frame's id.
    pub id: u32,
    /// The acknowledgement that rides along; 0: none.
    pub ack: u64,
    /// The idempotency key; 0: none.
    pub key: u64,
    /// To whom.
    pub to: HotTo,
    /// The text, not empty.
    pub text: &'a str,
}

/// To whom a hot message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotTo {
    /// To oneself.
    Myself,
    /// To a user.
    User(u64),
    /// To a group.
    Group(u64),
}

/// Decodes a client's frame if it is hot: known fields in growing order, as nearly every encoder writes them, and every value in range. Any other order
/// means the same, and only costs more.
pub fn decode_client(frame: &[u8]) -> HotClient<'_> {
    if frame.is_empty() {
        return HotClient::Ping;
    }
    decode_hot(frame).unwrap_or(HotClient::Cold)
}

fn decode_hot(frame: &[u8]) -> Option<HotClient<'_>> {
    let (id, rest) = field(frame, ID)?;
    let (ack, rest) = field(rest, ACK)?;
    let id = u32::try_from(id.unwrap_or(0)).ok()?;
    let ack = below_bound(ack.unwrap_or(0))?;
    if rest.is_empty() {
        return (id == 0 && ack > 0).then_some(HotClient::Ack(ack));
    }
    decode_send(last(rest, SEND)?, id, ack).map(HotClient::Send)
}

fn decode_send(bytes: &[u8], id: u32, ack: u64) -> Option<HotSend<'_>> {
    let (key, rest) = field(bytes, SEND_KEY)?;
    let (user, rest) = field(rest, SEND_USER)?;
    let (group, rest) = field(rest, SEND_GROUP)?;
    let key = below_bound(key.unwrap_or(0))?;
    let to = match (user, group) {
        (None, None) => HotTo::Myself,
        (Some(user), None) => HotTo::User(below_bound(user)?),
        (None, Some(group)) => HotTo::Group(below_bound(group)?),
        (Some(_), Some(_)) => return None,
    };
    let text = simdutf8::basic::from_utf8(last(rest, TEXT)?).ok()?;
    (!text.is_empty()).then_some(HotSend { id, ack, key, to, text })
}

/// The value of the number field that begins here, if it is this one, and what is behind it.
#[inline]
fn field(bytes: &[u8], tag: u8) -> Option<(Option<u64>, &[u8])> {
    match bytes {
        [first, behind @ ..] if *first == tag => varint(behind).map(|(value, rest)| (Some(value), rest)),
        _ => Some((None, bytes)),
    }
}

/// The bytes of this field, if it is all that is left.
#[inline]
fn last(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (length, rest) = varint(bytes.strip_prefix(&[tag])?)?;
    (rest.len() as u64 == length).then_some(rest)
}

fn below_bound(value: u64) -> Option<u64> {
    (value < WIRE_BOUND).then_some(value)
}

/// Decodes any frame with the generated decoder.
///
/// # Errors
/// MALFORMED: these bytes are no frame.
pub fn decode_cold(frame: &[u8]) -> Result<v1::ClientFrame, Refusal> {
    prost::Message::decode(frame).map_err(|_| Refusal::of(Code::Malformed))
}

/// Holds every 64-bit value below 2^53.
///
/// # Errors
/// INVALID, naming the field.
pub fn check(frame: &v1::ClientFrame) -> Result<(), Refusal> {
    use v1::client_frame::Request;
    let mut numbers = vec![(frame.ack, "ack")];
    match &frame.request {
        Some(Request::Send(send)) => {
            numbers.extend([(send.key, "key"), (send.reply, "reply")]);
            match send.to {
                Some(v1::send::To::User(user)) => numbers.push((user, "user")),
                Some(v1::send::To::Group(group)) => numbers.push((group, "group")),
                _ => {}
            }
            numbers.extend(send.mentions.iter().map(|user| (*user, "mentions")));
            if let Some(mark) = &send.mark {
                numbers.extend([(mark.read, "read"), (mark.received, "received")]);
            }
            if let Some(change) = &send.group_change {
                numbers
                    .extend(change.set.iter().flat_map(|member| [(member.user, "set"), (member.muted_until, "set")]));
                numbers.extend(change.remove.iter().map(|user| (*user, "remove")));
            }
        }
        Some(Request::Sync(sync)) => numbers.push((sync.since, "since")),
        Some(Request::Hello(hello)) => numbers.extend([(hello.device, "device"), (hello.since, "since")]),
        _ => {}
    }
    match numbers.into_iter().find(|(number, _)| *number >= WIRE_BOUND) {
        Some((_, field)) => Err(Refusal::of(Code::Invalid).field(field)),
        None => Ok(()),
    }
}

/// Bytes that [`put_text_content`] appends.
pub const fn text_content_len(text: &str) -> usize {
    1 + varint_len(text.len() as u64) + text.len()
}

/// Appends field 8: the content of a text message, which is not empty.
pub fn put_text_content(out: &mut Vec<u8>, text: &str) {
    // a length is a number field too, in all but its meaning
    put_number(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the known fields 8 to 18 of a send, re-encoded in field order: what an entry may hold. A client's own bytes are never
/// copied, for fields 5 to 7 among them would forge ordinal, time and position.
pub fn canonical_content(out: &mut Vec<u8>, send: &v1::Send) {
    let entry = v1::Entry {
        text: send.text.clone(),
        reply: send.reply,
        mentions: send.mentions.clone(),
        attachments: send.attachments.clone(),
        custom: send.custom.clone(),
        mark: send.mark,
        amend: send.amend.clone(),
        mention_all: send.mention_all,
        group_change: send.group_change.clone(),
        contact_change: send.contact_change.clone(),
        profile_change: send.profile_change.clone(),
        ..v1::Entry::default()
    };
    // a Vec has room for whatever is encoded
    let _ = prost::Message::encode(&entry, out);
}

/// Who an entry names for its reader: fields 2 to 4. Absent ones mean the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Who did it; 0: the reader.
    pub from: u64,
    /// 1:1: the other one; 0: the reader.
    pub user: u64,
    /// The group; 0: 1:1.
    pub group: u64,
}

impl Names {
    /// What `viewer` is told of an entry from `from` to `user` or `group`.
    pub const fn for_viewer(viewer: u64, from: u64, user: u64, group: u64) -> Self {
        if group != 0 {
            return Self { from, user: 0, group };
        }
        let own = viewer == from;
        Self { from: if own { 0 } else { from }, user: if own && user != viewer { user } else { 0 }, group: 0 }
    }
}

/// Fields 2 and up of an entry: encoded once for many readers, or right where they are wanted for a single one.
pub trait Tail {
    /// Bytes that it takes at most, told without looking at each number.
    fn bound(&self) -> usize;
    /// Appends a pushed entry that ends with it, with its length.
    fn put_push(&self, out: &mut Vec<u8>, version: u64);
}

/// An encoded tail.
impl Tail for [u8] {
    fn bound(&self) -> usize {
        self.len()
    }

    fn put_push(&self, out: &mut Vec<u8>, version: u64) {
        put(out, |room: &mut Room<'_, { 3 * NUMBER }>| put_push_head(room, version, self.len(), |_| {}));
        out.extend_from_slice(self);
    }
}

/// When an entry happened, as a field of it: entries of one millisecond share it.
pub type TimeField = Fields<16>;

/// The field of a time, in ms since 1970.
#[inline]
pub fn time_field(ms: u64) -> TimeField {
    Fields::of(|room| room.number(TIME, ms))
}

/// Whom an entry names and when it happened, as its reader is told: entries of a train share it.
#[derive(Clone, Copy, Debug)]
pub struct Heading {
    names: Fields<40>,
    time: TimeField,
}

impl Heading {
    /// Whom the entries name, and when they happened, in ms since 1970.
    #[inline]
    pub fn new(names: Names, ms: u64) -> Self {
        let Names { from, user, group } = names;
        let names = Fields::of(|room| {
            room.number(FROM, from);
            room.number(USER, user);
            room.number(GROUP, group);
        });
        Self { names, time: time_field(ms) }
    }
}

/// A tail that is not encoded yet.
#[derive(Clone, Copy, Debug)]
pub struct NewTail<'a> {
    /// Whom it names, and when it happened.
    pub heading: &'a Heading,
    /// Its number in the conversation.
    pub ordinal: u64,
    /// Fields 8 to 18, encoded.
    pub content: &'a [u8],
}

impl NewTail<'_> {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        put(out, |room: &mut Room<'_, { 5 * NUMBER }>| self.put_numbers(room));
        out.extend_from_slice(self.content);
    }

    #[inline]
    fn put_numbers<const N: usize>(&self, room: &mut Room<'_, N>) {
        room.fields(&self.heading.names);
        room.number(ORDINAL, self.ordinal);
        room.fields(&self.heading.time);
    }
}

impl Tail for NewTail<'_> {
    fn bound(&self) -> usize {
        5 * NUMBER + self.content.len()
    }

    fn put_push(&self, out: &mut Vec<u8>, version: u64) {
        let content = self.content.len();
        put(out, |room: &mut Room<'_, { 8 * NUMBER }>| {
            put_push_head(room, version, content, |room| self.put_numbers(room));
        });
        out.extend_from_slice(self.content);
    }
}

/// Puts what stands before the last `behind` bytes of a pushed entry.
fn put_push_head<const N: usize>(
    room: &mut Room<'_, N>,
    version: u64,
    behind: usize,
    put_names: impl FnOnce(&mut Room<'_, N>),
) {
    room.nested(behind, |room| {
        room.byte(ENTRY);
        room.nested(behind, |room| {
            room.number(VERSION, version);
            put_names(room);
        });
    });
}

/// Appends one element of `Entries.list`; version 0: one more than the element before it.
pub fn put_listed(out: &mut Vec<u8>, version: u64, tail: &[u8]) {
    out.push(LIST);
    put_varint(out, (number_len(version) + tail.len()) as u64);
    put_number(out, VERSION, version);
    out.extend_from_slice(tail);
}

/// Appends a frame with entries, whose `list` is encoded already, with its length.
pub fn put_entries(out: &mut Vec<u8>, id: u32, list: &[u8], more: bool, gap: bool, version: u64) {
    let entries = list.len() + 2 * usize::from(more) + 2 * usize::from(gap) + number_len(version);
    put_length(out, number_len(u64::from(id)) + 1 + varint_len(entries as u64) + entries);
    put_number(out, ID, u64::from(id));
    out.push(ENTRIES);
    put_varint(out, entries as u64);
    out.extend_from_slice(list);
    put_number(out, 0x10, u64::from(more));
    put_number(out, 0x18, u64::from(gap));
    put_number(out, 0x20, version);
}

/// The entry that a send became, for its sender; absent values are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentEntry {
    /// Its version in the sender's inbox.
    pub version: u64,
    /// The recipient, if the sender knew only the handle.
    pub user: u64,
    /// The group, if it was made.
    pub group: u64,
    /// Its number in the conversation.
    pub ordinal: u64,
    /// When, in ms since 1970.
    pub time: u64,
    /// Its position on the wire.
    pub position: u64,
}

/// Appends the answer to a send, with its length.
pub fn put_answer(out: &mut Vec<u8>, id: u32, sent: SentEntry) {
    put_answer_of(out, id, &sent, &time_field(sent.time));
}

/// The same for one of several sends that happened at the same time, whose field is there already.
#[inline]
pub fn put_answer_of(out: &mut Vec<u8>, id: u32, sent: &SentEntry, time: &TimeField) {
    put(out, |room: &mut Room<'_, { 9 * NUMBER }>| {
        room.nested(0, |room| {
            room.number(ID, u64::from(id));
            room.byte(ENTRY);
            room.nested(0, |room| {
                room.number(VERSION, sent.version);
                room.number(USER, sent.user);
                room.number(GROUP, sent.group);
                room.number(ORDINAL, sent.ordinal);
                room.fields(time);
                room.number(POSITION, sent.position);
            });
        });
    });
}

/// Appends "done": a frame with an id and nothing else.
pub fn put_done(out: &mut Vec<u8>, id: u32) {
    put_length(out, number_len(u64::from(id)));
    put_number(out, ID, u64::from(id));
}

/// Appends the empty frame.
pub fn put_pong(out: &mut Vec<u8>) {
    put_length(out, 0);
}

/// Appends a notice; id 0: news.
pub fn put_notice(out: &mut Vec<u8>, id: u32, version: u64, unread: u32) {
    let notice = number_len(version) + number_len(u64::from(unread));
    put_length(out, number_len(u64::from(id)) + 1 + varint_len(notice as u64) + notice);
    put_number(out, ID, u64::from(id));
    out.push(NOTICE);
    put_varint(out, notice as u64);
    put_number(out, 0x08, version);
    put_number(out, 0x10, u64::from(unread));
}

/// Appends any frame with the generated encoder, with its length.
pub fn put_server(out: &mut Vec<u8>, frame: &v1::ServerFrame) {
    put_length(out, prost::Message::encoded_len(frame));
    // a Vec has room for whatever is encoded
    let _ = prost::Message::encode(frame, out);
}
