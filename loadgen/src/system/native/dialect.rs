//! A device of ringdove, as a real client behaves: it counts versions, syncs when it has missed something, and acknowledges.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::SystemTime;

use super::wire::v1::{self, client_frame::Request, server_frame::Body, signal};
use super::wire::{self, PREAMBLE, heard, put_ack, put_message, put_send, split};
use crate::reports::count;
use crate::system::{Dialect, Heard, To};

/// An acknowledgement goes alone after so many entries, and rides along after half of them.
const ACK_ENTRIES: u64 = 32;
/// The device that made a group before the load had keys that count from the time too, in milliseconds: the load's are this far ahead of them.
const KEYS_AHEAD: u64 = 1_000;
/// Request numbers of sends stay below this: two bytes on the wire, and more than may wait for an answer. It is the number of all other requests.
const OTHER: u32 = 1 << 14;

/// Everyone's numbers in a ringdove or a floor.
pub struct Names {
    /// Users, by place.
    pub users: Vec<u64>,
    /// Their tokens.
    pub tokens: Vec<String>,
    /// Groups, by place.
    pub groups: Vec<u64>,
    /// Places, by user.
    pub places: HashMap<u64, usize>,
    /// Whether people want to know which of their contacts are there.
    pub watches: bool,
}

/// A device.
pub struct Device {
    names: Rc<Names>,
    place: usize,
    /// The request number of the last send, and of the last one that was answered.
    asked: u32,
    answered: u32,
    key: u64,
    acked: u64,
    /// It has applied everything up to here.
    version: u64,
    epoch: u32,
    /// It has signed in before.
    known: bool,
    syncing: bool,
    syncs: u64,
    listing: Listing,
}

/// The list of contacts who are there, which is read page by page.
#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    /// A page is on its way.
    asked: bool,
    /// It is the first one.
    first: bool,
    /// Something may have been left out since it was asked for: it is to be read again.
    again: bool,
}

impl Device {
    /// The first device of a user.
    pub fn new(names: Rc<Names>, place: usize) -> Self {
        let key = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64 + KEYS_AHEAD;
        Self {
            names,
            place,
            asked: 0,
            answered: 0,
            key,
            acked: 0,
            version: 0,
            epoch: 0,
            known: false,
            syncing: false,
            syncs: 0,
            listing: Listing::default(),
        }
    }

    /// The client's rule for a version: whether the entry is to be applied. Above the next one, something is missing, and it syncs.
    fn is_next(&mut self, version: u64, out: &mut Vec<u8>) -> bool {
        if version == self.version + 1 {
            self.version = version;
            return true;
        }
        if version > self.version {
            self.sync(out);
        }
        false
    }

    /// Asks for what is missing, unless it has asked already.
    fn sync(&mut self, out: &mut Vec<u8>) {
        if !self.syncing {
            self.syncing = true;
            self.syncs += 1;
            self.acked = self.version;
            let request = Some(Request::Sync(v1::Sync { since: self.version, limit: 0 }));
            put_message(out, &v1::ClientFrame { id: OTHER, ack: 0, request });
        }
    }

    /// Asks which contacts are there, if anyone wants to know.
    fn ask_who_is_there(&mut self, out: &mut Vec<u8>) {
        if !self.names.watches {
            return;
        }
        if self.listing.asked {
            self.listing.again = true;
            return;
        }
        self.listing = Listing { asked: true, first: true, again: false };
        put_page(out, String::new());
    }

    /// A page of those who are there.
    fn found(&mut self, found: v1::Found, out: &mut Vec<u8>) -> Result<Heard<'static>, String> {
        let first = std::mem::take(&mut self.listing.first);
        let is_there = |profile: &&v1::Profile| {
            profile.presence.as_ref().is_some_and(|presence| presence.state() == v1::State::Online)
        };
        let places = found.profiles.iter().filter(is_there).map(|profile| self.place_of(profile.user));
        let who = places.collect::<Result<_, _>>()?;
        if found.page.is_empty() {
            self.listing.asked = false;
            if self.listing.again {
                self.ask_who_is_there(out);
            }
        } else {
            put_page(out, found.page);
        }
        Ok(Heard::There { who, first })
    }

    fn place_of(&self, user: u64) -> Result<usize, String> {
        self.names.places.get(&user).copied().ok_or_else(|| format!("user {user} is nobody of us"))
    }

    fn next(asked: u32) -> u32 {
        if asked + 1 < OTHER { asked + 1 } else { 1 }
    }

    fn entry<'a>(&mut self, id: u32, entry: wire::Entry<'a>, out: &mut Vec<u8>) -> Result<Heard<'a>, String> {
        if id > 0 {
            self.answered = Self::next(self.answered);
            if id != self.answered {
                return Err(format!("request {id} was answered while {} was the oldest", self.answered));
            }
            self.is_next(entry.version, out);
            return Ok(Heard::Answered);
        }
        if entry.version <= self.version {
            // a client would let it pass; but it was told, so it must not be told again
            return Err(format!("version {} was pushed twice, or late", entry.version));
        }
        if self.is_next(entry.version, out) && !entry.text.is_empty() {
            return Ok(Heard::Text(entry.text.into()));
        }
        Ok(Heard::Nothing)
    }

    fn other(&mut self, frame: v1::ServerFrame, out: &mut Vec<u8>) -> Result<Heard<'static>, String> {
        match frame.body {
            Some(Body::Welcome(welcome)) => self.welcome(&welcome, out),
            Some(Body::Notice(notice)) => {
                if notice.version > self.version {
                    self.sync(out);
                }
                // presence that found no room is told by a notice too
                self.ask_who_is_there(out);
                Ok(Heard::Nothing)
            }
            Some(Body::Found(found)) => self.found(found, out),
            Some(Body::Entries(entries)) if entries.gap => {
                Err("an inbox's window has passed its reader: the load is more than it can follow".into())
            }
            Some(Body::Entries(entries)) => {
                let own = self.names.users[self.place];
                let (mut version, mut texts) = (0, Vec::new());
                for entry in entries.list {
                    version = if entry.version > 0 { entry.version } else { version + 1 };
                    let others = entry.from != 0 && entry.from != own && !entry.text.is_empty();
                    if self.is_next(version, out) && others {
                        texts.push(entry.text.into_bytes());
                    }
                }
                self.syncing = false;
                if entries.more {
                    self.sync(out);
                }
                Ok(Heard::Texts(texts))
            }
            Some(Body::Signal(v1::Signal { from, what: Some(signal::What::Presence(presence)), .. })) => {
                let who = self.place_of(from)?;
                Ok(Heard::Presence { who, online: presence.state() == v1::State::Online })
            }
            Some(Body::Refusal(refusal) | Body::Bye(refusal)) => {
                Err(format!("refused with {} {}: {}", refusal.code, refusal.name, refusal.text))
            }
            _ => Ok(Heard::Nothing),
        }
    }

    fn welcome(&mut self, welcome: &v1::Welcome, out: &mut Vec<u8>) -> Result<Heard<'static>, String> {
        let rate = welcome.limits.map_or(0, |limits| limits.rate);
        if rate > 0 {
            return Err(format!(
                "it takes {} a second from a connection: start it with RINGDOVE_LIMITS_RATE=0",
                count(rate.into(), "send", "sends")
            ));
        }
        if self.known && welcome.epoch != self.epoch {
            return Err(format!("epoch {} became {}: something was lost", self.epoch, welcome.epoch));
        }
        if self.known && welcome.version > self.version {
            self.sync(out);
        }
        if !self.known {
            // what came before the load is of no interest
            (self.version, self.acked) = (welcome.version, welcome.version);
        }
        (self.known, self.epoch) = (true, welcome.epoch);
        self.ask_who_is_there(out);
        Ok(Heard::Ready)
    }
}

impl Dialect for Device {
    fn hello(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&PREAMBLE);
        (self.asked, self.answered, self.syncing) = (0, 0, false);
        self.listing = Listing::default();
        let auth = Some(v1::hello::Auth::Token(self.names.tokens[self.place].clone()));
        // a fresh device has no cursor
        let (epoch, since) = if self.known { (self.epoch, self.version) } else { (0, 0) };
        let hello = v1::Hello { auth, epoch, since, idle_ms: 900_000, ..v1::Hello::default() };
        let request = Some(Request::Hello(hello));
        put_message(out, &v1::ClientFrame { id: OTHER, ack: 0, request });
    }

    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]) {
        self.asked = Self::next(self.asked);
        self.key += 1;
        let ack = if self.version - self.acked >= ACK_ENTRIES / 2 { self.version } else { 0 };
        self.acked = self.acked.max(ack);
        let to = match to {
            To::Person(place) => wire::To::User(self.names.users[place]),
            To::Group(group) => wire::To::Group(self.names.groups[group]),
        };
        put_send(out, self.asked, ack, self.key, to, text);
    }

    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
        let Some((frame, used)) = split(bytes) else { return Ok(None) };
        let heard = match heard(frame)? {
            wire::Heard::Entry { id, entry } => self.entry(id, entry, out)?,
            wire::Heard::Other(frame) => self.other(*frame, out)?,
        };
        Ok(Some((used, heard)))
    }

    fn acknowledge(&mut self, out: &mut Vec<u8>, all: bool) {
        let at_least = if all { 1 } else { ACK_ENTRIES };
        if self.known && self.version - self.acked >= at_least {
            self.acked = self.version;
            put_ack(out, self.version);
        }
    }

    fn is_behind(&self) -> bool {
        self.syncing
    }

    fn syncs(&self) -> u64 {
        self.syncs
    }
}

/// Asks for a page of the contacts who are there.
fn put_page(out: &mut Vec<u8>, page: String) {
    let get = v1::Get { what: Some(v1::get::What::Online(true)), page, ..v1::Get::default() };
    put_message(out, &v1::ClientFrame { id: OTHER, ack: 0, request: Some(Request::Get(get)) });
}
