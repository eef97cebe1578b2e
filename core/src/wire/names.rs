//! What people may call themselves: handles, names to show, and other short texts.

/// Lengths of a handle, in bytes.
pub const HANDLE: std::ops::RangeInclusive<usize> = 3..=64;
/// Longest name to show, in bytes.
pub const NAME: usize = 64;
/// Lengths of a password, in bytes.
pub const PASSWORD: std::ops::RangeInclusive<usize> = 8..=1024;
/// Longest hash of a password, in bytes: argon2id in PHC form with a salt of any usual length.
pub const HASH: usize = 256;
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

/// Whether two handles are the same one.
pub fn is_same(handle: &str, other: &str) -> bool {
    handle.eq_ignore_ascii_case(other)
}

/// The form in which handles are hashed, so that those that are the same have the same hash.
pub fn fold(handle: &str) -> String {
    handle.to_ascii_lowercase()
}

/// Whether a text is at most so many bytes that people can see on a line: nothing, or something visible, in any script, with emoji.
///
/// Not let in is what hides something or moves what stands around it. What joins or chooses the form of letters (Persian and
/// Indic names, emoji of several) is invisible too, but needed: it is let in behind what it belongs to. Letters that Unicode does not know
/// yet are let in, so that tomorrow's emoji need no new server. That two names look alike cannot be helped, and is why there are handles.
pub fn is_line(text: &str, longest: usize) -> bool {
    // what a joiner or a selector could belong to stands before it
    let mut carries = false;
    let mut seen = false;
    for letter in text.chars().take(longest) {
        match letter {
            _ if hides(letter) => return false,
            _ if shapes(letter) && !carries => return false,
            _ if shapes(letter) => {}
            _ => carries = !is_blank(letter),
        }
        seen |= carries;
    }
    text.len() <= longest && (seen || text.is_empty())
}

/// Characters that must not stand in a line: controls, separators of lines, what turns the direction of text (Unicode's `Bidi_Control`),
/// what is not seen though it stands there (its `Default_Ignorable_Code_Point`, less what [`shapes`]), and what has no meaning that all
/// share: private use and noncharacters. A closed list of ranges, so no tables of a crate are needed.
fn hides(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e001f}' | '\u{e0080}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}' | '\u{f0000}'..)
        || u32::from(letter) & 0xfffe == 0xfffe
}

/// What is not seen itself, but joins the letters around it or chooses their form: joiners, selectors of variants, the tags in flags.
fn shapes(letter: char) -> bool {
    matches!(letter,
        '\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0020}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Spaces, and the braille pattern without a dot.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{2800}'
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
    fn lines_are_names_of_people_in_any_script() {
        for good in [
            "",
            "Käthe",
            "小鸽 🕊",
            "a b",
            "O’Brien-Ñúñez",
            // combining accents, right to left, a Persian name with a non-joiner, a Sinhala one with a joiner
            "Zoe\u{308}",
            "דָּוִד",
            "علی\u{200c}رضا",
            "ශ්\u{200d}රී",
            // a family, a heart on fire, a keycap, the flag of Wales, and a variant of a Japanese name
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
            "葛\u{e0100}城",
            // not assigned when this was written
            "\u{1faff}",
        ] {
            assert!(is_line(good, NAME), "{good}");
        }
    }

    #[test]
    fn lines_are_short_and_hide_nothing() {
        for bad in
            ["a\nb", "\u{1b}[31mred", "bob\u{202e}gnp.exe", "a\u{2028}b", "\u{7f}", &"x".repeat(65), &"é".repeat(33)]
        {
            assert!(!is_line(bad, NAME), "{bad:?}");
        }
        // soft hyphen, grapheme joiner, fillers, zero-width space, word joiner, invisible plus, byte order mark, annotation, language tag,
        // private use, noncharacters
        for letter in "\u{ad}\u{34f}\u{115f}\u{3164}\u{ffa0}\u{200b}\u{2060}\u{2064}\u{feff}\u{fff9}\u{e0001}\u{e000}\u{f8ff}\u{100000}\u{fdd0}\u{1ffff}".chars()
        {
            assert!(!is_line(&format!("bob{letter}"), NAME), "{letter:?}");
        }
        for bad in
            [" ", "\u{3000}\u{a0}", "\u{2800}", "\u{200d}", "\u{fe0f}", "\u{200d}bob", "bob \u{200d}", "\u{e0067}bob"]
        {
            assert!(!is_line(bad, NAME), "nothing to be seen, or to belong to: {bad:?}");
        }
    }
}
