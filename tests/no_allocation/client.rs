//! A user who waits for every frame, on a socket that blocks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use prost::Message;
use ringdove_core::wire::frame::{PREAMBLE, Split, put_length, split};
use ringdove_core::wire::v1::{self, client_frame::Request, send::To, server_frame::Body};

/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub user: u64,
    /// The newest version that came.
    pub version: u64,
    /// Frames in both directions.
    pub frames: u64,
    socket: TcpStream,
    received: Vec<u8>,
    out: Vec<u8>,
    key: u64,
}

impl Client {
    pub fn register(address: SocketAddr, handle: &str) -> Self {
        let socket = TcpStream::connect(address).expect("the broker listens");
        socket.set_nodelay(true).expect("an option");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        let out = PREAMBLE.to_vec();
        let mut client = Self { user: 0, version: 0, frames: 0, socket, received: Vec::new(), out, key: 0 };
        let password = v1::Password { handle: handle.into(), secret: "correct horse".into(), ..Default::default() };
        let hello = v1::Hello { auth: Some(v1::hello::Auth::Register(password)), ..Default::default() };
        client.put(&v1::ClientFrame { id: 1, ack: 0, request: Some(Request::Hello(hello)) });
        client.flush();
        match client.frame().body {
            Some(Body::Welcome(welcome)) => client.user = welcome.user,
            other => panic!("no welcome: {other:?}"),
        }
        client
    }

    fn put(&mut self, frame: &v1::ClientFrame) {
        put_length(&mut self.out, frame.encoded_len());
        frame.encode(&mut self.out).expect("a Vec has room");
        self.frames += 1;
    }

    /// Prepares a message, with the acknowledgement of all that came.
    pub fn put_text(&mut self, to: To, text: &str) {
        self.key += 1;
        let send = v1::Send { key: self.key, to: Some(to), text: text.into(), ..Default::default() };
        self.put(&v1::ClientFrame { id: 7, ack: self.version, request: Some(Request::Send(send)) });
    }

    /// Prepares an acknowledgement that goes alone.
    pub fn put_ack(&mut self) {
        self.put(&v1::ClientFrame { id: 0, ack: self.version, request: None });
    }

    pub fn put_ping(&mut self) {
        self.put(&v1::ClientFrame::default());
    }

    /// Writes what was prepared, at once.
    pub fn flush(&mut self) {
        self.socket.write_all(&self.out).expect("the broker reads");
        self.out.clear();
    }

    fn frame(&mut self) -> v1::ServerFrame {
        loop {
            match split(&self.received, usize::MAX) {
                Split::Frame { frame, used } => {
                    let decoded = v1::ServerFrame::decode(frame).expect("a frame");
                    self.received.drain(..used);
                    self.frames += 1;
                    return decoded;
                }
                Split::Partial { .. } => {
                    let mut chunk = [0; 16 << 10];
                    let count = self.socket.read(&mut chunk).expect("an answer in time");
                    assert!(count > 0, "the broker closed the connection");
                    self.received.extend_from_slice(&chunk[..count]);
                }
                wrong => panic!("{wrong:?}"),
            }
        }
    }

    /// The next frame is an entry: an answer (`id` 7) or news (0). Returns it; its version follows the one before.
    pub fn entry(&mut self, id: u32) -> v1::Entry {
        let frame = self.frame();
        let Some(Body::Entry(entry)) = frame.body else { panic!("no entry: {frame:?}") };
        assert_eq!((frame.id, entry.version), (id, self.version + 1));
        self.version = entry.version;
        entry
    }

    pub fn pong(&mut self) {
        assert_eq!(self.frame(), v1::ServerFrame::default());
    }

    /// Makes a group with these members and returns its number.
    pub fn make_group(&mut self, members: &[u64]) -> u64 {
        let set = members.iter().map(|user| v1::Member { user: *user, ..Default::default() }).collect();
        let change = v1::GroupChange { create: true, set, ..Default::default() };
        let send = v1::Send { group_change: Some(change), ..Default::default() };
        self.put(&v1::ClientFrame { id: 7, ack: 0, request: Some(Request::Send(send)) });
        self.flush();
        match self.entry(7).to {
            Some(v1::entry::To::Group(group)) => group,
            other => panic!("no group: {other:?}"),
        }
    }
}
