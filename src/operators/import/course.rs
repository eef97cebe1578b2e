//! How an import goes: a bar, counts, and what was refused.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar};

use crate::terminal::{progress_bar, tell};

/// What a line came to.
pub(super) struct Course {
    name: String,
    bar: ProgressBar,
    begin: Instant,
    /// Whether refused lines are reported and passed.
    skip_refused: bool,
    made: u64,
    existing: u64,
    refused: u64,
    /// The last line that was refused: one line may be asked for in several pieces.
    refused_line: u64,
    /// All lines up to here were seen to.
    line: u64,
    waits: bool,
}

impl Course {
    pub(super) fn new(name: &str, total: Option<u64>, skip_refused: bool) -> Self {
        Self {
            name: name.into(),
            bar: bar_of(total),
            begin: Instant::now(),
            skip_refused,
            made: 0,
            existing: 0,
            refused: 0,
            refused_line: 0,
            line: 0,
            waits: false,
        }
    }

    /// So many bytes were read.
    pub(super) fn read(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// A line was done, or was done already; `whole`: this was all of it.
    pub(super) fn done(&mut self, line: u64, whole: bool, existed: bool) {
        self.line = self.line.max(line);
        if whole && self.refused_line != line {
            let count = if existed { &mut self.existing } else { &mut self.made };
            *count += 1;
        }
    }

    /// A line, or a piece of it, was refused.
    ///
    /// # Errors
    /// The same, if that stops the import.
    pub(super) fn refuse(&mut self, line: u64, why: &str) -> Result<(), String> {
        if std::mem::replace(&mut self.refused_line, line) == line { Ok(()) } else { self.wrong(line, why) }
    }

    /// A line cannot be asked for at all.
    ///
    /// # Errors
    /// The same, if that stops the import.
    pub(super) fn wrong(&mut self, line: u64, why: &str) -> Result<(), String> {
        self.line = self.line.max(line);
        self.refused += 1;
        let said = format!("{} line {line}: {why}", self.name);
        if !self.skip_refused {
            return Err(said);
        }
        self.bar.suspend(|| tell!("ringdove: {said}"));
        Ok(())
    }

    pub(super) fn skips_refused(&self) -> bool {
        self.skip_refused
    }

    /// The broker has no room now; said once.
    pub(super) fn waits(&mut self, why: &str) {
        if !std::mem::replace(&mut self.waits, true) {
            self.bar.suspend(|| tell!("ringdove: the broker takes no more now ({why}); trying again until it does"));
        }
    }

    /// The end; returns what became of the lines, in words.
    pub(super) fn finish(&self, made: &str) -> String {
        self.bar.finish_and_clear();
        let mut words = format!("{} {made}", HumanCount(self.made));
        for (count, what) in [(self.existing, "existed already"), (self.refused, "refused")] {
            if count > 0 {
                words += &format!(", {} {what}", HumanCount(count));
            }
        }
        let took = Duration::from_millis(self.begin.elapsed().as_millis() as u64);
        // whole seconds are enough where there are many
        let took = if took.as_secs() >= 10 { Duration::from_secs(took.as_secs()) } else { took };
        format!("{words}, in {}", humantime::format_duration(took))
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// All lines up to this one were seen to.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

/// Bytes of all bytes, or of who knows how many.
fn bar_of(total: Option<u64>) -> ProgressBar {
    let Some(total) = total else { return progress_bar("importing {spinner} {bytes}, {bytes_per_sec}") };
    let bar = progress_bar("importing {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left");
    bar.set_length(total);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_pieces_counts_once() {
        let mut course = Course::new("file", None, true);
        course.done(1, false, false);
        course.done(1, true, false);
        course.refuse(2, "no").unwrap();
        course.refuse(2, "no").unwrap();
        course.done(2, true, false);
        course.done(3, true, true);
        assert!(course.finish("made").starts_with("1 made, 1 existed already, 1 refused, in "));
        assert_eq!((course.refused(), course.line()), (1, 3));
    }

    #[test]
    fn a_refusal_stops_unless_it_is_to_be_skipped() {
        let mut course = Course::new("file", None, false);
        assert_eq!(course.refuse(7, "handle: no"), Err("file line 7: handle: no".into()));
    }
}
