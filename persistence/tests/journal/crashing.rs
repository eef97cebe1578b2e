//! A storage that crashes: the double behind the journal in tests.
//!
//! Live bytes are what the process sees, durable bytes what a loss of power leaves for certain. In between, every sector that was
//! touched since the last sync may be found in any of the versions that it had, and every folder operation since the last
//! `sync_folder` may or may not have happened; a seed chooses. Operations are counted, and the storage can crash at the n-th one:
//! from there on nothing happens any more, and a store or a write that was cut off has done a part.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use ringdove_core::ids::Position;
use ringdove_core::rings::Progress;
use ringdove_persistence::{Storage, StorageFile};

const SECTOR: usize = 512;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The machine goes on, and with it the page cache.
    Process,
    /// Only what was synced is certain.
    PowerLoss,
}

/// An operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Write,
    Sync,
    Create,
}

/// How far the journal was when it crashed: what had been told, what was said to be on disk, what was preallocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) released: Position,
    pub(crate) synced: Position,
    pub(crate) prepared: Position,
}

/// A folder in memory. Clones are the same folder; [`CrashingStorage::after`] makes another one.
#[derive(Clone)]
pub(crate) struct CrashingStorage {
    state: Arc<Mutex<State>>,
}

/// A file in it.
pub(crate) struct CrashingFile {
    state: Arc<Mutex<State>>,
    inode: usize,
    bytes: u64,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced: Vec<FolderOperation>,
    boot: u32,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    failures: Vec<(Failing, u64, rustix::io::Errno)>,
    /// So many operations of each kind were asked for.
    counts: [u64; 3],
    random: Random,
    progress: Option<Arc<Progress>>,
    reached: Reached,
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Its length reached the disk.
    is_durable: bool,
    /// Of each sector since the last sync: all versions.
    versions: BTreeMap<usize, Vec<Vec<u8>>>,
}

#[derive(Clone)]
enum FolderOperation {
    Link(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

/// Enough randomness for a choice (splitmix64).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % bound as u64) as usize
    }
}

impl CrashingStorage {
    /// An empty folder that does not crash.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State { random: Random(seed), ..State::default() })) }
    }

    /// Crashes at the `n`-th operation from now, counted from 0.
    pub(crate) fn crash_at(&self, n: u64) {
        let mut state = self.state.lock();
        state.crash_at = Some(state.operations + n);
    }

    /// The `n`-th operation of that kind from now, counted from 0, fails.
    pub(crate) fn fail(&self, what: Failing, n: u64, how: rustix::io::Errno) {
        let mut state = self.state.lock();
        let at = state.counts[what as usize] + n;
        state.failures.push((what, at, how));
    }

    /// Takes note of how far this journal is at the moment of the crash.
    pub(crate) fn watch(&self, progress: &Arc<Progress>) {
        self.state.lock().progress = Some(Arc::clone(progress));
    }

    pub(crate) fn is_crashed(&self) -> bool {
        self.state.lock().crashed
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// How far the journal was when it crashed, or is now.
    pub(crate) fn reached(&self) -> Reached {
        let state = self.state.lock();
        if state.crashed { state.reached } else { state.reach() }
    }

    /// Changes with every loss of power.
    pub(crate) fn boot(&self) -> String {
        format!("boot {}", self.state.lock().boot)
    }

    /// The folder as the next process finds it; the seed chooses what is left of what was not synced.
    pub(crate) fn after(&self, crash: Crash, seed: u64) -> Self {
        let state = self.state.lock();
        let mut random = Random(seed);
        let next = match crash {
            Crash::Process => State {
                inodes: state.inodes.clone(),
                names: state.names.clone(),
                durable_names: state.durable_names.clone(),
                unsynced: state.unsynced.clone(),
                boot: state.boot,
                ..State::default()
            },
            Crash::PowerLoss => {
                let mut names = state.durable_names.clone();
                for operation in &state.unsynced {
                    if random.below(2) == 0 {
                        operation.apply(&mut names);
                    }
                }
                let inodes = state.inodes.iter().map(|inode| inode.left(&mut random)).collect();
                State { inodes, durable_names: names.clone(), names, boot: state.boot + 1, ..State::default() }
            }
        };
        Self { state: Arc::new(Mutex::new(State { random, ..next })) }
    }
}

impl FolderOperation {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inode {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.live[offset..offset + bytes.len()].copy_from_slice(bytes);
        if bytes.is_empty() {
            return;
        }
        for sector in offset / SECTOR..=(offset + bytes.len() - 1) / SECTOR {
            let end = ((sector + 1) * SECTOR).min(self.live.len());
            self.versions.entry(sector).or_default().push(self.live[sector * SECTOR..end].to_vec());
        }
    }

    /// What a loss of power leaves of it.
    fn left(&self, random: &mut Random) -> Self {
        let mut left = self.durable.clone();
        for (sector, versions) in &self.versions {
            // none, the newest, or one that was written back on the way
            let chosen = match random.below(3) {
                0 => None,
                1 => versions.last(),
                _ => versions.get(random.below(versions.len())),
            };
            if let Some(bytes) = chosen {
                left[sector * SECTOR..][..bytes.len()].copy_from_slice(bytes);
            }
        }
        if !self.is_durable && random.below(2) == 0 {
            left.clear();
        }
        Self { live: left.clone(), durable: left, is_durable: true, versions: BTreeMap::new() }
    }
}

impl State {
    fn reach(&self) -> Reached {
        self.progress.as_ref().map_or_else(Reached::default, |progress| Reached {
            released: progress.released(),
            synced: progress.synced(),
            prepared: progress.prepared(),
        })
    }

    /// Counts an operation; false: it does not happen any more, or not wholly if `cut_off` was called with what is left of it.
    fn begins(&mut self) -> Begin {
        if self.crashed {
            return Begin::Dead;
        }
        let now = self.operations;
        self.operations += 1;
        if self.crash_at == Some(now) {
            self.reached = self.reach();
            self.crashed = true;
            return Begin::CutOff;
        }
        Begin::Whole
    }

    /// For an operation that is done or not.
    fn whole(&mut self) -> io::Result<()> {
        match self.begins() {
            Begin::Whole => Ok(()),
            Begin::CutOff | Begin::Dead => Err(io::Error::other("the process is dead")),
        }
    }

    fn failure(&mut self, what: Failing) -> io::Result<()> {
        let count = self.counts[what as usize];
        self.counts[what as usize] += 1;
        match self.failures.iter().find(|(failing, at, _)| *failing == what && *at == count) {
            Some((_, _, errno)) => Err((*errno).into()),
            None => Ok(()),
        }
    }

    fn put(&mut self, inode: usize, offset: u64, bytes: &[u8]) -> Begin {
        let begin = self.begins();
        let len = match begin {
            Begin::Whole => bytes.len(),
            Begin::CutOff => self.random.below(bytes.len() + 1),
            Begin::Dead => 0,
        };
        self.inodes[inode].put(offset as usize, &bytes[..len]);
        begin
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Whole,
    CutOff,
    Dead,
}

impl Storage for CrashingStorage {
    type File = CrashingFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<CrashingFile> {
        let mut state = self.state.lock();
        state.whole()?;
        state.failure(Failing::Create)?;
        let zeros = vec![0; bytes as usize];
        let inode = state.inodes.len();
        state.inodes.push(Inode { live: zeros.clone(), durable: zeros, ..Inode::default() });
        state.names.insert(name.to_owned(), inode);
        state.unsynced.push(FolderOperation::Link(name.to_owned(), inode));
        Ok(CrashingFile { state: Arc::clone(&self.state), inode, bytes })
    }

    fn open(&self, name: &str) -> io::Result<CrashingFile> {
        let state = self.state.lock();
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let bytes = state.inodes[inode].live.len() as u64;
        Ok(CrashingFile { state: Arc::clone(&self.state), inode, bytes })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.whole()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let operation = FolderOperation::Rename(from.to_owned(), to.to_owned(), inode);
        operation.apply(&mut state.names);
        state.unsynced.push(operation);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.whole()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.unsynced.push(FolderOperation::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.whole()?;
        state.durable_names = state.names.clone();
        state.unsynced.clear();
        Ok(())
    }
}

impl StorageFile for CrashingFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn store(&self, offset: u64, bytes: &[u8]) {
        self.state.lock().put(self.inode, offset, bytes);
    }

    fn store_last(&self, offset: u64, value: u32) {
        let mut state = self.state.lock();
        // four bytes at once: all of them or none
        if state.begins() == Begin::Whole {
            state.inodes[self.inode].put(offset as usize, &value.to_le_bytes());
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        state.failure(Failing::Write)?;
        match state.put(self.inode, offset, bytes) {
            Begin::Whole => Ok(()),
            Begin::CutOff | Begin::Dead => Err(io::Error::other("the process is dead")),
        }
    }

    fn read(&self, offset: u64, len: usize, into: &mut Vec<u8>) {
        let state = self.state.lock();
        into.extend_from_slice(&state.inodes[self.inode].live[offset as usize..][..len]);
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.whole()?;
        state.failure(Failing::Sync)?;
        let inode = &mut state.inodes[self.inode];
        inode.durable.clone_from(&inode.live);
        inode.versions.clear();
        inode.is_durable = true;
        Ok(())
    }

    fn forget(&self, _: u64, _: u64) {}

    fn populate(&self, _: u64, _: u64) {}
}
