//! A new password: the engine says what the old one is checked against, a worker checks it and hashes the new one, the engine changes it.
//!
//! ```text
//!  newPassword ──▶ Credential ──▶ Challenge ──▶ worker ──▶ ChangeSecret ──▶ done | Refused
//!                                    └─▶ TOO_MANY  └────▶ UNAUTHENTICATED
//! ```
//! It goes on beside everything else that the connection asks, one at a time.

use ringdove_core::ids::ConnectionId;
use ringdove_core::rings::{Challenge, Command, NewSecret};
use ringdove_core::wire::names::PASSWORD;
use ringdove_core::wire::{Code, Refusal, v1};
use zeroize::Zeroizing;

use super::Edge;
use super::output::put_refusal;
use super::reading::Step;
use crate::attempts::Taken;
use crate::config::BUSY_RETRY_MS;
use crate::passwords::{Job, Renewed};

/// A password that is being changed.
pub(super) struct Renewal {
    connection: ConnectionId,
    request: u32,
    old: Zeroizing<String>,
    new: Zeroizing<String>,
    /// The version of the credential that is checked.
    credential: u32,
    taken: Taken,
}

impl Edge {
    /// Takes up a request for a new password.
    pub(super) fn new_password(&mut self, key: u32, id: u32, asked: v1::NewPassword) -> Step {
        let (old, new) = (Zeroizing::new(asked.old), Zeroizing::new(asked.secret));
        let refused = if id == 0 {
            Some(Refusal::of(Code::Invalid).field("id"))
        } else if !PASSWORD.contains(&new.len()) {
            Some(Refusal::of(Code::Invalid).field("secret"))
        } else if old.len() > *PASSWORD.end() {
            Some(Refusal::of(Code::Invalid).field("old"))
        } else if self.renewals.contains_key(&key) {
            Some(Refusal::of(Code::Busy).retry(BUSY_RETRY_MS))
        } else {
            None
        };
        if let Some(refused) = refused {
            return self.refuse(key, id, refused);
        }
        if !self.request(key, id, Command::Credential, &[]) {
            return Step::Full;
        }
        let Some(connection) = self.connections.get(key as usize) else { return Step::Gone };
        let connection = connection.id(self.index, key);
        let renewal = Renewal { connection, request: id, old, new, credential: 0, taken: Taken::default() };
        self.renewals.insert(key, Box::new(renewal));
        Step::Next
    }

    /// The engine has said what the old password is checked against.
    pub(super) fn renew(&mut self, key: u32, challenge: &Challenge) {
        let address = self.connections.get(key as usize).and_then(|connection| connection.address);
        let Some(renewal) = self.renewals.get_mut(&key) else { return };
        let taken = match self.attempts.take(Some(&challenge.handle), address) {
            Ok(taken) => taken,
            Err(retry_ms) => return self.refuse_renewal(key, Refusal::of(Code::TooMany).retry(retry_ms)),
        };
        renewal.taken = taken;
        renewal.credential = challenge.credential;
        let (old, new) = (std::mem::take(&mut renewal.old), std::mem::take(&mut renewal.new));
        if !self.order(key, Job::Renew { secret: challenge.secret.clone(), old, new }) {
            self.attempts.give_back(taken);
            self.refuse_renewal(key, Refusal::of(Code::Busy).retry(BUSY_RETRY_MS));
        }
    }

    /// A worker has seen to it.
    pub(super) fn renewed(&mut self, at: ConnectionId, renewed: Renewed) {
        let key = at.key;
        if self.renewals.get(&key).is_none_or(|renewal| renewal.connection != at) {
            return;
        }
        match renewed {
            Renewed::Wrong => self.refuse_renewal(key, Refusal::of(Code::Unauthenticated).field("old")),
            Renewed::Failed => {
                let taken = self.renewals.get(&key).map(|renewal| renewal.taken);
                self.attempts.give_back(taken.unwrap_or_default());
                self.refuse_renewal(key, Refusal::of(Code::Fault).retry(BUSY_RETRY_MS));
            }
            Renewed::Hashed(secret) => {
                let Some(renewal) = self.renewals.remove(&key) else { return };
                self.attempts.succeed(renewal.taken);
                let new = NewSecret { credential: renewal.credential, secret: secret.to_string() };
                self.publish_surely(key, renewal.request, Command::ChangeSecret(Box::new(new)));
            }
        }
        self.resume(key);
    }

    fn refuse_renewal(&mut self, key: u32, refusal: Refusal) {
        let Some(renewal) = self.renewals.remove(&key) else { return };
        self.answered(key);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        self.output.answer(key, connection, |out| put_refusal(out, renewal.request, refusal));
    }
}
