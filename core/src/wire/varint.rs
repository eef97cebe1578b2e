//! Varints and number fields, as protobuf has them. Half of what a message costs to encode is numbers.

/// Appends a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
    } else {
        put(out, |room: &mut Room<'_, VARINT>| room.varint(value));
    }
}

/// Bytes of a varint at most.
const VARINT: usize = 10;
/// Bytes of a number field with a tag of one byte at most.
pub const NUMBER: usize = 1 + VARINT;

/// The next bytes of a buffer, at most `N` of them. Byte by byte a buffer would look for space again and again.
pub struct Room<'a, const N: usize> {
    bytes: &'a mut [u8; N],
    used: usize,
}

/// Appends what `fill` puts: at most `N` bytes; more is a bug, and panics.
#[inline]
pub fn put<const N: usize>(out: &mut Vec<u8>, fill: impl FnOnce(&mut Room<'_, N>)) {
    let begin = out.len();
    out.extend_from_slice(&[0; N]);
    let mut used = 0;
    if let Some(bytes) = out.last_chunk_mut() {
        let mut room = Room { bytes, used: 0 };
        fill(&mut room);
        used = room.used;
    }
    out.truncate(begin + used);
}

/// Fields that are encoded once and put many times, of at most `N` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Fields<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Fields<N> {
    /// What `fill` puts.
    #[inline]
    pub fn of(fill: impl FnOnce(&mut Room<'_, N>)) -> Self {
        let mut fields = Self { bytes: [0; N], used: 0 };
        let mut room = Room { bytes: &mut fields.bytes, used: 0 };
        fill(&mut room);
        fields.used = room.used;
        fields
    }
}

impl<const N: usize> Room<'_, N> {
    /// Puts fields that were encoded before.
    #[inline]
    pub fn fields<const M: usize>(&mut self, fields: &Fields<M>) {
        match self.bytes[self.used..].first_chunk_mut::<M>() {
            // all of it, whatever stands behind the fields: that many bytes are a move or two
            Some(room) => *room = fields.bytes,
            None => self.bytes[self.used..][..fields.used].copy_from_slice(&fields.bytes[..fields.used]),
        }
        self.used += fields.used;
    }

    /// Puts a byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.bytes[self.used] = byte;
        self.used += 1;
    }

    /// Puts a varint.
    #[inline]
    pub fn varint(&mut self, value: u64) {
        match self.bytes[self.used..].first_chunk_mut::<VARINT>() {
            Some(room) => self.used += fill_varint(room, value),
            None => self.varint_at_the_end(value),
        }
    }

    /// Puts a number field with a tag of one byte, unless it is 0. A call for each would cost a quarter more.
    #[inline(always)]
    pub fn number(&mut self, tag: u8, value: u64) {
        if value == 0 {
            return;
        }
        match self.bytes[self.used..].first_chunk_mut::<NUMBER>() {
            Some([first, room @ ..]) => {
                *first = tag;
                self.used += 1 + fill_varint(room, value);
            }
            None => {
                self.byte(tag);
                self.varint_at_the_end(value);
            }
        }
    }

    /// Puts what `fill` puts with its length before it, which counts `behind` bytes that will follow.
    #[inline]
    pub fn nested(&mut self, behind: usize, fill: impl FnOnce(&mut Self)) {
        let length_at = self.used;
        self.byte(0);
        fill(self);
        let length = self.used - length_at - 1 + behind;
        if length < 0x80 {
            self.bytes[length_at] = length as u8;
        } else {
            self.widen(length_at, length);
        }
    }

    /// Puts a length of several bytes where one was left for it.
    fn widen(&mut self, at: usize, length: usize) {
        let more = varint_len(length as u64) - 1;
        let end = self.used;
        self.bytes.copy_within(at + 1..end, at + 1 + more);
        self.used = at;
        self.varint(length as u64);
        self.used = end + more;
    }

    #[cold]
    fn varint_at_the_end(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }
}

/// Writes a varint and returns how long it is.
#[inline]
fn fill_varint(room: &mut [u8; VARINT], mut value: u64) -> usize {
    for (nth, byte) in room.iter_mut().enumerate() {
        if value < 0x80 {
            *byte = value as u8;
            return nth + 1;
        }
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    VARINT
}

/// Appends a number field with a tag of one byte, unless it is 0.
#[inline]
pub fn put_number(out: &mut Vec<u8>, tag: u8, value: u64) {
    if value != 0 {
        put(out, |room: &mut Room<'_, NUMBER>| room.number(tag, value));
    }
}

/// Bytes of a varint, 1 to 10.
#[inline]
pub const fn varint_len(value: u64) -> usize {
    // a byte for each 7 bits: 9/64 is a seventh, as far as 64 bits go
    (((value | 1).ilog2() * 9 + 73) / 64) as usize
}

/// Bytes of a number field with a tag of one byte.
#[inline]
pub const fn number_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_len(value) }
}

/// Reads a varint and returns it with the bytes behind it. `None`: cut short, or above 64 bits.
#[inline]
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [first, rest @ ..] if *first < 0x80 => Some((u64::from(*first), rest)),
        [first, second, rest @ ..] if *second < 0x80 => {
            Some((u64::from(*first & 0x7f) | u64::from(*second) << 7, rest))
        }
        _ => long(bytes),
    }
}

fn long(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for nth in 0..VARINT {
        let byte = *bytes.get(nth)?;
        value |= u64::from(byte & 0x7f) << (7 * nth);
        if byte < 0x80 {
            // the tenth byte holds one bit
            return (nth + 1 < VARINT || byte <= 1).then_some((value, &bytes[nth + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of every length.
    fn edges() -> impl Iterator<Item = u64> {
        (0..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]).chain([u64::MAX - 1, u64::MAX])
    }

    #[test]
    fn a_varint_is_what_protobuf_says() {
        for value in edges() {
            let mut expected = Vec::new();
            prost::encoding::encode_varint(value, &mut expected);
            let mut bytes = vec![7];
            put_varint(&mut bytes, value);
            assert_eq!(bytes[1..], expected, "{value}");
            assert_eq!(varint_len(value), expected.len(), "{value}");
            bytes.push(9);
            assert_eq!(varint(&bytes[1..]), Some((value, &[9][..])));
            bytes.extend([0xff; 8]);
            assert_eq!(
                varint(&bytes[1..]).map(|(value, rest)| (value, rest.len())),
                Some((value, 9)),
                "whatever is behind it"
            );
            assert_eq!(varint(&expected[..expected.len() - 1]), None, "cut short");
        }
        assert_eq!(varint(&[0xff; 9]), None);
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn more_than_there_is_room_for_is_a_bug() {
        put(&mut Vec::new(), |room: &mut Room<'_, 2>| room.varint(1 << 14));
    }

    #[test]
    fn fields_may_be_put_up_to_the_end() {
        let fields: Fields<8> = Fields::of(|room| room.number(0x08, 300));
        let mut bytes = vec![7];
        put(&mut bytes, |room: &mut Room<'_, 12>| (0..4).for_each(|_| room.fields(&fields)));
        assert_eq!(bytes[1..], [0x08, 0xac, 0x02].repeat(4));
    }

    #[test]
    fn a_nested_length_takes_as_many_bytes_as_it_needs() {
        for behind in [0, 124, 125, 126, 127, 16_380, 16_381, 16_382, 100_000] {
            let mut bytes = vec![7];
            put(&mut bytes, |room: &mut Room<'_, 24>| {
                room.byte(1);
                room.nested(behind, |room| {
                    room.byte(2);
                    room.nested(behind, |room| room.number(0x08, 300));
                });
            });
            let mut inner = Vec::new();
            put_varint(&mut inner, 3 + behind as u64);
            let mut expected = vec![7, 1];
            put_varint(&mut expected, (1 + inner.len() + 3 + behind) as u64);
            expected.push(2);
            expected.extend(inner);
            expected.extend([0x08, 0xac, 0x02]);
            assert_eq!(bytes, expected, "{behind}");
        }
    }

    #[test]
    fn a_number_is_a_tag_and_a_varint_unless_it_is_0() {
        for value in edges() {
            let mut expected = Vec::new();
            if value != 0 {
                expected.push(0x28);
                prost::encoding::encode_varint(value, &mut expected);
            }
            let mut bytes = Vec::new();
            put_number(&mut bytes, 0x28, value);
            assert_eq!(bytes, expected, "{value}");
            assert_eq!(number_len(value), expected.len(), "{value}");
        }
    }
}
