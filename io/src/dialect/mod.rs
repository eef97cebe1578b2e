//! Dialects: how frames stand in a stream of bytes. The first byte tells which one a peer speaks.

pub(crate) mod json_lines;

use ringdove_core::wire::frame::PREAMBLE;

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Not told yet.
    Unknown,
    /// Length-prefixed protobuf, behind a preamble.
    Native,
    /// proto3 JSON, one object a line.
    JsonLines,
    /// Length-prefixed protobuf in the admin door's schema, without a preamble.
    Admin,
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Too few of them.
    NotYet,
    /// The dialect, and how many bytes its preamble took.
    Speaks(Dialect, usize),
    /// The native dialect in a major version that is not served.
    OtherVersion,
    /// Nothing that is spoken here.
    Garbage,
}

/// Tells the dialect by the first bytes.
pub(crate) fn tell(bytes: &[u8]) -> Told {
    match bytes.first() {
        None => Told::NotYet,
        Some(b'{') => Told::Speaks(Dialect::JsonLines, 0),
        Some(_) if PREAMBLE.starts_with(bytes) && bytes.len() < PREAMBLE.len() => Told::NotYet,
        Some(_) if bytes.starts_with(&PREAMBLE) => Told::Speaks(Dialect::Native, PREAMBLE.len()),
        // all but the last byte, which is the major version
        Some(_) if bytes.len() >= PREAMBLE.len() && bytes.starts_with(&PREAMBLE[..3]) => Told::OtherVersion,
        Some(_) => Told::Garbage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        assert_eq!(tell(b""), Told::NotYet);
        assert_eq!(tell(b"{"), Told::Speaks(Dialect::JsonLines, 0));
        assert_eq!(tell(b"\xD0ve"), Told::NotYet);
        assert_eq!(tell(b"\xD0ve\x01\x00"), Told::Speaks(Dialect::Native, 4));
        assert_eq!(tell(b"\xD0ve\x02"), Told::OtherVersion);
        assert_eq!(tell(b"\xD0vx\x01"), Told::Garbage);
        assert_eq!(tell(b"\xD0x"), Told::Garbage);
        assert_eq!(tell(b"GET / HTTP/1.1"), Told::Garbage);
    }
}
