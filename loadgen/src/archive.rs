//! The folder of comparisons while some are added to it: `run.json`, the files of latencies beside it, and the lock on both.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::latency::Named;
use crate::reports;
use crate::results::{Comparison, Results, Run};

/// The file that is locked. It stays when the lock is gone: whoever removed it might remove somebody else's.
const LOCK: &str = ".lock";

/// A folder that nobody else adds to while this is there.
pub struct Archive {
    folder: PathBuf,
    results: Results,
    /// Comparisons that were there before.
    before: usize,
    lock: File,
}

impl Drop for Archive {
    /// Closing the file is not enough: a child that is being started holds it, too, until it has become another program.
    fn drop(&mut self) {
        // where it cannot be unlocked it was closed all the same
        let _ = self.lock.unlock();
    }
}

impl Archive {
    /// The archive in this folder, which is made if it is missing.
    ///
    /// # Errors
    /// Another loadgen writes into it, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join(LOCK);
        let words = |error: std::io::Error| format!("{}: {error}", path.display());
        if folder.exists() && !folder.is_dir() {
            return Err(format!("{} is a file, and results are kept in a folder: say another --out", folder.display()));
        }
        std::fs::create_dir_all(folder).map_err(words)?;
        let lock = File::create(&path).map_err(words)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(format!("another loadgen writes into {}", folder.display())),
            Err(TryLockError::Error(error)) => return Err(words(error)),
        }
        // behind the lock: what another one wrote last has to be in it
        let results = Results::open(folder)?;
        Ok(Self { folder: folder.to_owned(), before: results.comparisons.len(), results, lock })
    }

    /// Writes the files of a run's latencies, and notes their names in its figures.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep(&self, run: &mut Run, latencies: &[Named], measured_from: SystemTime) -> Result<(), String> {
        let mut figures = std::mem::take(&mut run.latencies);
        for (named, figures) in latencies.iter().zip(&mut figures) {
            reports::keep(&self.folder, run, &named.latency, measured_from, figures)?;
        }
        run.latencies = figures;
        Ok(())
    }

    /// Writes all comparisons that were there before, and these as they are by now.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save(&mut self, added: &[Comparison]) -> Result<(), String> {
        self.results.comparisons.truncate(self.before);
        self.results.comparisons.extend_from_slice(added);
        self.results.save(&self.folder).map(drop)
    }

    /// Writes the page of what was saved.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_page(&self) -> Result<(), String> {
        reports::write_page(&self.folder, &self.results).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        std::fs::write(&file, "").unwrap();
        let why = Archive::open(&file).err().unwrap();
        assert!(why.ends_with("out is a file, and results are kept in a folder: say another --out"), "{why}");
    }

    #[test]
    fn a_folder_has_one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/for/it");
        let first = Archive::open(&folder).unwrap();
        let why = Archive::open(&folder).err().unwrap();
        assert_eq!(why, format!("another loadgen writes into {}", folder.display()));
        drop(first);
        assert!(Archive::open(&folder).is_ok());
    }
}
