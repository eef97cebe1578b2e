//! Users for the load: imported through ringdove's admin door, or made up for a relay, which takes anyone.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use prost::Message;

use crate::wire::admin::{Account, AdminAnswer, AdminFrame, Import, admin_answer, admin_frame};
use crate::wire::{put_message, split};

/// Accounts in one request, as the schema says.
const PORTION: usize = 256;
/// What an import may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user with a token.
#[derive(Clone, Debug)]
pub struct User {
    /// Its number.
    pub user: u64,
    /// The token of its device.
    pub token: String,
}

/// Makes `count` accounts through the admin door.
///
/// # Errors
/// Nobody answers there, or no.
pub fn import(door: &Path, count: usize) -> Result<Vec<User>, String> {
    let words = |error: std::io::Error| format!("{}: {error}", door.display());
    let mut socket = UnixStream::connect(door).map_err(|error| {
        format!("{}: {error} (is ringdove running, and is this its data folder? say --admin PATH)", door.display())
    })?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    // handles must be new: a run is named by its time and process
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let run = format!("lg-{since:x}-{:x}", std::process::id());
    let mut users = Vec::with_capacity(count);
    while users.len() < count {
        let portion = PORTION.min(count - users.len());
        let account =
            |place: usize| Account { handle: format!("{run}-{:x}", users.len() + place), ..Account::default() };
        let import = Import { accounts: (0..portion).map(account).collect() };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &AdminFrame { id: 1, request: Some(admin_frame::Request::Import(import)) });
        socket.write_all(&bytes).map_err(words)?;
        match answer(&mut socket).map_err(words)?.body {
            Some(admin_answer::Body::Imported(imported)) if imported.made.len() == portion => {
                for made in imported.made {
                    if made.code != 0 {
                        return Err(format!("an account was refused with code {}", made.code));
                    }
                    users.push(User { user: made.user, token: made.token });
                }
            }
            other => return Err(format!("the import was answered with {other:?}")),
        }
    }
    Ok(users)
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
    (1..=count as u64).map(|number| User { user: number * 256, token: (number * 256).to_string() }).collect()
}
