//! What people may call themselves: handles, names to show, and other short texts.

/// Lengths of a handle, in bytes.
pub const HANDLE: std::ops::RangeInclusive<usize> = 3..=64;
/// Longest name to show, in bytes.
pub const NAME: usize = 64;
/// Longest name of a device, in bytes.
pub const DEVICE_NAME: usize = 64;

/// Whether `handle` is one: 3 to 64 of a-z 0-9 . _ -, beginning with a letter. Letters may be typed in either case; handles are
/// compared without case. No other script is let in, so that no two handles look alike but for l, 1, o and 0.
pub fn is_handle(handle: &str) -> bool {
    let bytes = handle.as_bytes();
    HANDLE.contains(&bytes.len())
        && bytes[0].is_ascii_alphabetic()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The form in which handles are compared.
pub fn fold(handle: &str) -> String {
    handle.to_ascii_lowercase()
}

/// Whether a text is at most so many bytes of what can be seen on a line: no control characters, and none that turn the direction
/// of what stands around them (Unicode's `Bidi_Control`).
pub fn is_line(text: &str, longest: usize) -> bool {
    let turns = |letter| matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.len() <= longest
        && !text.chars().any(|letter| letter.is_control() || turns(letter) || matches!(letter, '\u{2028}' | '\u{2029}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_and_what_is_none() {
        for good in ["bob", "Bob", "a.b", "x-_9", "u-123e4567-e89b-12d3-a456-426614174000", &"a".repeat(64)] {
            assert!(is_handle(good), "{good}");
        }
        // among them a Cyrillic a, a full-width one, a zero-width joiner and a combining accent
        let bad = [
            "",
            "bo",
            "9ab",
            ".ab",
            "a b",
            "käthe",
            "b\u{430}b",
            "\u{ff42}ob",
            "bo\u{200d}b",
            "bobe\u{301}",
            "bob\n",
            "bob\0",
        ];
        for bad in bad.iter().copied().chain([&*"a".repeat(65)]) {
            assert!(!is_handle(bad), "{bad:?}");
        }
    }

    #[test]
    fn lines_are_short_and_hide_nothing() {
        for good in ["", "Käthe", "小鸽 🕊", "a b"] {
            assert!(is_line(good, NAME), "{good}");
        }
        for bad in ["a\nb", "\u{1b}[31mred", "bob\u{202e}gnp.exe", "a\u{2028}b", "\u{7f}", &"x".repeat(65)] {
            assert!(!is_line(bad, NAME), "{bad:?}");
        }
    }
}
