//! The loop that owns everything: what is typed, what is heard, and what is due.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use ringdove_core::wire::Code;
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, send::To, server_frame::Body};

use super::book::Book;
use super::link::{Link, ask};
use super::people::{self, AT_ONCE, Numbers, People};
use super::sign_in::{HELLO_ID, Hello, SIGNED_OUT, hello, is, no, welcomed};
use super::typed::{Chat, HELP, Person, Typed, understand};
use super::waiting::{self, Held};
use super::{shown, typed};
use crate::terminal::{printable, say};

/// What was shown is acknowledged after so many entries, or after so long.
const ACK_ENTRIES: u64 = 32;
const ACK_AFTER: Duration = Duration::from_secs(5);
/// Who has said nothing for so long asks whether the broker is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Full jitter between these before a broken connection is tried again.
const SHORTEST_PAUSE_MS: u64 = 500;
const LONGEST_PAUSE_MS: u64 = 30_000;
/// How long answers are waited for when everything has been typed.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// So much of what the threads heard waits at most; then they read no more.
const HEARD: usize = 16;

/// What can happen.
enum Event {
    /// A line.
    Typed(String),
    /// Standard input has ended.
    TypedAll,
    /// A frame, on the n-th connection.
    Heard(u32, Box<v1::ServerFrame>),
    /// The n-th connection broke.
    Lost(u32, io::Error),
    /// How it went to connect again.
    Tried(Box<io::Result<(Hello, Link)>>),
}

/// Whether to go on.
enum Next {
    On,
    End,
}

/// A device that talks.
pub(super) struct Conversation {
    address: SocketAddr,
    book: Book,
    lines: Receiver<String>,
    events: Sender<Event>,
    heard: Receiver<Event>,
    /// `None`: the broker is away.
    link: Option<Link>,
    /// Counts connections.
    nth: u32,
    id: u32,
    /// The request of the send that is on its way, and its key. One at a time: if the server is busy for it, nothing overtakes it.
    asked: Option<(u32, u64)>,
    syncing: bool,
    /// The first sync of a connection tells what was missed.
    missed: Option<u64>,
    current: Option<Chat>,
    /// The key of the send that makes a group, if no chat was named since: text is for that group.
    making: Option<u64>,
    held: Held,
    people: People,
    /// Sends with keys up to this one were typed before the present connection.
    late: u64,
    /// What was heard up to here waits to be shown, or was: the version of the book is behind it.
    applied: u64,
    acked: u64,
    ack_due: Option<Instant>,
    spoke: Instant,
    attempts: u32,
    /// When to connect again, or to send again what was refused for now.
    retry_at: Option<Instant>,
    ending: Option<Instant>,
}

impl Conversation {
    /// One that types `lines`, until their sender is gone.
    pub(super) fn new(address: SocketAddr, book: Book, lines: Receiver<String>) -> Self {
        let (events, heard) = bounded(HEARD);
        let making = book.page.unanswered.last().filter(|send| makes_group(send)).map(|send| send.key);
        Self {
            address,
            lines,
            events,
            heard,
            link: None,
            nth: 0,
            id: HELLO_ID + 1,
            asked: None,
            syncing: false,
            missed: None,
            current: None,
            making,
            held: Held::default(),
            people: People::default(),
            late: 0,
            applied: book.page.version,
            acked: book.page.version,
            book,
            ack_due: None,
            spoke: Instant::now(),
            attempts: 0,
            retry_at: None,
            ending: None,
        }
    }

    /// Talks, first over a link that has signed in already.
    pub(super) fn run(mut self, link: Link, syncing: bool) -> Result<(), String> {
        say!("-- you are {}; /help shows what can be typed", self.book.name(self.book.page.user));
        self.begin(link, syncing)?;
        let ended = self.talk();
        self.show_all()?;
        self.acknowledge();
        ended
    }

    fn talk(&mut self) -> Result<(), String> {
        loop {
            let next = match self.next() {
                Some(event) => self.handle(event)?,
                None => self.due()?,
            };
            if matches!(next, Next::End) || self.has_ended()? {
                return Ok(());
            }
        }
    }

    /// Waits for what happens next; `None`: something is due.
    fn next(&self) -> Option<Event> {
        let none = never();
        let lines = if self.waiting() < waiting::MOST { &self.lines } else { &none };
        select! {
            recv(lines) -> line => Some(line.map_or(Event::TypedAll, Event::Typed)),
            recv(self.heard) -> event => event.ok(),
            default(self.wait()) => None,
        }
    }

    fn handle(&mut self, event: Event) -> Result<Next, String> {
        match event {
            Event::Typed(line) if matches!(understand(&line), Typed::Help) => say!("{HELP}"),
            // nobody waits for a broker that is away in order to leave
            Event::Typed(line) if self.link.is_none() && matches!(understand(&line), Typed::Quit | Typed::Logout) => {
                return self.typed(&line);
            }
            Event::Typed(line) => {
                self.held.push(line);
                let next = self.handle_lines()?;
                self.tell_if_held();
                return Ok(next);
            }
            Event::TypedAll => {
                self.lines = never();
                self.ending = Some(Instant::now() + LAST_ANSWERS);
                if self.link.is_none() && self.waiting() > 0 {
                    say!("-- waiting for the broker, for {} s at most", LAST_ANSWERS.as_secs());
                }
            }
            Event::Heard(nth, frame) if nth == self.nth => {
                return match self.heard(*frame)? {
                    Next::On => self.handle_lines(),
                    end => Ok(end),
                };
            }
            Event::Lost(nth, error) if nth == self.nth => self.lost(&error)?,
            Event::Heard(..) | Event::Lost(..) => {}
            Event::Tried(tried) => {
                self.tried(*tried)?;
                return self.handle_lines();
            }
        }
        Ok(Next::On)
    }

    /// Whether everything has been typed and answered.
    fn has_ended(&mut self) -> Result<bool, String> {
        let Some(until) = self.ending else { return Ok(false) };
        let is_answered = self.waiting() == 0 && self.missed.is_none();
        if is_answered && self.people.is_empty() {
            return Ok(true);
        }
        if Instant::now() < until {
            return Ok(false);
        }
        if is_answered {
            // but for names
            return Ok(true);
        }
        self.drop_held();
        Err(waiting::left(self.book.page.unanswered.len()))
    }

    /// Says of lines behind group commands that nothing becomes of them.
    fn drop_held(&mut self) {
        while let Some((line, _)) = self.held.take() {
            say!("-- not seen to, and not kept: {}", printable(&line));
        }
    }

    /// Lines without an answer.
    fn waiting(&self) -> usize {
        self.book.page.unanswered.len() + self.held.len()
    }

    /// Says of a line that was typed while the broker is away that it waits behind others; of a message `say` has told it.
    fn tell_if_held(&self) {
        if self.link.is_some() {
            return;
        }
        if self.held.len() > 0 {
            say!("-- this line waits: it is seen to when the broker is back");
        }
        self.tell_if_full();
    }

    fn tell_if_full(&self) {
        if self.waiting() >= waiting::MOST {
            say!("-- {} lines wait: no more are read until the broker is back", waiting::MOST);
        }
    }

    /// Takes a signed-in link over: a thread reads from it, and what was not answered goes out again.
    fn begin(&mut self, link: Link, syncing: bool) -> Result<(), String> {
        self.nth += 1;
        let (nth, events) = (self.nth, self.events.clone());
        let writer = link.writer().map_err(|error| error.to_string())?;
        let mut reader = link;
        thread::spawn(move || {
            loop {
                let event = match reader.read() {
                    Ok(frame) => Event::Heard(nth, Box::new(frame)),
                    Err(error) => Event::Lost(nth, error),
                };
                let ends = matches!(event, Event::Lost(..));
                if events.send(event).is_err() || ends {
                    return;
                }
            }
        });
        self.link = Some(writer);
        // the welcome may have set it right
        self.applied = self.book.page.version;
        self.syncing = syncing;
        self.missed = syncing.then_some(0);
        self.asked = None;
        self.id = HELLO_ID + 1;
        self.retry_at = None;
        self.held.connected();
        self.note_late();
        self.send_next();
        Ok(())
    }

    fn wait(&self) -> Duration {
        let ping = self.spoke + PING_EVERY;
        let all = [Some(ping), self.ack_due, self.retry_at, self.ending];
        let next = all.into_iter().flatten().min().unwrap_or(ping);
        next.saturating_duration_since(Instant::now())
    }

    fn due(&mut self) -> Result<Next, String> {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            if self.link.is_none() {
                self.reconnect();
            } else {
                self.send_next();
                return self.handle_lines();
            }
        }
        if self.ack_due.is_some_and(|at| at <= now) {
            self.acknowledge();
        }
        if self.spoke + PING_EVERY <= now {
            self.write(v1::ClientFrame::default());
        }
        Ok(Next::On)
    }

    fn write(&mut self, frame: v1::ClientFrame) {
        self.spoke = Instant::now();
        if let Some(link) = &mut self.link {
            // a link that broke is reported by its reader
            let _ = link.write(&[frame]);
        }
    }

    fn ask(&mut self, request: Request) -> u32 {
        self.id += 1;
        self.write(ask(self.id, 0, request));
        self.id
    }

    fn acknowledge(&mut self) {
        self.ack_due = None;
        if self.book.page.version > self.acked {
            self.acked = self.book.page.version;
            self.write(v1::ClientFrame { ack: self.acked, ..v1::ClientFrame::default() });
        }
    }

    fn sync(&mut self) {
        self.syncing = true;
        let since = self.applied;
        self.ask(Request::Sync(v1::Sync { since, limit: 0 }));
    }

    /// Sends the oldest of what has no answer yet, with its old key, unless it is on its way or has to wait.
    fn send_next(&mut self) {
        if self.link.is_none() || self.asked.is_some() || self.retry_at.is_some() {
            return;
        }
        if let Some(send) = self.book.page.unanswered.first().cloned() {
            let key = send.key;
            self.asked = Some((self.ask(Request::Send(send)), key));
        }
    }

    fn say(&mut self, send: v1::Send) -> Result<(), String> {
        let key = self.book.next_key();
        self.book.page.unanswered.push(v1::Send { key, ..send });
        // on disk first: a send that is forgotten cannot be sent again
        self.book.save()?;
        if self.link.is_none() {
            say!("-- this line waits: it is sent when the broker is back");
        }
        self.send_next();
        Ok(())
    }

    /// Everything that has no answer was typed before the present connection.
    fn note_late(&mut self) {
        if let Some(send) = self.book.page.unanswered.last() {
            self.late = send.key;
        }
    }

    fn handle_lines(&mut self) -> Result<Next, String> {
        while self.held.first().is_some_and(|line| !self.waits_for_answers(line)) && !self.waits_for_numbers() {
            let Some((line, late)) = self.held.take() else { break };
            if let Next::End = self.typed(&line)? {
                return Ok(Next::End);
            }
            self.people.forget_numbers();
            if late {
                self.note_late();
            }
        }
        Ok(Next::On)
    }

    /// A group command may need a number that an answer tells, and so does text for a group that is being made.
    fn waits_for_answers(&self, line: &str) -> bool {
        (line.starts_with("/group") && !self.book.page.unanswered.is_empty())
            || (self.making.is_some() && matches!(understand(line), Typed::Say(None, _)))
    }

    /// A group command needs the numbers of those whom it names: the broker is asked once for those that are not known.
    fn waits_for_numbers(&mut self) -> bool {
        let Some(line) = self.held.first() else { return false };
        let (Typed::Create(_, people) | Typed::Add(_, people) | Typed::Remove(_, people)) = understand(line) else {
            return false;
        };
        let missing = |person| match person {
            Person::Handle(handle) if self.people.number(&handle).is_none() => Some(handle),
            _ => None,
        };
        let handles: Vec<_> = people.into_iter().filter_map(missing).collect();
        if handles.is_empty() {
            return false;
        }
        if handles.len() > AT_ONCE {
            say!("-- that is too many: name up to {AT_ONCE} people at once");
            self.people.numbers = Numbers::Refused;
        }
        if self.people.numbers == Numbers::Unasked && self.link.is_some() && self.retry_at.is_none() {
            self.people.numbers = Numbers::Asked(self.ask_for(v1::Users { handles, users: Vec::new() }));
        }
        matches!(self.people.numbers, Numbers::Unasked | Numbers::Asked(_))
    }

    fn ask_for(&mut self, users: v1::Users) -> u32 {
        self.ask(Request::Get(v1::Get { what: Some(v1::get::What::Users(users)), ..v1::Get::default() }))
    }

    /// Shows what has its turn by now, and asks for the names that are missing.
    fn show(&mut self) -> Result<(), String> {
        let before = self.book.page.version;
        while let Some(next) = self.people.take(&self.book) {
            match next {
                people::ToShow::Entry(entry) => {
                    say!("{}", shown::line(&self.book, &entry));
                    self.book.page.version = entry.version;
                }
                people::ToShow::Line(line) => say!("{line}"),
                people::ToShow::Known(version) => self.book.page.version = version,
            }
        }
        if self.link.is_some()
            && let Some((users, covered)) = self.people.wanted(&self.book)
        {
            let id = self.ask_for(users);
            self.people.asked(id, covered);
        }
        if self.book.page.version == before {
            return Ok(());
        }
        self.ack_due.get_or_insert(Instant::now() + ACK_AFTER);
        if self.book.page.version - self.acked.min(self.book.page.version) >= ACK_ENTRIES {
            self.acknowledge();
        }
        self.book.save()
    }

    /// Shows all that waits, with the names that are known.
    fn show_all(&mut self) -> Result<(), String> {
        self.people.give_up();
        while !self.people.is_empty() {
            self.show()?;
        }
        Ok(())
    }

    /// Says something behind what was heard before it.
    fn say_in_turn(&mut self, line: String) -> Result<(), String> {
        self.people.push(people::ToShow::Line(line));
        self.show()
    }

    fn found(&mut self, id: u32, found: &v1::Found) -> Result<(), String> {
        if self.people.told(id, found, &mut self.book) {
            self.book.save()?;
        }
        self.show()
    }

    /// What is typed from now on is for this chat, or for nobody.
    fn turn(&mut self, chat: Option<Chat>) {
        (self.current, self.making) = (chat, None);
    }

    fn typed(&mut self, line: &str) -> Result<Next, String> {
        match understand(line) {
            Typed::Nothing => {}
            Typed::Say(chat, text) => {
                if chat.is_some() {
                    self.turn(chat);
                }
                match self.current.clone() {
                    Some(chat) => self.say(v1::Send { to: Some(address(chat)), text, ..v1::Send::default() })?,
                    None => say!("-- to whom? begin with @handle, or see /help"),
                }
            }
            Typed::Turn(chat) => self.turn(Some(chat)),
            Typed::Create(name, people) => {
                // what follows is meant for the new group, and for nobody else if there will be none
                self.turn(None);
                self.change(None, v1::GroupChange { create: true, name: Some(name), ..Default::default() }, &people)?;
                self.making = self.book.page.unanswered.last().map(|send| send.key);
            }
            Typed::Add(group, people) => self.change(Some(group), v1::GroupChange::default(), &people)?,
            Typed::Remove(group, people) => {
                if let Some(remove) = self.numbers(&people) {
                    self.change(Some(group), v1::GroupChange { remove, ..Default::default() }, &[])?;
                }
            }
            Typed::Leave(group) => {
                let remove = vec![self.book.page.user];
                self.change(Some(group), v1::GroupChange { remove, ..Default::default() }, &[])?;
            }
            Typed::Help => say!("{HELP}"),
            Typed::Quit => {
                let count = self.book.page.unanswered.len();
                if self.link.is_none() && count > 0 {
                    say!("-- {}", waiting::wait(count, "at the next start"));
                }
                self.drop_held();
                return Ok(Next::End);
            }
            Typed::Logout => {
                self.show_all()?;
                self.write(ask(0, self.book.page.version, Request::Bye(v1::Bye::default())));
                self.book.forget_sign_in();
                self.book.save()?;
                return Ok(Next::End);
            }
            Typed::Wrong(why) => say!("-- {why}"),
        }
        Ok(Next::On)
    }

    fn change(&mut self, group: Option<u64>, change: v1::GroupChange, add: &[Person]) -> Result<(), String> {
        let Some(users) = self.numbers(add) else { return Ok(()) };
        let set = users.into_iter().map(|user| v1::Member { user, ..v1::Member::default() }).collect();
        let change = v1::GroupChange { set, ..change };
        self.say(v1::Send { to: group.map(To::Group), group_change: Some(change), ..v1::Send::default() })
    }

    /// Members are named by number on the wire; the broker was asked for those of handles.
    fn numbers(&self, people: &[Person]) -> Option<Vec<u64>> {
        let number = |person: &Person| match person {
            Person::Number(user) => Some(*user),
            Person::Handle(handle) => {
                let told = self.people.number(handle);
                if told.is_none() && self.people.numbers == Numbers::Told {
                    say!("-- there is no {handle}");
                }
                told
            }
        };
        people.iter().map(number).collect()
    }

    fn heard(&mut self, frame: v1::ServerFrame) -> Result<Next, String> {
        self.attempts = 0;
        match frame.body {
            Some(Body::Entry(entry)) if frame.id > 0 => self.answered(frame.id, &entry)?,
            Some(Body::Entry(entry)) => self.apply(entry, true)?,
            Some(Body::Entries(entries)) => self.synced(entries)?,
            Some(Body::Notice(notice)) if notice.version > self.applied && !self.syncing => self.sync(),
            Some(Body::Found(found)) => self.found(frame.id, &found)?,
            Some(Body::Refusal(refusal)) => self.refused(frame.id, &refusal)?,
            Some(Body::Bye(bye)) => return self.sent_away(&bye),
            _ => {}
        }
        Ok(Next::On)
    }

    /// The client's rule: the next version is applied, an older one is known, a later one means that something is missing.
    fn apply(&mut self, entry: v1::Entry, show: bool) -> Result<(), String> {
        if entry.version > self.applied + 1 && !self.syncing {
            self.sync();
        }
        if entry.version != self.applied + 1 {
            return Ok(());
        }
        self.applied = entry.version;
        let known = people::ToShow::Known(entry.version);
        self.people.push(if show { people::ToShow::Entry(Box::new(entry)) } else { known });
        self.show()
    }

    fn synced(&mut self, entries: v1::Entries) -> Result<(), String> {
        self.syncing = false;
        if entries.gap {
            self.say_in_turn("-- some of what was said while you were away cannot be shown here".into())?;
            self.applied = entries.version;
            self.people.push(people::ToShow::Known(entries.version));
        }
        let mut version = 0;
        for entry in entries.list {
            version = if entry.version > 0 { entry.version } else { version + 1 };
            if version > self.applied {
                if self.missed == Some(0) {
                    self.say_in_turn("-- while you were away:".into())?;
                }
                self.missed = self.missed.map(|count| count + 1);
            }
            self.apply(v1::Entry { version, ..entry }, true)?;
        }
        if entries.more {
            self.sync();
        } else {
            self.missed = None;
        }
        self.show()
    }

    fn answered(&mut self, id: u32, entry: &v1::Entry) -> Result<(), String> {
        let Some((_, key)) = self.asked.take_if(|(asked, _)| *asked == id) else { return Ok(()) };
        let page = &mut self.book.page;
        let Some(place) = page.unanswered.iter().position(|send| send.key == key) else { return Ok(()) };
        let send = page.unanswered.remove(place);
        if let (Some(To::Handle(handle)), Some(v1::entry::To::User(user))) = (&send.to, &entry.to) {
            // as it was typed: it has no capitals
            self.book.learn(*user, &handle.to_ascii_lowercase());
        }
        if let (None, Some(v1::entry::To::Group(group))) = (&send.to, &entry.to) {
            self.say_in_turn(format!("-- the group is #{group}"))?;
            if self.making.take_if(|making| *making == key).is_some() {
                self.current = Some(Chat::Group(*group));
            }
        }
        // what one has typed stands on the terminal already; what was said to wait went now
        if key <= self.late && entry.version == self.applied + 1 {
            let line = shown::line(&self.book, &sent(send, entry));
            self.say_in_turn(format!("-- sent: {line}"))?;
        }
        self.apply(entry.clone(), false)?;
        self.book.save()?;
        self.send_next();
        Ok(())
    }

    fn refused(&mut self, id: u32, refusal: &v1::Refusal) -> Result<(), String> {
        if id == HELLO_ID + 1 {
            // the sync behind hello, whose cursor the welcome has set right
            (self.syncing, self.missed) = (false, None);
            return Ok(());
        }
        if self.people.refused(id) {
            if self.people.numbers == Numbers::Refused {
                say!("-- {}", no(refusal));
                if refusal.code / 100 == 43 {
                    self.people.numbers = Numbers::Unasked;
                    self.retry_at = Some(Instant::now() + Duration::from_millis(refusal.retry_ms.max(1).into()));
                }
            }
            // for what waits to be shown numbers will do
            return self.show();
        }
        let Some((_, key)) = self.asked.take_if(|(asked, _)| *asked == id) else {
            say!("-- {}", no(refusal));
            return Ok(());
        };
        if refusal.code / 100 == 43 {
            say!("-- {}; trying again", no(refusal));
            self.retry_at = Some(Instant::now() + Duration::from_millis(refusal.retry_ms.max(1).into()));
            return Ok(());
        }
        self.making.take_if(|making| *making == key);
        let unanswered = &mut self.book.page.unanswered;
        let place = unanswered.iter().position(|send| send.key == key);
        let send = place.map(|place| unanswered.remove(place)).unwrap_or_default();
        let what = if send.group_change.is_some() { "not done" } else { "not sent" };
        let text = if send.text.is_empty() { String::new() } else { format!(": {}", printable(&send.text)) };
        say!("-- {what}: {}{text}", no(refusal));
        if is(refusal, Code::NotFound) && send.to.is_some() && self.current.clone().map(address) == send.to {
            // what is typed next is meant for nobody who is not there
            self.turn(None);
        }
        self.book.save()?;
        self.send_next();
        Ok(())
    }

    /// The code's class says what to do.
    fn sent_away(&mut self, bye: &v1::Refusal) -> Result<Next, String> {
        if bye.code / 100 != 43 {
            if is(bye, Code::SignedOut) {
                self.book.page.token.clear();
                self.book.save()?;
                return Err(format!("{}: {SIGNED_OUT}", no(bye)));
            }
            return Err(no(bye));
        }
        say!("-- {}", no(bye));
        self.drop_link()?;
        self.retry_at = Some(Instant::now() + Duration::from_millis(bye.retry_ms.max(1).into()));
        Ok(Next::On)
    }

    fn drop_link(&mut self) -> Result<(), String> {
        if let Some(link) = self.link.take() {
            link.close();
            self.show_all()?;
            if self.waiting() > 0 {
                say!("-- {}", waiting::wait(self.waiting(), "when the broker is back"));
            }
            self.tell_if_full();
        }
        // what it still reports is old news
        self.nth += 1;
        Ok(())
    }

    fn lost(&mut self, error: &io::Error) -> Result<(), String> {
        if self.attempts == 0 {
            say!("-- the connection is lost ({error}); trying again");
        }
        self.drop_link()?;
        let most = (SHORTEST_PAUSE_MS << self.attempts.min(10)).min(LONGEST_PAUSE_MS);
        self.attempts += 1;
        self.retry_at = Some(Instant::now() + Duration::from_millis(full_jitter(most)));
        Ok(())
    }

    /// Tries it on a thread of its own: a broker that reads its journal takes the connection, and answers when it has done so.
    fn reconnect(&mut self) {
        let (address, events, cursor) = (self.address, self.events.clone(), self.book.cursor());
        let token = Auth::Token(self.book.page.token.clone());
        thread::spawn(move || {
            let tried = Link::connect(address).and_then(|mut link| Ok((hello(&mut link, token, cursor)?, link)));
            // whoever has ended hears nothing more
            let _ = events.send(Event::Tried(Box::new(tried)));
        });
    }

    fn tried(&mut self, tried: io::Result<(Hello, Link)>) -> Result<(), String> {
        match tried {
            Ok((Hello::Welcome(welcome), link)) => {
                say!("-- connected again");
                welcomed(&mut self.book, &welcome)?;
                self.begin(link, true)
            }
            Ok((Hello::Refused(refusal), _)) if refusal.code / 100 != 43 => Err(no(&refusal)),
            Ok((Hello::Refused(refusal), _)) => {
                self.retry_at = Some(Instant::now() + Duration::from_millis(refusal.retry_ms.max(1).into()));
                Ok(())
            }
            Err(error) => self.lost(&error),
        }
    }
}

/// What a send has become: the answer has only what the sender did not know.
fn sent(send: v1::Send, answer: &v1::Entry) -> v1::Entry {
    let to = match send.to {
        Some(To::User(user)) => Some(v1::entry::To::User(user)),
        Some(To::Group(group)) => Some(v1::entry::To::Group(group)),
        Some(To::Handle(_)) | None => answer.to,
    };
    v1::Entry { to, text: send.text, group_change: send.group_change, ..answer.clone() }
}

fn makes_group(send: &v1::Send) -> bool {
    send.group_change.as_ref().is_some_and(|change| change.create)
}

fn address(chat: Chat) -> To {
    match chat {
        Chat::Person(typed::Person::Handle(handle)) => To::Handle(handle),
        Chat::Person(typed::Person::Number(user)) => To::User(user),
        Chat::Group(group) => To::Group(group),
    }
}

/// Any time up to `most_ms`, so that clients that lost the same broker do not come back all at once.
fn full_jitter(most_ms: u64) -> u64 {
    let random = getrandom::u64().unwrap_or(most_ms / 2);
    (random % most_ms).max(1)
}
