//! What programs say: which version they are, and where they listen. None of them can make loadgen wait for ever, or fill its memory.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Lines of what a server says that are kept, to say why it did not start.
pub const LINES: usize = 20;
/// Bytes of a line that are looked at in one piece.
const LINE: u64 = 4_096;
/// What a program may take to say its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of what it says then that are read.
const VERSION: u64 = 64 << 10;
/// In words: a server is gone before it listened.
pub const ENDED: &str = "it has ended";

/// The first line of what a program says, asked for its version.
///
/// # Errors
/// It cannot be run, or does not come to its end within some seconds.
pub fn version(program: &Path, argument: &str) -> Result<String, String> {
    version_within(program, argument, VERSION_PATIENCE)
}

fn version_within(program: &Path, argument: &str, patience: Duration) -> Result<String, String> {
    let words = |error: std::io::Error| format!("{}: {error}", program.display());
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(words)?;
    let (out, err) = (child.stdout.take().map(whole), child.stderr.take().map(whole));
    let end = Instant::now() + patience;
    let said = [out, err].map(|text| text?.recv_timeout(end.saturating_duration_since(Instant::now())).ok());
    // it has said all, or has had its time
    let _ = child.kill();
    let _ = child.wait();
    let [Some(out), Some(err)] = said else {
        let patience = humantime::format_duration(patience);
        return Err(format!("{} {argument}: it has not ended within {patience}", program.display()));
    };
    let text = if out.is_empty() { err } else { out };
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// All that is said, up to a bound, as soon as there is no more.
fn whole(said: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = said.take(VERSION).read_to_end(&mut text);
        // nobody waits for it any more: it came too late
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}

/// In words: this patience is over.
pub fn silent(patience: Duration) -> String {
    format!("it does not listen after {}", humantime::format_duration(patience))
}

/// What is said, line by line, as long as somebody takes it; the rest is read and dropped, so that the pipe never fills.
pub fn lines(said: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(said);
        let mut line = Vec::new();
        while matches!(reader.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&std::mem::take(&mut line)).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
        }
        std::io::copy(&mut reader, &mut std::io::sink())
    });
    receiver
}

/// The address behind "listens on " in the first line that has one. The last lines up to it are kept.
///
/// # Errors
/// It ends before, or does not say it in time.
pub fn listening(lines: &Receiver<String>, patience: Duration, said: &mut Vec<String>) -> Result<SocketAddr, String> {
    let end = Instant::now() + patience;
    loop {
        let line = match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(silent(patience)),
            Err(RecvTimeoutError::Disconnected) => return Err(ENDED.into()),
        };
        let address = line.split("listens on ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        if said.len() == LINES {
            said.remove(0);
        }
        said.push(line);
        if let Some(address) = address {
            return Ok(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_line_and_comes_soon() {
        let folder = tempfile::tempdir().unwrap();
        let said = |text: &str, patience| {
            let program = folder.path().join("program.sh");
            std::fs::write(&program, text).unwrap();
            version_within(Path::new("/bin/sh"), &program.to_string_lossy(), patience)
        };
        let enough = Duration::from_secs(60);
        assert_eq!(said("echo one 1.0; echo two", enough), Ok("one 1.0".into()));
        assert_eq!(said("echo usage >&2; exit 3", enough), Ok("usage".into()));
        let why = said("echo one 1.0; exec sleep 600", Duration::from_millis(100)).unwrap_err();
        assert!(why.ends_with("it has not ended within 100ms"), "{why}");
    }
}
