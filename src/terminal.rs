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

pub(crate) use {say, tell};

/// Writes a line, if it can be written.
pub(crate) fn write_line(mut to: impl std::io::Write, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(to, "{line}");
}
