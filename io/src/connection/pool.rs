//! Buffers that connections borrow while they have something to write or half a frame to keep, so that one at rest has none.

/// What a new buffer begins with, in bytes.
const FIRST: usize = 512;
/// A buffer larger than this is given back to the allocator, in bytes.
const LARGEST: usize = 512 * 1024;
/// The pool keeps at most so many bytes.
const KEPT: usize = 8 * 1024 * 1024;

/// A reactor's buffers.
#[derive(Default)]
pub(crate) struct BufferPool {
    free: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    /// An empty buffer: the one used last, which is likely still in the cache.
    pub fn take(&mut self) -> Vec<u8> {
        match self.free.pop() {
            Some(buffer) => {
                self.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(FIRST),
        }
    }

    /// Takes a buffer back and leaves none in its place.
    pub fn give_back(&mut self, place: &mut Vec<u8>) {
        let mut buffer = std::mem::take(place);
        let capacity = buffer.capacity();
        if capacity > 0 && capacity <= LARGEST && self.bytes + capacity <= KEPT {
            buffer.clear();
            self.bytes += capacity;
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_and_the_pool_is_bounded() {
        let mut pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.extend_from_slice(b"something");
        pool.give_back(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        assert!(pool.take().is_empty());
        for _ in 0..100 {
            pool.give_back(&mut Vec::with_capacity(LARGEST));
        }
        assert!(pool.bytes <= KEPT);
        pool.give_back(&mut Vec::with_capacity(LARGEST + 1));
        assert!(pool.free.iter().all(|buffer| buffer.capacity() <= LARGEST));
    }
}
