//! A Postgres of a test's own: its data in a temporary folder, its door a Unix socket there. It is started, stopped and killed at will.

// each test target uses its own part of this
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server that takes longer than this to start or stop hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 5432;

pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    /// On a port of the loopback too, with TLS.
    port: Option<u16>,
    process: Option<Child>,
}

/// Where Debian puts the server's programs, the newest version first; or else those that stand in the path.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    versions.sort();
    let in_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| folder.join("initdb").exists());
    versions
        .pop()
        .or_else(in_path)
        .expect("Postgres is installed (Debian: postgresql); scripts/test says how to do without")
}

/// The server does not run as root: whom it runs as then.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package makes a user postgres");
    let fields: Vec<_> = line.split(':').collect();
    Some((fields[2].parse().expect("a number"), fields[3].parse().expect("a number")))
}

impl Postgres {
    /// Starts one, with an empty database `chat`.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let user = unprivileged();
        if let Some((user, group)) = user {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
            chown(folder.path(), Some(user), Some(group)).expect("it is ours");
        }
        let mut postgres = Self { folder, programs: programs(), user, port: None, process: None };
        let mut initdb = postgres.command("initdb");
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        let made = initdb.arg(postgres.data()).output().expect("initdb can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.start_again();
        postgres.client("postgres").batch_execute("CREATE DATABASE chat").expect("a database");
        postgres
    }

    /// Listens on the loopback too, and only with TLS, from the next start on: with this certificate and key, in PEM form.
    pub fn with_tls(&mut self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.data().join(name);
            fs::write(&path, text).expect("it is ours");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
            if let Some((user, group)) = self.user {
                chown(&path, Some(user), Some(group)).expect("it is ours");
            }
        }
        fs::write(self.data().join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
            .expect("it is ours");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        self.port = Some(free.expect("a free port").port());
    }

    /// The URL of a database on the loopback, with TLS.
    pub fn url_over_tls(&self, host: &str, database: &str) -> String {
        let port = self.port.expect("it listens there");
        format!("postgres://postgres@{host}:{port}/{database}?sslmode=require")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/").stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server on what it has, and waits until it answers.
    pub fn start_again(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.folder().join("log")).expect("a log");
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).arg("-k").arg(self.folder());
        let listen = if self.port.is_some() { "listen_addresses=127.0.0.1" } else { "listen_addresses=" };
        server.args(["-c", listen, "-c", &format!("port={}", self.port())]);
        if self.port.is_some() {
            server.args(["-c", "ssl=on"]);
        }
        // a crash of the server is tested, not one of the machine
        server.args(["-c", "fsync=off"]).stdout(Stdio::null()).stderr(log);
        self.process = Some(server.spawn().expect("the server can be started"));
        let begin = Instant::now();
        while self.config("postgres").connect(NoTls).is_err() {
            assert!(begin.elapsed() < PATIENCE, "{}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(PORT)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder()).port(self.port()).user("postgres").dbname(database);
        config
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.port())
    }

    /// A connection to a database.
    pub fn client(&self, database: &str) -> Client {
        self.config(database).connect(NoTls).expect("it runs")
    }

    /// Ends it as an operator does: whoever is connected is thrown out.
    pub fn stop(&mut self) {
        self.end(Signal::INT, &[]);
    }

    /// `kill -9` of all its processes, whatever they are doing.
    pub fn kill(&mut self) {
        let children = self.process.as_ref().map(|process| children(process.id())).unwrap_or_default();
        self.end(Signal::KILL, &children);
    }

    fn end(&mut self, signal: Signal, children: &[u32]) {
        let Some(mut process) = self.process.take() else { return };
        kill_process(Pid::from_child(&process), signal).expect("it runs");
        for child in children {
            let pid = Pid::from_raw(i32::try_from(*child).expect("a process")).expect("a process");
            // it may have ended with its parent
            let _ = kill_process(pid, signal);
        }
        process.wait().expect("it ends");
        let begin = Instant::now();
        while children.iter().any(|child| Path::new("/proc").join(child.to_string()).exists()) {
            assert!(begin.elapsed() < PATIENCE, "a process of Postgres does not end");
            sleep(Duration::from_millis(10));
        }
    }
}

/// The processes that a process has made.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // the name in parentheses may hold anything
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&*parent.to_string())
    };
    numbers.filter(is_child).collect()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}
