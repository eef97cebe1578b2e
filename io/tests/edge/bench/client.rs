//! A client that writes bytes and reads frames, and turns the bench while it waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use prost::Message;
use ringdove_core::ids::{ConnectionId, Version};
use ringdove_core::rings::Recipient;
use ringdove_core::wire::frame::{PREAMBLE, Split, put_length, split};
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use rustix::net::sockopt::set_socket_linger;

use super::Bench;

pub struct Client {
    pub socket: TcpStream,
    pub id: ConnectionId,
    received: Vec<u8>,
    ended: bool,
}

impl Client {
    /// A connection that has said nothing.
    pub fn silent(bench: &mut Bench) -> Self {
        let socket = TcpStream::connect(bench.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, id: ConnectionId::default(), received: Vec::new(), ended: false }
    }

    /// A connection that has sent the preamble.
    pub fn connect(bench: &mut Bench) -> Self {
        let mut client = Self::silent(bench);
        client.bytes(&PREAMBLE);
        client
    }

    /// Writes bytes that the kernel has room for.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Writes as many bytes as it takes.
    pub fn many_bytes(&mut self, bench: &mut Bench, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    bench.turn();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Writes a frame with its length.
    pub fn raw_frame(&mut self, frame: &[u8]) {
        self.bytes(&framed(frame));
    }

    pub fn ask(&mut self, id: u32, request: Request) {
        self.raw_frame(&request_frame(id, request));
    }

    pub fn hello(&mut self) {
        self.ask(1, Request::Hello(token_hello("rdt_x")));
    }

    pub fn send_text(&mut self, id: u32, user: u64, text: &str) {
        self.ask(id, Request::Send(text_to(user, text)));
    }

    pub fn ping(&mut self) {
        self.bytes(&[0]);
    }

    pub fn recipient(&self, version: u64, own: bool) -> Recipient {
        Recipient::new(self.id, Version(version), own)
    }

    pub fn finish_writing(&mut self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Goes at once, and throws away what is on its way in either direction. Returns when the other side can know.
    pub fn reset(self) {
        let (here, there) = (self.socket.local_addr().unwrap().port(), self.socket.peer_addr().unwrap().port());
        set_socket_linger(&self.socket, Some(Duration::ZERO)).unwrap();
        drop(self);
        while is_established(there, here) {
            std::thread::yield_now();
        }
    }

    /// Takes in what has come. Returns whether there was anything.
    pub fn receive(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.socket.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                self.received.extend_from_slice(&chunk[..count]);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.ended = true,
        }
        false
    }

    /// All bytes that have come already.
    pub fn everything(&mut self) -> Vec<u8> {
        while self.receive() {}
        std::mem::take(&mut self.received)
    }

    /// The next frame that has come already.
    pub fn frame_now(&mut self) -> Option<v1::ServerFrame> {
        loop {
            match split(&self.received, usize::MAX) {
                Split::Frame { frame, used } => {
                    let decoded = v1::ServerFrame::decode(frame).unwrap();
                    self.received.drain(..used);
                    return Some(decoded);
                }
                Split::Partial { .. } => {}
                wrong => panic!("{wrong:?}"),
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// The next frame.
    pub fn frame(&mut self, bench: &mut Bench) -> v1::ServerFrame {
        bench.until("a frame", |_| self.frame_now())
    }

    /// The next line.
    pub fn line(&mut self, bench: &mut Bench) -> String {
        bench.until("a line", |_| {
            while self.receive() {}
            let end = self.received.iter().position(|byte| *byte == b'\n')?;
            let line = self.received.drain(..=end).collect();
            Some(String::from_utf8(line).unwrap().trim_end().to_owned())
        })
    }

    /// The next frame, which refuses the request `id`: its code and field.
    pub fn refusal(&mut self, bench: &mut Bench, id: u32) -> (u32, String) {
        let frame = self.frame(bench);
        assert_eq!(frame.id, id, "{frame:?}");
        match frame.body {
            Some(Body::Refusal(refusal)) => (refusal.code, refusal.field),
            body => panic!("no refusal: {body:?}"),
        }
    }

    /// The next frame, which is a bye, and then the end: its code.
    pub fn bye(&mut self, bench: &mut Bench) -> u32 {
        let frame = self.frame(bench);
        let Some(Body::Bye(bye)) = frame.body else { panic!("no bye: {frame:?}") };
        self.end(bench);
        bye.code
    }

    /// The next frame, which is an entry.
    pub fn entry(&mut self, bench: &mut Bench) -> v1::Entry {
        match self.frame(bench).body {
            Some(Body::Entry(entry)) => entry,
            body => panic!("no entry: {body:?}"),
        }
    }

    /// The end of the connection, with nothing before it.
    pub fn end(&mut self, bench: &mut Bench) {
        bench.until("the end", |_| {
            while self.receive() {}
            assert!(self.received.is_empty(), "{:?}", self.received);
            self.ended.then_some(())
        });
    }
}

/// Whether the kernel has a connection from one port of this machine to another that neither side has ended.
fn is_established(from: u16, to: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().any(|line| {
        // number, own address, other address, state
        let words: Vec<_> = line.split_whitespace().take(4).collect();
        matches!(&words[..], [_, own, other, "01"]
            if own.ends_with(&format!(":{from:04X}")) && other.ends_with(&format!(":{to:04X}")))
    })
}

pub fn framed(frame: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_length(&mut bytes, frame.len());
    bytes.extend_from_slice(frame);
    bytes
}

pub fn request_frame(id: u32, request: Request) -> Vec<u8> {
    v1::ClientFrame { id, ack: 0, request: Some(request) }.encode_to_vec()
}

pub fn token_hello(token: &str) -> v1::Hello {
    v1::Hello { auth: Some(v1::hello::Auth::Token(token.into())), ..v1::Hello::default() }
}

pub fn text_to(user: u64, text: &str) -> v1::Send {
    v1::Send { to: Some(v1::send::To::User(user)), text: text.into(), ..v1::Send::default() }
}
