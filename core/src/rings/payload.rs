//! A slot's bytes: small ones stay in a buffer that is reused, large ones are given back as soon as the last reader has passed.

use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// What a slot keeps at rest. A ring of 512 slots that kept bodies of 64 KiB would hold 32 MiB for ever.
pub(super) const AT_REST: usize = 4096;

/// What a buffer has that was not needed for more yet.
pub(super) const AT_FIRST: usize = 256;

/// Bytes that one writer sets and several readers read.
///
/// The lock is taken for large bytes only, by each reader for as long as it takes to clone a pointer: a slot cannot know
/// otherwise when it may let go of them, since its readers see it shared.
#[derive(Debug, Default)]
pub(super) struct Payload {
    small: Vec<u8>,
    is_large: bool,
    large: Mutex<Option<Arc<[u8]>>>,
    passed: AtomicUsize,
}

/// Makes room for `more` bytes in a buffer that a slot will take: as a vector does for itself, but for no more than the slot keeps at rest, unless it has
/// to.
#[inline]
pub fn make_room(buffer: &mut Vec<u8>, more: usize) {
    let wanted = buffer.len() + more;
    if wanted > buffer.capacity() {
        let doubled = (2 * buffer.capacity()).min(AT_REST);
        buffer.reserve_exact(wanted.max(doubled) - buffer.len());
    }
}

/// Bytes of a slot, as long as they are read.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// They stand in the slot.
    Small(&'a [u8]),
    /// They are shared with it.
    Large(Arc<[u8]>, Range<usize>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(bytes, range) => bytes.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl Payload {
    /// With a buffer for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { small: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Empties it. No reader is there.
    pub(super) fn clear(&mut self) {
        self.small.clear();
        if std::mem::take(&mut self.is_large) {
            *self.passed.get_mut() = 0;
            *self.large.get_mut() = None;
        }
    }

    /// Replaces the bytes. No reader is there.
    pub(super) fn set(&mut self, bytes: &[u8]) {
        self.clear();
        if bytes.len() > AT_REST {
            self.is_large = true;
            *self.large.get_mut() = Some(Arc::from(bytes));
        } else {
            self.small.extend_from_slice(bytes);
        }
    }

    /// Takes the bytes out of the buffer, without a copy where it may keep the buffer; the slot's own one is left instead, empty.
    pub(super) fn exchange(&mut self, bytes: &mut Vec<u8>) {
        if bytes.capacity() > AT_REST {
            self.set(bytes);
            *bytes = Vec::with_capacity(AT_FIRST);
        } else {
            self.clear();
            std::mem::swap(&mut self.small, bytes);
        }
    }

    /// Part of the bytes; none where they do not reach.
    pub(super) fn part(&self, range: Range<usize>) -> Bytes<'_> {
        let large = if self.is_large { self.large.lock().clone() } else { None };
        match large {
            Some(bytes) => Bytes::Large(bytes, range),
            None => Bytes::Small(self.small.get(range).unwrap_or_default()),
        }
    }

    /// Whether the bytes are given back behind the last reader.
    pub(super) fn is_large(&self) -> bool {
        self.is_large
    }

    /// One of so many `readers` will not come back. Behind the last one large bytes are given back.
    pub(super) fn pass(&self, readers: usize) {
        if self.is_large && self.passed.fetch_add(1, Ordering::AcqRel) + 1 >= readers {
            *self.large.lock() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bytes_stay_and_large_ones_leave_with_the_last_reader() {
        let mut payload = Payload::with_capacity(16);
        payload.set(b"hello");
        payload.pass(1);
        assert_eq!(&*payload.part(1..3), b"el");
        assert!(payload.part(3..9).is_empty());

        let large = vec![7; AT_REST + 1];
        payload.set(&large);
        assert_eq!(&*payload.part(0..large.len()), &large[..]);
        payload.pass(2);
        let kept = payload.part(0..2);
        payload.pass(2);
        assert_eq!(&*kept, [7, 7], "who reads still has it");
        assert!(payload.part(0..2).is_empty());
        assert!(payload.large.lock().is_none());

        let mut buffer = b"exchanged".to_vec();
        payload.exchange(&mut buffer);
        assert!(buffer.is_empty());
        assert_eq!(&*payload.part(0..9), b"exchanged");
        let mut buffer = Vec::with_capacity(AT_REST + 1);
        buffer.push(1);
        payload.exchange(&mut buffer);
        assert!(buffer.is_empty());
        assert_eq!(&*payload.part(0..1), [1]);
        assert!(payload.small.capacity() <= AT_REST, "a slot takes no buffer that is larger than it may keep");

        payload.set(b"small again");
        assert_eq!(&*payload.part(0..5), b"small");
    }

    #[test]
    fn a_buffer_grows_to_what_a_slot_keeps_and_beyond_it_only_if_it_has_to() {
        let mut buffer = Vec::new();
        for len in [1_000, 2_000, 3_000, AT_REST] {
            let more = len - buffer.len();
            make_room(&mut buffer, more);
            assert!((len..=AT_REST).contains(&buffer.capacity()), "{len}: {}", buffer.capacity());
            buffer.resize(len, 0);
        }
        make_room(&mut buffer, 1);
        assert_eq!(buffer.capacity(), AT_REST + 1);
    }
}
