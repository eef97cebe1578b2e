//! The floor: a relay that only forwards. It reads the same frames as a broker, and writes the same number of frames of the same
//! length, acknowledgements included, but checks, keeps and remembers nothing: what any broker on this machine cannot beat.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::wire::v1::{self, client_frame::Request, server_frame::Body};
use super::wire::{Asked, PREAMBLE, Tail, To, asked, put_answer, put_message, put_news, split};

/// Sockets that may wait to be accepted, as at ringdove.
const BACKLOG: i32 = 4_096;
const LISTENER: Token = Token(usize::MAX);
/// What one read takes: as much as ringdove's.
const CHUNK: usize = 64 << 10;
/// The file that is synced is written round and round.
const SYNC_FILE: u64 = 256 << 20;
/// What a journal would write beside a text.
const RECORD_OVERHEAD: usize = 72;

/// A connection.
struct Peer {
    socket: TcpStream,
    partial: Vec<u8>,
    out: Vec<u8>,
    greeted: bool,
    dirty: bool,
    user: u64,
    seat: usize,
    version: u64,
    ordinal: u64,
}

/// A user who has been mentioned: where they are connected, and how far they had come when they last were.
#[derive(Clone, Copy)]
struct Seat {
    peer: usize,
    version: u64,
}

/// Nobody's peer, or nobody's seat.
const NOBODY: usize = usize::MAX;

/// A file that is written and synced once for each batch.
struct SyncFile {
    file: File,
    at: u64,
    batch: Vec<u8>,
}

/// The relay.
pub struct Relay {
    listener: TcpListener,
    poll: Poll,
    peers: Slab<Peer>,
    /// Seats by user.
    users: HashMap<u64, usize>,
    seats: Vec<Seat>,
    /// Seats of members.
    groups: Vec<Vec<usize>>,
    dirty: Vec<usize>,
    unread: Vec<usize>,
    buffer: Vec<u8>,
    tail: Vec<u8>,
    spin: Duration,
    sync: Option<SyncFile>,
}

impl Relay {
    /// Listens. Looks for news for `spin` before it sleeps; with `sync`, one fdatasync of that file comes before each batch is told.
    ///
    /// # Errors
    /// The port is taken, or the file cannot be made.
    pub fn bind(address: SocketAddr, spin: Duration, sync: Option<&Path>) -> io::Result<Self> {
        let mut listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            listener,
            poll,
            peers: Slab::new(),
            users: HashMap::new(),
            seats: Vec::new(),
            groups: Vec::new(),
            dirty: Vec::new(),
            unread: Vec::new(),
            buffer: Vec::new(),
            tail: Vec::new(),
            spin,
            sync: sync.map(SyncFile::create).transpose()?,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Forwards until its process is ended.
    ///
    /// # Errors
    /// The system's poll or sync failed.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut quiet_since = Instant::now();
        loop {
            let hot = !self.unread.is_empty() || quiet_since.elapsed() < self.spin;
            match self.poll.poll(&mut events, hot.then_some(Duration::ZERO)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if !events.is_empty() {
                quiet_since = Instant::now();
            }
            for who in std::mem::take(&mut self.unread) {
                self.read(who);
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(who) => {
                        if self.peers.get(who).is_some_and(|peer| !peer.out.is_empty()) {
                            self.mark(who);
                        }
                        self.read(who);
                    }
                }
            }
            if let Some(sync) = &mut self.sync {
                sync.flush()?;
            }
            for who in std::mem::take(&mut self.dirty) {
                if let Some(peer) = self.peers.get_mut(who) {
                    peer.dirty = false;
                    peer.flush();
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let place = self.peers.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = self.poll.registry().register(&mut socket, Token(place.key()), interest);
            if socket.set_nodelay(true).is_ok() && registered.is_ok() {
                place.insert(Peer {
                    socket,
                    partial: Vec::new(),
                    out: Vec::new(),
                    greeted: false,
                    dirty: false,
                    user: 0,
                    seat: NOBODY,
                    version: 0,
                    ordinal: 0,
                });
            }
        }
    }

    /// A peer has gone: its seat remembers how far it had come.
    fn part(&mut self, who: usize) {
        let peer = self.peers.remove(who);
        if let Some(seat) = self.seats.get_mut(peer.seat)
            && seat.peer == who
        {
            *seat = Seat { peer: NOBODY, version: peer.version };
        }
    }

    /// The seat of a user, who may never have been here.
    fn seat(&mut self, user: u64) -> usize {
        *self.users.entry(user).or_insert_with(|| {
            self.seats.push(Seat { peer: NOBODY, version: 0 });
            self.seats.len() - 1
        })
    }

    fn mark(&mut self, who: usize) {
        if !self.peers[who].dirty {
            self.peers[who].dirty = true;
            self.dirty.push(who);
        }
    }

    fn read(&mut self, who: usize) {
        // an event may be older than its peer's end
        let Some(peer) = self.peers.get_mut(who) else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let before = peer.partial.len();
        if buffer.len() < before + CHUNK {
            buffer.resize(before + CHUNK, 0);
        }
        buffer[..before].copy_from_slice(&peer.partial);
        peer.partial.clear();
        let count = match peer.socket.read(&mut buffer[before..before + CHUNK]) {
            Ok(count) if count > 0 => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            _ => {
                self.buffer = buffer;
                return self.part(who);
            }
        };
        let end = before + count;
        if count == CHUNK {
            self.unread.push(who);
        }
        let mut at = 0;
        if !self.peers[who].greeted && buffer[..end].starts_with(&PREAMBLE) {
            self.peers[who].greeted = true;
            at = PREAMBLE.len();
        }
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
        while let Some((frame, used)) = split(&buffer[at..end]) {
            match asked(frame) {
                Ok(Asked::Send { id, to, text }) => self.forward(who, id, to, text, time),
                Ok(Asked::Other(frame)) => self.cold(who, *frame),
                Ok(Asked::Nothing) | Err(_) => {}
            }
            at += used;
        }
        self.peers[who].partial.extend_from_slice(&buffer[at..end]);
        self.buffer = buffer;
    }

    fn forward(&mut self, who: usize, id: u32, to: To, text: &[u8], time: u64) {
        if let Some(sync) = &mut self.sync {
            sync.batch.resize(sync.batch.len() + RECORD_OVERHEAD, 0);
            sync.batch.extend_from_slice(text);
        }
        let sender = &mut self.peers[who];
        sender.ordinal += 1;
        let (ordinal, from) = (sender.ordinal, sender.user);
        let mut tail = std::mem::take(&mut self.tail);
        tail.clear();
        match to {
            To::User(user) => {
                Tail { from, group: 0, ordinal, time, text }.put(&mut tail);
                if let Some(&seat) = self.users.get(&user) {
                    self.tell(self.seats[seat].peer, &tail);
                }
            }
            To::Group(group) => {
                Tail { from, group, ordinal, time, text }.put(&mut tail);
                let place = (group / 256).wrapping_sub(1) as usize;
                let members = self.groups.get_mut(place).map(std::mem::take).unwrap_or_default();
                let own = self.peers[who].seat;
                for seat in members.iter().filter(|seat| **seat != own) {
                    self.tell(self.seats[*seat].peer, &tail);
                }
                if let Some(known) = self.groups.get_mut(place) {
                    *known = members;
                }
            }
        }
        self.tail = tail;
        self.mark(who);
        let sender = &mut self.peers[who];
        sender.version += 1;
        put_answer(&mut sender.out, id, sender.version, ordinal, time, ordinal * 128);
    }

    fn tell(&mut self, who: usize, tail: &[u8]) {
        let Some(peer) = self.peers.get_mut(who) else { return };
        if !peer.dirty {
            peer.dirty = true;
            self.dirty.push(who);
        }
        peer.version += 1;
        put_news(&mut peer.out, peer.version, tail);
    }

    /// Sign-in, and groups: as little of them as the load needs.
    fn cold(&mut self, who: usize, frame: v1::ClientFrame) {
        let body = match frame.request {
            Some(Request::Hello(v1::Hello { auth: Some(v1::hello::Auth::Token(token)), .. })) => {
                let user = token.parse().unwrap_or_default();
                let seat = self.seat(user);
                let before = self.seats[seat];
                let version = self.peers.get(before.peer).map_or(before.version, |peer| peer.version);
                self.seats[seat].peer = who;
                let peer = &mut self.peers[who];
                (peer.user, peer.seat, peer.version) = (user, seat, version);
                Body::Welcome(v1::Welcome { user, version, ..v1::Welcome::default() })
            }
            Some(Request::Send(v1::Send { to, group_change: Some(change), .. })) => {
                let group = match to {
                    Some(v1::send::To::Group(group)) => group,
                    _ => {
                        self.groups.push(vec![self.peers[who].seat]);
                        self.groups.len() as u64 * 256
                    }
                };
                let members: Vec<_> = change.set.iter().map(|member| self.seat(member.user)).collect();
                if let Some(known) = self.groups.get_mut((group / 256).wrapping_sub(1) as usize) {
                    known.extend(members);
                }
                self.peers[who].version += 1;
                let version = self.peers[who].version;
                Body::Entry(v1::Entry { version, to: Some(v1::entry::To::Group(group)), ..v1::Entry::default() })
            }
            _ => return,
        };
        put_message(&mut self.peers[who].out, &v1::ServerFrame { id: frame.id, body: Some(body) });
        self.mark(who);
    }
}

impl Peer {
    fn flush(&mut self) {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(count) if count == self.out.len() => self.out.clear(),
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // the rest goes when it is writable again; a peer that is gone takes nothing
                Err(_) => break,
            }
        }
    }
}

impl SyncFile {
    fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        // written once, so that a sync has no metadata to write
        let zeros = vec![0; 1 << 20];
        for offset in (0..SYNC_FILE).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, batch: Vec::new() })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if self.at + self.batch.len() as u64 > SYNC_FILE {
            self.at = 0;
        }
        self.file.write_all_at(&self.batch, self.at)?;
        self.at += self.batch.len() as u64;
        self.batch.clear();
        self.file.sync_data()
    }
}
