//! Whom an operator means: by number or by handle.

use std::str::FromStr;

use ringdove_core::wire::admin;
use ringdove_core::wire::names::is_handle;

/// Someone, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// `u512` or `512`.
    Number(u64),
    /// `bob` or `@bob`; a handle that looks like a number needs the `@`.
    Handle(String),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let digits = typed.strip_prefix('u').unwrap_or(typed);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = digits.parse().ok().filter(|number| *number > 0);
            return number.map(Self::Number).ok_or_else(|| "no user has that number".to_owned());
        }
        let handle = typed.strip_prefix('@').unwrap_or(typed);
        if is_handle(handle) {
            return Ok(Self::Handle(handle.to_owned()));
        }
        Err("a handle such as bob, or a number such as u512".into())
    }
}

impl Who {
    /// As the door wants it.
    pub(super) fn to_wire(&self) -> admin::Who {
        match self {
            Self::Number(user) => admin::Who { user: *user, ..admin::Who::default() },
            Self::Handle(handle) => admin::Who { handle: handle.clone(), ..admin::Who::default() },
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(user) => write!(f, "u{user}"),
            Self::Handle(handle) => f.write_str(handle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_handle_are_told_apart() {
        let handle = |handle: &str| Who::Handle(handle.into());
        let cases = [
            ("512", Who::Number(512)),
            ("u512", Who::Number(512)),
            ("@u512", handle("u512")),
            ("bob", handle("bob")),
            ("@bob", handle("bob")),
            ("u512a", handle("u512a")),
            ("U512", handle("U512")),
            ("usr", handle("usr")),
        ];
        for (typed, who) in cases {
            assert_eq!(typed.parse(), Ok(who), "{typed}");
        }
        for typed in
            ["", "u", "@", "0", "u0", "99999999999999999999", "-1", "+5", "bo", "b b", "@@bob", "512u", "bob\n"]
        {
            assert!(typed.parse::<Who>().is_err(), "{typed:?}");
        }
    }
}
