//! Accounts, and the file with the tokens of their devices.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ringdove_core::wire::Code;
use ringdove_core::wire::admin::{Account, Import, Made, admin_frame::Request};
use ringdove_core::wire::names::{HASH, NAME, is_handle, is_line};
use serde::Deserialize;
use serde_json::json;

use super::Kind;
use crate::operators::door::Door;
use crate::terminal::printable;

/// A line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    handle: String,
    name: Option<String>,
    secret: Option<String>,
    token: Option<bool>,
}

/// Accounts on their way in.
pub(super) struct Accounts {
    tokens: Option<Tokens>,
    skip_existing: bool,
}

/// Where tokens go.
struct Tokens {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Accounts {
    /// Makes the file for the tokens, if they are wanted. It must be a new one: tokens are made once and shown once.
    pub(super) fn new(tokens: Option<&Path>, skip_existing: bool) -> Result<Self, String> {
        let create = |path: &Path| {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let words = |error: io::Error| match error.kind() {
                ErrorKind::AlreadyExists => format!("{} is there already: choose another name", path.display()),
                _ => format!("{}: {error}", path.display()),
            };
            let out = BufWriter::new(file.map_err(words)?);
            Ok::<_, String>(Tokens { path: path.to_owned(), out })
        };
        Ok(Self { tokens: tokens.map(create).transpose()?, skip_existing })
    }
}

/// What is wrong with JSON, and where in its line.
pub(super) fn wrong_json(error: &serde_json::Error) -> String {
    let (said, column) = (error.to_string(), error.column());
    let said = said.split(" at line ").next().unwrap_or_default();
    format!("{} (column {column})", printable(said))
}

/// What is wrong with a handle.
pub(super) fn check_handle(field: &str, handle: &str) -> Result<(), String> {
    let rule = "3 to 64 of a-z 0-9 . _ -, beginning with a letter";
    if is_handle(handle) { Ok(()) } else { Err(format!("{field}: {:?} is no handle: {rule}", shortened(handle))) }
}

/// Whether it looks like a hash; the broker looks closer.
fn is_hash(secret: &str) -> bool {
    secret.len() <= HASH && secret.starts_with("$argon2id$") && secret.bytes().all(|byte| byte.is_ascii_graphic())
}

/// So much of a text that it can be found again.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Kind for Accounts {
    type Asked = Account;
    const MOST: usize = 256;
    const MADE: &'static str = "accounts made";

    fn parse(&self, line: &[u8]) -> Result<Vec<Account>, String> {
        let Line { handle, name, secret, token } = serde_json::from_slice(line).map_err(|error| wrong_json(&error))?;
        check_handle("handle", &handle)?;
        let name = name.unwrap_or_default();
        if !is_line(&name, NAME) {
            return Err(format!("name: at most {NAME} bytes, without control characters"));
        }
        let secret = secret.unwrap_or_default();
        if !secret.is_empty() && !is_hash(&secret) {
            return Err(format!("secret: an argon2id hash in PHC form ($argon2id$...) of at most {HASH} bytes"));
        }
        if token == Some(true) && self.tokens.is_none() {
            return Err("token: say with --tokens FILE where it goes".into());
        }
        let no_device = self.tokens.is_none() || token == Some(false);
        Ok(vec![Account { handle, name, secret, no_device }])
    }

    fn request(accounts: Vec<Account>) -> Request {
        Request::Import(Import { accounts })
    }

    fn handle(asked: &Account) -> &str {
        &asked.handle
    }

    fn halve(_: &Account) -> Option<[Account; 2]> {
        None
    }

    fn done(&mut self, asked: &Account, made: &Made) -> Result<(), String> {
        let Some(tokens) = self.tokens.as_mut().filter(|_| !asked.no_device) else { return Ok(()) };
        let Made { user, device, token, .. } = made;
        let line = json!({"handle": asked.handle, "user": user, "device": device, "token": token});
        writeln!(tokens.out, "{line}").map_err(|error| format!("{}: {error}", tokens.path.display()))
    }

    fn passes(&self, code: u32) -> bool {
        self.skip_existing && code == u32::from(Code::Exists.number())
    }

    fn explain(&self, _: &mut Door, _: &Account, code: u32) -> Option<String> {
        let exists = code == u32::from(Code::Exists.number());
        exists.then(|| "that handle is or was somebody's; --skip-existing passes over it".into())
    }

    fn settle(&mut self) -> Result<(), String> {
        let Some(tokens) = &mut self.tokens else { return Ok(()) };
        tokens.out.flush().map_err(|error| format!("{}: {error}", tokens.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Account, String> {
        Accounts::new(None, false).unwrap().parse(line.as_bytes()).map(|mut accounts| accounts.remove(0))
    }

    #[test]
    fn lines_say_what_they_want() {
        let account = parse(r#"{"handle":"ann"}"#).unwrap();
        assert_eq!(account, Account { handle: "ann".into(), no_device: true, ..Account::default() });
        let account = parse(
            r#"{"token":false,"secret":"$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA","name":"Ann ✿","handle":"Ann"}"#,
        );
        assert_eq!(account.unwrap().secret.len(), 40);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let long = format!(r#"{{"handle":"ann","name":"{}"}}"#, "x".repeat(65));
        let cases = [
            (r#"{"handle":"ann""#, "EOF"),
            (r#"{"handle":"ann"} x"#, "trailing"),
            (r#"["ann"]"#, "invalid"),
            (r#"{"name":"Ann"}"#, "missing field `handle`"),
            (r#"{"handle":"ann","colour":"red"}"#, "unknown field `colour`"),
            (r#"{"handle":"ann","handle":"bob"}"#, "duplicate field `handle`"),
            (r#"{"handle":7}"#, "invalid type"),
            (r#"{"handle":"a b"}"#, "handle: \"a b\" is no handle"),
            (r#"{"handle":"ann","name":"\u001b[31m"}"#, "name: "),
            (&long, "name: "),
            (r#"{"handle":"ann","secret":"hunter2hunter2"}"#, "secret: "),
            (r#"{"handle":"ann","secret":"$argon2id$\n"}"#, "secret: "),
            (r#"{"handle":"ann","token":true}"#, "token: "),
        ];
        for (line, expected) in cases {
            let why = parse(line).unwrap_err();
            assert!(why.contains(expected) && !why.contains("line 1"), "{line}: {why}");
        }
    }

    #[test]
    fn tokens_are_for_new_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let mut accounts = Accounts::new(Some(&path), false).unwrap();
        let asked = |line: &str| accounts.parse(line.as_bytes()).unwrap().remove(0);
        let (ann, bob) = (asked(r#"{"handle":"ann"}"#), asked(r#"{"handle":"bob","token":false}"#));
        assert_eq!((ann.no_device, bob.no_device), (false, true));
        let made = Made { user: 256, device: 1, token: "t".into(), code: 0 };
        accounts.done(&ann, &made).unwrap();
        accounts.done(&bob, &made).unwrap();
        accounts.settle().unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, "{\"device\":1,\"handle\":\"ann\",\"token\":\"t\",\"user\":256}\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(Accounts::new(Some(&path), false).is_err());
    }
}
