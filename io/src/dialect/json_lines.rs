//! JSON lines: one proto3 JSON object a line. For people with `nc`: it may be slow, and goes through the native
//! frames on its way out.

/// A line at the begin of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A whole one without its end, and how many bytes it takes with it.
    Whole { line: &'a [u8], used: usize },
    /// The end is not there yet.
    Partial,
    /// There is more than a line may have, and still no end.
    TooLarge,
}

/// Finds the first line, of at most `limit` bytes.
pub(crate) fn split(bytes: &[u8], limit: usize) -> Line<'_> {
    // one more for the carriage return that may stand before the end
    let window = &bytes[..bytes.len().min(limit + 2)];
    match window.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
            if line.len() > limit { Line::TooLarge } else { Line::Whole { line, used: end + 1 } }
        }
        None if bytes.len() > limit + 1 => Line::TooLarge,
        None => Line::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_a_newline_and_have_a_limit() {
        assert_eq!(split(b"{}\n{}", 4), Line::Whole { line: b"{}", used: 3 });
        assert_eq!(split(b"{}\r\n", 2), Line::Whole { line: b"{}", used: 4 });
        assert_eq!(split(b"\n", 4), Line::Whole { line: b"", used: 1 });
        assert_eq!(split(b"{}", 4), Line::Partial);
        assert_eq!(split(b"{abc}\n", 4), Line::TooLarge);
        assert_eq!(split(b"{abcdef", 4), Line::TooLarge);
    }
}
