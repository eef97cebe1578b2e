//! One data folder, one process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

/// What the holder says of itself is short; the rest of a longer file is something else.
const HOLDER_BYTES: u64 = 200;

/// A lock on a data folder. It ends with the process, however that ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the folder, and writes into its file `lock` who has it.
    ///
    /// # Errors
    /// The folder cannot be written, or another process has it: in words for an operator.
    pub fn take(data: &Path) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("cannot write to the data folder {}: {error}", data.display());
        // messages lie in it: for its owner only
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(cannot)?;
        let path = data.join("lock");
        let mut options = OpenOptions::new();
        options.mode(0o600);
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(cannot)?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = holder(&mut file).unwrap_or_else(|| "another process".into());
            return Err(format!("the data folder {} is in use by {holder}", data.display()));
        }
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now());
        let me = format!("process {}, since {now}\n", std::process::id());
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(me.as_bytes())).map_err(cannot)?;
        Ok(Self { _file: file })
    }
}

/// Who has the folder, as it said itself.
fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(HOLDER_BYTES).read_to_string(&mut text).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty() && !line.contains(char::is_control)).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_and_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let lock = DataLock::take(folder.path()).unwrap();
        let refused = DataLock::take(folder.path()).unwrap_err();
        assert!(refused.contains(&format!("in use by process {}, since 2", std::process::id())), "{refused}");
        drop(lock);
        DataLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = DataLock::take(&file.path().join("data")).unwrap_err();
        assert!(refused.starts_with("cannot write to the data folder"), "{refused}");
    }
}
