//! A user's inbox: versions, and the window of its newest entries.

use crate::ids::{Position, Version};

/// So many entries a window may hold whatever the others hold; only those beyond count against the budget of all.
const ALWAYS: usize = 32;
/// Entries that a window has room for at first; a power of two.
const FIRST: usize = 4;

/// Entries are positions; the version of each tells its place. Two inboxes share a cache line: a message to a large group touches that
/// of every member.
#[derive(Debug, Default)]
#[repr(align(32))]
pub(super) struct Inbox {
    head: u64,
    /// The entry of version v stands at v modulo the length, which is a power of two.
    window: Box<[u64]>,
    /// So many of the newest entries are kept.
    kept: u32,
}

/// Bounds all windows together. A cache: it decides what a device may still pull, never what the state is.
#[derive(Debug)]
pub(super) struct WindowBudget {
    /// Entries that one window holds at most.
    pub(super) each: usize,
    /// Entries that all windows may still take.
    pub(super) left: usize,
}

/// What a device that stands at some version can be given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// It is ahead of the inbox.
    Future,
    /// The window has passed it.
    Gap,
    /// It has missed so many entries, all in the window.
    Missed(u64),
}

impl Inbox {
    /// Takes the next version for the record at `position`.
    #[inline]
    pub(super) fn push(&mut self, position: Position, budget: &mut WindowBudget) -> Version {
        if (self.kept as usize) < budget.each {
            self.keep_more(budget);
        }
        self.head += 1;
        let at = place(self.head, self.window.len());
        if let Some(entry) = self.window.get_mut(at) {
            *entry = position.0;
        }
        Version(self.head)
    }

    /// Its user is gone: what its window held of the budget, others may use.
    pub(super) fn give_back(self, budget: &mut WindowBudget) {
        budget.left += (self.kept as usize).saturating_sub(ALWAYS);
    }

    /// Lets the window keep one entry more, if the budget allows it. In line it would cost those who have a full window.
    #[inline(never)]
    fn keep_more(&mut self, budget: &mut WindowBudget) {
        if self.kept as usize >= ALWAYS {
            let Some(left) = budget.left.checked_sub(1) else { return };
            budget.left = left;
        }
        if self.kept as usize == self.window.len() {
            self.grow();
        }
        self.kept += 1;
    }

    /// Twice the window, with the same entries.
    fn grow(&mut self) {
        let mut larger = vec![0; (2 * self.window.len()).max(FIRST)].into_boxed_slice();
        for version in self.oldest()..=self.head {
            larger[place(version, larger.len())] = self.window[place(version, self.window.len())];
        }
        self.window = larger;
    }

    /// The version of the oldest entry that is kept, or the next one.
    fn oldest(&self) -> u64 {
        self.head + 1 - u64::from(self.kept)
    }

    pub(super) fn head(&self) -> Version {
        Version(self.head)
    }

    pub(super) fn since(&self, version: Version) -> Since {
        match self.head.checked_sub(version.0) {
            None => Since::Future,
            Some(missed) if missed > self.kept.into() => Since::Gap,
            Some(missed) => Since::Missed(missed),
        }
    }

    /// The positions of the newest `missed` entries, oldest first.
    pub(super) fn newest(&self, missed: u64) -> impl Iterator<Item = Position> {
        let from = self.oldest().max((self.head + 1).saturating_sub(missed));
        (from..=self.head).map(|version| Position(self.window[place(version, self.window.len())]))
    }
}

/// Where the entry of a version stands in a window of this length.
fn place(version: u64, window: usize) -> usize {
    version as usize & window.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_says_what_it_has_passed() {
        let mut inbox = Inbox::default();
        let mut budget = WindowBudget { each: 4, left: 100 };
        for n in 1..=6 {
            assert_eq!(inbox.push(Position(n * 8), &mut budget), Version(n));
        }
        assert_eq!(inbox.since(Version(6)), Since::Missed(0));
        assert_eq!(inbox.since(Version(2)), Since::Missed(4));
        assert_eq!(inbox.since(Version(1)), Since::Gap);
        assert_eq!(inbox.since(Version(7)), Since::Future);
        assert!(inbox.newest(2).eq([Position(40), Position(48)]));
    }

    #[test]
    fn a_window_of_any_size_is_the_end_of_the_list() {
        for each in [1, 3, 4, 5, 100] {
            let mut inbox = Inbox::default();
            let mut budget = WindowBudget { each, left: 1000 };
            for head in 1..=130_u64 {
                inbox.push(Position(head * 8), &mut budget);
                let kept = head.min(each as u64);
                assert_eq!(inbox.since(Version(head - kept)), Since::Missed(kept));
                assert!(inbox.newest(kept).eq((head - kept + 1..=head).map(|nth| Position(nth * 8))), "{each} {head}");
                assert_eq!(budget.left as u64, 1000 - kept.saturating_sub(32));
            }
            inbox.give_back(&mut budget);
            assert_eq!(budget.left, 1000);
        }
        assert_eq!(size_of::<Inbox>(), 32);
    }

    #[test]
    fn without_budget_a_window_keeps_a_few() {
        let mut inbox = Inbox::default();
        let mut budget = WindowBudget { each: 1024, left: 0 };
        for n in 0..100 {
            inbox.push(Position(n), &mut budget);
        }
        assert_eq!(inbox.since(Version(68)), Since::Missed(32));
        assert_eq!(inbox.since(Version(67)), Since::Gap);
        inbox.give_back(&mut budget);
        assert_eq!(budget.left, 0, "what was free gives nothing back");
    }
}
