//! Users for the load: imported through ringdove's admin door, or made up for a relay, which takes anyone.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use prost::Message;

use super::wire::admin::admin_answer::Body;
use super::wire::admin::admin_frame::Request;
use super::wire::admin::{Account, AdminAnswer, AdminFrame, Friends, Import, ImportContacts};
use super::wire::{put_message, split};

/// Accounts in one request, as the schema says.
const PORTION: usize = 256;
/// People and bytes in one request for contacts: the first is the schema's bound, the second leaves room for one more below a frame's.
const FRIENDS: usize = 32;
const FRIENDS_BYTES: usize = 32 << 10;
/// What an import may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user with a token.
#[derive(Clone, Debug)]
pub struct User {
    /// Its number.
    pub user: u64,
    /// Its handle.
    pub handle: String,
    /// The token of its device.
    pub token: String,
}

/// The admin door of a running ringdove.
pub(super) struct Door(UnixStream);

impl Door {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let socket = UnixStream::connect(path).map_err(|error| {
            format!("{}: {error} (is ringdove running, and is this its data folder? say --admin PATH)", path.display())
        })?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        Ok(Self(socket))
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Option<Body>, String> {
        let mut bytes = Vec::new();
        put_message(&mut bytes, &AdminFrame { id: 1, request: Some(request) });
        self.0.write_all(&bytes).map_err(|error| error.to_string())?;
        answer(&mut self.0).map(|answer| answer.body).map_err(|error| error.to_string())
    }
}

/// Makes `count` accounts through the admin door.
///
/// # Errors
/// Nobody answers there, or no.
pub fn import(door: &Path, count: usize) -> Result<Vec<User>, String> {
    let mut door = Door::open(door)?;
    // handles must be new: a run is named by its time and process
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let run = format!("lg-{since:x}-{:x}", std::process::id());
    let mut users = Vec::with_capacity(count);
    while users.len() < count {
        let portion = PORTION.min(count - users.len());
        let handle = |place: usize| format!("{run}-{:x}", users.len() + place);
        let handles: Vec<_> = (0..portion).map(handle).collect();
        let account = |handle: &String| Account { handle: handle.clone(), ..Account::default() };
        match door.ask(Request::Import(Import { accounts: handles.iter().map(account).collect() }))? {
            Some(Body::Imported(imported)) if imported.made.len() == portion => {
                for (made, handle) in imported.made.into_iter().zip(handles) {
                    if made.code != 0 {
                        return Err(format!("an account was refused with code {}", made.code));
                    }
                    users.push(User { user: made.user, handle, token: made.token });
                }
            }
            other => return Err(format!("the import was answered with {other:?}")),
        }
    }
    Ok(users)
}

/// Makes people contacts of each other: `of` tells whom each has, by their places.
///
/// # Errors
/// Nobody answers there, or no.
pub fn befriend<I: Iterator<Item = usize>>(door: &Path, users: &[User], of: impl Fn(usize) -> I) -> Result<(), String> {
    let mut door = Door::open(door)?;
    let mut waiting: Vec<Friends> = Vec::new();
    let mut bytes = 0;
    for (place, user) in users.iter().enumerate() {
        let contacts: Vec<_> = of(place).map(|other| users[other].handle.clone()).collect();
        bytes += contacts.iter().map(|handle| handle.len() + 2).sum::<usize>();
        waiting.push(Friends { handle: user.handle.clone(), contacts });
        if bytes < FRIENDS_BYTES && waiting.len() < FRIENDS && place + 1 < users.len() {
            continue;
        }
        bytes = 0;
        while !waiting.is_empty() {
            match door.ask(Request::ImportContacts(ImportContacts { friends: waiting.clone() }))? {
                Some(Body::ContactsImported(imported)) => {
                    let busy = |code: u32| code == 4301;
                    if let Some(made) = imported.made.iter().find(|made| made.code != 0 && !busy(made.code)) {
                        return Err(format!("contacts were refused with code {}", made.code));
                    }
                    waiting.drain(..imported.made.iter().take_while(|made| made.code == 0).count());
                    if !waiting.is_empty() {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                }
                other => return Err(format!("the import was answered with {other:?}")),
            }
        }
    }
    Ok(())
}

fn answer(socket: &mut UnixStream) -> std::io::Result<AdminAnswer> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some((frame, _)) = split(&bytes) {
            return AdminAnswer::decode(frame).map_err(|error| std::io::Error::other(error.to_string()));
        }
        match socket.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Users of a relay, which takes the number from the token.
pub fn made_up(count: usize) -> Vec<User> {
    (1..=count as u64)
        .map(|number| User { user: number * 256, handle: format!("u{number}"), token: (number * 256).to_string() })
        .collect()
}
