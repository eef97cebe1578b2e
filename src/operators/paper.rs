//! What commands print: lines, tables that line up, times. Whoever reads standard output may stop at any line.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::time::{Duration, SystemTime};

/// The last millisecond of the year 9999, behind which there is no RFC 3339.
const LAST_MS: u64 = 253_402_300_799_999;

/// Standard output.
pub(super) struct Paper {
    out: BufWriter<StdoutLock<'static>>,
    failed: Option<io::Error>,
}

impl Paper {
    pub(super) fn new() -> Self {
        Self { out: BufWriter::new(io::stdout().lock()), failed: None }
    }

    /// Writes a line, unless nobody reads any more.
    pub(super) fn line(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = writeln!(self.out, "{}", line.trim_end()).err();
        }
    }

    /// Puts what was written on its way. Returns whether anyone reads on.
    pub(super) fn flush(&mut self) -> bool {
        if self.failed.is_none() {
            self.failed = self.out.flush().err();
        }
        self.failed.is_none()
    }

    /// The end. A closed pipe is no error: who asked has seen enough.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.flush();
        match self.failed {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
            _ => Ok(()),
        }
    }
}

/// A table that is printed page by page: a column grows when a page needs that, and what was printed stays as it was.
pub(super) struct Table<const N: usize> {
    widths: [usize; N],
    right: &'static [usize],
}

impl<const N: usize> Table<N> {
    /// A table whose columns `right` hold numbers. The last column may hold any text, since nothing has to line up behind it; the others
    /// hold ASCII.
    pub(super) fn new(right: &'static [usize]) -> Self {
        Self { widths: [0; N], right }
    }

    pub(super) fn print(&mut self, paper: &mut Paper, rows: &[[String; N]]) {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.len());
            }
        }
        for row in rows {
            paper.line(&self.line(row));
        }
    }

    fn line(&self, row: &[String; N]) -> String {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(self.widths).enumerate() {
            let gap = if place == 0 { "" } else { "  " };
            line += gap;
            let last = place + 1 == N && !self.right.contains(&place);
            line += &match self.right.contains(&place) {
                _ if last => cell.clone(),
                true => format!("{cell:>width$}"),
                false => format!("{cell:width$}"),
            };
        }
        line
    }
}

/// A time, as RFC 3339 in UTC.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0 => "never".into(),
        ms if ms > LAST_MS => format!("{ms} ms"),
        ms => humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)).to_string(),
    }
}

/// Words in front of a value, all values below each other.
pub(super) fn pair(paper: &mut Paper, words: &str, value: &str) {
    paper.line(&format!("{words:<WORDS$}{value}"));
}

/// Room for the words of [`pair`].
const WORDS: usize = 15;

/// The name of an enum's value in the wire's schema, in small letters; the number if it is of a newer broker.
pub(super) fn named<T: TryFrom<i32>>(number: u32, name: fn(&T) -> &'static str) -> String {
    let known = i32::try_from(number).ok().and_then(|number| T::try_from(number).ok());
    known.map_or_else(|| number.to_string(), |value| name(&value).to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_only_grow() {
        let mut table = Table::<3>::new(&[1]);
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        table.widths = [5, 3, 0];
        assert_eq!(table.line(&row(["ab", "7", "käthe"])), "ab       7  käthe");
    }

    #[test]
    fn times_are_rfc_3339_and_none_panics() {
        assert_eq!(time(1_795_400_000_123), "2026-11-23T02:13:20Z");
        assert_eq!(time(0), "never");
        assert_eq!(time(LAST_MS), "9999-12-31T23:59:59Z");
        assert_eq!(time(LAST_MS + 1), "253402300800000 ms");
        assert_eq!(time(u64::MAX), "18446744073709551615 ms");
    }
}
