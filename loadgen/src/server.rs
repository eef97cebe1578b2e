//! Servers that loadgen starts for itself: processes on a core of their own, with a folder and a loopback port of their own, ended when
//! they are not needed any more.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::process::{self, Family};
pub use crate::said::version;
use crate::said::{self, LINES};
use crate::system::Target;
use crate::tether;
use crate::ward::{Started, Ward};

/// What a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a server may take to end by itself, before it is ended.
const FAREWELL: Duration = Duration::from_secs(10);

/// Cores: what is measured runs on one, the load on another.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Of the server.
    pub server: usize,
    /// Of the load.
    pub load: usize,
}

impl Cores {
    /// The server's, if it is another one than the load's.
    pub fn server_apart(self) -> Option<usize> {
        Some(self.server).filter(|server| *server != self.load)
    }
}

/// Where servers are started.
#[derive(Clone, Debug)]
pub struct Place {
    /// On which core.
    pub cores: Cores,
    /// Where data folders are made.
    pub folder: PathBuf,
    /// ringdove's program.
    pub broker: Broker,
    /// How long those that spin look for news before they sleep.
    pub spin: Duration,
    /// Whether they end with this process whatever ends it: not where this is a test's program, which cannot start them so.
    pub tethers: bool,
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
    /// What its start may take.
    patience: Duration,
}

impl Start {
    /// A program with a new folder.
    ///
    /// # Errors
    /// There is no such program, or the folder cannot be made.
    pub fn new(program: &Path, place: &Place) -> Result<Self, String> {
        if !program.is_file() {
            return Err(format!("{}: there is no such program", program.display()));
        }
        let words = |error: std::io::Error| format!("{}: {error}", place.folder.display());
        let ward = Ward::new(&place.folder).map_err(words)?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let command = if place.tethers { tether::tethered(program) } else { Command::new(program) };
        Ok(Self { command, ward, settings: vec![name], patience: PATIENCE })
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

    /// Writes a file into the folder: first its settings, a line each, which a report names, and then those that name folders or ports. Where a format
    /// has another order, write it by hand and [`note`](Self::note) the settings.
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
        let lines = match (started.out, started.err) {
            (Some(out), _) => said::lines(out),
            (None, Some(err)) => said::lines(err),
            (None, None) => return Err("a server that nobody can hear".into()),
        };
        let mut last = Vec::new();
        match said::listening(&lines, self.patience, &mut last) {
            Ok(address) => self.running(started.pid, address, admin),
            Err(why) => Err(failed(&why, &last)),
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
                return self.running(started.pid, address, None);
            }
            let ended = self.ward.has_ended();
            if ended || begin.elapsed() > self.patience {
                let why = if ended { said::ENDED.to_owned() } else { said::silent(self.patience) };
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<_> = text.lines().map(str::to_owned).collect();
                return Err(failed(&why, &lines[lines.len().saturating_sub(LINES)..]));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A server whose own process, or one that it has started, listens there: else somebody else's CPU time and memory would be told as its own.
    fn running(self, pid: u32, address: SocketAddr, admin: Option<PathBuf>) -> Result<Server, String> {
        if self.ward.has_ended() || Family::of(pid).listens(address) == Some(false) {
            let why = format!(
                "another process than the one that was started listens at {address}. It has to stay in the foreground: what is in the background now was not ended"
            );
            return Err(failed(&why, &[]));
        }
        let target = Target { address, admin, pid: Some(pid), is_started: true };
        Ok(Server { ward: self.ward, target, settings: self.settings })
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

fn failed(why: &str, said: &[String]) -> String {
    format!("the server did not start: {why}\n{}", said.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::alone;

    const CORES: Cores = Cores { server: 0, load: 0 };
    /// Much shorter than what the scripts below sleep.
    const SOON: Duration = Duration::from_millis(100);

    /// A server that does what this script says, in a folder in `place`.
    fn script(place: &Path, text: &str) -> Start {
        let (folder, broker) = (place.to_owned(), Broker::new(None));
        let place = Place { cores: CORES, folder, broker, spin: Duration::ZERO, tethers: false };
        let mut start = Start::new(Path::new("/bin/sh"), &place).unwrap();
        start.place(&["-c", text]);
        start
    }

    /// Nothing is started for a load that has nowhere to run.
    #[test]
    fn a_core_that_does_not_exist_is_named_before_anything_starts() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        // one that a set of cores has room for, and the machine has not
        let why = process::pin(1_000).unwrap_err();
        assert!(why.starts_with("core 1000: there is none that loadgen may use; "), "{why}");
        for cores in [Cores { server: 0, load: 1_000_000 }, Cores { server: 1_000_000, load: 0 }] {
            let mut start = script(folder.path(), "exec sleep 600");
            let why = start.on_core(cores).err().unwrap();
            assert!(why.starts_with("core 1000000: there is none that loadgen may use; this machine has 0"), "{why}");
            assert!(start.ward.has_ended(), "it was started");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_server_is_where_it_says() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        // more than fits into a pipe: what nobody reads would stop it
        let text = "echo hello; echo it listens on 127.0.0.1:9 always; head -c 1000000 /dev/zero; touch \"$0\"; exec sleep 600";
        let mut start = script(folder.path(), text);
        let said_all = folder.path().join("said all");
        start.place(&[&said_all.to_string_lossy()]);
        let server = start.until_it_says_where(CORES, None);
        while !said_all.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(server.unwrap().target().address, "127.0.0.1:9".parse().unwrap());
    }

    /// The story: a server went to the background, and what was told as its CPU time and memory was a shell's.
    #[test]
    fn a_server_that_is_another_process_is_refused() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = somebody.local_addr().unwrap();
        let why = script(folder.path(), "exec sleep 600").until_it_listens(CORES, address).err().unwrap();
        assert!(why.contains("another process than the one that was started listens at 127.0.0.1:"), "{why}");
        // one that has ended is not asked what it has open, and may not be
        let why = script(folder.path(), "exit 0").until_it_listens(CORES, address).err().unwrap();
        assert!(why.contains("another process") || why.contains(said::ENDED), "{why}");
        let text = format!("echo it listens on {address} always; exec sleep 600");
        let why = script(folder.path(), &text).until_it_says_where(CORES, None).err().unwrap();
        assert!(why.contains("It has to stay in the foreground"), "{why}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A server that hangs before it listens does not hang loadgen.
    #[test]
    fn a_server_that_does_not_listen_in_time_is_ended() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let mut start = script(folder.path(), "exec sleep 600");
        start.patience = SOON;
        let why = start.until_it_says_where(CORES, None).err().unwrap();
        assert_eq!(why, "the server did not start: it does not listen after 100ms\n");
        let mut start = script(folder.path(), "exec sleep 600");
        start.patience = SOON;
        let why = start.until_it_listens(CORES, free_address().unwrap()).err().unwrap();
        assert_eq!(why, "the server did not start: it does not listen after 100ms\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// The last lines say why it ended, and a line without an end is cut.
    #[test]
    fn a_server_that_ends_at_once_says_why() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let start = script(folder.path(), "seq 1 50; head -c 10000 /dev/zero | tr '\\0' x");
        let why = start.until_it_says_where(CORES, None).err().unwrap();
        let lines: Vec<_> = why.lines().collect();
        assert_eq!(lines[0], "the server did not start: it has ended");
        assert_eq!(lines.len(), 1 + LINES);
        assert_eq!((lines[1], lines[17]), ("34", "50"));
        assert_eq!(lines[18..].iter().map(|line| line.len()).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);
    }
}
