//! Lines that wait: for an answer, behind a line that does, or for a broker that is away. How many may, and what is said of them.

use std::collections::VecDeque;

/// Lines that wait at most. At the bound no more is read from standard input.
pub(super) const MOST: usize = 100;

/// Lines that were read and are not seen to yet: what they wait for, and what follows stays behind them.
#[derive(Debug, Default)]
pub(super) struct Held {
    lines: VecDeque<String>,
    /// So many of them, the oldest, were typed before the present connection.
    late: usize,
}

impl Held {
    pub(super) fn push(&mut self, line: String) {
        self.lines.push_back(line);
    }

    /// The oldest one.
    pub(super) fn first(&self) -> Option<&str> {
        self.lines.front().map(String::as_str)
    }

    /// Takes the oldest one out; and whether it was typed before the present connection.
    pub(super) fn take(&mut self) -> Option<(String, bool)> {
        let line = self.lines.pop_front()?;
        let late = self.late > 0;
        self.late = self.late.saturating_sub(1);
        Some((line, late))
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// A connection begins: all that is here was typed before it.
    pub(super) fn connected(&mut self) {
        self.late = self.lines.len();
    }
}

/// So many lines, and when they are sent.
pub(super) fn wait(count: usize, when: &str) -> String {
    if count == 1 {
        format!("1 line waits: it is sent {when}")
    } else {
        format!("{count} lines wait: they are sent {when}")
    }
}

/// What an end leaves behind: messages without an answer, which are kept.
pub(super) fn left(messages: usize) -> String {
    let mut left = "the broker has not answered everything".to_owned();
    if messages > 0 {
        left = format!("{left}; {}", wait(messages, "at the next start"));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_before_a_connection_is_late_and_what_comes_behind_is_not() {
        let mut held = Held::default();
        held.push("one".into());
        held.push("two".into());
        held.connected();
        held.push("three".into());
        assert_eq!((held.first(), held.len()), (Some("one"), 3));
        let taken: Vec<_> = std::iter::from_fn(|| held.take()).collect();
        assert_eq!(taken, [("one".into(), true), ("two".into(), true), ("three".into(), false)]);
    }
}
