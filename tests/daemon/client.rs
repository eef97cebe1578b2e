//! A native client that waits for its answers.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use prost::Message;
use ringdove_core::wire::frame::{PREAMBLE, Split, put_length, split};
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};

use crate::broker::PATIENCE;

/// What a device keeps.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub user: u64,
    pub token: String,
    pub epoch: u32,
}

/// How long a client may be silent, in milliseconds: longer than any test.
const IDLE_MS: u32 = 600_000;

pub struct Client {
    pub socket: TcpStream,
    received: Vec<u8>,
    /// It speaks JSON lines.
    lines: bool,
    /// News that came while an answer was waited for.
    pub news: VecDeque<v1::ServerFrame>,
    id: u32,
    pub welcome: v1::Welcome,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address, false);
        client.socket.write_all(&PREAMBLE).expect("it reads");
        client
    }

    /// One that speaks JSON lines.
    pub fn with_lines(address: SocketAddr) -> Self {
        Self::silent(address, true)
    }

    fn silent(address: SocketAddr, lines: bool) -> Self {
        let socket = TcpStream::connect(address).expect("it listens");
        socket.set_nodelay(true).expect("an option");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self { socket, received: Vec::new(), lines, news: VecDeque::new(), id: 0, welcome: v1::Welcome::default() }
    }

    pub fn hello(address: SocketAddr, auth: Auth, cursor: Option<(u32, u64)>) -> Self {
        Self::connect(address).sign_in(auth, cursor)
    }

    pub fn sign_in(mut self, auth: Auth, cursor: Option<(u32, u64)>) -> Self {
        let (epoch, since) = cursor.unwrap_or_default();
        let hello = v1::Hello { auth: Some(auth), epoch, since, idle_ms: IDLE_MS, ..v1::Hello::default() };
        match self.ask(Request::Hello(hello)) {
            Ok(Body::Welcome(welcome)) => self.welcome = welcome,
            other => panic!("hello is answered with {other:?}"),
        }
        self
    }

    pub fn register(address: SocketAddr, handle: &str) -> Self {
        Self::hello(address, Auth::Register(password(handle)), None)
    }

    pub fn resume(address: SocketAddr, identity: &Identity, cursor: Option<(u32, u64)>) -> Self {
        Self::hello(address, Auth::Token(identity.token.clone()), cursor)
    }

    pub fn identity(&self) -> Identity {
        let v1::Welcome { user, token, epoch, .. } = self.welcome.clone();
        Identity { user, token, epoch }
    }

    /// Writes a request, and returns its number; `Err`: the connection is gone.
    pub fn write(&mut self, request: Request) -> std::io::Result<u32> {
        self.write_together([request])
    }

    /// Writes requests at once, and returns the last one's number; `Err`: the connection is gone.
    pub fn write_together(&mut self, requests: impl IntoIterator<Item = Request>) -> std::io::Result<u32> {
        let mut bytes = Vec::new();
        for request in requests {
            self.id += 1;
            let frame = v1::ClientFrame { id: self.id, ack: 0, request: Some(request) };
            if self.lines {
                serde_json::to_writer(&mut bytes, &frame)?;
                bytes.push(b'\n');
            } else {
                put_length(&mut bytes, frame.encoded_len());
                frame.encode(&mut bytes)?;
            }
        }
        self.socket.write_all(&bytes)?;
        Ok(self.id)
    }

    /// The next frame; `None`: the connection has ended.
    pub fn frame(&mut self) -> Option<v1::ServerFrame> {
        let mut chunk = [0; 64 << 10];
        loop {
            if let Some(frame) = self.received_frame() {
                return Some(frame);
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("waited in vain: {error}"),
            }
        }
    }

    fn received_frame(&mut self) -> Option<v1::ServerFrame> {
        let (frame, used) = if self.lines {
            let end = self.received.iter().position(|byte| *byte == b'\n')?;
            (serde_json::from_slice(&self.received[..end]).expect("a frame"), end + 1)
        } else {
            let Split::Frame { frame, used } = split(&self.received, usize::MAX) else { return None };
            (v1::ServerFrame::decode(frame).expect("a frame"), used)
        };
        self.received.drain(..used);
        Some(frame)
    }

    /// Asks and waits; news that comes meanwhile is kept. `Err`: it was refused.
    pub fn ask(&mut self, request: Request) -> Result<Body, v1::Refusal> {
        let id = self.write(request).expect("it reads");
        loop {
            let frame = self.frame().expect("an answer");
            match frame.body {
                Some(Body::Refusal(refusal)) if frame.id == id => return Err(refusal),
                Some(body) if frame.id == id => return Ok(body),
                _ => self.news.push_back(frame),
            }
        }
    }

    /// Sends, and does what BUSY says: small segments on a slow machine are not always prepared in time.
    pub fn send(&mut self, send: v1::Send) -> Result<v1::Entry, v1::Refusal> {
        loop {
            match self.ask(Request::Send(send.clone())) {
                Ok(Body::Entry(entry)) => return Ok(entry),
                Ok(other) => panic!("a send is answered with {other:?}"),
                Err(refusal) if refusal.name == "BUSY" => {
                    std::thread::sleep(std::time::Duration::from_millis(refusal.retry_ms.into()));
                }
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// The next news.
    pub fn news(&mut self) -> v1::ServerFrame {
        self.news.pop_front().or_else(|| self.frame()).expect("news")
    }

    /// Everything since a version, page by page.
    pub fn sync(&mut self, mut since: u64) -> Vec<v1::Entry> {
        let mut all = Vec::new();
        loop {
            let Ok(Body::Entries(page)) = self.ask(Request::Sync(v1::Sync { since, limit: 0 })) else {
                panic!("a sync is answered with entries")
            };
            assert!(!page.gap, "nothing has left the window");
            for mut entry in page.list {
                since = if entry.version > 0 { entry.version } else { since + 1 };
                entry.version = since;
                all.push(entry);
            }
            if !page.more {
                return all;
            }
        }
    }
}

/// What `handle` is registered with here, and signs in with.
pub fn password(handle: &str) -> v1::Password {
    v1::Password { handle: handle.into(), secret: "correct horse".into(), ..v1::Password::default() }
}

pub fn text(user: u64, key: u64, text: impl Into<String>) -> v1::Send {
    v1::Send { key, to: Some(v1::send::To::User(user)), text: text.into(), ..v1::Send::default() }
}
