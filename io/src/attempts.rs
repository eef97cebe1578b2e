//! How often somebody may try to sign in: failed attempts at an account, and from an address, and accounts made from an address.
//!
//! Each has a bucket of attempts that fills again over the window. An attempt takes one before anything is computed, and gives it back if
//! it was no failure; with none left it is refused, whether or not there is such an account. What a bucket is kept under is a hash of the
//! handle or the address, so a table's size is fixed, and known before the first attempt (governor's keyed state grows with the number of
//! keys until somebody sweeps it, hence these few lines).
//!
//! A stranger who goes on guessing uses up an account's bucket. So that this does not keep its owner out, an address from which somebody
//! signed in to the account with its password has a bucket of its own for it, which strangers do not take from.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringdove_core::wire::names::fold;

use crate::admission::household;

/// Buckets of one kind that are kept. At the bound the one that is nearest to being full again is forgotten, which gives away least.
const SETS: usize = 4096;
const WAYS: usize = 16;
/// How long an address keeps its own bucket for an account after a sign-in, in microseconds: 90 days.
const KNOWN_US: u64 = 90 * 86_400 * 1_000_000;

/// How many attempts there are in a window; 0: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Failed sign-ins to one account.
    pub per_account: u32,
    /// Failed sign-ins from one address.
    pub per_address: u32,
    /// Accounts made from one address.
    pub registrations: u32,
    /// The time in which an empty bucket is full again.
    pub window: Duration,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self { per_account: 10, per_address: 100, registrations: 100, window: Duration::from_secs(900) }
    }
}

/// Counts attempts over all reactors. The lock is taken when somebody signs in without a session token, never in between.
#[derive(Debug)]
pub struct Attempts {
    limits: AttemptLimits,
    start: Instant,
    hasher: RandomState,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    accounts: Table,
    addresses: Table,
    registrations: Table,
    /// Pairs of account and address, each until it is forgotten that somebody signed in there.
    known: Table,
}

/// What an attempt took, to be given back if it was no failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    account: Option<u64>,
    address: Option<u64>,
    /// The account and the address together.
    pair: Option<u64>,
    registration: Option<u64>,
}

impl Taken {
    /// What a registration took; nothing for a sign-in.
    pub(crate) fn of_registration(self) -> Self {
        Self { registration: self.registration, ..Self::default() }
    }
}

impl Attempts {
    /// Nobody has tried anything yet.
    pub fn new(limits: AttemptLimits) -> Self {
        let tables = Tables {
            accounts: Table::new(),
            addresses: Table::new(),
            registrations: Table::new(),
            known: Table::new(),
        };
        Self { limits, start: Instant::now(), hasher: RandomState::new(), tables: Mutex::new(tables) }
    }

    /// Takes an attempt at an account (none: whose is not known yet) from an address, or says in how many milliseconds there is one.
    pub(crate) fn take(&self, handle: Option<&str>, address: Option<IpAddr>) -> Result<Taken, u32> {
        self.take_at(self.now_us(), handle, address)
    }

    fn take_at(&self, now: u64, handle: Option<&str>, address: Option<IpAddr>) -> Result<Taken, u32> {
        let handle = handle.map(fold);
        let address = address.map(household);
        let pair = handle.as_ref().zip(address).map(|pair| self.hasher.hash_one(pair));
        let mut tables = self.tables.lock();
        let own = pair.filter(|pair| tables.known.until(*pair) > now);
        let mut taken = Taken { pair, ..Taken::default() };
        if let Some(account) = own.or(handle.map(|handle| self.hasher.hash_one(handle))) {
            tables.accounts.take(account, self.limits.per_account, self.limits.window, now)?;
            taken.account = Some(account);
        }
        if let Some(address) = address.map(|address| self.hasher.hash_one(address)) {
            let took = tables.addresses.take(address, self.limits.per_address, self.limits.window, now);
            if let (Err(_), Some(account)) = (&took, taken.account) {
                tables.accounts.give_back(account, self.limits.per_account, self.limits.window);
            }
            took?;
            taken.address = Some(address);
        }
        Ok(taken)
    }

    /// The attempt was none, or no failure.
    pub(crate) fn give_back(&self, taken: Taken) {
        let mut tables = self.tables.lock();
        if let Some(account) = taken.account {
            tables.accounts.give_back(account, self.limits.per_account, self.limits.window);
        }
        if let Some(address) = taken.address {
            tables.addresses.give_back(address, self.limits.per_address, self.limits.window);
        }
        if let Some(address) = taken.registration {
            tables.registrations.give_back(address, self.limits.registrations, self.limits.window);
        }
    }

    /// The password was right: the address is known for the account from now on.
    pub(crate) fn succeed(&self, taken: Taken) {
        self.succeed_at(self.now_us(), taken);
    }

    fn succeed_at(&self, now: u64, taken: Taken) {
        self.give_back(taken);
        if let Some(pair) = taken.pair {
            self.tables.lock().known.set(pair, now + KNOWN_US);
        }
    }

    /// Takes a registration from an address, or says in how many milliseconds there is one.
    pub(crate) fn take_registration(&self, address: Option<IpAddr>) -> Result<Taken, u32> {
        let Some(address) = address.map(household) else { return Ok(Taken::default()) };
        let (key, now) = (self.hasher.hash_one(address), self.now_us());
        self.tables.lock().registrations.take(key, self.limits.registrations, self.limits.window, now)?;
        Ok(Taken { registration: Some(key), ..Taken::default() })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
    }
}

/// Buckets by key: each has a place among a few, chosen by the key, so that no look-up takes long and nothing grows.
#[derive(Debug)]
struct Table {
    sets: Box<[[Bucket; WAYS]]>,
}

/// A key, and when its bucket is full again, in microseconds.
type Bucket = (u64, u64);

impl Table {
    fn new() -> Self {
        Self { sets: vec![[(0, 0); WAYS]; SETS].into() }
    }

    /// The bucket of a key, if it is not full.
    fn find(&mut self, key: u64) -> Option<&mut Bucket> {
        self.sets[key as usize % SETS].iter_mut().find(|bucket| bucket.0 == key)
    }

    fn until(&mut self, key: u64) -> u64 {
        self.find(key).map_or(0, |bucket| bucket.1)
    }

    /// Puts a bucket where it stands already, or in the place of the one that is nearest to being full again.
    fn set(&mut self, key: u64, until: u64) {
        let set = &mut self.sets[key as usize % SETS];
        let known = set.iter().position(|bucket| bucket.0 == key);
        let least = || set.iter().enumerate().min_by_key(|(_, bucket)| bucket.1).map_or(0, |(at, _)| at);
        let at = known.unwrap_or_else(least);
        set[at] = (key, until);
    }

    fn take(&mut self, key: u64, limit: u32, window: Duration, now: u64) -> Result<(), u32> {
        if limit == 0 {
            return Ok(());
        }
        let (window, one) = costs(limit, window);
        let until = self.until(key).max(now) + one;
        if let Some(early) = until.checked_sub(now + window).filter(|early| *early > 0) {
            return Err(u32::try_from(early.div_ceil(1_000)).unwrap_or(u32::MAX));
        }
        self.set(key, until);
        Ok(())
    }

    fn give_back(&mut self, key: u64, limit: u32, window: Duration) {
        if limit == 0 {
            return;
        }
        let (_, one) = costs(limit, window);
        if let Some(bucket) = self.find(key) {
            bucket.1 = bucket.1.saturating_sub(one);
        }
    }
}

/// What filling a bucket takes, and one attempt of it, in microseconds.
fn costs(limit: u32, window: Duration) -> (u64, u64) {
    let one = u64::try_from(window.as_micros()).unwrap_or(u64::MAX) / u64::from(limit).max(1);
    let one = one.clamp(1, KNOWN_US);
    (one * u64::from(limit), one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const AWAY: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)));

    fn attempts(per_account: u32, per_address: u32) -> Attempts {
        let window = Duration::from_secs(60);
        Attempts::new(AttemptLimits { per_account, per_address, window, ..AttemptLimits::default() })
    }

    #[test]
    fn an_account_has_so_many_attempts_and_then_one_at_a_time() {
        let attempts = attempts(3, 0);
        for _ in 0..3 {
            assert!(attempts.take_at(0, Some("bob"), HOME).is_ok());
        }
        assert_eq!(attempts.take_at(0, Some("Bob"), AWAY), Err(20_000), "the same account, from wherever");
        assert!(attempts.take_at(0, Some("ann"), HOME).is_ok(), "another account");
        assert_eq!(attempts.take_at(19_999_000, Some("bob"), HOME), Err(1));
        assert!(attempts.take_at(20_000_000, Some("bob"), HOME).is_ok());
        assert!(attempts.take_at(20_000_000, Some("bob"), HOME).is_err());
        for _ in 0..3 {
            assert!(attempts.take_at(100_000_000, Some("bob"), HOME).is_ok(), "it is full again, and no fuller");
        }
        assert!(attempts.take_at(100_000_000, Some("bob"), HOME).is_err());
    }

    #[test]
    fn an_address_has_so_many_attempts_at_all_accounts_together() {
        let attempts = attempts(1, 2);
        assert!(attempts.take_at(0, Some("bob"), HOME).is_ok());
        assert!(attempts.take_at(0, None, HOME).is_ok(), "a token of nobody known");
        assert!(attempts.take_at(0, Some("cyd"), HOME).is_err());
        assert!(
            attempts.take_at(0, Some("cyd"), AWAY).is_ok(),
            "what was refused for its address cost the account nothing"
        );
        assert!(attempts.take_at(0, Some("dan"), None).is_ok());
    }

    #[test]
    fn what_was_no_failure_costs_nothing() {
        let attempts = attempts(1, 1);
        for _ in 0..10 {
            let taken = attempts.take_at(0, Some("bob"), HOME).expect("there is one");
            attempts.give_back(taken);
        }
        assert!(attempts.take_at(0, Some("bob"), HOME).is_ok());
        assert!(attempts.take_at(0, Some("bob"), HOME).is_err());
    }

    #[test]
    fn a_stranger_does_not_keep_the_owner_out() {
        let attempts = attempts(2, 0);
        let taken = attempts.take_at(0, Some("bob"), HOME).expect("there is one");
        attempts.succeed_at(0, taken);
        for now in 0..100 {
            let _ = attempts.take_at(now, Some("bob"), AWAY);
        }
        assert!(attempts.take_at(100, Some("bob"), AWAY).is_err());
        assert!(attempts.take_at(100, Some("bob"), HOME).is_ok(), "where bob signs in");
        assert!(attempts.take_at(100, Some("bob"), HOME).is_ok());
        assert!(attempts.take_at(100, Some("bob"), HOME).is_err(), "also there only so many");
        assert!(attempts.take_at(KNOWN_US + 1, Some("bob"), AWAY).is_ok());
        assert!(attempts.take_at(KNOWN_US + 1, Some("bob"), AWAY).is_ok());
        assert!(attempts.take_at(KNOWN_US + 1, Some("bob"), HOME).is_err(), "after 90 days the place is any other");
    }

    /// Whoever makes many names up to push a name out that has failed often only pushes their own.
    #[test]
    fn a_full_table_forgets_who_failed_least() {
        let attempts = attempts(5, 0);
        for _ in 0..5 {
            assert!(attempts.take_at(0, Some("bob"), HOME).is_ok());
        }
        for nth in 0..4 * SETS * WAYS {
            assert!(attempts.take_at(0, Some(&format!("made-up-{nth}")), AWAY).is_ok());
        }
        assert!(attempts.take_at(0, Some("bob"), HOME).is_err());
    }

    #[test]
    fn registrations_are_counted_by_address() {
        let attempts = Attempts::new(AttemptLimits { registrations: 1, ..AttemptLimits::default() });
        let taken = attempts.take_registration(HOME).expect("there is one");
        attempts.give_back(taken);
        assert!(attempts.take_registration(HOME).is_ok());
        assert!(attempts.take_registration(HOME).is_err_and(|retry_ms| retry_ms > 0));
        assert!(attempts.take_registration(AWAY).is_ok() && attempts.take_registration(None).is_ok());
    }
}
