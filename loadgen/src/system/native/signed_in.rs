//! A device that signs in and asks for one thing after the other: what has to be made before a load begins.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use prost::Message;

use super::accounts::User;
use super::wire::v1::{self, client_frame::Request, server_frame::Body};
use super::wire::{PREAMBLE, put_message, split};
use crate::reports::count;

/// What a sign-in may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection whose device has signed in; still blocking, for what is asked before the load begins.
pub struct SignedIn {
    socket: std::net::TcpStream,
    received: Vec<u8>,
    asked: u32,
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
        let key = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
        let mut this = Self { socket, received: Vec::new(), asked: 0, key };
        this.socket.write_all(&PREAMBLE).map_err(words)?;
        let auth = Some(v1::hello::Auth::Token(user.token.clone()));
        match this.ask(Request::Hello(v1::Hello { auth, idle_ms: 900_000, ..v1::Hello::default() }))? {
            Body::Welcome(welcome) => {
                if let Some(rate) = welcome.limits.map(|limits| limits.rate).filter(|rate| *rate > 0) {
                    return Err(format!(
                        "{address} takes {} a second from a connection: start it with RINGDOVE_LIMITS_RATE=0",
                        count(rate.into(), "send", "sends")
                    ));
                }
                Ok(this)
            }
            other => Err(format!("{address} answers hello with {other:?}")),
        }
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
                Body::Entry(v1::Entry { to: Some(v1::entry::To::Group(made)), .. }) => group = made,
                Body::Entry(_) => {}
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
}
