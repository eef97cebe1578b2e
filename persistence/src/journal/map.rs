//! The only unsafe code of ringdove: bytes of a mapped file or of anonymous memory.
//!
//! One writer stores, many readers copy out. Readers stay below the released position, which the writer moves (release) only after
//! its stores and readers read (acquire) before their copies, so no byte is read while it is written.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};

/// A mapping of a whole segment.
#[derive(Debug)]
pub(super) struct Map {
    raw: MmapRaw,
}

impl Map {
    /// Maps a file that is never truncated while it is mapped, and whose blocks are allocated.
    pub(super) fn of_file(file: &File, bytes: u64) -> io::Result<Self> {
        let raw = MmapOptions::new().len(bytes as usize).map_raw(file)?;
        Ok(Self { raw })
    }

    /// Maps a file that was opened for reading only. It must not be stored to.
    pub(super) fn of_file_read_only(file: &File, bytes: u64) -> io::Result<Self> {
        let raw = MmapOptions::new().len(bytes as usize).map_raw_read_only(file)?;
        Ok(Self { raw })
    }

    /// Zeroed memory without a file.
    pub(super) fn anonymous(bytes: u64) -> io::Result<Self> {
        Ok(Self { raw: MmapMut::map_anon(bytes as usize)?.into() })
    }

    /// The range as offsets within the map; a caller that leaves it has a bug.
    fn checked(&self, offset: u64, len: usize) -> usize {
        let end = offset.checked_add(len as u64);
        assert!(end.is_some_and(|end| end <= self.raw.len() as u64), "outside of the segment: {offset} + {len}");
        offset as usize
    }

    /// Copies `bytes` to `offset`.
    pub(super) fn store(&self, offset: u64, bytes: &[u8]) {
        let offset = self.checked(offset, bytes.len());
        // SAFETY: the range lies within the map (checked above). Nobody reads it before the writer has released it (see the head of
        // this file), and there is one writer.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.raw.as_mut_ptr().add(offset), bytes.len()) }
    }

    /// Stores four bytes at once, after everything that was stored before. `offset` is a multiple of four.
    pub(super) fn store_last(&self, offset: u64, value: u32) {
        let at = self.checked(offset, 4);
        assert!(offset.is_multiple_of(4), "not aligned: {offset}");
        // SAFETY: in range and aligned (a map begins on a page); no other reference to these bytes exists.
        let word = unsafe { AtomicU32::from_ptr(self.raw.as_mut_ptr().add(at).cast()) };
        word.store(value.to_le(), Ordering::Release);
    }

    /// Appends `len` bytes from `offset` to `into`.
    pub(super) fn read(&self, offset: u64, len: usize, into: &mut Vec<u8>) {
        let offset = self.checked(offset, len);
        // SAFETY: in range, and the bytes are not written any more: readers stay below the released position, recovery runs before
        // the writer.
        into.extend_from_slice(unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset), len) });
    }

    /// Lets go of a range of a file's map, whose ends lie on pages: the next read brings it back from the file. Not for anonymous memory.
    pub(super) fn forget(&self, from: u64, to: u64) {
        let len = to.saturating_sub(from) as usize;
        let from = self.checked(from, len);
        // SAFETY: this is a shared map of a file, so its bytes are the file's, before and after; no slice into it lives outside of
        // `read`, which copies.
        let _ = unsafe { self.raw.unchecked_advise_range(UncheckedAdvice::DontNeed, from, len) };
    }

    /// Makes the pages of a range present and writable, so that a store does not fault. A hint.
    pub(super) fn populate(&self, offset: u64, len: u64) {
        let len = len.min((self.raw.len() as u64).saturating_sub(offset));
        if len > 0 {
            // an old kernel does not know it; the stores then fault as ever
            let _ = self.raw.advise_range(Advice::PopulateWrite, offset as usize, len as usize);
        }
    }
}
