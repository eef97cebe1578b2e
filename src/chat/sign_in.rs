//! Getting in: with the token of the last time, or with a password from the terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

use ringdove_core::wire::Code;
use ringdove_core::wire::names::PASSWORD;
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};

use super::book::Book;
use super::link::{Link, ask};
use crate::terminal::{printable, say};

/// Where the password may stand, for scripts.
const VARIABLE: &str = "RINGDOVE_PASSWORD";
/// The request number of a hello; that of the sync behind it is one more.
pub(super) const HELLO_ID: u32 = 1;
/// We promise to speak at least so often, in milliseconds.
const IDLE_MS: u32 = 60_000;

/// What a token that is worth nothing any more means.
pub(super) const SIGNED_OUT: &str =
    "this device was signed out, or the broker's data are new (--register makes the account again)";

/// How a hello ended.
pub(super) enum Hello {
    /// Signed in; the answer to the sync is still to come if one was asked for.
    Welcome(Box<v1::Welcome>),
    /// No, or bye.
    Refused(v1::Refusal),
}

/// Says hello, with a sync right behind it if there is a cursor, an epoch and a version, and waits for the welcome.
pub(super) fn hello(link: &mut Link, auth: Auth, cursor: Option<(u32, u64)>) -> io::Result<Hello> {
    let (epoch, since) = cursor.unwrap_or_default();
    let agent = concat!("ringdove-chat/", env!("CARGO_PKG_VERSION")).into();
    let device_name = "terminal".into();
    let hello =
        v1::Hello { auth: Some(auth), device_name, epoch, since, idle_ms: IDLE_MS, agent, ..Default::default() };
    let mut frames = vec![ask(HELLO_ID, 0, Request::Hello(hello))];
    if cursor.is_some() {
        frames.push(ask(HELLO_ID + 1, 0, Request::Sync(v1::Sync { since, limit: 0 })));
    }
    link.write(&frames)?;
    loop {
        let frame = link.read()?;
        match frame.body {
            Some(Body::Welcome(welcome)) => return Ok(Hello::Welcome(Box::new(welcome))),
            // behind a hello that was refused before stood a sync, which is refused too
            Some(Body::Refusal(refusal)) if frame.id == HELLO_ID => return Ok(Hello::Refused(refusal)),
            Some(Body::Bye(refusal)) => return Ok(Hello::Refused(refusal)),
            _ => {}
        }
    }
}

/// Takes over what a welcome says.
pub(super) fn welcomed(book: &mut Book, welcome: &v1::Welcome) -> Result<(), String> {
    if welcome.epoch != book.page.epoch {
        // what a lost tail held is there no more, and its numbers may be others'
        book.page.names.clear();
    }
    book.learn(welcome.user, &welcome.handle);
    let page = &mut book.page;
    page.user = welcome.user;
    if !welcome.token.is_empty() {
        page.token.clone_from(&welcome.token);
    }
    if welcome.gap || welcome.epoch != page.epoch {
        if welcome.gap && page.version > 0 {
            say!("-- some of what was said while you were away cannot be shown here");
        }
        page.version = welcome.version;
    }
    page.epoch = welcome.epoch;
    book.save()
}

/// Signs in: with the token if there is one that still counts, else with a password; makes the account if that is wanted. Whoever sits at a terminal
/// is asked again after a wrong password. Returns whether a sync was asked for too.
///
/// # Errors
/// Nobody is there, or the broker says no.
pub(super) fn enter(
    address: SocketAddr,
    handle: &str,
    register: bool,
    book: &mut Book,
) -> Result<(Link, bool), String> {
    if book.page.token.is_empty() {
        // nobody shall be asked for a password that nobody takes
        connect(address)?;
    } else {
        match attempt(address, Auth::Token(book.page.token.clone()), book.cursor())? {
            (link, Hello::Welcome(welcome)) => return welcomed(book, &welcome).map(|()| (link, true)),
            (_, Hello::Refused(refusal)) if is(&refusal, Code::SignedOut) => {
                say!("-- {SIGNED_OUT}");
                book.forget_sign_in();
            }
            (_, Hello::Refused(refusal)) => return Err(no(&refusal)),
        }
    }
    loop {
        let (secret, asked) = password(&format!("password for {handle}: "))?;
        let password = || v1::Password { handle: handle.into(), secret: secret.clone(), ..v1::Password::default() };
        let refusal = match attempt(address, Auth::Password(password()), None)? {
            (link, Hello::Welcome(welcome)) => return welcomed(book, &welcome).map(|()| (link, false)),
            (_, Hello::Refused(refusal)) => refusal,
        };
        if !is(&refusal, Code::Unauthenticated) {
            return Err(no(&refusal));
        }
        if !register && !io::stdin().is_terminal() {
            return Err(no(&refusal));
        }
        let question =
            format!("that is not the password of {handle}, or there is no {handle} yet: make the account? [y/N] ");
        if !register && !agreed(&question)? {
            if asked {
                continue;
            }
            return Err(no(&refusal));
        }
        if asked && !PASSWORD.contains(&secret.len()) {
            say!("-- {}", length());
            continue;
        }
        if asked && hidden("once more, for a new account: ")? != secret {
            say!("-- these two differ");
            continue;
        }
        match attempt(address, Auth::Register(password()), None)? {
            (link, Hello::Welcome(welcome)) => return welcomed(book, &welcome).map(|()| (link, false)),
            (_, Hello::Refused(refusal)) if is(&refusal, Code::Exists) => {
                let why = format!("{handle} exists, and that is not its password");
                if !asked {
                    return Err(why);
                }
                say!("-- {why}");
            }
            (_, Hello::Refused(refusal)) if asked && refusal.field == "secret" => say!("-- {}", no(&refusal)),
            (_, Hello::Refused(refusal)) => return Err(no(&refusal)),
        }
    }
}

fn in_words(address: SocketAddr, error: &io::Error) -> String {
    format!("{address}: {error} (is a broker running? `ringdove serve` starts one)")
}

fn connect(address: SocketAddr) -> Result<Link, String> {
    Link::connect(address).map_err(|error| in_words(address, &error))
}

/// Says hello on a connection of its own: a broker waits ten seconds for one, and people may take longer to type.
fn attempt(address: SocketAddr, auth: Auth, cursor: Option<(u32, u64)>) -> Result<(Link, Hello), String> {
    let mut link = connect(address)?;
    let hello = hello(&mut link, auth, cursor).map_err(|error| in_words(address, &error))?;
    Ok((link, hello))
}

/// Whether a refusal has this code.
pub(super) fn is(refusal: &v1::Refusal, code: Code) -> bool {
    refusal.code == u32::from(code.number())
}

/// A refusal, for people.
pub(super) fn no(refusal: &v1::Refusal) -> String {
    if refusal.field == "secret" {
        return length();
    }
    let field = if refusal.field.is_empty() { String::new() } else { format!(" ({})", refusal.field) };
    let again = match refusal.retry_ms.div_ceil(1000) {
        0 | 1 => String::new(),
        seconds => format!(" Try again in {}.", humantime::format_duration(Duration::from_secs(seconds.into()))),
    };
    printable(&format!("{}{field}{again} [{} {}]", refusal.text, refusal.code, refusal.name))
}

fn length() -> String {
    format!("a password has {} to {} bytes", PASSWORD.start(), PASSWORD.end())
}

/// From the variable, from the terminal without showing it, or a line of standard input; and whether somebody at a terminal was asked, who can be asked
/// again.
fn password(prompt: &str) -> Result<(String, bool), String> {
    if let Ok(secret) = std::env::var(VARIABLE) {
        return Ok((secret, false));
    }
    if io::stdin().is_terminal() {
        return match hidden(prompt)? {
            secret if secret.is_empty() => Err("no password, no conversation".into()),
            secret => Ok((secret, true)),
        };
    }
    line().map(|secret| (secret, false))
}

/// What is typed at the terminal and not shown there; empty where that ends.
fn hidden(prompt: &str) -> Result<String, String> {
    match rpassword::prompt_password(prompt) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(String::new()),
        typed => typed.map_err(|error| error.to_string()),
    }
}

/// Asks somebody at a terminal.
fn agreed(question: &str) -> Result<bool, String> {
    print!("{question}");
    io::stdout().flush().map_err(|error| error.to_string())?;
    Ok(line()?.trim().eq_ignore_ascii_case("y"))
}

fn line() -> Result<String, String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
