//! What a handle may look like.

/// Shortest handle, in bytes.
pub const SHORTEST: usize = 3;
/// Longest handle, in bytes.
pub const LONGEST: usize = 32;

/// Whether `handle` is one: 3 to 32 of a-z 0-9 . _ -, beginning with a letter. Letters may be typed in either case; handles are
/// compared without case.
pub fn is_handle(handle: &str) -> bool {
    let bytes = handle.as_bytes();
    (SHORTEST..=LONGEST).contains(&bytes.len())
        && bytes[0].is_ascii_alphabetic()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_and_what_is_none() {
        for good in ["bob", "Bob", "a.b", "x-_9", "a2345678901234567890123456789012"] {
            assert!(is_handle(good), "{good}");
        }
        for bad in ["", "bo", "9ab", ".ab", "a b", "käthe", "a23456789012345678901234567890123", "bob\n"] {
            assert!(!is_handle(bad), "{bad:?}");
        }
    }
}
