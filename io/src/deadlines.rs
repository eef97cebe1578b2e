//! A coarse timing wheel: every connection has at most one deadline in it that counts, the earliest of all that it has.
//!
//! ```text
//!  slot  0   1   2  ...                       511        one slot a tick; a deadline further away than the wheel
//!       [ ] [ ] [x] ...                       [ ]        is long stays in its slot for another round
//!             ▲ turned up to here
//! ```
//! Nothing is ever taken out: a deadline that was replaced by an earlier one, or whose connection is gone, is found stale when
//! it is due (the connection knows the tick that counts) and dropped.

use crate::clock::Tick;

const SLOTS: u32 = 512;
/// A slot has room for so many deadlines from the start: with few connections every turn of the wheel meets slots that were never
/// used, and none of them shall allocate on the hot path. 48 KiB in all.
const AT_START: usize = 8;
/// An empty slot keeps room for so many.
const AT_REST: usize = 64;

/// A connection's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub key: u32,
    pub generation: u32,
    pub tick: Tick,
}

/// The wheel.
pub(crate) struct Wheel {
    slots: Vec<Vec<Deadline>>,
    /// Everything up to here was handed out.
    turned: Tick,
    waiting: usize,
}

impl Wheel {
    pub fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Vec::with_capacity(AT_START)).collect();
        Self { slots, turned: Tick(0), waiting: 0 }
    }

    /// Puts a deadline in. One in the past is due at the next tick.
    pub fn put(&mut self, mut deadline: Deadline) {
        deadline.tick = deadline.tick.max(Tick(self.turned.0.saturating_add(1)));
        self.slots[(deadline.tick.0 % SLOTS) as usize].push(deadline);
        self.waiting += 1;
    }

    /// Moves everything that is due at `now` behind what `due` holds.
    pub fn turn(&mut self, now: Tick, due: &mut Vec<Deadline>) {
        if now <= self.turned {
            return;
        }
        let steps = (now.0 - self.turned.0).min(SLOTS);
        let before = due.len();
        for step in 0..steps {
            let slot = &mut self.slots[((now.0 - step) % SLOTS) as usize];
            slot.retain(|deadline| {
                let later = deadline.tick > now;
                if !later {
                    due.push(*deadline);
                }
                later
            });
            if slot.is_empty() && slot.capacity() > AT_REST {
                slot.shrink_to(AT_REST);
            }
        }
        self.turned = now;
        self.waiting -= due.len() - before;
    }

    /// Whether any deadline waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(key: u32, tick: u32) -> Deadline {
        Deadline { key, generation: 1, tick: Tick(tick) }
    }

    fn due(wheel: &mut Wheel, now: u32) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.turn(Tick(now), &mut due);
        let mut keys: Vec<u32> = due.iter().map(|deadline| deadline.key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn each_deadline_is_due_once_at_its_tick() {
        let mut wheel = Wheel::new();
        wheel.put(at(1, 3));
        wheel.put(at(2, 5));
        assert!(due(&mut wheel, 2).is_empty());
        assert_eq!(due(&mut wheel, 3), [1]);
        assert!(due(&mut wheel, 4).is_empty());
        assert_eq!(due(&mut wheel, 9), [2]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_deadline_beyond_the_wheel_waits_for_its_round() {
        let mut wheel = Wheel::new();
        wheel.put(at(1, SLOTS + 7));
        assert!(due(&mut wheel, 7).is_empty());
        assert!(due(&mut wheel, SLOTS + 6).is_empty());
        assert_eq!(due(&mut wheel, SLOTS + 7), [1]);
    }

    #[test]
    fn a_long_sleep_hands_out_all_that_was_missed() {
        let mut wheel = Wheel::new();
        for key in 0..2_000 {
            wheel.put(at(key, key + 1));
        }
        assert_eq!(due(&mut wheel, 5_000).len(), 2_000);
    }

    #[test]
    fn a_deadline_in_the_past_is_due_next() {
        let mut wheel = Wheel::new();
        assert!(due(&mut wheel, 10).is_empty());
        wheel.put(at(1, 4));
        assert_eq!(due(&mut wheel, 11), [1]);
    }
}
