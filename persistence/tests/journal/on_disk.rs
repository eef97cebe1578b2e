//! Real files: a journal in a folder of its own, and what a test does to it behind its back.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use prost::Message;
use ringdove_core::wire::log::{AccountRegistered, CursorMoved, DeviceAdded, Event, MessageSent, Record, event};
use ringdove_core::wire::v1::Entry;
use ringdove_persistence::{Durability, FileStorage, JournalError, Opened};
use tempfile::TempDir;

use crate::bench::{Bench, Written, options, replay};

/// Bytes of a segment: a page, so that a journal of some records has several.
pub(crate) const SEGMENT: u64 = 4096;

/// A data folder that is gone after the test.
pub(crate) struct Folder {
    pub(crate) temporary: TempDir,
    pub(crate) durability: Durability,
    /// Changes when the machine starts again.
    pub(crate) boot: &'static str,
    pub(crate) uuid: [u8; 16],
}

impl Folder {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        Self { temporary, durability: Durability::Disk, boot: "boot", uuid: *b"0123456789abcdef" }
    }

    pub(crate) fn data(&self) -> &std::path::Path {
        self.temporary.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join("journal").join(name)
    }

    /// Starts on it and collects what is replayed.
    pub(crate) fn start(&self) -> Result<(Opened<FileStorage>, Vec<Written>), JournalError> {
        let write_zeros = self.durability == Durability::Disk;
        let storage = FileStorage::create(&self.path(""), write_zeros).expect("the folder can be made");
        let mut options = options(self.durability, SEGMENT, self.boot);
        options.new_uuid = self.uuid;
        replay(storage, options)
    }

    pub(crate) fn bench(&self) -> Bench<FileStorage> {
        Bench::new(self.start().expect("it opens").0)
    }

    /// The error of a start that must fail, and must not touch anything.
    pub(crate) fn refusal(&self) -> JournalError {
        let before = self.files();
        let Err(error) = self.start() else { panic!("a start on a damaged journal") };
        assert!(self.files() == before, "a refused journal was touched");
        error
    }

    /// All files and what is in them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.path("")).expect("it lists");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
        names.map(|name| (name.clone(), self.read(&name))).collect()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("it reads")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("it writes");
    }

    /// Changes some bytes of a file.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(name);
        change(&mut bytes);
        self.write(name, &bytes);
    }

    /// Writes so many records of 1,000 bytes, three to a segment, prepares two segments ahead, and crashes.
    pub(crate) fn fill(&self, records: usize) -> Vec<Written> {
        let mut bench = self.bench();
        for _ in 0..records {
            bench.append(1000);
        }
        bench.prepare();
        bench.prepare();
        bench.published
    }
}

/// File and offset of a position.
pub(crate) fn place(position: u64) -> (String, usize) {
    (format!("{:016x}.log", position / SEGMENT), (position % SEGMENT) as usize)
}

fn record(event: event::Event) -> Vec<u8> {
    Record { events: vec![Event { event: Some(event) }] }.encode_to_vec()
}

pub(crate) const SECRET: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";
pub(crate) const TOKEN: [u8; 32] = [0xa5; 32];

/// Bodies as the engine writes them: an account with a password, its device with a token, a message, a cursor.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let account = AccountRegistered { user: 256, handle: "ada".into(), name: "Ada".into(), secret: SECRET.into() };
    let device = DeviceAdded { user: 256, device: 1, token: TOKEN.to_vec(), name: "phone".into(), kind: 1 };
    let content = Entry { text: "good morning".into(), ..Entry::default() }.encode_to_vec();
    let sent = MessageSent { from: 256, device: 1, key: 7, user: 256, ordinal: 1, content, ..MessageSent::default() };
    vec![
        record(event::Event::AccountRegistered(account)),
        record(event::Event::DeviceAdded(device)),
        record(event::Event::MessageSent(sent)),
        record(event::Event::CursorMoved(CursorMoved { user: 256, device: 1, version: 1 })),
    ]
}

/// Writes [`bodies`], each in a batch of its own.
pub(crate) fn write_bodies(bench: &mut Bench<FileStorage>) {
    for body in bodies() {
        assert!(bench.publish_body(body));
        bench.write();
    }
}
