//! Starts what is measured, as processes of their own on a core of their own, and ends them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::process;

/// Cores: what is measured runs on one, the load on another.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Of the server.
    pub server: usize,
    /// Of the load.
    pub load: usize,
}

/// A server that runs. It ends when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its admin door, if it is a ringdove.
    pub admin: Option<PathBuf>,
    folder: Option<TempDir>,
}

impl Server {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts a relay. `sync`: with a file in `folder` that is synced for each batch.
    ///
    /// # Errors
    /// It does not start.
    pub fn relay(cores: Cores, spin: Duration, sync: bool, folder: &Path) -> Result<Self, String> {
        let words = |error: std::io::Error| format!("the relay does not start: {error}");
        let temporary = TempDir::with_prefix_in("loadgen-", folder).map_err(words)?;
        let mut command = Command::new(std::env::current_exe().map_err(words)?);
        command.args(["relay", "--spin", &humantime::format_duration(spin).to_string()]);
        if sync {
            command.arg("--sync").arg(temporary.path().join("synced"));
        }
        let mut child = on_core(cores, command.stdout(Stdio::piped())).map_err(words)?;
        let address = address(child.stdout.take(), &mut Vec::new());
        Self::checked(child, address, None, Some(temporary))
    }

    /// Starts the ringdove of this path with a new data folder inside `folder`.
    ///
    /// # Errors
    /// It does not start.
    pub fn ringdove(
        path: &Path,
        cores: Cores,
        idle: Duration,
        durability: &str,
        folder: &Path,
    ) -> Result<Self, String> {
        let words = |error: std::io::Error| format!("{} does not start: {error}", path.display());
        let temporary = TempDir::with_prefix_in("loadgen-", folder).map_err(words)?;
        let mut command = Command::new(path);
        command.args(["serve", "--listen", "127.0.0.1:0", "--durability", durability]);
        command.args(["--idle", &humantime::format_duration(idle).to_string()]);
        command.arg("--data").arg(temporary.path());
        // the load is more than one person types
        command.env("RINGDOVE_LIMITS_RATE", "0");
        let mut child = on_core(cores, command.stderr(Stdio::piped())).map_err(words)?;
        let mut said = Vec::new();
        let address = address(child.stderr.take(), &mut said);
        let admin = Some(temporary.path().join("admin.sock"));
        Self::checked(child, address, admin, Some(temporary)).map_err(|why| format!("{why}\n{}", said.join("\n")))
    }

    fn checked(
        mut child: Child,
        address: Option<SocketAddr>,
        admin: Option<PathBuf>,
        folder: Option<TempDir>,
    ) -> Result<Self, String> {
        match address {
            Some(address) => Ok(Self { child, address, admin, folder }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the server did not say where it listens".into())
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.folder.take());
    }
}

/// A child begins on the core of its parent, and stays there.
fn on_core(cores: Cores, command: &mut Command) -> std::io::Result<Child> {
    process::pin(cores.server).map_err(std::io::Error::other)?;
    let child = command.spawn();
    process::pin(cores.load).map_err(std::io::Error::other)?;
    child
}

/// The address behind "listens on " in what a server says first; the rest of what it says is read and dropped.
fn address(said: Option<impl std::io::Read + Send + 'static>, lines: &mut Vec<String>) -> Option<SocketAddr> {
    let mut reader = BufReader::new(said?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let address = line.split("listens on ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        lines.push(line.trim_end().to_owned());
        if address.is_some() {
            std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            return address;
        }
    }
}
