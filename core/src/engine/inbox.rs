//! A user's inbox: versions, and the window of its newest entries.

use std::collections::VecDeque;

use crate::ids::{Position, Version};

/// Even when the budget of all windows is used up, a window may hold so many entries.
const ALWAYS: usize = 32;

/// Entries are positions; the version of each follows from its place.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    head: u64,
    window: VecDeque<u64>,
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
    pub(super) fn push(&mut self, position: Position, budget: &mut WindowBudget) -> Version {
        let full = self.window.len() >= budget.each || (budget.left == 0 && self.window.len() >= ALWAYS);
        if full {
            self.window.pop_front();
        } else {
            budget.left = budget.left.saturating_sub(1);
        }
        self.window.push_back(position.0);
        self.head += 1;
        Version(self.head)
    }

    pub(super) fn head(&self) -> Version {
        Version(self.head)
    }

    pub(super) fn since(&self, version: Version) -> Since {
        match self.head.checked_sub(version.0) {
            None => Since::Future,
            Some(missed) if missed as usize > self.window.len() => Since::Gap,
            Some(missed) => Since::Missed(missed),
        }
    }

    /// The positions of the newest `missed` entries, oldest first.
    pub(super) fn newest(&self, missed: u64) -> impl Iterator<Item = Position> {
        let from = self.window.len().saturating_sub(missed as usize);
        self.window.range(from..).map(|position| Position(*position))
    }
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
        assert_eq!(budget.left, 96);
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
    }
}
