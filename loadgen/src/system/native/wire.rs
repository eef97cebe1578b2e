//! Frames as a client of ringdove writes and reads them: length-prefixed protobuf. Hot frames are written and read by hand, so that
//! the load costs less than what it loads; everything else goes through the generated code.

use prost::Message;

/// The generated schema.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/ringdove.v1.rs"));
}

/// The generated schema of the admin door.
#[allow(missing_docs, clippy::all)]
pub mod admin {
    include!(concat!(env!("OUT_DIR"), "/ringdove.admin.v1.rs"));
}

/// What a native client says first.
pub const PREAMBLE: [u8; 4] = [0xD0, b'v', b'e', 1];

/// A client's sends, as they go in and as they come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To a user.
    User(u64),
    /// To a group.
    Group(u64),
}

/// The parts of an entry that a load looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// In the reader's inbox.
    pub version: u64,
    /// Who wrote it; 0: oneself.
    pub from: u64,
    /// The group, if it is a group's.
    pub group: u64,
    /// Its text.
    pub text: &'a [u8],
}

/// A frame from the server.
#[derive(Debug)]
pub enum Heard<'a> {
    /// An entry: news if `id` is 0, else the answer to a send.
    Entry {
        /// The request that it answers.
        id: u32,
        /// The entry.
        entry: Entry<'a>,
    },
    /// Anything else.
    Other(Box<v1::ServerFrame>),
}

/// A frame from a client, as a relay sees it.
#[derive(Debug)]
pub enum Asked<'a> {
    /// Nothing but an acknowledgement, or a ping.
    Nothing,
    /// A text.
    Send {
        /// The request's number.
        id: u32,
        /// The recipient.
        to: To,
        /// The text.
        text: &'a [u8],
    },
    /// Anything else.
    Other(Box<v1::ClientFrame>),
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

fn put_field(out: &mut Vec<u8>, number: u8, value: u64) {
    if value > 0 {
        out.push(number << 3);
        put_varint(out, value);
    }
}

fn field_len(value: u64) -> usize {
    if value > 0 { 1 + varint_len(value) } else { 0 }
}

/// Appends a send with its length. `ack` 0: none rides on it.
pub fn put_send(out: &mut Vec<u8>, id: u32, ack: u64, key: u64, to: To, text: &[u8]) {
    let (number, recipient) = match to {
        To::User(user) => (3, user),
        To::Group(group) => (4, group),
    };
    let inner = field_len(key) + field_len(recipient) + 1 + varint_len(text.len() as u64) + text.len();
    let frame = field_len(id.into()) + field_len(ack) + 1 + varint_len(inner as u64) + inner;
    put_varint(out, frame as u64);
    put_field(out, 1, id.into());
    put_field(out, 2, ack);
    out.push(0x1A);
    put_varint(out, inner as u64);
    put_field(out, 1, key);
    put_field(out, number, recipient);
    out.push(0x42);
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Appends an acknowledgement that goes alone.
pub fn put_ack(out: &mut Vec<u8>, version: u64) {
    put_varint(out, field_len(version) as u64);
    put_field(out, 2, version);
}

/// Appends any message with its length.
pub fn put_message(out: &mut Vec<u8>, message: &impl Message) {
    put_varint(out, message.encoded_len() as u64);
    // a vector grows
    let _ = message.encode(out);
}

/// What of an entry is not its version: as a relay tells it.
#[derive(Clone, Copy, Debug)]
pub struct Tail<'a> {
    /// Who wrote it.
    pub from: u64,
    /// The group, or 0.
    pub group: u64,
    /// In the chat.
    pub ordinal: u64,
    /// Milliseconds since 1970.
    pub time: u64,
    /// The text.
    pub text: &'a [u8],
}

impl Tail<'_> {
    /// Appends fields 2 to 8 of the entry.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_field(out, 2, self.from);
        put_field(out, 4, self.group);
        put_field(out, 5, self.ordinal);
        put_field(out, 6, self.time);
        out.push(0x42);
        put_varint(out, self.text.len() as u64);
        out.extend_from_slice(self.text);
    }
}

/// Appends an entry as news: its version, and a tail that is the same for all.
pub fn put_news(out: &mut Vec<u8>, version: u64, tail: &[u8]) {
    let inner = field_len(version) + tail.len();
    put_varint(out, (1 + varint_len(inner as u64) + inner) as u64);
    out.push(0x12);
    put_varint(out, inner as u64);
    put_field(out, 1, version);
    out.extend_from_slice(tail);
}

/// Appends the answer to a send.
pub fn put_answer(out: &mut Vec<u8>, id: u32, version: u64, ordinal: u64, time: u64, position: u64) {
    let inner = field_len(version) + field_len(ordinal) + field_len(time) + field_len(position);
    put_varint(out, (field_len(id.into()) + 1 + varint_len(inner as u64) + inner) as u64);
    put_field(out, 1, id.into());
    out.push(0x12);
    put_varint(out, inner as u64);
    put_field(out, 1, version);
    put_field(out, 5, ordinal);
    put_field(out, 6, time);
    put_field(out, 7, position);
}

/// Splits the first frame off: the frame, and how many bytes it took with its length. `None`: it is not whole yet.
pub fn split(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut walk = Walk(bytes);
    let len = walk.varint()? as usize;
    let begin = bytes.len() - walk.0.len();
    bytes.get(begin..begin + len).map(|frame| (frame, begin + len))
}

/// Walks over protobuf fields.
struct Walk<'a>(&'a [u8]);

/// A field's value.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Walk<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (place, byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Some(value);
            }
        }
        None
    }

    /// The next field; `None` at the end, and where the bytes are none of ringdove's.
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            2 => {
                let len = self.varint()? as usize;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

/// Reads a frame from the server.
pub fn heard(frame: &[u8]) -> Result<Heard<'_>, String> {
    let mut id = 0;
    let mut walk = Walk(frame);
    while let Some((number, value)) = walk.field() {
        match (number, value) {
            (1, Value::Number(number)) => id = number as u32,
            (2, Value::Bytes(bytes)) => return Ok(Heard::Entry { id, entry: entry(bytes) }),
            _ => break,
        }
    }
    v1::ServerFrame::decode(frame).map(|frame| Heard::Other(Box::new(frame))).map_err(|error| error.to_string())
}

fn entry(bytes: &[u8]) -> Entry<'_> {
    let mut entry = Entry::default();
    let mut walk = Walk(bytes);
    while let Some((number, value)) = walk.field() {
        match (number, value) {
            (1, Value::Number(version)) => entry.version = version,
            (2, Value::Number(from)) => entry.from = from,
            (4, Value::Number(group)) => entry.group = group,
            (8, Value::Bytes(text)) => entry.text = text,
            _ => {}
        }
    }
    entry
}

/// Reads a frame from a client.
pub fn asked(frame: &[u8]) -> Result<Asked<'_>, String> {
    let mut id = 0;
    let mut walk = Walk(frame);
    while let Some((number, value)) = walk.field() {
        match (number, value) {
            (1, Value::Number(number)) => id = number as u32,
            (2, Value::Number(_)) => {}
            (3, Value::Bytes(bytes)) => match sent(bytes) {
                Some((to, text)) => return Ok(Asked::Send { id, to, text }),
                None => break,
            },
            _ => break,
        }
    }
    if walk.0.is_empty() && id == 0 {
        return Ok(Asked::Nothing);
    }
    v1::ClientFrame::decode(frame).map(|frame| Asked::Other(Box::new(frame))).map_err(|error| error.to_string())
}

/// A text's recipient and bytes.
fn sent(bytes: &[u8]) -> Option<(To, &[u8])> {
    let (mut to, mut text) = (None, None);
    let mut walk = Walk(bytes);
    while let Some((number, value)) = walk.field() {
        match (number, value) {
            (3, Value::Number(user)) => to = Some(To::User(user)),
            (4, Value::Number(group)) => to = Some(To::Group(group)),
            (8, Value::Bytes(bytes)) => text = Some(bytes),
            _ => {}
        }
    }
    Some((to?, text?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(bytes: &[u8]) -> &[u8] {
        let (frame, used) = split(bytes).unwrap();
        assert_eq!(used, bytes.len());
        frame
    }

    #[test]
    fn sends_are_what_the_generated_code_reads() {
        let mut out = Vec::new();
        put_send(&mut out, 300, 7, 1_795_400_000_123, To::Group(512), b"hello");
        let frame = v1::ClientFrame::decode(frame_of(&out)).unwrap();
        assert_eq!((frame.id, frame.ack), (300, 7));
        let Some(v1::client_frame::Request::Send(send)) = frame.request else { panic!() };
        assert_eq!((send.key, send.to, &*send.text), (1_795_400_000_123, Some(v1::send::To::Group(512)), "hello"));
        let Ok(Asked::Send { id: 300, to: To::Group(512), text: b"hello" }) = asked(frame_of(&out)) else { panic!() };
    }

    #[test]
    fn news_and_answers_are_what_the_generated_code_reads() {
        let mut tail = Vec::new();
        Tail { from: 256, group: 0, ordinal: 9, time: 1, text: b"hi" }.put(&mut tail);
        let mut out = Vec::new();
        put_news(&mut out, 200, &tail);
        let frame = v1::ServerFrame::decode(frame_of(&out)).unwrap();
        let Some(v1::server_frame::Body::Entry(entry)) = frame.body else { panic!() };
        assert_eq!((entry.version, entry.from, entry.ordinal, entry.time, &*entry.text), (200, 256, 9, 1, "hi"));
        let Ok(Heard::Entry { id: 0, entry }) = heard(frame_of(&out)) else { panic!() };
        assert_eq!(entry, Entry { version: 200, from: 256, group: 0, text: b"hi" });
        out.clear();
        put_answer(&mut out, 5, 201, 10, 2, 4096);
        let Ok(Heard::Entry { id: 5, entry }) = heard(frame_of(&out)) else { panic!() };
        assert_eq!(entry.version, 201);
    }

    #[test]
    fn what_is_not_whole_waits() {
        let mut out = Vec::new();
        put_ack(&mut out, 300);
        for cut in 0..out.len() {
            assert!(split(&out[..cut]).is_none());
        }
        assert!(matches!(asked(frame_of(&out)), Ok(Asked::Nothing)));
        assert!(matches!(asked(frame_of(&[0])), Ok(Asked::Nothing)));
    }
}
