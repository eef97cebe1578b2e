//! Servers that loadgen starts for itself: processes on a core of their own, with a folder and a loopback port of their own, ended when
//! they are not needed any more.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process;
use crate::system::Target;
use crate::ward::{Started, Ward};

/// What a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a server may take to end by itself, before it is ended.
const FAREWELL: Duration = Duration::from_secs(10);
/// Lines of what a server says that are kept, to say why it did not start.
const LINES: usize = 20;

/// Cores: what is measured runs on one, the load on another.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Of the server.
    pub server: usize,
    /// Of the load.
    pub load: usize,
}

/// Where servers are started.
#[derive(Clone, Debug)]
pub struct Place {
    /// On which core.
    pub cores: Cores,
    /// Where data folders are made.
    pub folder: PathBuf,
    /// ringdove's program.
    pub broker: PathBuf,
    /// How long those that spin look for news before they sleep.
    pub spin: Duration,
}

/// A server that runs. It ends when this is dropped.
pub struct Server {
    ward: Ward,
    target: Target,
    settings: Vec<String>,
}

/// A server that is about to be started.
pub struct Start {
    command: Command,
    /// It has a folder of its own, removed at its end.
    ward: Ward,
    settings: Vec<String>,
}

impl Start {
    /// A program with a new folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(program: &Path, place: &Place) -> Result<Self, String> {
        let words = |error: std::io::Error| format!("{}: {error}", place.folder.display());
        let ward = Ward::new(&place.folder).map_err(words)?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { command: Command::new(program), ward, settings: vec![name] })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.ward.folder()
    }

    /// Arguments that a report names.
    pub fn set(&mut self, arguments: &[&str]) -> &mut Self {
        self.command.args(arguments);
        self.settings.push(arguments.join(" "));
        self
    }

    /// A variable that a report names.
    pub fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// What a report names besides: settings that clients make once it runs.
    pub fn note(&mut self, settings: String) -> &mut Self {
        self.settings.push(settings);
        self
    }

    /// Arguments that mean nothing to anyone later: folders, ports.
    pub fn place(&mut self, arguments: &[&str]) -> &mut Self {
        self.command.args(arguments);
        self
    }

    /// Writes a file into the folder; its lines are settings, but for those that name folders or ports.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn file(&mut self, name: &str, settings: &str, places: &str) -> Result<PathBuf, String> {
        let path = self.folder().join(name);
        std::fs::write(&path, format!("{settings}\n{places}\n")).map_err(|error| format!("{name}: {error}"))?;
        self.settings.extend(settings.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()));
        Ok(path)
    }

    /// Starts a server that says "listens on ADDRESS": on standard error if it has an admin door of this name in its folder, else on standard
    /// output.
    ///
    /// # Errors
    /// It does not start.
    pub fn until_it_says_where(mut self, cores: Cores, admin: Option<&str>) -> Result<Server, String> {
        let admin = admin.map(|name| self.folder().join(name));
        self.command.stdin(Stdio::null());
        if admin.is_some() {
            self.command.stdout(Stdio::null()).stderr(Stdio::piped());
        } else {
            self.command.stdout(Stdio::piped());
        }
        let started = self.on_core(cores)?;
        let mut said = Vec::new();
        let address = match (started.out, started.err) {
            (Some(out), _) => listening(out, &mut said),
            (None, err) => err.and_then(|err| listening(err, &mut said)),
        };
        match address {
            Some(address) => Ok(self.running(started.pid, address, admin)),
            None => Err(failed(&said.join("\n"))),
        }
    }

    /// Starts a server that will listen at this address, and waits until it takes connections.
    ///
    /// # Errors
    /// It does not start.
    pub fn until_it_listens(mut self, cores: Cores, address: SocketAddr) -> Result<Server, String> {
        let log = self.folder().join("said.log");
        let file = std::fs::File::create(&log).map_err(|error| error.to_string())?;
        let other = file.try_clone().map_err(|error| error.to_string())?;
        self.command.stdout(file).stderr(other).stdin(Stdio::null());
        let started = self.on_core(cores)?;
        let begin = Instant::now();
        loop {
            if TcpStream::connect(address).is_ok() {
                return Ok(self.running(started.pid, address, None));
            }
            if self.ward.has_ended() || begin.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<_> = said.lines().collect();
                return Err(failed(&lines[lines.len().saturating_sub(LINES)..].join("\n")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn running(self, pid: u32, address: SocketAddr, admin: Option<PathBuf>) -> Server {
        let target = Target { address, admin, pid: Some(pid) };
        Server { ward: self.ward, target, settings: self.settings }
    }

    /// A child begins on the core of its parent, and stays there.
    fn on_core(&mut self, cores: Cores) -> Result<Started, String> {
        // whether there is such a core is found out before anything runs
        process::pin(cores.load)?;
        process::pin(cores.server)?;
        let started = self.ward.spawn(&mut self.command);
        process::pin(cores.load)?;
        started.map_err(|error| format!("{}: {error}", self.settings[0]))
    }
}

impl Server {
    /// Where it is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How it was started: its program and settings, without folders and ports.
    pub fn settings(&self) -> &[String] {
        &self.settings
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // a server that is asked to end may still write: the next one would be measured beside that
        self.ward.ask_to_end(FAREWELL);
    }
}

/// A loopback address that nobody listens at.
///
/// # Errors
/// There is none.
pub fn free_address() -> Result<SocketAddr, String> {
    let words = |error: std::io::Error| format!("no free port: {error}");
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).map_err(words)
}

/// The program of this name: in the folders of `PATH`, or where systems keep servers.
///
/// # Errors
/// It is nowhere; which package has it.
pub fn program(name: &str, package: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| format!("{name} is not on this machine (Debian: apt install {package})"))
}

/// The first line of what a program says, asked for its version.
///
/// # Errors
/// It cannot be run.
pub fn version(program: &Path, argument: &str) -> Result<String, String> {
    let words = |error: std::io::Error| format!("{}: {error}", program.display());
    let said = Command::new(program).arg(argument).stdin(Stdio::null()).output().map_err(words)?;
    let text = if said.stdout.is_empty() { said.stderr } else { said.stdout };
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn failed(said: &str) -> String {
    format!("the server did not start\n{said}")
}

/// The address behind "listens on " in what a server says first; the rest of what it says is read and dropped.
fn listening(said: impl Read + Send + 'static, lines: &mut Vec<String>) -> Option<SocketAddr> {
    let mut reader = BufReader::new(said);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let address = line.split("listens on ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        lines.push(line.trim_end().to_owned());
        if lines.len() > LINES {
            lines.remove(0);
        }
        if address.is_some() {
            std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            return address;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::alone;

    /// A server that does what this script says, in a folder in `place`.
    fn script(place: &Path, text: &str) -> Start {
        let cores = Cores { server: 0, load: 0 };
        let place = Place { cores, folder: place.to_owned(), broker: PathBuf::new(), spin: Duration::ZERO };
        let mut start = Start::new(Path::new("/bin/sh"), &place).unwrap();
        start.place(&["-c", text]);
        start
    }

    /// Nothing is started for a load that has nowhere to run.
    #[test]
    fn a_core_that_does_not_exist_is_named_before_anything_starts() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        for cores in [Cores { server: 0, load: 1_000_000 }, Cores { server: 1_000_000, load: 0 }] {
            let mut start = script(folder.path(), "");
            start.command = Command::new("/there/is/no/such/program");
            let why = start.until_it_says_where(cores, None).err().unwrap();
            assert_eq!(why, "core 1000000: there is none");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
