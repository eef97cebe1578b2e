//! Everyone who takes part in a load: their connections, and what they write.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::stamp::{STAMP, Stamp};
use crate::system::{Book, Dialect, Target, To};

/// Where a person's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is none.
    Away,
    /// It is being opened, or signs in.
    Coming,
    /// It may send.
    Ready,
}

/// One person's client.
pub struct Person {
    /// What it speaks.
    pub dialect: Box<dyn Dialect>,
    /// Where its connection is.
    pub presence: Presence,
    socket: Option<TcpStream>,
    /// The begin of a frame whose rest has not come.
    partial: Vec<u8>,
    /// What it writes next.
    pub out: Vec<u8>,
}

/// All of them.
pub struct Crew {
    address: SocketAddr,
    /// Whether loadgen has started the server.
    is_started: bool,
    registry: Registry,
    /// Where the first so many people are registered instead.
    first: (usize, Registry),
    people: Vec<Person>,
    /// Who has something to write that nothing was heard from.
    dirty: Vec<usize>,
    /// What they write, with the last one's stamp.
    text: Vec<u8>,
}

impl Crew {
    /// So many people, none of whom is connected yet; the first ones have a registry of their own. They write texts of `payload` bytes, of which there
    /// are as many as a stamp has, or more.
    pub fn new(
        target: &Target,
        registry: Registry,
        first: (usize, Registry),
        book: &dyn Book,
        people: usize,
        payload: usize,
    ) -> Self {
        let person = |place| Person {
            dialect: book.dialect(place),
            presence: Presence::Away,
            socket: None,
            partial: Vec::new(),
            out: Vec::new(),
        };
        let people = (0..people).map(person).collect();
        let (address, is_started) = (target.address, target.is_started);
        // so that a text from whose middle something is missing differs from one that is whole
        let text = (b'a'..=b'z').cycle().take(payload).collect();
        Self { address, is_started, registry, first, people, dirty: Vec::new(), text }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// One of them.
    pub fn person(&mut self, who: usize) -> &mut Person {
        &mut self.people[who]
    }

    /// Where the connection of one of them is.
    pub fn presence(&self, who: usize) -> Presence {
        self.people[who].presence
    }

    /// How many of them may send.
    pub fn present(&self) -> usize {
        self.people.iter().filter(|person| person.presence == Presence::Ready).count()
    }

    /// How often anyone had to ask for what they had missed.
    pub fn syncs(&self) -> u64 {
        self.people.iter().map(|person| person.dialect.syncs()).sum()
    }

    /// Opens a connection, which will sign in by itself.
    ///
    /// # Errors
    /// The system has no socket left.
    pub fn connect(&mut self, who: usize) -> Result<(), String> {
        let words = |error: io::Error| format!("{}: {error}", self.address);
        let mut socket = TcpStream::connect(self.address).map_err(words)?;
        socket.set_nodelay(true).map_err(words)?;
        // a reset leaves no port behind that waits for a minute
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).map_err(|error| words(error.into()))?;
        let registry = if who < self.first.0 { &self.first.1 } else { &self.registry };
        registry.register(&mut socket, Token(who), Interest::READABLE | Interest::WRITABLE).map_err(words)?;
        let person = &mut self.people[who];
        person.out.clear();
        person.partial.clear();
        person.dialect.hello(&mut person.out);
        person.socket = Some(socket);
        person.presence = Presence::Coming;
        Ok(())
    }

    /// Cuts a connection off, without a farewell.
    pub fn cut(&mut self, who: usize) {
        let person = &mut self.people[who];
        person.socket = None;
        person.presence = Presence::Away;
    }

    /// Writes a text with this stamp.
    pub fn send(&mut self, who: usize, to: To, stamp: Stamp) {
        stamp.write(&mut self.text);
        let person = &mut self.people[who];
        person.dialect.send(&mut person.out, to, &self.text);
    }

    /// Sees whether a text that somebody got is what was written, whichever stamp it has.
    ///
    /// # Errors
    /// It is shorter, longer, or differs.
    pub fn check(&self, who: usize, text: &[u8]) -> Result<(), String> {
        let (got, written) = (text.len(), self.text.len());
        if got != written {
            return Err(format!("person {who} got a text of {got} bytes, and {written} were written"));
        }
        if text[STAMP..] != self.text[STAMP..] {
            return Err(format!("person {who} got other bytes than were written"));
        }
        Ok(())
    }

    /// Has what one of them writes go out in this turn.
    pub fn mark(&mut self, who: usize) {
        if self.dirty.last() != Some(&who) {
            self.dirty.push(who);
        }
    }

    /// Whether anything was marked.
    pub fn has_marked(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Writes what was marked.
    ///
    /// # Errors
    /// A connection broke.
    pub fn flush_marked(&mut self) -> Result<(), String> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for who in dirty.drain(..) {
            self.flush(who)?;
        }
        self.dirty = dirty;
        Ok(())
    }

    /// Has everyone acknowledge what they got.
    pub fn acknowledge(&mut self) {
        for who in 0..self.people.len() {
            let person = &mut self.people[who];
            if person.presence == Presence::Ready {
                person.dialect.acknowledge(&mut person.out, true);
                self.dirty.push(who);
            }
        }
    }

    /// Writes what waits, as far as the kernel takes it.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self, who: usize) -> Result<(), String> {
        let person = &mut self.people[who];
        let Some(socket) = &mut person.socket else { return Ok(()) };
        if person.presence == Presence::Ready {
            person.dialect.acknowledge(&mut person.out, false);
        }
        while !person.out.is_empty() {
            match socket.write(&person.out) {
                Ok(count) if count == person.out.len() => person.out.clear(),
                Ok(count) => drop(person.out.drain(..count)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken((self.address, self.is_started), "writing to", &error)),
            }
        }
        Ok(())
    }

    /// Reads once: what came stands in `buffer` behind what had come before. Returns how many bytes stand there, and whether there may
    /// be more. The buffer is not cleared, as that would cost more than the read.
    ///
    /// # Errors
    /// The connection ended.
    pub fn read(&mut self, who: usize, buffer: &mut Vec<u8>, chunk: usize) -> Result<(usize, bool), String> {
        let person = &mut self.people[who];
        // an event may be older than the end of its connection
        let Some(socket) = &mut person.socket else { return Ok((0, false)) };
        let before = person.partial.len();
        if buffer.len() < before + chunk {
            buffer.resize(before + chunk, 0);
        }
        buffer[..before].copy_from_slice(&person.partial);
        person.partial.clear();
        match socket.read(&mut buffer[before..before + chunk]) {
            Ok(0) => Err(format!("the server at {} closed the connection", self.address)),
            Ok(count) => Ok((before + count, count == chunk)),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected) =>
            {
                Ok((before, false))
            }
            Err(error) => Err(broken((self.address, self.is_started), "reading from", &error)),
        }
    }

    /// Keeps the begin of a frame for the next read.
    pub fn keep(&mut self, who: usize, rest: &[u8]) {
        self.people[who].partial.extend_from_slice(rest);
    }
}

/// A connection that broke, in words: one that never came about shows at its first read or write. Whoever has started the server themselves can
/// do nothing about its address.
fn broken((address, is_started): (SocketAddr, bool), doing: &str, error: &io::Error) -> String {
    if error.kind() == ErrorKind::ConnectionRefused {
        let hint = if is_started { "" } else { ": say --addr of a server that runs, or --start" };
        return format!("nobody listens at {address}{hint}");
    }
    format!("{doing} {address}: {error}")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::system::Heard;

    /// Says nothing, and understands nothing.
    pub struct Dumb;

    impl Dialect for Dumb {
        fn hello(&mut self, _: &mut Vec<u8>) {}

        fn send(&mut self, _: &mut Vec<u8>, _: To, _: &[u8]) {}

        fn hear<'a>(&mut self, _: &'a [u8], _: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
            Ok(None)
        }
    }

    impl Book for Dumb {
        fn dialect(&self, _: usize) -> Box<dyn Dialect> {
            Box::new(Self)
        }
    }

    /// The story: a server that cut texts short was credited with all of their bytes.
    #[test]
    fn a_text_that_is_not_what_was_written_is_seen() {
        let poll = mio::Poll::new().unwrap();
        let registry = || poll.registry().try_clone().unwrap();
        let mut crew = Crew::new(&nowhere(), registry(), (0, registry()), &Dumb, 1, 100);
        let mut text = crew.text.clone();
        crew.send(0, To::Person(0), Stamp { stream: 3, number: 4 });
        assert_eq!(crew.check(0, &text), Ok(()), "of whichever stamp");
        let why = crew.check(0, &text[..99]).unwrap_err();
        assert_eq!(why, "person 0 got a text of 99 bytes, and 100 were written");
        assert!(crew.check(0, &text[..3]).is_err() && crew.check(0, &[text.as_slice(), b"a"].concat()).is_err());
        text.copy_within(40.., 39);
        let why = crew.check(0, &text).unwrap_err();
        assert_eq!(why, "person 0 got other bytes than were written");
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let address = crate::server::free_address().unwrap();
        for (is_started, hint) in [(false, ": say --addr of a server that runs, or --start"), (true, "")] {
            let registry = mio::Poll::new().unwrap().registry().try_clone().unwrap();
            let first = (0, registry.try_clone().unwrap());
            let target = Target { address, is_started, ..nowhere() };
            let mut crew = Crew::new(&target, registry, first, &Dumb, 1, crate::stamp::STAMP);
            crew.connect(0).unwrap();
            let why = crew.read(0, &mut Vec::new(), 1).unwrap_err();
            assert_eq!(why, format!("nobody listens at {address}{hint}"));
        }
    }

    /// Where nobody connects to.
    pub fn nowhere() -> Target {
        Target { address: ([127, 0, 0, 1], 1).into(), admin: None, pid: None, is_started: false }
    }

    /// So many people who never connect.
    pub fn nobody_of(people: usize) -> Crew {
        let registry = mio::Poll::new().unwrap().registry().try_clone().unwrap();
        let first = (0, registry.try_clone().unwrap());
        Crew::new(&nowhere(), registry, first, &Dumb, people, crate::stamp::STAMP)
    }
}
