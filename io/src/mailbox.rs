//! What reaches a reactor from beside the rings: one closed enum, one bounded channel.

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use ringdove_core::ids::{ConnectionId, Version};
use ringdove_core::rings::Doorbell;
use zeroize::Zeroizing;

use crate::jwt::Visitor;
use crate::passwords::Renewed;

/// Letters that may wait for one reactor. A sender that finds it full keeps its letter and tries again.
const LETTERS: usize = 1024;

/// Everything that reaches a reactor from beside the rings and its sockets.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A socket that another reactor accepted.
    Socket(TcpStream, IpAddr),
    /// A password was checked: whether it is right.
    Checked(ConnectionId, bool),
    /// A password was hashed: argon2id in PHC form, or nothing if that failed.
    Hashed(ConnectionId, Option<Zeroizing<String>>),
    /// A password that was to be changed was seen to.
    Renewed(ConnectionId, Renewed),
    /// A JWT was checked: whom it names.
    Vouched(ConnectionId, Option<Visitor>),
    /// A page was read.
    Page(ReadPage),
}

/// A page of a sync, ready to be sent.
#[derive(Debug)]
pub(crate) struct ReadPage {
    pub connection: ConnectionId,
    /// Elements of `Entries.list`, encoded.
    pub list: Vec<u8>,
    /// Version of the last entry in it; the one before the first if the list is empty.
    pub last: Version,
    /// Not all of the records that were asked for fitted in.
    pub cut: bool,
    /// A record is no longer there: what was asked for cannot be told any more.
    pub gone: bool,
}

/// The way into a reactor: its letters, and the bell that wakes it.
#[derive(Clone)]
pub(crate) struct Mailbox {
    letters: Sender<Letter>,
    bell: Arc<Doorbell>,
}

impl Mailbox {
    pub fn new(bell: Arc<Doorbell>) -> (Self, Receiver<Letter>) {
        let (letters, inbox) = bounded(LETTERS);
        (Self { letters, bell }, inbox)
    }

    /// Posts a letter without waiting; gives it back if the box is full. A reactor that is gone takes letters and drops them.
    pub fn try_post(&self, letter: Letter) -> Result<(), Letter> {
        match self.letters.try_send(letter) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(letter)) => Err(letter),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// Posts a letter and waits while the box is full: for threads that may wait.
    pub fn post(&self, letter: Letter) {
        if self.letters.send(letter).is_ok() {
            self.bell.ring();
        }
    }
}
