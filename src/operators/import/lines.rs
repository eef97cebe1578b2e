//! The lines of a file, one at a time, each of bounded length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a line at most.
const LONGEST: usize = 1 << 20;

/// A line's number, and the line without its end, or what is wrong with it.
pub(super) type Line<'a> = (u64, Result<&'a [u8], String>);

/// The lines of a file or of standard input.
pub(super) struct Lines {
    input: Box<dyn BufRead>,
    name: String,
    total: Option<u64>,
    read: u64,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        if path == Path::new("-") {
            return Ok(Self::of(Box::new(BufReader::new(io::stdin())), "standard input", None));
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        let meta = file.metadata().map_err(|error| format!("{name}: {error}"))?;
        let total = meta.is_file().then_some(meta.len());
        Ok(Self::of(Box::new(BufReader::with_capacity(1 << 16, file)), &name, total))
    }

    fn of(input: Box<dyn BufRead>, name: &str, total: Option<u64>) -> Self {
        Self { input, name: name.into(), total, read: 0, number: 0, line: Vec::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that there are, if that is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Bytes that were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The next line that is not empty.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            self.number += 1;
            let count = (&mut self.input).take(LONGEST as u64 + 1).read_until(b'\n', &mut self.line)?;
            self.read += count as u64;
            if count == 0 {
                return Ok(None);
            }
            if self.line.last() != Some(&b'\n') && count > LONGEST {
                self.skip()?;
                return Ok(Some((self.number, Err(format!("it has more than {LONGEST} bytes")))));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, Ok(self.line.trim_ascii()))));
            }
        }
    }

    /// Throws away the rest of a line.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            let portion = self.input.fill_buf()?;
            let (used, is_end) = match portion.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (portion.len(), portion.is_empty()),
            };
            self.input.consume(used);
            self.read += used as u64;
            if is_end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u64, Result<String, ()>)> {
        let mut lines = Lines::of(Box::new(BufReader::new(io::Cursor::new(text.to_vec()))), "", None);
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push((number, line.map(|line| String::from_utf8(line.to_vec()).unwrap()).map_err(|_| ())));
        }
        assert_eq!(lines.read(), text.len() as u64);
        found
    }

    #[test]
    fn lines_have_numbers_and_ends_of_any_kind() {
        let line = |number, text: &str| (number, Ok(text.to_owned()));
        assert_eq!(lines(b"one\r\n\n \r\ntwo\nthree"), [line(1, "one"), line(4, "two"), line(5, "three")]);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n\n"), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_thrown_away_and_the_next_one_read() {
        let long = "x".repeat(3 * LONGEST);
        let found = lines(format!("a\n{long}\nb").as_bytes());
        assert_eq!(found, [(1, Ok("a".to_owned())), (2, Err(())), (3, Ok("b".to_owned()))]);
        assert_eq!(lines(long.as_bytes()), [(1, Err(()))]);
        let longest = "x".repeat(LONGEST);
        assert_eq!(lines(format!("{longest}\nb").as_bytes()).len(), 2);
        assert!(lines(format!("{longest}\nb").as_bytes())[0].1.is_ok());
    }
}
