//! Level `memory`: the same journal in anonymous memory. Nothing is kept over a restart.

use std::io;

use super::map::Map;
use super::storage::{Storage, StorageFile};

/// Anonymous memory in place of a folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStorage;

/// Anonymous memory in place of a file.
#[derive(Debug)]
pub struct MemoryFile {
    map: Map,
    bytes: u64,
}

impl Storage for MemoryStorage {
    type File = MemoryFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn create(&self, _: &str, bytes: u64) -> io::Result<MemoryFile> {
        Ok(MemoryFile { map: Map::anonymous(bytes)?, bytes })
    }

    fn open(&self, _: &str) -> io::Result<MemoryFile> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageFile for MemoryFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn store(&self, offset: u64, bytes: &[u8]) {
        self.map.store(offset, bytes);
    }

    fn store_last(&self, offset: u64, value: u32) {
        self.map.store_last(offset, value);
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.map.store(offset, bytes);
        Ok(())
    }

    fn read(&self, offset: u64, len: usize, into: &mut Vec<u8>) {
        self.map.read(offset, len, into);
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn forget(&self, _: u64, _: u64) {}

    fn populate(&self, offset: u64, len: u64) {
        self.map.populate(offset, len);
    }
}
