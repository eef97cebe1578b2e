//! Requests: frames of clients, checked for their form and handed to the engine.

use ringdove_core::ids::{DeviceId, GroupId, Key, UserId, Version, WIRE_BOUND};
use ringdove_core::rings::{Command, To};
use ringdove_core::wire::hot::{self, HotClient, HotSend, HotTo};
use ringdove_core::wire::json::JsonError;
use ringdove_core::wire::names::is_handle;
use ringdove_core::wire::varint::varint;
use ringdove_core::wire::{Code, Refusal, json, v1};

use super::Edge;
use super::output::put_refusal;
use super::publishing::Body;
use super::reading::Step;
use crate::connection::Stage;
use crate::counters::Counter;

/// Members that one change of a group may name.
const MEMBERS: usize = 500;

impl Edge {
    /// Takes a frame of the native dialect, and those of the bytes behind it that can go along. Returns the bytes of these.
    pub(super) fn take_native(&mut self, key: u32, frame: &[u8], behind: &[u8]) -> (usize, Step) {
        let step = match hot::decode_client(frame) {
            HotClient::Ping => self.ping(key),
            HotClient::Ack(version) => self.ack(key, version),
            HotClient::Send(send) => return self.hot_send(key, &send, behind),
            HotClient::Cold => self.take_cold(key, frame),
        };
        (0, step)
    }

    fn take_cold(&mut self, key: u32, bytes: &[u8]) -> Step {
        match hot::decode_cold(bytes) {
            Ok(frame) if frame.request.is_none() && asks_unknown(bytes) => {
                self.refuse(key, frame.id, Refusal::of(Code::UnknownRequest))
            }
            Ok(frame) => match hot::check(&frame) {
                Ok(()) => self.take_frame(key, frame),
                Err(refusal) => self.refuse(key, frame.id, refusal),
            },
            Err(refusal) => self.end_malformed(key, refusal),
        }
    }

    /// Takes a line of the JSON dialect. An empty one is none.
    pub(super) fn take_line(&mut self, key: u32, line: &[u8]) -> Step {
        match line.trim_ascii_start().first() {
            None => return Step::Next,
            Some(b'{') => {}
            Some(_) => return self.end_malformed(key, Refusal::of(Code::Malformed)),
        }
        match json::decode_line(line) {
            Ok(frame) => self.take_frame(key, frame),
            Err(JsonError::Refused(id, refusal)) => self.refuse(key, id, refusal),
            Err(JsonError::Malformed) => self.end_malformed(key, Refusal::of(Code::Malformed)),
        }
    }

    fn end_malformed(&mut self, key: u32, refusal: Refusal) -> Step {
        self.bye_with(key, refusal);
        Step::Gone
    }

    /// Takes a decoded frame of any dialect.
    pub(super) fn take_frame(&mut self, key: u32, client: v1::ClientFrame) -> Step {
        use v1::client_frame::Request;
        let id = client.id;
        let Some(connection) = self.connections.get(key as usize) else { return Step::Gone };
        let signed_in = connection.stage.is_signed_in();
        if client.ack != 0 && signed_in {
            self.ack(key, client.ack);
        }
        match client.request {
            Some(Request::Hello(hello)) if !signed_in => self.hello(key, id, hello),
            None if id == 0 && client.ack == 0 => self.ping(key),
            None if id == 0 => Step::Next,
            _ if !signed_in => self.refuse(key, id, Refusal::of(Code::OutOfOrder)),
            None => self.ask(key, id, Command::Nothing),
            Some(Request::Hello(_)) => self.refuse(key, id, Refusal::of(Code::OutOfOrder)),
            Some(Request::Send(send)) => self.send(key, id, &send),
            Some(Request::Sync(sync)) => self.sync(key, id, &sync),
            Some(Request::Mode(mode)) => self.mode(key, id, mode),
            Some(Request::Bye(bye)) => self.said_bye(key, id, &bye),
            Some(Request::Get(get)) => self.get(key, id, get),
            Some(Request::Signal(signal)) => self.signal(key, id, &signal),
            Some(Request::NewPassword(new)) => self.new_password(key, id, new),
            Some(Request::History(_)) => self.refuse(key, id, Refusal::of(Code::UnknownRequest)),
        }
    }

    /// Refuses a request here. One without an id is counted only.
    pub(super) fn refuse(&mut self, key: u32, id: u32, refusal: Refusal) -> Step {
        let Some(connection) = self.connections.get_mut(key as usize) else { return Step::Gone };
        if id == 0 {
            self.output.counters.count(Counter::RefusedSilently);
        } else {
            self.output.counters.count(Counter::Refused);
            self.output.answer(key, connection, |out| put_refusal(out, id, refusal));
        }
        Step::Next
    }

    fn ask(&mut self, key: u32, id: u32, command: Command) -> Step {
        if self.request(key, id, command, &[]) { Step::Next } else { Step::Full }
    }

    fn ping(&mut self, key: u32) -> Step {
        let Some(connection) = self.connections.get_mut(key as usize) else { return Step::Gone };
        if connection.notice_due {
            self.write_notice(key);
        } else {
            self.output.at_once(key, connection, hot::put_pong);
        }
        Step::Next
    }

    fn ack(&mut self, key: u32, version: u64) -> Step {
        let alone_ms = self.config.ack_alone_ms;
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(key as usize) else { return Step::Gone };
        let version = Version(version);
        if !connection.stage.is_signed_in() || version <= connection.acked {
            return Step::Next;
        }
        if version > connection.head {
            self.output.counters.count(Counter::FutureAcks);
            return Step::Next;
        }
        connection.acked = version;
        if !connection.ack_due {
            connection.ack_due = true;
            if now >= connection.ack_told.after(alone_ms) {
                // a full ring is no loss: the acknowledgement stays due, and the wheel comes back to it
                self.request(key, 0, Command::Nothing, &[]);
            }
            self.arm(key);
        }
        Step::Next
    }

    /// A send that was not worth decoding into a message of its own, and those behind it that make a train with it.
    fn hot_send(&mut self, key: u32, send: &HotSend<'_>, behind: &[u8]) -> (usize, Step) {
        let id = send.id;
        let Some(connection) = self.connections.get(key as usize) else { return (0, Step::Gone) };
        if !connection.stage.is_signed_in() {
            return (0, self.refuse(key, id, Refusal::of(Code::OutOfOrder)));
        }
        if send.ack != 0 {
            self.ack(key, send.ack);
        }
        let checked = self.check_text(send.text).and_then(|()| hot_recipient(send.to));
        let to = match checked {
            Ok(to) => to,
            Err(refused) => return (0, self.refuse(key, id, refused)),
        };
        let before = match self.allow(key) {
            Ok(before) => before,
            Err(retry_ms) => return (0, self.refuse_for_now(key, id, retry_ms)),
        };
        if let To::User(user) = to {
            let coupled = self.couple(key, send, behind);
            if coupled > 0 {
                let published = self.publish_train(key, user);
                return (coupled, self.unless_full(key, published, before));
            }
        }
        let put = |slot: &mut Command| *slot = Command::Send { key: Key(send.key), to };
        let published = self.request_put(key, id, put, Body::Text(send.text));
        (0, self.unless_full(key, published, before))
    }

    /// A send in full.
    fn send(&mut self, key: u32, id: u32, send: &v1::Send) -> Step {
        let checked = check_parts(send).and_then(|()| self.check_text(&send.text));
        if let Err(refused) = checked {
            return self.refuse(key, id, refused);
        }
        let command = match send_command(send) {
            Ok(command) => command,
            Err(refused) => return self.refuse(key, id, refused),
        };
        let mut content = std::mem::take(&mut self.content);
        content.clear();
        if let Some(v1::send::To::Handle(handle)) = &send.to {
            content.extend_from_slice(handle.as_bytes());
        }
        // never the client's bytes: an unknown field of a send may mean something in an entry
        hot::canonical_content(&mut content, send);
        let step = match self.allow(key) {
            Ok(before) => {
                let published = self.request(key, id, command, &content);
                self.unless_full(key, published, before)
            }
            Err(retry_ms) => self.refuse_for_now(key, id, retry_ms),
        };
        self.content = content;
        step
    }

    fn refuse_for_now(&mut self, key: u32, id: u32, retry_ms: u32) -> Step {
        self.refuse(key, id, Refusal::of(Code::RateLimited).retry(retry_ms))
    }

    /// The step behind a send that was allowed, from an allowance of `before`, and published if there was space.
    fn unless_full(&mut self, key: u32, published: bool, before: u32) -> Step {
        if published {
            return Step::Next;
        }
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.allowance = before;
        }
        Step::Full
    }

    /// Takes one send from the connection's allowance, or says when to come again. Returns what the allowance was.
    pub(super) fn allow(&mut self, key: u32) -> Result<u32, u32> {
        let (rate, burst) = (self.config.limits.rate, self.config.limits.burst);
        if rate == 0 {
            return Ok(0);
        }
        let now_ms = self.clock.now_ms() as u32;
        let Some(connection) = self.connections.get_mut(key as usize) else { return Ok(0) };
        let passed_ms = now_ms.wrapping_sub(connection.allowed_ms);
        connection.allowed_ms = now_ms;
        let earned = passed_ms.saturating_mul(rate);
        connection.allowance = connection.allowance.saturating_add(earned).min(burst.max(1).saturating_mul(1_000));
        if connection.allowance < 1_000 {
            return Err((1_000 - connection.allowance).div_ceil(rate));
        }
        let before = connection.allowance;
        connection.allowance -= 1_000;
        Ok(before)
    }

    pub(super) fn check_text(&self, text: &str) -> Result<(), Refusal> {
        if text.len() > self.config.limits.text as usize {
            return Err(Refusal::of(Code::TooLarge).field("text"));
        }
        Ok(())
    }

    fn sync(&mut self, key: u32, id: u32, sync: &v1::Sync) -> Step {
        if id == 0 {
            return self.refuse(key, id, Refusal::of(Code::Invalid).field("id"));
        }
        let Some(connection) = self.connections.get(key as usize) else { return Step::Gone };
        if connection.sync != 0 {
            return Step::Wait;
        }
        // what a device asks behind, it has
        self.ack(key, sync.since);
        let step = self.ask(key, id, Command::Sync { since: Version(sync.since), limit: sync.limit });
        if step == Step::Next
            && let Some(connection) = self.connections.get_mut(key as usize)
        {
            connection.sync = id;
        }
        step
    }

    fn mode(&mut self, key: u32, id: u32, mode: i32) -> Step {
        let Some(connection) = self.connections.get_mut(key as usize) else { return Step::Gone };
        connection.quiet = mode == v1::Mode::Notice as i32;
        if !connection.quiet && connection.stage == Stage::Behind && connection.sent < connection.head {
            connection.notice_due = true;
        }
        if id > 0 {
            self.output.answer(key, connection, |out| hot::put_done(out, id));
        }
        self.arm(key);
        Step::Next
    }

    fn get(&mut self, key: u32, id: u32, get: v1::Get) -> Step {
        if id == 0 {
            return self.refuse(key, id, Refusal::of(Code::Invalid).field("id"));
        }
        self.ask(key, id, Command::Get(Box::new(get)))
    }

    /// A signal: so far only what others see of who is there, which is said to nobody in particular.
    fn signal(&mut self, key: u32, id: u32, signal: &v1::Signal) -> Step {
        use v1::signal::What;
        let refused = match &signal.what {
            None => Refusal::of(Code::Invalid).field("what"),
            Some(What::Typing(_)) => Refusal::of(Code::Unsupported).field("typing"),
            Some(What::Custom(_)) => Refusal::of(Code::Unsupported).field("custom"),
            Some(What::Presence(_)) if signal.to.is_some() => Refusal::of(Code::Invalid).field("to"),
            Some(What::Presence(presence)) => match v1::State::try_from(presence.state) {
                Err(_) | Ok(v1::State::Offline) => Refusal::of(Code::Invalid).field("state"),
                Ok(state) => return self.ask(key, id, Command::ChoosePresence { state: state as u32 }),
            },
        };
        self.refuse(key, id, refused)
    }

    fn said_bye(&mut self, key: u32, id: u32, bye: &v1::Bye) -> Step {
        let Ok(device) = u32::try_from(bye.device).map(DeviceId) else {
            return self.refuse(key, id, Refusal::of(Code::NotFound).field("device"));
        };
        if bye.device != 0 && bye.all_devices {
            return self.refuse(key, id, Refusal::of(Code::Invalid).field("device"));
        }
        let ends = bye.device == 0 || bye.all_devices;
        if !self.request(key, id, Command::Bye { all_devices: bye.all_devices, device }, &[]) {
            return Step::Full;
        }
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.deaf = ends;
        }
        Step::Next
    }
}

/// Whether a frame that decodes to no request has one that is not known here: a message in a field of the envelope.
fn asks_unknown(mut frame: &[u8]) -> bool {
    while let Some((tag, behind)) = varint(frame) {
        frame = match tag & 7 {
            0 => varint(behind).map_or(&[], |(_, behind)| behind),
            1 => behind.get(8..).unwrap_or_default(),
            5 => behind.get(4..).unwrap_or_default(),
            _ => return true,
        };
    }
    false
}

fn hot_recipient(to: HotTo) -> Result<To, Refusal> {
    match to {
        HotTo::Myself => Ok(To::Myself),
        HotTo::User(user) => user_id(user).map(To::User),
        HotTo::Group(group) => group_id(group).map(To::Group),
    }
}

fn user_id(user: u64) -> Result<UserId, Refusal> {
    if user == 0 || user >= WIRE_BOUND { Err(Refusal::of(Code::Invalid).field("user")) } else { Ok(UserId(user)) }
}

fn group_id(group: u64) -> Result<GroupId, Refusal> {
    if group == 0 || group >= WIRE_BOUND { Err(Refusal::of(Code::Invalid).field("group")) } else { Ok(GroupId(group)) }
}

fn handle_length(handle: &str) -> Result<u8, Refusal> {
    match u8::try_from(handle.len()) {
        Ok(length) if is_handle(handle) => Ok(length),
        _ => Err(Refusal::of(Code::Invalid).field("handle")),
    }
}

/// Which parts a send has: 8 to 12 and 15 may stand together, each of the others stands alone; one there must be.
fn check_parts(send: &v1::Send) -> Result<(), Refusal> {
    let unserved = [
        (send.reply != 0, "reply"),
        (!send.mentions.is_empty(), "mentions"),
        (!send.attachments.is_empty(), "attachments"),
        (send.custom.is_some(), "custom"),
        (send.mention_all, "mention_all"),
        (send.mark.is_some(), "mark"),
        (send.amend.is_some(), "amend"),
    ];
    let alone = [
        send.mark.is_some(),
        send.amend.is_some(),
        send.group_change.is_some(),
        send.contact_change.is_some(),
        send.profile_change.is_some(),
    ];
    let message = !send.text.is_empty() || unserved[..5].iter().any(|(there, _)| *there);
    match usize::from(message) + alone.iter().filter(|there| **there).count() {
        0 => Err(Refusal::of(Code::Invalid).field("text")),
        1 => match unserved.iter().find(|(there, _)| *there) {
            Some((_, field)) => Err(Refusal::of(Code::Unsupported).field(field)),
            None => Ok(()),
        },
        _ => Err(Refusal::of(Code::Invalid).field("send")),
    }
}

fn send_command(send: &v1::Send) -> Result<Command, Refusal> {
    use v1::send::To as WireTo;
    let key = Key(send.key);
    if send.profile_change.is_some() {
        return match &send.to {
            None => Ok(Command::ChangeProfile { key }),
            Some(_) => Err(Refusal::of(Code::Invalid).field("to")),
        };
    }
    if send.contact_change.is_some() {
        return match recipient(send)? {
            to @ (To::User(_) | To::Handle(_)) => Ok(Command::ChangeContact { key, to }),
            To::Myself | To::Group(_) => Err(Refusal::of(Code::Invalid).field("user")),
        };
    }
    let Some(change) = &send.group_change else {
        return Ok(Command::Send { key, to: recipient(send)? });
    };
    check_change(change)?;
    match (&send.to, change.create) {
        (None, true) => Ok(Command::ChangeGroup { key, group: GroupId(0) }),
        (Some(WireTo::Group(group)), false) => Ok(Command::ChangeGroup { key, group: group_id(*group)? }),
        (None, false) => Err(Refusal::of(Code::Invalid).field("group")),
        _ => Err(Refusal::of(Code::Invalid).field("to")),
    }
}

fn recipient(send: &v1::Send) -> Result<To, Refusal> {
    use v1::send::To as WireTo;
    match &send.to {
        None => Ok(To::Myself),
        Some(WireTo::User(user)) => user_id(*user).map(To::User),
        Some(WireTo::Group(group)) => group_id(*group).map(To::Group),
        Some(WireTo::Handle(handle)) => handle_length(handle).map(To::Handle),
    }
}

fn check_change(change: &v1::GroupChange) -> Result<(), Refusal> {
    if change.set.len() + change.remove.len() > MEMBERS {
        return Err(Refusal::of(Code::TooLarge).field("group_change"));
    }
    let users = change.set.iter().map(|member| member.user).chain(change.remove.iter().copied());
    for user in users {
        user_id(user).map_err(|_| Refusal::of(Code::Invalid).field("group_change"))?;
    }
    Ok(())
}
