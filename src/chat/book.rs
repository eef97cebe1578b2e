//! What a device keeps between two starts: who it is, how far it has read, what was not answered, whom it knows by name.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

use ringdove_core::wire::v1;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// A file, and what stands in it.
#[derive(Debug)]
pub(super) struct Book {
    path: PathBuf,
    /// One device, one process: two would sign each other out of the broker, and write over each other here.
    _lock: File,
    /// What stands in it.
    pub(super) page: Page,
}

/// The contents.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    /// The session token; empty: not signed in.
    pub(super) token: String,
    /// One's own number.
    pub(super) user: u64,
    /// The epoch of the cursor.
    pub(super) epoch: u32,
    /// Everything up to here was shown.
    pub(super) version: u64,
    /// The last idempotency key.
    key: u64,
    /// Sends without an answer, oldest first.
    pub(super) unanswered: Vec<v1::Send>,
    /// Handles by number.
    pub(super) names: BTreeMap<u64, String>,
}

impl Book {
    /// The book of this handle at this broker.
    ///
    /// # Errors
    /// The folder cannot be made, the file is no book, or another process has it.
    pub(super) fn open(home: Option<PathBuf>, broker: SocketAddr, handle: &str) -> Result<Self, String> {
        // it becomes a file's name
        if !ringdove_core::wire::names::is_handle(handle) {
            return Err(format!("{handle:?} is no handle: 3 to 64 of a-z 0-9 . _ -, beginning with a letter"));
        }
        let home = home.or_else(default_home).ok_or("say --home: neither XDG_STATE_HOME nor HOME is set")?;
        let cannot = |error: std::io::Error| format!("{}: {error}", home.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&home).map_err(cannot)?;
        let path = home.join(format!("{}@{broker}.json", handle.to_ascii_lowercase()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.with_extension("lock")).map_err(cannot)?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(format!(
                "{handle} talks at another terminal already, as the same device: end that one, or say --home DIR for a second device"
            ));
        }
        let page = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                format!("{}: {error} (without this file chat signs in with a password)", path.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Page::default(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        Ok(Self { path, _lock: lock, page })
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save(&self) -> Result<(), String> {
        let fresh = self.path.with_extension("json.tmp");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(&self.page)?)?;
            file.sync_data()?;
            fs::rename(&fresh, &self.path)
        };
        write().map_err(|error: std::io::Error| format!("{}: {error}", self.path.display()))
    }

    /// This device was signed out: its token and its cursor are worth nothing, nor are the names, since the accounts may be others' by now.
    pub(super) fn forget_sign_in(&mut self) {
        self.page.token.clear();
        self.page.names.clear();
        self.page.epoch = 0;
        self.page.version = 0;
    }

    /// Up to where everything was shown, as an epoch and a version of it; `None`: nothing ever was.
    pub(super) fn cursor(&self) -> Option<(u32, u64)> {
        (self.page.epoch > 0).then_some((self.page.epoch, self.page.version))
    }

    /// The next idempotency key: above the last one, and above the clock in milliseconds, so that a lost book does not repeat keys.
    pub(super) fn next_key(&mut self) -> u64 {
        let clock_ms = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
        self.page.key = (self.page.key + 1).max(clock_ms);
        self.page.key
    }

    /// A user as people call them.
    pub(super) fn name(&self, user: u64) -> String {
        self.page.names.get(&user).cloned().unwrap_or_else(|| format!("u{user}"))
    }

    /// The broker has told somebody's handle. Returns whether that is news. Whoever had it before is not called so any more.
    pub(super) fn learn(&mut self, user: u64, handle: &str) -> bool {
        let names = &mut self.page.names;
        let is_known = names.get(&user).is_some_and(|name| name == handle);
        if is_known || !ringdove_core::wire::names::is_handle(handle) {
            return false;
        }
        names.retain(|_, name| !name.eq_ignore_ascii_case(handle));
        names.insert(user, handle.to_owned());
        true
    }
}

fn default_home() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).map(|folder| folder.join("ringdove"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let broker = "127.0.0.1:7400".parse().unwrap();
        let open = |handle| Book::open(Some(folder.path().to_owned()), broker, handle);
        let mut book = open("Ann").unwrap();
        let (first, second) = (book.next_key(), book.next_key());
        assert!(second > first);
        book.page.version = 7;
        book.page.names.insert(512, "Bob".into());
        book.page.unanswered.push(v1::Send { key: second, text: "hi".into(), ..v1::Send::default() });
        book.save().unwrap();
        assert!(open("ann").unwrap_err().contains("talks at another terminal"));
        open("bob").unwrap();
        drop(book);
        let mut again = open("ann").unwrap();
        assert_eq!((again.page.version, again.page.unanswered[0].text.as_str()), (7, "hi"));
        assert!(again.next_key() > second);
        assert_eq!((again.name(512), again.name(256)), ("Bob".into(), "u256".into()));
        assert!(open("../x").is_err() && open("bo").is_err());
    }

    #[test]
    fn a_handle_is_one_person_s_and_goes_with_the_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(Some(folder.path().to_owned()), "127.0.0.1:7400".parse().unwrap(), "ann").unwrap();
        assert!(book.learn(512, "bob") && !book.learn(512, "bob"));
        assert!(book.learn(768, "Bob") && book.learn(512, "carl"));
        assert!(!book.learn(1024, "") && !book.learn(1024, "\u{1b}[2J"));
        assert_eq!([512, 768, 1024].map(|user| book.name(user)), ["carl", "Bob", "u1024"]);
        book.forget_sign_in();
        assert_eq!(book.name(512), "u512");
    }
}
