//! Entries that many readers get together: for the next reader only the versions differ, so that all frames stay as they are but for these.

use super::hot::Tail;
use super::varint::number_len;

/// Pushed entries, one behind the other. Nothing here allocates once it is warm.
#[derive(Debug, Default)]
pub struct Bundle {
    /// The tails of the entries.
    tails: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// All frames, as the last reader got them.
    frames: Vec<u8>,
    /// Where in `frames` the version of each entry ends, and how many bytes it takes with its tag.
    versions: Vec<(usize, usize)>,
}

impl Bundle {
    /// Begins anew, without entries.
    pub fn clear(&mut self) {
        self.tails.clear();
        self.ends.clear();
        self.frames.clear();
        self.versions.clear();
    }

    /// Adds an entry, whose tail `put` appends.
    pub fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.tails);
        self.ends.push(self.tails.len());
        // what was encoded ends too early
        self.versions.clear();
    }

    /// The tails of the entries, in their order.
    pub fn tails(&self) -> impl Iterator<Item = &[u8]> {
        let begins = [0].iter().chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| &self.tails[*begin..*end])
    }

    /// Bytes of all tails.
    pub fn tails_len(&self) -> usize {
        self.tails.len()
    }

    /// All entries as pushed frames: `versions` has the reader's version of each.
    pub fn pushes(&mut self, versions: &[u64]) -> &[u8] {
        if self.fits(versions) {
            for ((end, len), version) in self.versions.iter().zip(versions) {
                // behind the tag
                put_wide(&mut self.frames[end - len + 1..*end], *version);
            }
        } else {
            self.encode(versions);
        }
        &self.frames
    }

    /// Whether the frames differ from what is wanted by nothing but the values of versions.
    fn fits(&self, versions: &[u64]) -> bool {
        self.versions.len() == versions.len()
            && self.versions.iter().zip(versions).all(|((_, len), version)| *len > 0 && number_len(*version) == *len)
    }

    fn encode(&mut self, versions: &[u64]) {
        let Self { tails, ends, frames, versions: places } = self;
        frames.clear();
        places.clear();
        let mut begin = 0;
        for (end, version) in ends.iter().zip(versions) {
            let tail = &tails[begin..*end];
            tail.put_push(frames, *version);
            places.push((frames.len() - tail.len(), number_len(*version)));
            begin = *end;
        }
    }
}

/// Writes a varint that takes exactly these bytes.
fn put_wide(bytes: &mut [u8], mut value: u64) {
    let Some((last, rest)) = bytes.split_last_mut() else { return };
    for byte in rest {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    *last = value as u8;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Versions around the lengths of varints, 0 among them.
    fn version() -> impl Strategy<Value = u64> {
        prop_oneof![0..4_u64, 120..136_u64, 16_380..16_390_u64, any::<u64>()]
    }

    proptest! {
        #[test]
        fn a_bundle_is_what_its_entries_are_one_by_one(
            tails in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6),
            readers in prop::collection::vec(prop::collection::vec(version(), 6), 1..6),
        ) {
            let mut bundle = Bundle::default();
            bundle.add(|tails| tails.push(1));
            bundle.pushes(&[7]);
            bundle.clear();
            for tail in &tails {
                bundle.add(|out| out.extend_from_slice(tail));
            }
            prop_assert!(bundle.tails().eq(tails.iter()));
            for versions in readers {
                let mut expected = Vec::new();
                let pushes = bundle.pushes(&versions[..tails.len()]);
                for (tail, version) in tails.iter().zip(versions) {
                    tail.as_slice().put_push(&mut expected, version);
                }
                prop_assert_eq!(pushes, expected);
            }
        }
    }
}
