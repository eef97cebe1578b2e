//! Who may come in: the bound on connections, over all reactors, and on those from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Counts connections over all reactors. The lock is taken when a connection comes or goes, never in between.
#[derive(Debug)]
pub struct Admission {
    connections: usize,
    per_address: u32,
    open: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, u32>>,
}

impl Admission {
    /// At most `connections` at a time, and `per_address` from one address (0: any number).
    pub fn new(connections: usize, per_address: u32) -> Self {
        Self { connections, per_address, open: AtomicUsize::new(0), addresses: Mutex::default() }
    }

    /// Connections that are open now, those of the admin door not counted.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// At most so many connections at a time.
    pub fn connections(&self) -> usize {
        self.connections
    }

    pub(crate) fn enter(&self, address: IpAddr) -> bool {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.connections || !self.enter_address(address) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    pub(crate) fn leave(&self, address: IpAddr) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if self.per_address == 0 {
            return;
        }
        let mut addresses = self.addresses.lock();
        if let Some(count) = addresses.get_mut(&household(address)) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&household(address));
            }
        }
    }

    fn enter_address(&self, address: IpAddr) -> bool {
        if self.per_address == 0 {
            return true;
        }
        let mut addresses = self.addresses.lock();
        let count = addresses.entry(household(address)).or_insert(0);
        if *count >= self.per_address {
            return false;
        }
        *count += 1;
        true
    }
}

/// An IPv6 host has a whole /64 to choose from, so that counts as one address.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_hold_and_are_given_back() {
        let admission = Admission::new(3, 2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert!(admission.enter(one) && admission.enter(one));
        assert!(!admission.enter(one), "two from one address");
        assert!(admission.enter(other));
        assert!(!admission.enter(IpAddr::from([192, 0, 2, 3])), "three in all");
        admission.leave(one);
        assert!(admission.enter(one));
        assert_eq!(admission.open(), 3);
    }

    #[test]
    fn neighbours_in_a_64_count_as_one() {
        let admission = Admission::new(10, 1);
        assert!(admission.enter(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1])));
        assert!(!admission.enter(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 2])));
        assert!(admission.enter(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1])));
    }
}
