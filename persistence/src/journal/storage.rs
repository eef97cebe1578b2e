//! The seam to the disk. The journal is written against it; tests put a double behind it that crashes.

use std::io;

/// A folder of files.
pub trait Storage: Send + Sync + 'static {
    /// A file of it.
    type File: StorageFile;

    /// Names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a file of `bytes` zeros whose room on the disk is taken. Replaces one of that name.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;
    /// Opens a file.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Renames a file, replacing one of the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes what was created, renamed and removed durable.
    fn sync_folder(&self) -> io::Result<()>;
}

/// A file of fixed size, mapped.
pub trait StorageFile: Send + Sync + 'static {
    /// Its size in bytes.
    fn bytes(&self) -> u64;
    /// Stores through the map: visible to all readers of the file at once, on disk after [`StorageFile::sync`].
    fn store(&self, offset: u64, bytes: &[u8]);
    /// Stores four bytes at once behind all stores before.
    fn store_last(&self, offset: u64, value: u32);
    /// Writes through a system call, for data that is synced right after.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Writes so many zeros in the same way.
    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        self.write(offset, &vec![0; len as usize])
    }
    /// Appends `len` bytes from `offset` to `into`.
    fn read(&self, offset: u64, len: usize, into: &mut Vec<u8>);
    /// Puts everything stored and written on disk. An error is final: nothing is known about the file's bytes any more.
    fn sync(&self) -> io::Result<()>;
    /// The bytes from `from` to `to`, all synced, are for reading only from now on: they may leave memory. Behind the last byte the file
    /// needs no descriptor any more.
    fn forget(&self, from: u64, to: u64);
    /// Prepares a range for stores. A hint.
    fn populate(&self, offset: u64, len: u64);
}
