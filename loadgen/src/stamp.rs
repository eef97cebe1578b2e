//! What a text of the load carries: which stream it belongs to and its number there, in ASCII from `0` to `o`.

/// Bytes of a stamp; a payload is at least as long.
pub const STAMP: usize = 16;

/// Where a text belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The stream: one sender's texts to one recipient or group.
    pub stream: u64,
    /// Counts the stream's texts from 0.
    pub number: u64,
}

impl Stamp {
    /// Writes it over the begin of `text`.
    pub fn write(self, text: &mut [u8]) {
        put(&mut text[..8], self.stream);
        put(&mut text[8..STAMP], self.number);
    }

    /// Reads it from the begin of `text`.
    pub fn read(text: &[u8]) -> Option<Self> {
        let stamp = text.get(..STAMP)?;
        Some(Self { stream: get(&stamp[..8]), number: get(&stamp[8..]) })
    }
}

/// Six bits a byte, from '0' on: 48 bits.
fn put(bytes: &mut [u8], value: u64) {
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = b'0' + (value >> (6 * place) & 63) as u8;
    }
}

fn get(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().map(|(place, byte)| u64::from(byte.wrapping_sub(b'0') & 63) << (6 * place)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_text_and_comes_back() {
        let mut text = vec![b'x'; 20];
        for stamp in [
            Stamp { stream: 0, number: 0 },
            Stamp { stream: 1, number: 999_999_999_999 },
            Stamp { stream: (1 << 48) - 1, number: (1 << 48) - 1 },
        ] {
            stamp.write(&mut text);
            assert_eq!(Stamp::read(&text), Some(stamp));
            assert!(std::str::from_utf8(&text).is_ok());
        }
        assert_eq!(Stamp::read(b"short"), None);
    }
}
