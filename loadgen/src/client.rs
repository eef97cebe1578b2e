//! One signed-in device, as a real client behaves: it counts versions, syncs when it has missed something, and acknowledges.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use mio::net::TcpStream;
use prost::Message;

use crate::accounts::User;
use crate::stamp::Stamp;
use crate::wire::v1::{self, client_frame::Request, server_frame::Body};
use crate::wire::{PREAMBLE, To, put_ack, put_message, put_send, split};

/// An acknowledgement goes alone after so many entries, and rides along after half of them.
const ACK_ENTRIES: u64 = 32;
/// Request numbers stay below this: two bytes on the wire, and more than may wait for an answer.
const IDS: u32 = 1 << 14;
/// What a sign-in may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection whose device has signed in; still blocking, for what is asked before the load begins.
pub struct SignedIn {
    socket: std::net::TcpStream,
    received: Vec<u8>,
    asked: u32,
    user: u64,
    version: u64,
    key: u64,
}

impl SignedIn {
    /// Connects and signs in.
    ///
    /// # Errors
    /// Nobody is there, the token is refused, or the server would refuse the load for its rate.
    pub fn hello(address: SocketAddr, user: &User) -> Result<Self, String> {
        let words = |error: io::Error| format!("{address}: {error}");
        let socket = std::net::TcpStream::connect(address).map_err(words)?;
        socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE))).map_err(words)?;
        let mut this = Self { socket, received: Vec::new(), asked: 0, user: user.user, version: 0, key: clock_ms() };
        this.socket.write_all(&PREAMBLE).map_err(words)?;
        let auth = Some(v1::hello::Auth::Token(user.token.clone()));
        match this.ask(Request::Hello(v1::Hello { auth, idle_ms: 900_000, ..v1::Hello::default() }))? {
            Body::Welcome(welcome) => {
                if let Some(rate) = welcome.limits.map(|limits| limits.rate).filter(|rate| *rate > 0) {
                    return Err(format!(
                        "{address} takes {rate} sends a second from a connection: start it with RINGDOVE_LIMITS_RATE=0"
                    ));
                }
                this.version = welcome.version;
                Ok(this)
            }
            other => Err(format!("{address} answers hello with {other:?}")),
        }
    }

    /// Its user.
    pub fn user(&self) -> u64 {
        self.user
    }

    /// Asks for something and waits for the answer.
    ///
    /// # Errors
    /// It is refused, or the connection ends.
    pub fn ask(&mut self, request: Request) -> Result<Body, String> {
        self.asked += 1;
        let id = self.asked;
        let mut bytes = Vec::new();
        put_message(&mut bytes, &v1::ClientFrame { id, ack: 0, request: Some(request) });
        self.socket.write_all(&bytes).map_err(|error| error.to_string())?;
        loop {
            let frame = self.frame()?;
            match frame.body {
                Some(Body::Refusal(refusal) | Body::Bye(refusal)) => {
                    return Err(format!("refused with {} {}: {}", refusal.code, refusal.name, refusal.text));
                }
                Some(body) if frame.id == id => return Ok(body),
                _ => {}
            }
        }
    }

    /// Makes a group of these users and oneself.
    ///
    /// # Errors
    /// It is refused.
    pub fn make_group(&mut self, members: &[u64]) -> Result<u64, String> {
        /// Members in one change, as the protocol says; the maker counts too.
        const PORTION: usize = 499;
        let mut group = 0;
        let mut portions = members.chunks(PORTION);
        loop {
            let portion = portions.next().unwrap_or_default();
            if portion.is_empty() && group > 0 {
                return Ok(group);
            }
            self.key += 1;
            let set = portion.iter().map(|user| v1::Member { user: *user, ..v1::Member::default() }).collect();
            let change = v1::GroupChange { create: group == 0, set, ..v1::GroupChange::default() };
            let to = (group > 0).then_some(v1::send::To::Group(group));
            let send = v1::Send { key: self.key, to, group_change: Some(change), ..v1::Send::default() };
            match self.ask(Request::Send(send))? {
                Body::Entry(v1::Entry { to: Some(v1::entry::To::Group(made)), version, .. }) => {
                    group = made;
                    self.version = version;
                }
                Body::Entry(entry) => self.version = entry.version,
                other => return Err(format!("the group is answered with {other:?}")),
            }
        }
    }

    fn frame(&mut self) -> Result<v1::ServerFrame, String> {
        let mut chunk = [0; 4096];
        loop {
            if let Some((frame, used)) = split(&self.received) {
                let frame = v1::ServerFrame::decode(frame).map_err(|error| error.to_string());
                self.received.drain(..used);
                return frame;
            }
            match self.socket.read(&mut chunk).map_err(|error| format!("no answer: {error}"))? {
                0 => return Err("the server closed the connection".into()),
                count => self.received.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// The socket, which does not block any more, and what was read from it already.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn into_parts(self) -> io::Result<(std::net::TcpStream, Vec<u8>)> {
        self.socket.set_nonblocking(true)?;
        Ok((self.socket, self.received))
    }

    /// Ready for the load, with texts of `payload` bytes.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn into_client(self, payload: usize) -> io::Result<Client> {
        self.socket.set_nonblocking(true)?;
        Ok(Client {
            socket: TcpStream::from_std(self.socket),
            partial: self.received,
            out: Vec::new(),
            text: vec![b'.'; payload],
            id: 0,
            key: self.key,
            acked: self.version,
            user: self.user,
            version: self.version,
            syncing: false,
            syncs: 0,
        })
    }
}

/// A device under load.
pub struct Client {
    /// Its socket.
    pub socket: TcpStream,
    /// The begin of a frame whose rest has not come.
    partial: Vec<u8>,
    out: Vec<u8>,
    text: Vec<u8>,
    id: u32,
    key: u64,
    acked: u64,
    /// Its user.
    pub user: u64,
    /// It has applied everything up to here.
    pub version: u64,
    syncing: bool,
    /// How often it had to sync.
    pub syncs: u64,
}

impl Client {
    /// Writes a text with this stamp, and returns the request's number.
    pub fn send(&mut self, to: To, stamp: Stamp) -> u32 {
        self.id = if self.id + 1 < IDS { self.id + 1 } else { 1 };
        self.key += 1;
        stamp.write(&mut self.text);
        let ack = if self.version - self.acked >= ACK_ENTRIES / 2 { self.version } else { 0 };
        self.acked = self.acked.max(ack);
        put_send(&mut self.out, self.id, ack, self.key, to, &self.text);
        self.id
    }

    /// Acknowledges, if at least so many entries are not yet.
    pub fn acknowledge(&mut self, at_least: u64) {
        if self.version - self.acked >= at_least {
            self.acked = self.version;
            put_ack(&mut self.out, self.version);
        }
    }

    /// The client's rule for a version: whether the entry is to be applied. Above the next one, something is missing, and it syncs.
    pub fn is_next(&mut self, version: u64) -> bool {
        if version == self.version + 1 {
            self.version = version;
            return true;
        }
        if version > self.version {
            self.sync();
        }
        false
    }

    /// Asks for what is missing, unless it has asked already.
    pub fn sync(&mut self) {
        if !self.syncing {
            self.syncing = true;
            self.syncs += 1;
            self.acked = self.version;
            let request = Some(Request::Sync(v1::Sync { since: self.version, limit: 0 }));
            // the number above all sends' numbers
            put_message(&mut self.out, &v1::ClientFrame { id: IDS, ack: 0, request });
        }
    }

    /// The sync was answered.
    pub fn synced(&mut self, more: bool) {
        self.syncing = false;
        if more {
            self.sync();
        }
    }

    /// Writes what waits, as far as the kernel takes it.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self) -> Result<(), String> {
        if self.version - self.acked >= ACK_ENTRIES {
            self.acknowledge(1);
        }
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(count) if count == self.out.len() => self.out.clear(),
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("writing: {error}")),
            }
        }
        Ok(())
    }

    /// Reads once: what came stands in `buffer` behind what had come before. Returns how many bytes stand there, and whether there may
    /// be more. The buffer is not cleared, as that would cost more than the read.
    ///
    /// # Errors
    /// The connection ended.
    pub fn read(&mut self, buffer: &mut Vec<u8>, chunk: usize) -> Result<(usize, bool), String> {
        let before = self.partial.len();
        if buffer.len() < before + chunk {
            buffer.resize(before + chunk, 0);
        }
        buffer[..before].copy_from_slice(&self.partial);
        self.partial.clear();
        match self.socket.read(&mut buffer[before..before + chunk]) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(count) => Ok((before + count, count == chunk)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok((before, false)),
            Err(error) => Err(format!("reading: {error}")),
        }
    }

    /// Keeps the begin of a frame for the next read.
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }
}

fn clock_ms() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64
}
