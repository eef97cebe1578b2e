//! docs/examples/echo.py is a whole client: whatever is killed, each message has one answer. Its tests begin with `python`, so that `scripts/test`
//! leaves them out where there is none.

mod broker;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use broker::{Broker, PATIENCE, serve, serve_at};
use serde_json::{Value, json};
use tempfile::tempdir;

/// The bot, as a process that is killed with the test.
struct Bot(Child);

impl Bot {
    fn start(folder: &Path, address: SocketAddr) -> Self {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/examples/echo.py");
        let mut command = Command::new("python3");
        command.arg(program).args(["echo", "correct horse", &address.to_string()]).current_dir(folder);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("python3"))
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who writes to the bot, in JSON lines.
struct Person {
    reader: BufReader<TcpStream>,
    /// How many sends were answered, what the bot has said, and the newest version.
    answered: usize,
    heard: Vec<String>,
    version: u64,
    /// The user's number.
    number: String,
}

impl Person {
    /// Says hello and asks for everything.
    fn comes(address: SocketAddr, way: &str) -> Self {
        let socket = TcpStream::connect(address).expect("the broker listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        let mut person =
            Self { reader: BufReader::new(socket), answered: 0, heard: Vec::new(), version: 0, number: String::new() };
        let account = json!({"handle": "ann", "secret": "correct horse"});
        person.writes(&json!({"id": 1, "hello": {way: account}}));
        person.writes(&json!({"id": 2, "sync": {}}));
        person
    }

    fn writes(&mut self, frame: &Value) {
        self.reader.get_mut().write_all(format!("{frame}\n").as_bytes()).expect("the broker reads");
    }

    /// Sends texts to the bot.
    fn sends(&mut self, texts: &[String]) {
        for (nth, text) in texts.iter().enumerate() {
            self.writes(&json!({"id": 10 + nth, "send": {"handle": "echo", "text": text}}));
        }
    }

    /// Reads until the bot has said so many texts.
    fn hears(&mut self, count: usize) {
        self.reads_until(|person| person.heard.len() >= count);
    }

    fn reads_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).expect("a frame in time") > 0, "closed behind {:?}", self.heard);
            let frame: Value = serde_json::from_str(&line).expect("JSON");
            assert!(frame.get("refusal").is_none() && frame.get("bye").is_none(), "{frame}");
            if let Some(number) = frame["welcome"]["user"].as_str() {
                number.clone_into(&mut self.number);
            }
            self.answered += usize::from(frame["id"].as_u64() >= Some(10));
            let listed = frame["entries"]["list"].as_array().into_iter().flatten();
            let mut version = 0;
            for entry in listed.chain(frame.get("entry")) {
                version = entry["version"].as_str().map_or(version + 1, |said| said.parse().expect("a number"));
                self.takes(version, entry);
            }
        }
    }

    fn takes(&mut self, version: u64, entry: &Value) {
        if version == self.version + 1 {
            self.version = version;
            if entry.get("from").is_some() {
                self.heard.push(entry["text"].as_str().expect("a text").to_owned());
            }
        }
    }
}

fn texts(part: usize) -> Vec<String> {
    (0..40).map(|nth| format!("{part}.{nth}")).collect()
}

/// Undoes that the bot has heard of its last send's answer, as if it had died before; `user` is who that send went to.
fn forget_an_answer(path: &Path, user: &str, text: &str) {
    let mut me: Value = serde_json::from_slice(&std::fs::read(path).expect("its file")).expect("JSON");
    let key = me["key"].to_string();
    me["unanswered"] = json!({key: {"user": user, "text": text}});
    std::fs::write(path, me.to_string()).expect("its file");
}

/// Waits until the bot is registered.
fn wait_for(path: &Path) {
    let begun = std::time::Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < PATIENCE, "{} is not written", path.display());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn python_client_answers_each_message_once_whatever_is_killed() {
    let folder = tempdir().expect("a folder");
    let data = folder.path().join("data");
    let broker = Broker::start(serve(&data));
    let address = broker.address;
    let bot = Bot::start(folder.path(), address);
    let file = folder.path().join("echo.json");
    wait_for(&file);
    let mut ann = Person::comes(address, "register");
    let all: Vec<String> = (0..3).flat_map(texts).collect();
    ann.sends(&all[..40]);
    ann.hears(1);
    // the bot is killed while it answers, and misses some
    drop(bot);
    ann.sends(&all[40..80]);
    let bot = Bot::start(folder.path(), address);
    ann.hears(80);
    assert_eq!(ann.heard, all[..80]);
    // it dies between a send and its answer, which it then sends again
    drop(bot);
    forget_an_answer(&file, &ann.number, &all[79]);
    let _bot = Bot::start(folder.path(), address);
    // the broker is killed when it has all of ann's, and the bot has not answered them
    ann.sends(&all[80..]);
    ann.reads_until(|ann| ann.answered == all.len());
    broker.crash();
    let _broker = Broker::start(serve_at(&address.to_string(), &data));
    let mut ann = Person::comes(address, "password");
    ann.hears(all.len());
    assert_eq!(ann.heard, all);
}
