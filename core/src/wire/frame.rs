//! Framing: `{ length, frame }*`, where length is a canonical varint of 1 to 3 bytes (below 2 MiB).

use super::varint::put_varint;

/// What a native client sends first: `D0 'v' 'e'` and the major version.
pub const PREAMBLE: [u8; 4] = [0xd0, 0x76, 0x65, 0x01];

/// A length takes at most so many bytes.
const LENGTH_BYTES: usize = 3;

/// The first frame of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole frame; `used` bytes, with its length, are behind it.
    Frame {
        /// The frame, without its length.
        frame: &'a [u8],
        /// Bytes of length and frame.
        used: usize,
    },
    /// Not yet whole: at least `need` bytes in all.
    Partial {
        /// Bytes of length and frame, as far as is known.
        need: usize,
    },
    /// The frame is longer than the limit.
    TooLarge {
        /// Its length.
        length: usize,
        /// Bytes of the length itself.
        prefix: usize,
    },
    /// The length is no canonical varint of at most 3 bytes.
    Malformed,
}

/// Splits the first frame off. `limit` counts the frame, not its length.
pub fn split(buffer: &[u8], limit: usize) -> Split<'_> {
    let mut length = 0_usize;
    for (nth, byte) in buffer.iter().take(LENGTH_BYTES).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * nth);
        if byte & 0x80 != 0 {
            continue;
        }
        if *byte == 0 && nth > 0 {
            return Split::Malformed; // a shorter one says the same
        }
        let used = nth + 1 + length;
        return match buffer.get(nth + 1..used) {
            _ if length > limit => Split::TooLarge { length, prefix: nth + 1 },
            Some(frame) => Split::Frame { frame, used },
            None => Split::Partial { need: used },
        };
    }
    if buffer.len() >= LENGTH_BYTES { Split::Malformed } else { Split::Partial { need: buffer.len() + 1 } }
}

/// Appends the length of a frame. Frames of the server stay below 2 MiB.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length < 1 << (7 * LENGTH_BYTES));
    put_varint(out, length as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_canonical_and_at_most_three_bytes() {
        assert_eq!(split(&[], 10), Split::Partial { need: 1 });
        assert_eq!(split(&[0], 10), Split::Frame { frame: &[], used: 1 });
        assert_eq!(split(&[2, 7, 8, 9], 10), Split::Frame { frame: &[7, 8], used: 3 });
        assert_eq!(split(&[2, 7], 10), Split::Partial { need: 3 });
        assert_eq!(split(&[11], 10), Split::TooLarge { length: 11, prefix: 1 });
        assert_eq!(split(&[0x80], 10), Split::Partial { need: 2 });
        assert_eq!(split(&[0x80, 0], 10), Split::Malformed);
        assert_eq!(split(&[0x82, 0x80, 0], 10), Split::Malformed);
        assert_eq!(split(&[0xff, 0xff, 0xff], 10), Split::Malformed);
        assert_eq!(split(&[0xff, 0xff, 0x7f], 10), Split::TooLarge { length: (1 << 21) - 1, prefix: 3 });
    }
}
