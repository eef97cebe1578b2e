//! Password workers: a small fixed pool of threads that check and hash passwords, off every other thread.
//!
//! An unknown handle is checked against a made-up hash with the same parameters, so that it takes as long as a wrong password.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier, Version};
use crossbeam_channel::{Receiver, Sender, bounded};
use ringdove_core::ids::ConnectionId;
use zeroize::Zeroizing;

use crate::mailbox::{Letter, Mailbox};

/// What argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordParams {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

impl Default for PasswordParams {
    /// 19 MiB and two passes: the smaller of the two settings that OWASP recommends for argon2id.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

/// What a worker is asked for.
pub(crate) enum Job {
    /// Whether `password` is the one behind `secret` (argon2id in PHC form; empty: nobody's).
    Check { secret: String, password: Zeroizing<String> },
    /// The hash of a new password.
    Hash { password: Zeroizing<String> },
}

struct Order {
    from: Mailbox,
    connection: ConnectionId,
    job: Job,
}

/// The way into the pool, for reactors.
#[derive(Clone)]
pub struct PasswordDesk {
    orders: Sender<Order>,
}

impl PasswordDesk {
    /// Hands a job in. Returns false if the queue is full: the client is told to come again.
    pub(crate) fn try_order(&self, from: &Mailbox, connection: ConnectionId, job: Job) -> bool {
        self.orders.try_send(Order { from: from.clone(), connection, job }).is_ok()
    }
}

/// The pool. Its threads end when it and every desk are dropped.
pub struct PasswordPool {
    desk: Option<PasswordDesk>,
    workers: Vec<JoinHandle<()>>,
}

impl PasswordPool {
    /// Starts `workers` threads (at least one) that take from a queue of `queue` jobs.
    ///
    /// # Errors
    /// If the parameters are none that argon2 takes, if there are no random numbers, or if a thread cannot be started.
    pub fn start(workers: usize, queue: usize, params: PasswordParams) -> io::Result<Self> {
        let checker = Arc::new(Checker::new(params)?);
        let (orders, inbox) = bounded(queue.max(1));
        let mut threads = Vec::new();
        for number in 0..workers.max(1) {
            let (inbox, checker) = (inbox.clone(), Arc::clone(&checker));
            threads.push(Builder::new().name(format!("password-{number}")).spawn(move || work(&inbox, &checker))?);
        }
        Ok(Self { desk: Some(PasswordDesk { orders }), workers: threads })
    }

    /// A desk for a reactor.
    pub fn desk(&self) -> PasswordDesk {
        // only `join`, which consumes the pool, takes the desk away
        self.desk.clone().unwrap_or_else(|| PasswordDesk { orders: bounded(0).0 })
    }

    /// Waits until the threads have ended, which they do once all desks are gone.
    pub fn join(mut self) {
        self.desk = None;
        for worker in self.workers.drain(..) {
            // a worker that panicked has nothing left to say
            let _ = worker.join();
        }
    }
}

fn work(inbox: &Receiver<Order>, checker: &Checker) {
    while let Ok(order) = inbox.recv() {
        let letter = match order.job {
            Job::Check { secret, password } => Letter::Checked(order.connection, checker.check(&secret, &password)),
            Job::Hash { password } => Letter::Hashed(order.connection, checker.hash(&password)),
        };
        order.from.post(letter);
    }
}

struct Checker {
    argon2: Argon2<'static>,
    made_up: String,
}

impl Checker {
    fn new(params: PasswordParams) -> io::Result<Self> {
        let params = Params::new(params.memory_kib, params.passes, 1, None).map_err(io::Error::other)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut nobodys = Zeroizing::new([0; 32]);
        getrandom::fill(nobodys.as_mut()).map_err(io::Error::other)?;
        let made_up = argon2.hash_password(nobodys.as_ref()).map_err(io::Error::other)?.to_string();
        Ok(Self { argon2, made_up })
    }

    fn hash(&self, password: &str) -> Option<Zeroizing<String>> {
        self.argon2.hash_password(password.as_bytes()).ok().map(|hash| Zeroizing::new(hash.to_string()))
    }

    fn check(&self, secret: &str, password: &str) -> bool {
        let nobodys = secret.is_empty();
        let stored = if nobodys { &self.made_up } else { secret };
        let right =
            PasswordHash::new(stored).is_ok_and(|hash| self.argon2.verify_password(password.as_bytes(), &hash).is_ok());
        right && !nobodys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordParams = PasswordParams { memory_kib: 64, passes: 1 };

    #[test]
    fn only_the_right_password_is_right() -> io::Result<()> {
        let checker = Checker::new(CHEAP)?;
        let hash = checker.hash("correct horse").ok_or(io::ErrorKind::Other)?;
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(checker.check(&hash, "correct horse"));
        assert!(!checker.check(&hash, "correct horsf"));
        assert!(!checker.check("", "correct horse"));
        assert!(!checker.check("no hash at all", "correct horse"));
        Ok(())
    }

    /// Same answer and same time: the work for nobody's password is set by the same parameters as anybody's.
    #[test]
    fn nobodys_password_costs_what_anybodys_does() -> io::Result<()> {
        let checker = Checker::new(CHEAP)?;
        let anybodys = checker.hash("something").ok_or(io::ErrorKind::Other)?;
        let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cost(&checker.made_up), cost(&anybodys));
        assert_eq!(checker.made_up.len(), anybodys.len());
        Ok(())
    }
}
