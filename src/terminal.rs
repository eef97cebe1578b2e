//! Lines for whoever runs the program. A reader that has gone away (a closed pipe) ends nothing, unlike with `println!`.

/// A line to standard output.
macro_rules! say {
    ($($line:tt)*) => {
        $crate::terminal::write_line(std::io::stdout(), format_args!($($line)*))
    };
}

/// A line to standard error.
macro_rules! tell {
    ($($line:tt)*) => {
        $crate::terminal::write_line(std::io::stderr(), format_args!($($line)*))
    };
}

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use {say, tell};

/// A bar on standard error, if that is a terminal.
pub(crate) fn progress_bar(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Writes a line, if it can be written.
pub(crate) fn write_line(mut to: impl std::io::Write, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(to, "{line}");
}

/// Text from others, without anything that a terminal would obey: control characters and those that turn the direction of writing
/// are shown as escapes.
pub(crate) fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
