//! What an operator does around the tables.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use prost::Message;
use ringdove_core::wire::Code;
use ringdove_core::wire::admin::{
    Account, AdminAnswer, AdminFrame, Figures, Friends, Import, ImportContacts, Imported, Stats, admin_answer::Body,
    admin_frame::Request,
};
use ringdove_core::wire::frame::{Split, put_length, split};
use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE, done, refused, ringdove, serve};
use crate::postgres::Postgres;

/// A broker whose tables are there.
pub fn serve_with(data: &Path, sql: &str) -> Command {
    let mut command = serve(data);
    // what is on disk is projected: often, so that nobody waits for it
    command.args(["--sql", sql]).env("RINGDOVE_JOURNAL_SYNC_EVERY", "10ms");
    command
}

/// A broker in a new folder, whose tables are in this server: the folder, the URL, the broker, and its admin door.
pub fn beside(server: &Postgres) -> (TempDir, String, Broker, Door) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sql = server.url("chat");
    let broker = Broker::start(serve_with(folder.path(), &sql));
    let door = Door::of(folder.path());
    (folder, sql, broker, door)
}

fn sql(verb: &str, data: &Path, sql: &str) -> Command {
    let mut command = ringdove(["sql", verb, "--sql", sql, "--data"]);
    command.arg(data);
    command
}

/// The tables are right; returns what was said, with the number of rows of each.
pub fn verify(data: &Path, at: &str) -> String {
    done(&mut sql("verify", data, at))
}

/// The tables are wrong, or cannot be compared; returns why.
pub fn verify_in_vain(data: &Path, at: &str) -> String {
    refused(&mut sql("verify", data, at))
}

pub fn rebuild(data: &Path, at: &str) -> String {
    done(&mut sql("rebuild", data, at))
}

pub fn rebuild_in_vain(data: &Path, at: &str) -> String {
    refused(&mut sql("rebuild", data, at))
}

/// The admin door of a running broker.
pub struct Door(UnixStream);

impl Door {
    pub fn of(data: &Path) -> Self {
        let socket = UnixStream::connect(data.join("admin.sock")).expect("a broker runs");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self(socket)
    }

    fn ask(&mut self, request: Request) -> Body {
        let frame = AdminFrame { id: 1, request: Some(request) }.encode_to_vec();
        let mut bytes = Vec::new();
        put_length(&mut bytes, frame.len());
        bytes.extend_from_slice(&frame);
        self.0.write_all(&bytes).expect("it reads");
        bytes.clear();
        let mut chunk = [0; 16 << 10];
        loop {
            if let Split::Frame { frame, .. } = split(&bytes, usize::MAX) {
                return AdminAnswer::decode(frame).expect("an answer").body.expect("an answer");
            }
            let count = self.0.read(&mut chunk).expect("an answer");
            assert!(count > 0, "the door was closed");
            bytes.extend_from_slice(&chunk[..count]);
        }
    }

    pub fn figures(&mut self) -> Figures {
        match self.ask(Request::Stats(Stats {})) {
            Body::Figures(figures) => figures,
            other => panic!("{other:?}"),
        }
    }

    /// Asks again until it is made, for the disk may be slow.
    fn insist(&mut self, request: &Request) -> Imported {
        loop {
            match self.ask(request.clone()) {
                Body::Imported(imported) | Body::ContactsImported(imported) => return imported,
                Body::Refusal(refusal) if refusal.name == "BUSY" => sleep(Duration::from_millis(20)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Makes accounts `{name}0`, `{name}1`, ..., of which each has the one before as a contact.
    pub fn import(&mut self, name: &str, count: usize) {
        let handle = |nth: usize| format!("{name}{nth}");
        for first in (0..count).step_by(200) {
            let handles = (first..count.min(first + 200)).map(handle);
            let accounts = handles.map(|handle| Account { handle, name: "Ünïcode".into(), ..Account::default() });
            let made = self.insist(&Request::Import(Import { accounts: accounts.collect() })).made;
            assert!(made.iter().all(|made| made.code == 0), "{made:?}");
        }
        self.befriend(name, count, 1);
    }

    /// Gives each of them who stands `far` places before.
    pub fn befriend(&mut self, name: &str, count: usize, far: usize) {
        let handle = |nth: usize| format!("{name}{nth}");
        let friends: Vec<_> =
            (far..count).map(|nth| Friends { handle: handle(nth), contacts: vec![handle(nth - far)] }).collect();
        for mut portion in friends.chunks(32) {
            while !portion.is_empty() {
                let mut made = self.insist(&Request::ImportContacts(ImportContacts { friends: portion.to_vec() })).made;
                // the disk may be slow in the middle of it
                made.pop_if(|last| last.code == u32::from(Code::Busy.number()));
                assert!(made.iter().all(|made| made.code == 0), "{made:?}");
                portion = &portion[made.len()..];
            }
        }
    }

    /// Waits until the tables have everything that happened before.
    pub fn caught_up(&mut self) -> Figures {
        let released = self.figures().released;
        let begin = Instant::now();
        loop {
            let figures = self.figures();
            // a position is reached when the next record would be looked for there, or in the next segment
            if figures.projected >= released && figures.sql == "up to date" {
                return figures;
            }
            assert!(begin.elapsed() < 2 * PATIENCE, "the tables stay behind {released}: {figures:?}");
            sleep(Duration::from_millis(20));
        }
    }
}
