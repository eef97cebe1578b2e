//! The cold part of a connection: what only some of its states need, in a box of its own.

use ringdove_core::rings::{Page, Register, SignIn};
use ringdove_core::wire::admin::admin_frame::Request;
use zeroize::Zeroizing;

use crate::attempts::Taken;
use crate::clock::Tick;

/// What only some states need; no two of them at a time.
#[derive(Debug)]
pub(crate) enum Aside {
    /// Before Welcome.
    Greeting(Greeting),
    /// A page is being read for this connection.
    Pull(Pull),
    /// An import is on its way.
    Import(Tokens),
    /// A worker hashes the password in an operator's request: its id, and the request without that.
    Operating(u32, Request),
}

/// The tokens of an import, in the order of the accounts; none for who gets no device.
pub(crate) type Tokens = Vec<Option<Zeroizing<String>>>;

/// Before Welcome.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    /// Bytes of frames so far.
    pub bytes: usize,
    /// Hellos that were refused.
    pub failed: u8,
    /// The request id of the hello that is being answered.
    pub request: u32,
    /// When it was read: until the answer the deadline stands still.
    pub asked: Tick,
    /// How the hello goes on.
    pub attempt: Attempt,
    /// What it costs if it fails.
    pub taken: Taken,
    /// The token that goes into Welcome if the engine takes it.
    pub token: Option<Zeroizing<String>>,
    /// The silence that is granted, in milliseconds.
    pub idle_ms: u32,
    /// Wants notices, no pushes.
    pub quiet: bool,
}

/// How a hello goes on.
#[derive(Debug, Default)]
pub(crate) enum Attempt {
    /// Nothing to be done but to wait for the engine.
    #[default]
    Engine,
    /// The engine looks the handle up; then a worker checks the password; then the engine signs in.
    Password { password: Zeroizing<String>, sign_in: Box<SignIn> },
    /// A worker hashes the password; then the engine registers.
    Register(Box<Register>),
    /// A JWT is looked at; then the engine signs in.
    Jwt(Box<SignIn>),
}

/// A page is being read. Until it is written, everything that has to stay behind it waits here, as native frames.
#[derive(Debug)]
pub(crate) struct Pull {
    /// The request id of the sync.
    pub request: u32,
    /// What the engine said about the page.
    pub page: Page,
    /// Pushes and answers in their order.
    pub held: Vec<u8>,
    /// Where in `held` the pushes stand: begin and end of each run.
    pub pushes: Vec<(u32, u32)>,
    /// There were more pushes than may be held: none is, and the page will not be the last.
    pub dropped: bool,
}

impl Pull {
    pub fn new(request: u32, page: Page) -> Self {
        Self { request, page, held: Vec::new(), pushes: Vec::new(), dropped: false }
    }

    /// Holds a push, unless that would take more than `bound` bytes: then it and all pushes before it are dropped.
    pub fn hold_push(&mut self, bound: usize, size: usize, put: impl FnOnce(&mut Vec<u8>)) {
        if self.dropped {
            return;
        }
        if self.held.len() + size > bound {
            self.drop_pushes();
            return;
        }
        let begin = self.held.len() as u32;
        put(&mut self.held);
        let end = self.held.len() as u32;
        match self.pushes.last_mut() {
            Some(run) if run.1 == begin => run.1 = end,
            _ => self.pushes.push((begin, end)),
        }
    }

    /// Lets go of all pushes; the answers stay.
    pub fn drop_pushes(&mut self) {
        self.dropped = true;
        for (begin, end) in self.pushes.drain(..).rev() {
            self.held.drain(begin as usize..end as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_pushes_keeps_the_answers_in_order() {
        let mut pull = Pull::new(1, Page::default());
        pull.hold_push(100, 3, |out| out.extend_from_slice(b"one"));
        pull.hold_push(100, 3, |out| out.extend_from_slice(b"two"));
        pull.held.extend_from_slice(b"[answer]");
        pull.hold_push(100, 5, |out| out.extend_from_slice(b"three"));
        pull.held.extend_from_slice(b"[another]");
        assert_eq!(pull.pushes, [(0, 6), (14, 19)]);
        pull.hold_push(30, 5, |out| out.extend_from_slice(b"four?"));
        assert!(pull.dropped);
        assert_eq!(pull.held, b"[answer][another]");
        pull.hold_push(100, 4, |out| out.extend_from_slice(b"five"));
        assert_eq!(pull.held, b"[answer][another]");
    }
}
