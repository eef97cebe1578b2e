//! Password workers: a small fixed pool of threads that check and hash passwords, and check signatures that take long, off every other
//! thread.
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
use ringdove_core::wire::names::HASH;
use zeroize::Zeroizing;

use crate::jwt::JwtKeys;
use crate::mailbox::{Letter, Mailbox};
use crate::niceness::stand_back;

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
    /// The hash of `new`, if `old` is the password behind `secret`.
    Renew { secret: String, old: Zeroizing<String>, new: Zeroizing<String> },
    /// Whom a JWT names.
    Vouch { keys: Arc<JwtKeys>, token: Zeroizing<String> },
}

/// What became of a password that was to be changed.
#[derive(Debug)]
pub(crate) enum Renewed {
    /// The old one was wrong.
    Wrong,
    /// The new one's hash, argon2id in PHC form.
    Hashed(Zeroizing<String>),
    /// It could not be hashed.
    Failed,
}

/// What one check of an imported password may cost: memory in KiB, passes and lanes, each at most. A check runs again and again, whenever
/// its owner signs in.
const IMPORTED: (u32, u32, u32) = (256 * 1024, 16, 16);

/// Whether `secret` is a password hash that can be taken over from another system: argon2id of the present version in PHC form, with salt
/// and hash, that a worker can check at a bounded cost.
pub(crate) fn is_importable(secret: &str) -> bool {
    let checkable = || {
        let hash = PasswordHash::new(secret).ok()?;
        let params = Params::try_from(&hash.params).ok()?;
        let (memory, passes, lanes) = IMPORTED;
        let cheap = params.m_cost() <= memory && params.t_cost() <= passes && params.p_cost() <= lanes;
        let is_argon2id = hash.algorithm.as_str() == "argon2id" && hash.version == Some(Version::V0x13 as u32);
        Some(cheap && is_argon2id && hash.salt.is_some() && hash.hash.is_some())
    };
    secret.len() <= HASH && checkable() == Some(true)
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
    stand_back();
    while let Ok(order) = inbox.recv() {
        let letter = match order.job {
            Job::Check { secret, password } => Letter::Checked(order.connection, checker.check(&secret, &password)),
            Job::Hash { password } => Letter::Hashed(order.connection, checker.hash(&password)),
            Job::Renew { secret, old, new } => Letter::Renewed(order.connection, checker.renew(&secret, &old, &new)),
            Job::Vouch { keys, token } => Letter::Vouched(order.connection, keys.check(&token)),
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

    /// An account that has no password takes one from whoever is signed in to it and says that there was none.
    fn renew(&self, secret: &str, old: &str, new: &str) -> Renewed {
        let right = if secret.is_empty() { old.is_empty() } else { self.check(secret, old) };
        match right.then(|| self.hash(new)) {
            None => Renewed::Wrong,
            Some(None) => Renewed::Failed,
            Some(Some(hash)) => Renewed::Hashed(hash),
        }
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

    #[test]
    fn a_password_is_renewed_by_who_knows_the_old_one() -> io::Result<()> {
        let checker = Checker::new(CHEAP)?;
        let hash = checker.hash("correct horse").ok_or(io::ErrorKind::Other)?;
        assert!(matches!(checker.renew(&hash, "wrong horse", "battery staple"), Renewed::Wrong));
        assert!(matches!(checker.renew(&hash, "", "battery staple"), Renewed::Wrong));
        assert!(matches!(checker.renew("", "guess", "battery staple"), Renewed::Wrong), "there is none");
        for (secret, old) in [(hash.as_str(), "correct horse"), ("", "")] {
            let Renewed::Hashed(new) = checker.renew(secret, old, "battery staple") else { panic!("{old:?} is right") };
            assert!(checker.check(&new, "battery staple") && !checker.check(&new, "correct horse"));
        }
        Ok(())
    }

    /// The bounds are held before anything is computed: a hash that nobody could pay for is refused when it is imported.
    #[test]
    fn only_hashes_that_can_be_checked_are_imported() -> io::Result<()> {
        let checker = Checker::new(CHEAP)?;
        let good = checker.hash("correct horse").ok_or(io::ErrorKind::Other)?;
        assert!(is_importable(&good), "{}", *good);
        // from the reference implementation, with other parameters than ours
        let other = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
        assert!(is_importable(other) && checker.check(other, "password") && !checker.check(other, "passwore"));
        let bad = [
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "scrypt"),
            good.replace("v=19", "v=16"),
            good.replace("m=64", "m=4194304"),
            good.replace("t=1", "t=1000"),
            good.replace("p=1", "p=255"),
            good.rsplit_once('$').map_or_else(String::new, |(head, _)| head.to_owned()),
            format!("{}{}", *good, "A".repeat(300)),
            "correct horse".to_owned(),
            "$2b$12$EXRkfkdmXn2gzds2SSitu.MW9.gAVqa9eLS1//RYtYCmB1eLHg.9q".to_owned(),
        ];
        for bad in bad {
            assert!(!is_importable(&bad), "{bad}");
        }
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
