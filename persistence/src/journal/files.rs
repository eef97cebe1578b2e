//! Real files in a real folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{Advice, FallocateFlags};

use super::map::Map;
use super::storage::{Storage, StorageFile};

/// What zeros are written from, again and again: few, so that they stay in the nearest cache.
static ZEROS: [u8; 8 << 10] = [0; 8 << 10];
/// So many times one system call writes them at most.
const TIMES: usize = 32;

/// A folder on disk.
#[derive(Clone, Debug)]
pub struct FileStorage {
    folder: PathBuf,
    read_only: bool,
    write_zeros: bool,
}

/// A file on disk. It can be read after its descriptor was closed: segments are many, and descriptors are for connections.
#[derive(Debug)]
pub struct DiskFile {
    file: Mutex<Option<Arc<File>>>,
    map: Map,
    bytes: u64,
}

impl FileStorage {
    /// The folder, made if it is not there. With `write_zeros` new files are written once, not only allocated: a later sync then
    /// has no metadata to write, which pays where every batch is synced.
    pub fn create(folder: &Path, write_zeros: bool) -> io::Result<Self> {
        // messages lie in it: for its owner only
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned(), read_only: false, write_zeros })
    }

    /// An existing folder, for reading only.
    pub fn read_only(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read_only: true, write_zeros: false }
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Storage for FileStorage {
    type File = DiskFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(self.path(name))?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
        if self.write_zeros {
            write_zeros(&file, 0, bytes)?;
        }
        DiskFile::new(file, Map::of_file, bytes)
    }

    fn open(&self, name: &str) -> io::Result<DiskFile> {
        let file = OpenOptions::new().read(true).write(!self.read_only).open(self.path(name))?;
        let bytes = file.metadata()?.len();
        DiskFile::new(file, if self.read_only { Map::of_file_read_only } else { Map::of_file }, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

impl DiskFile {
    fn new(file: File, map: fn(&File, u64) -> io::Result<Map>, bytes: u64) -> io::Result<Self> {
        Ok(Self { map: map(&file, bytes)?, file: Mutex::new(Some(Arc::new(file))), bytes })
    }

    fn file(&self) -> io::Result<Arc<File>> {
        self.file.lock().clone().ok_or_else(|| io::Error::other("this segment is for reading only by now"))
    }
}

impl StorageFile for DiskFile {
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
        self.file()?.write_all_at(bytes, offset)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        write_zeros(&*self.file()?, offset, len)
    }

    fn read(&self, offset: u64, len: usize, into: &mut Vec<u8>) {
        self.map.read(offset, len, into);
    }

    fn sync(&self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    fn forget(&self, from: u64, to: u64) {
        self.map.forget(from, to);
        let mut file = self.file.lock();
        if let Some(file) = &*file {
            // what is still dirty, or read right now, stays
            let _ = rustix::fs::fadvise(file, from, NonZeroU64::new(to.saturating_sub(from)), Advice::DontNeed);
        }
        if to >= self.bytes {
            *file = None;
        }
    }

    fn populate(&self, offset: u64, len: u64) {
        self.map.populate(offset, len);
    }
}

fn write_zeros(file: &File, mut offset: u64, len: u64) -> io::Result<()> {
    let end = offset + len;
    while offset < end {
        let mut slices = [IoSlice::new(&ZEROS); TIMES];
        let len = (end - offset).min((TIMES * ZEROS.len()) as u64) as usize;
        let count = len.div_ceil(ZEROS.len());
        slices[count - 1] = IoSlice::new(&ZEROS[..len - (count - 1) * ZEROS.len()]);
        match rustix::io::retry_on_intr(|| rustix::io::pwritev(file, &slices[..count], offset))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => offset += written as u64,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_written_where_they_are_wanted_and_nowhere_else() {
        let file = tempfile::tempfile().unwrap();
        let bytes = 3 * TIMES * ZEROS.len() + 5_000;
        for (offset, len) in
            [(0, bytes), (1, 1), (7, ZEROS.len()), (100, ZEROS.len() + 1), (9, TIMES * ZEROS.len() + 3)]
        {
            file.write_all_at(&vec![7; bytes], 0).unwrap();
            write_zeros(&file, offset as u64, len as u64).unwrap();
            let mut read = vec![1; bytes];
            file.read_exact_at(&mut read, 0).unwrap();
            let end = (offset + len).min(bytes);
            assert!(read[..offset].iter().chain(&read[end..]).all(|byte| *byte == 7), "{offset} {len}");
            assert!(read[offset..end].iter().all(|byte| *byte == 0), "{offset} {len}");
        }
        assert_eq!(file.metadata().unwrap().len(), bytes as u64);
    }
}
