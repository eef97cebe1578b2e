//! The real daemon, as a process.

// each test target uses its own part of this
#![allow(dead_code)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// A test that waits longer than this hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A broker that ends with the test.
pub struct Broker {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it said until it listened, and the rest of the announcement.
    pub said: Vec<String>,
    lines: Receiver<String>,
}

/// A command with nobody's configuration but the test's.
pub fn ringdove<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringdove"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// A broker on any free port, its data in `data`.
pub fn serve(data: &Path) -> Command {
    serve_at("127.0.0.1:0", data)
}

/// A broker at this address, its data in `data`.
pub fn serve_at(address: &str, data: &Path) -> Command {
    let mut command = ringdove(["serve", "--listen", address, "--data"]);
    // small segments, so that tests cross their borders; a cheap hash, so that sign-ins take no time
    command.arg(data).env("RINGDOVE_JOURNAL_SEGMENT_BYTES", "1MiB").env("RINGDOVE_LIMITS_RATE", "0");
    command.env("RINGDOVE_PASSWORDS_MEMORY_KIB", "8").env("RINGDOVE_PASSWORDS_ITERATIONS", "1");
    // everyone in a test comes from one address
    command.env("RINGDOVE_LIMITS_REGISTRATIONS_PER_ADDRESS", "0");
    command
}

impl Broker {
    /// Starts it, and waits until it listens.
    pub fn start(mut command: Command) -> Self {
        let mut process =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the broker can be started");
        let mut reader = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = reader.next() else { panic!("it ended before it listened: {said:#?}") };
            let address = line.split("listens on ").nth(1).map(str::to_owned);
            said.push(line);
            if let Some(address) = address {
                break address.trim().parse().expect("an address");
            }
        };
        // where its data is, and what a message survives
        said.extend(reader.by_ref().take(3).map_while(Result::ok));
        let (sender, lines) = channel();
        // what it says later must not fill the pipe
        std::thread::spawn(move || reader.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self { process, address, said, lines }
    }

    /// Starts it on a data folder.
    pub fn on(data: &Path) -> Self {
        Self::start(serve(data))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line with these words.
    pub fn hear(&self, words: &str) {
        self.hear_all(words);
    }

    /// Waits for a line with these words, and returns all up to it.
    pub fn hear_all(&self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(words)) {
            lines.push(self.lines.recv_timeout(PATIENCE).expect("it says something"));
        }
        lines
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
    }

    /// Stops it where it is until it is sent `CONT`; what it is sent before that waits.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.process)), WaitOptions::UNTRACED).expect("it is ours");
        assert!(stopped.is_some_and(|(_, status)| status.stopped()));
    }

    /// Waits for its end: the exit code, or `None` if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait().expect("it ends").code()
    }

    /// Asks it to end, and waits until it has, in order.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait(), Some(0));
    }

    /// `kill -9`.
    pub fn crash(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.wait(), None);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().expect("it can be started");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Runs a command that has to fail, and returns what it says.
pub fn refused(command: &mut Command) -> String {
    let (code, said) = run(command);
    assert_eq!(code, Some(1), "{said}");
    said
}

/// Runs a command that has to succeed, and returns what it says.
pub fn done(command: &mut Command) -> String {
    let (code, said) = run(command);
    assert_eq!(code, Some(0), "{said}");
    said
}

/// Runs a command that reads `input`: its exit code, standard output and standard error.
pub fn fed(command: &mut Command, input: &[u8]) -> (Option<i32>, String, String) {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = pipes.spawn().expect("it can be started");
    let mut stdin = process.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // a command that ends early closes the pipe
    let writer = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &input)));
    let Output { status, stdout, stderr } = process.wait_with_output().expect("it ends");
    writer.join().expect("it writes");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// A thing that several threads look at.
pub type Shared<T> = Arc<parking_lot::Mutex<T>>;
