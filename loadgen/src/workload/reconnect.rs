//! Everyone comes back within some seconds, and has to learn who else is there: a list when they sign in, and presence from then on.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use prost::Message;

use super::Circle;
use crate::process::Family;
use crate::results::{Case, Checked, Cpu, Run};
use crate::system::native::accounts::User;
use crate::system::native::signed_in::SignedIn;
use crate::system::native::wire::v1::{self, client_frame::Request, get::What, server_frame::Body, signal};
use crate::system::native::wire::{put_message, split};

/// How long the last news may take.
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 << 10;

/// One of them, and whom they know to be there.
struct Person {
    socket: TcpStream,
    partial: Vec<u8>,
    out: Vec<u8>,
    knows: Vec<bool>,
    known: usize,
}

/// Everyone who has signed in so far.
struct Crowd {
    circle: Circle,
    poll: Poll,
    people: Vec<Option<Person>>,
    /// The number on the wire -> the place in the circle.
    places: HashMap<u64, usize>,
    signals: u64,
    lists: u64,
    complete: usize,
}

/// Signs everyone in, spread over `within`, and waits until each knows of each contact that they are there; then half of them leave, and
/// the others have to learn that too.
///
/// # Errors
/// Somebody is told of a stranger, or is not told of a contact.
pub fn reconnect(
    address: SocketAddr,
    users: &[User],
    circle: Circle,
    within: Duration,
    server: u32,
) -> Result<Run, String> {
    let places = users.iter().enumerate().map(|(place, user)| (user.user, place)).collect();
    let people = (0..circle.users).map(|_| None).collect();
    let poll = Poll::new().map_err(|error| error.to_string())?;
    let mut crowd = Crowd { circle, poll, people, places, signals: 0, lists: 0, complete: 0 };
    let server = Family::of(server);
    let (cpu, memory) = (server.cpu()?, server.memory()?.anonymous);
    let begin = Instant::now();
    let (came, news) = channel();
    let coming = users.to_vec();
    let arrivals = std::thread::spawn(move || -> Result<Duration, String> {
        for (place, user) in coming.iter().enumerate() {
            let due = within.mul_f64(place as f64 / coming.len() as f64);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            // whoever waits for it has given up
            let _ = came.send((place, SignedIn::hello(address, user)?));
        }
        Ok(begin.elapsed())
    });
    crowd.gather(&news)?;
    let signed_in = arrivals.join().map_err(|_| "signing in panicked")??;
    let all_known = begin.elapsed();
    let growth = server.memory()?.anonymous.saturating_sub(memory);
    let signals = crowd.signals;
    let left = crowd.half_leaves()?;
    let figures = [
        ("seconds to sign in", signed_in.as_secs_f64()),
        ("seconds until all know all", all_known.as_secs_f64()),
        ("presence told", signals as f64),
        ("lists read", crowd.lists as f64),
        ("presence told when half leave", (crowd.signals - signals) as f64),
        ("seconds until all know that", left.as_secs_f64()),
        ("server bytes grown", growth as f64),
    ];
    let seconds = begin.elapsed().as_secs_f64();
    let settings = [("users", circle.users), ("contacts", circle.contacts)];
    let spent = server.cpu()?.saturating_sub(cpu);
    Ok(Run {
        system: "ringdove".to_owned(),
        case: Case {
            workload: "reconnect".to_owned(),
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_string())).into(),
        },
        round: 1,
        attempt: 1,
        void: Vec::new(),
        measured_s: seconds,
        sends_per_s: 0.0,
        deliveries_per_s: crowd.signals as f64 / seconds,
        offered_per_s: None,
        distance: Default::default(),
        during: Default::default(),
        checked: Checked { sends: users.len() as u64, deliveries: crowd.signals, ..Checked::default() },
        cpu: Cpu { server_s: Some(spent.as_secs_f64()), ..Cpu::default() },
        memory: None,
        latencies: Vec::new(),
        figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
    })
}

impl Crowd {
    /// Takes everyone in who comes, until all are there and know of all their contacts.
    fn gather(&mut self, news: &Receiver<(usize, SignedIn)>) -> Result<(), String> {
        let mut last = Instant::now();
        while self.complete < self.circle.users {
            loop {
                match news.try_recv() {
                    Ok((place, signed_in)) => {
                        self.welcome(place, signed_in).map_err(|error| error.to_string())?;
                        last = Instant::now();
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
            self.listen()?;
            if last.elapsed() > PATIENCE {
                let there = self.people.iter().flatten().count();
                return Err(format!("{there} signed in, and {} of them know of all their contacts", self.complete));
            }
        }
        Ok(())
    }

    fn welcome(&mut self, place: usize, signed_in: SignedIn) -> io::Result<()> {
        let (socket, partial) = signed_in.into_parts()?;
        let mut socket = TcpStream::from_std(socket);
        self.poll.registry().register(&mut socket, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        let knows = vec![false; self.circle.contacts];
        let mut person = Person { socket, partial, out: Vec::new(), knows, known: 0 };
        person.ask_who_is_there("")?;
        self.people[place] = Some(person);
        Ok(())
    }

    fn listen(&mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(Duration::from_millis(5))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        for event in &events {
            self.read(event.token().0)?;
        }
        Ok(())
    }

    fn read(&mut self, who: usize) -> Result<(), String> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let Some(person) = &mut self.people[who] else { return Ok(()) };
            person.flush().map_err(|error| format!("writing: {error}"))?;
            let count = match person.socket.read(&mut chunk) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
                Err(error) => return Err(format!("reading: {error}")),
            };
            person.partial.extend_from_slice(&chunk[..count]);
            let mut bytes = std::mem::take(&mut person.partial);
            let mut at = 0;
            while let Some((frame, used)) = split(&bytes[at..]) {
                let frame = v1::ServerFrame::decode(frame).map_err(|error| error.to_string())?;
                self.hear(who, frame)?;
                at += used;
            }
            bytes.drain(..at);
            if let Some(person) = &mut self.people[who] {
                person.partial = bytes;
            }
        }
    }

    fn hear(&mut self, who: usize, frame: v1::ServerFrame) -> Result<(), String> {
        match frame.body {
            Some(Body::Signal(v1::Signal { from, what: Some(signal::What::Presence(presence)), .. })) => {
                self.signals += 1;
                self.learn(who, from, presence.state() == v1::State::Online)
            }
            Some(Body::Found(found)) => {
                self.lists += 1;
                for profile in &found.profiles {
                    let there = profile.presence.as_ref().is_some_and(|seen| seen.state() == v1::State::Online);
                    self.learn(who, profile.user, there)?;
                }
                match &mut self.people[who] {
                    Some(person) if !found.page.is_empty() => person.ask_who_is_there(&found.page),
                    _ => Ok(()),
                }
                .map_err(|error| format!("writing: {error}"))
            }
            // something was left out, as there was no room for it
            Some(Body::Notice(_)) => match &mut self.people[who] {
                Some(person) => person.ask_who_is_there("").map_err(|error| format!("writing: {error}")),
                None => Ok(()),
            },
            Some(Body::Refusal(refusal) | Body::Bye(refusal)) => Err(format!("refused with {}", refusal.name)),
            _ => Ok(()),
        }
    }

    /// `who` is told that a user is there, or not any more.
    fn learn(&mut self, who: usize, user: u64, there: bool) -> Result<(), String> {
        let Some(other) = self.places.get(&user) else { return Err(format!("user {user} is nobody of us")) };
        let Some(place) = self.circle.place(who, *other) else {
            return Err(format!("person {who} was told of {other}, a stranger"));
        };
        let Some(person) = &mut self.people[who] else { return Ok(()) };
        let before = person.known;
        if std::mem::replace(&mut person.knows[place], there) != there {
            person.known = if there { person.known + 1 } else { person.known - 1 };
        }
        let whole = self.circle.contacts;
        self.complete += usize::from(person.known == whole && before < whole);
        self.complete -= usize::from(person.known < whole && before == whole);
        Ok(())
    }

    /// Every second one leaves; returns how long it took until everyone who stays knew of that, and of nothing else.
    fn half_leaves(&mut self) -> Result<Duration, String> {
        let begin = Instant::now();
        let leaves = |place: usize| place % 2 == 1;
        for place in (0..self.circle.users).filter(|place| leaves(*place)) {
            self.people[place] = None;
        }
        loop {
            self.listen()?;
            let right = |(who, person): (usize, &Option<Person>)| {
                let stay = self.circle.of(who).filter(|other| !leaves(*other)).count();
                person.as_ref().is_none_or(|person| person.known == stay)
            };
            if self.people.iter().enumerate().all(right) {
                return Ok(begin.elapsed());
            }
            if begin.elapsed() > PATIENCE {
                return Err("not everyone who stayed was told who left".into());
            }
        }
    }
}

impl Person {
    fn ask_who_is_there(&mut self, page: &str) -> io::Result<()> {
        let get = v1::Get { what: Some(What::Online(true)), page: page.to_owned(), ..v1::Get::default() };
        put_message(&mut self.out, &v1::ClientFrame { id: 1, ack: 0, request: Some(Request::Get(get)) });
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
