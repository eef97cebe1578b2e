//! Passwords from a terminal or from standard input.

use std::io::{self, BufRead, IsTerminal};

use ringdove_core::wire::names::PASSWORD;

use super::commands::Password;

impl Password {
    /// The password; empty: none is wanted.
    ///
    /// # Errors
    /// There is nobody to ask, or what came is no password.
    pub(super) fn read(&self, whose: &str) -> Result<String, String> {
        if self.no_password {
            return Ok(String::new());
        }
        let secret = if self.password_stdin { from_input(io::stdin().lock())? } else { prompted(whose)? };
        // an empty one would mean none at all
        if PASSWORD.contains(&secret.len()) {
            Ok(secret)
        } else {
            Err(format!("a password has {} to {} bytes; `--no-password` means none", PASSWORD.start(), PASSWORD.end()))
        }
    }
}

/// The first line.
fn from_input(input: impl BufRead) -> Result<String, String> {
    let mut line = Vec::new();
    // one byte more than fits, and the line's end
    input.take(*PASSWORD.end() as u64 + 3).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    let line = String::from_utf8(line).map_err(|_| "the password is not UTF-8".to_owned())?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn prompted(whose: &str) -> Result<String, String> {
    if !io::stdin().is_terminal() {
        return Err("there is no terminal to ask for the password: say --password-stdin or --no-password".into());
    }
    let ask = |prompt: String| rpassword::prompt_password(prompt).map_err(|error| error.to_string());
    let secret = ask(format!("new password for {whose}: "))?;
    if ask("the same again: ".into())? == secret { Ok(secret) } else { Err("these were two passwords".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<String, String> {
        let secret = from_input(input)?;
        if PASSWORD.contains(&secret.len()) { Ok(secret) } else { Err(secret.len().to_string()) }
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(read(b"correct horse\nbattery\n"), Ok("correct horse".into()));
        assert_eq!(read(b"correct horse\r\n"), Ok("correct horse".into()));
        assert_eq!(read(b" spaces stay "), Ok(" spaces stay ".into()));
        assert_eq!(read("x".repeat(1024).as_bytes()).map(|secret| secret.len()), Ok(1024));
        assert_eq!(read(format!("{}\r\n", "x".repeat(1024)).as_bytes()).map(|secret| secret.len()), Ok(1024));
        for wrong in [&b""[..], b"\n", b"short", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe", "x".repeat(1025).as_bytes()] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
