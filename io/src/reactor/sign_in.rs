//! Sign-in: hello, through the engine and the password workers, to Welcome.
//!
//! ```text
//!  token     ──▶ Resume ────────────────────────────────────────────▶ Welcome | Refused
//!  password  ──▶ LookUp ──▶ Challenge ──▶ worker ──▶ SignIn ─────────▶ Welcome | Refused
//!                                            └────▶ UNAUTHENTICATED
//!  register  ──▶ worker ──▶ Register ───────────────────────────────▶ Welcome | Refused
//!  jwt       ──▶ here, or worker ──▶ Vouched ───────────────────────▶ Welcome | Refused
//!                          └────▶ UNAUTHENTICATED
//! ```
//! All but the token may be refused with TOO_MANY first: see `attempts`.

use std::sync::Arc;

use ringdove_core::ids::{ConnectionId, DeviceId, Epoch, Version};
use ringdove_core::rings::{Challenge, Command, Register, SignIn, Vouched, Welcome};
use ringdove_core::wire::names::{DEVICE_NAME, NAME, PASSWORD, is_handle, is_line};
use ringdove_core::wire::{Code, Refusal, hot, v1};
use zeroize::Zeroizing;

use super::output::put_refusal;
use super::reading::Step;
use super::{Edge, wall_ms};
use crate::attempts::Taken;
use crate::clock::{TICK_MS, Tick};
use crate::config::{ATTEMPTS_RETRY_MS, BUSY_RETRY_MS, Limits};
use crate::connection::{Attempt, Connection, Stage};
use crate::counters::Counter;
use crate::jwt::{JwtKeys, Visitor};
use crate::passwords::Job;
use crate::tokens;

/// The request id under which the engine answers a hello: there is one at a time, and the client's own id may be absent.
const HELLO: u32 = 1;
/// A hello that was looked at: what it asks the engine or a worker for.
enum Asked {
    Resume([u8; 32]),
    Password { handle: String, password: Zeroizing<String> },
    Register { handle: String, name: String, password: Zeroizing<String> },
    Jwt { keys: Arc<JwtKeys>, token: Zeroizing<String> },
}

impl Edge {
    /// Takes a hello up. What is wrong with it is refused; anything else is asked of the engine or a worker.
    pub(super) fn hello(&mut self, key: u32, id: u32, hello: v1::Hello) -> Step {
        let (asked, sign_in, token) = match self.look_at(&hello) {
            Ok(looked) => looked,
            Err(refusal) => {
                if let Some(greeting) = self.begin_check(key, id) {
                    greeting.request = id;
                }
                self.hello_refused(key, refusal);
                return Step::Next;
            }
        };
        let taken = match self.take_attempt(key, &asked) {
            Ok(taken) => taken,
            Err(retry_ms) => return self.hello_not_now(key, id, Refusal::of(Code::TooMany).retry(retry_ms)),
        };
        let cursor = sign_in.cursor;
        let began = match &asked {
            Asked::Resume(token) => self.request(key, HELLO, Command::Resume { token: *token, cursor }, &[]),
            Asked::Password { handle, .. } => self.request(key, HELLO, Command::LookUp, handle.as_bytes()),
            Asked::Register { password, .. } => {
                if !self.order(key, Job::Hash { password: password.clone() }) {
                    self.attempts.give_back(taken);
                    return self.hello_not_now(key, id, Refusal::of(Code::Busy).retry(BUSY_RETRY_MS));
                }
                true
            }
            Asked::Jwt { keys, token } if keys.is_quick(token) => true,
            Asked::Jwt { keys, token } => {
                let (keys, token) = (Arc::clone(keys), token.clone());
                if !self.order(key, Job::Vouch { keys, token }) {
                    self.attempts.give_back(taken);
                    return self.hello_not_now(key, id, Refusal::of(Code::Busy).retry(BUSY_RETRY_MS));
                }
                true
            }
        };
        if !began {
            self.attempts.give_back(taken);
            return Step::Full;
        }
        let idle_ms = self.granted(hello.idle_ms);
        let Some(greeting) = self.begin_check(key, id) else { return Step::Gone };
        greeting.idle_ms = idle_ms;
        greeting.quiet = hello.mode() == v1::Mode::Notice;
        greeting.token = Some(token);
        greeting.taken = taken;
        let quick = match &asked {
            Asked::Jwt { keys, token } if keys.is_quick(token) => Some(keys.check(token)),
            _ => None,
        };
        greeting.attempt = match asked {
            Asked::Resume(_) => Attempt::Engine,
            Asked::Password { password, .. } => Attempt::Password { password, sign_in: Box::new(sign_in) },
            Asked::Register { handle, name, .. } => {
                Attempt::Register(Box::new(Register { handle, name, secret: String::new(), sign_in }))
            }
            Asked::Jwt { .. } => Attempt::Jwt(Box::new(sign_in)),
        };
        if let Some(visitor) = quick {
            self.admit_visitor(key, visitor);
        }
        Step::Next
    }

    /// What this hello costs if it fails, taken before anything is computed.
    fn take_attempt(&self, key: u32, asked: &Asked) -> Result<Taken, u32> {
        let address = self.connections.get(key as usize).and_then(|connection| connection.address);
        match asked {
            Asked::Resume(_) => Ok(Taken::default()),
            Asked::Password { handle, .. } => self.attempts.take(Some(handle), address),
            // whose it is shows when it is found good
            Asked::Jwt { .. } => self.attempts.take(None, address),
            Asked::Register { .. } => self.attempts.take_registration(address),
        }
    }

    fn look_at(&self, hello: &v1::Hello) -> Result<(Asked, SignIn, Zeroizing<String>), Refusal> {
        if !is_line(&hello.device_name, DEVICE_NAME) {
            return Err(invalid("device_name"));
        }
        let asked = match &hello.auth {
            None => return Err(invalid("auth")),
            Some(v1::hello::Auth::Jwt(token)) => match &self.jwt {
                Some(keys) => Asked::Jwt { keys: Arc::clone(keys), token: Zeroizing::new(token.clone()) },
                None => return Err(Refusal::of(Code::Unsupported).field("jwt")),
            },
            Some(v1::hello::Auth::Token(token)) => Asked::Resume(tokens::digest(token)),
            Some(v1::hello::Auth::Password(password)) => look_at_password(password)?,
            Some(v1::hello::Auth::Register(_)) if !self.config.registration => return Err(Refusal::of(Code::Closed)),
            Some(v1::hello::Auth::Register(password)) => look_at_register(password)?,
        };
        let (token, digest) = tokens::fresh().map_err(|_| Refusal::of(Code::Fault).retry(BUSY_RETRY_MS))?;
        let sign_in = SignIn {
            // a number that no device can have names none
            device: DeviceId(u32::try_from(hello.device).unwrap_or(0)),
            token: digest,
            device_name: hello.device_name.clone(),
            kind: hello.device_kind() as u32,
            cursor: (hello.epoch != 0).then_some((Epoch(hello.epoch), Version(hello.since))),
            ..SignIn::default()
        };
        Ok((asked, sign_in, token))
    }

    /// From here until the answer nothing more is decoded, and the deadline stands still.
    fn begin_check(&mut self, key: u32, id: u32) -> Option<&mut crate::connection::Greeting> {
        let now = self.clock.tick();
        let connection = self.connections.get_mut(key as usize)?;
        connection.stage = Stage::Checking;
        let greeting = connection.greeting()?;
        greeting.request = id;
        greeting.asked = now;
        Some(greeting)
    }

    /// The engine knows what the password has to be checked against.
    pub(super) fn challenged(&mut self, key: u32, challenge: &Challenge) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.stage.is_signed_in() {
            return self.renew(key, challenge);
        }
        if connection.stage != Stage::Checking {
            return;
        }
        let Some(greeting) = connection.greeting() else { return };
        let taken = greeting.taken;
        let Attempt::Password { password, sign_in } = &mut greeting.attempt else { return };
        sign_in.user = challenge.user;
        sign_in.credential = challenge.credential;
        let job = Job::Check { secret: challenge.secret.clone(), password: std::mem::take(password) };
        if !self.order(key, job) {
            self.attempts.give_back(taken);
            self.answered(key);
            self.hello_refused(key, Refusal::of(Code::Busy).retry(BUSY_RETRY_MS));
        }
    }

    /// A worker has checked the password.
    pub(super) fn checked(&mut self, at: ConnectionId, right: bool) {
        let Some((attempt, taken)) = self.go_on(at) else { return };
        self.answered(at.key);
        match attempt {
            Attempt::Password { sign_in, .. } if right => {
                self.attempts.succeed(taken);
                self.sign_in(at.key, Command::SignIn(sign_in));
            }
            _ => self.hello_refused(at.key, Refusal::of(Code::Unauthenticated)),
        }
        self.resume(at.key);
    }

    /// A worker has hashed the password.
    pub(super) fn hashed(&mut self, at: ConnectionId, secret: Option<Zeroizing<String>>) {
        if self.connections.get(at.key as usize).is_some_and(|connection| connection.stage == Stage::Operator) {
            return self.operator_hashed(at, secret);
        }
        let Some((attempt, _)) = self.go_on(at) else { return };
        match (attempt, secret) {
            (Attempt::Register(mut register), Some(secret)) => {
                register.secret = secret.to_string();
                self.sign_in(at.key, Command::Register(register));
            }
            _ => self.hello_refused(at.key, Refusal::of(Code::Fault).retry(BUSY_RETRY_MS)),
        }
        self.resume(at.key);
    }

    /// A worker has looked at a JWT.
    pub(super) fn vouched(&mut self, at: ConnectionId, visitor: Option<Visitor>) {
        let there = self.connections.get(at.key as usize);
        if there.is_some_and(|connection| connection.generation == at.generation && connection.stage == Stage::Checking)
        {
            self.admit_visitor(at.key, visitor);
            self.resume(at.key);
        }
    }

    /// A JWT names somebody, or nobody.
    fn admit_visitor(&mut self, key: u32, visitor: Option<Visitor>) {
        let Some(greeting) = self.connections.get_mut(key as usize).and_then(Connection::greeting) else { return };
        let taken = greeting.taken;
        match (std::mem::take(&mut greeting.attempt), visitor) {
            (Attempt::Jwt(sign_in), Some(Visitor { handle, name, create })) => {
                self.attempts.give_back(taken);
                let vouched = Vouched { handle, name, create, sign_in: *sign_in };
                self.sign_in(key, Command::Vouched(Box::new(vouched)));
            }
            _ => self.hello_refused(key, Refusal::of(Code::Unauthenticated)),
        }
    }

    /// The attempt that a worker was busy with and what it took, if its connection is still the one that made it.
    fn go_on(&mut self, at: ConnectionId) -> Option<(Attempt, Taken)> {
        let connection = self.connections.get_mut(at.key as usize)?;
        if connection.generation != at.generation || connection.stage != Stage::Checking {
            return None;
        }
        let greeting = connection.greeting()?;
        Some((std::mem::take(&mut greeting.attempt), greeting.taken))
    }

    fn sign_in(&mut self, key: u32, command: Command) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.known = true;
        connection.unanswered += 1;
        self.publish_surely(key, HELLO, command);
    }

    pub(super) fn order(&mut self, key: u32, job: Job) -> bool {
        let Some(connection) = self.connections.get(key as usize) else { return true };
        self.passwords.try_order(&self.mailbox, connection.id(self.index, key), job)
    }

    /// The look-up was a request that only its challenge answers.
    pub(super) fn answered(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.unanswered = connection.unanswered.saturating_sub(1);
        }
    }

    fn hello_not_now(&mut self, key: u32, id: u32, refusal: Refusal) -> Step {
        self.begin_check(key, id);
        self.hello_refused(key, refusal);
        Step::Next
    }

    /// The hello was refused: it may be tried again, a few times.
    pub(super) fn hello_refused(&mut self, key: u32, refusal: Refusal) {
        let (now, attempts) = (self.clock.tick(), self.config.attempts);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.stage = Stage::Greeting;
        let patience = connection.patience;
        let Some(greeting) = connection.greeting() else { return };
        // what was our fault is no attempt
        let ours = matches!(refusal.code, Code::Busy | Code::DiskFull | Code::Fault);
        greeting.failed += u8::from(!ours);
        if ours {
            self.attempts.give_back(greeting.taken.of_registration());
        }
        greeting.taken = Taken::default();
        greeting.attempt = Attempt::Engine;
        greeting.token = None;
        let waited = now.0.saturating_sub(greeting.asked.0);
        let (id, failed) = (greeting.request, greeting.failed);
        connection.patience = Tick(patience.0.saturating_add(waited));
        self.output.counters.count(Counter::HellosRefused);
        self.output.answer(key, connection, |out| put_refusal(out, id, refusal));
        if failed >= attempts {
            self.bye(key, Code::TooMany, ATTEMPTS_RETRY_MS);
        }
    }

    /// Signed in.
    pub(super) fn welcome(&mut self, key: u32, welcome: &Welcome) {
        let now = self.clock.tick();
        let wall = wall_ms(self.clock.wall());
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.stage != Stage::Checking {
            return;
        }
        let Some(greeting) = connection.greeting() else { return };
        let (id, idle_ms, quiet) = (greeting.request, greeting.idle_ms, greeting.quiet);
        let token = greeting.token.take();
        connection.aside = None;
        connection.head = welcome.version;
        connection.sent = welcome.since;
        connection.stage = if welcome.since < welcome.version { Stage::Behind } else { Stage::Live };
        connection.quiet = quiet;
        connection.heard = now;
        connection.ack_told = now;
        connection.patience = Tick((u64::from(idle_ms) * 3 / 2).div_ceil(TICK_MS) as u32);
        connection.allowance = self.config.limits.burst.saturating_mul(1_000);
        connection.allowed_ms = self.clock.now_ms() as u32;
        self.output.counters.count(Counter::Welcomes);
        let said = v1::Welcome {
            user: welcome.user.0,
            device: u64::from(welcome.device.0),
            handle: welcome.handle.clone(),
            token: token.filter(|_| welcome.new_token).map(|token| token.to_string()).unwrap_or_default(),
            epoch: welcome.epoch.0,
            version: welcome.version.0,
            gap: welcome.gap,
            time: wall,
            idle_ms,
            limits: Some(announced(&self.config.limits)),
            features: Vec::new(),
            server: self.config.server.clone(),
        };
        let frame = v1::ServerFrame { id, body: Some(v1::server_frame::Body::Welcome(said)) };
        self.output.answer(key, connection, |out| hot::put_server(out, &frame));
        // a deadline of the greeting may stand nearer than it has to; it is looked at when it is due
        self.arm(key);
    }

    fn granted(&self, idle_ms: u32) -> u32 {
        let config = &self.config;
        if idle_ms == 0 {
            return config.idle_default_ms;
        }
        idle_ms.clamp(config.idle_least_ms, config.idle_most_ms.max(config.idle_least_ms))
    }
}

fn announced(limits: &Limits) -> v1::Limits {
    v1::Limits {
        frame: limits.frame,
        text: limits.text,
        group: limits.group,
        page: limits.page,
        unanswered: limits.unanswered,
        rate: limits.rate,
        burst: limits.burst,
        window: limits.window,
        amend_ms: limits.amend_ms,
        key_ms: limits.key_ms,
    }
}

fn look_at_password(password: &v1::Password) -> Result<Asked, Refusal> {
    if !is_handle(&password.handle) {
        return Err(invalid("handle"));
    }
    if password.secret.len() > *PASSWORD.end() {
        return Err(invalid("secret"));
    }
    Ok(Asked::Password { handle: password.handle.clone(), password: Zeroizing::new(password.secret.clone()) })
}

fn look_at_register(password: &v1::Password) -> Result<Asked, Refusal> {
    if !is_handle(&password.handle) {
        return Err(invalid("handle"));
    }
    if !PASSWORD.contains(&password.secret.len()) {
        return Err(invalid("secret"));
    }
    if !is_line(&password.name, NAME) {
        return Err(invalid("name"));
    }
    Ok(Asked::Register {
        handle: password.handle.clone(),
        name: password.name.clone(),
        password: Zeroizing::new(password.secret.clone()),
    })
}

fn invalid(field: &'static str) -> Refusal {
    Refusal::of(Code::Invalid).field(field)
}
