//! Getting in: with the token of the last time, or with a password from the terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;

use ringdove_core::wire::Code;
use ringdove_core::wire::names::PASSWORD;
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};

use super::book::Book;
use super::link::{Link, ask};
use crate::terminal::say;

/// Where the password may stand, for scripts.
const VARIABLE: &str = "RINGDOVE_PASSWORD";
/// The request number of a hello; that of the sync behind it is one more.
pub(super) const HELLO_ID: u32 = 1;
/// We promise to speak at least so often, in milliseconds.
const IDLE_MS: u32 = 60_000;

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
    let page = &mut book.page;
    page.user = welcome.user;
    page.names.insert(welcome.user, welcome.handle.clone());
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

/// Signs in: with the token if there is one that still counts, else with a password; makes the account if that is wanted. Returns
/// whether a sync was asked for too.
///
/// # Errors
/// Nobody is there, or the broker says no.
pub(super) fn enter(
    address: SocketAddr,
    handle: &str,
    register: bool,
    book: &mut Book,
) -> Result<(Link, bool), String> {
    let words = |error: io::Error| format!("{address}: {error} (is a broker running? `ringdove serve` starts one)");
    let mut link = Link::connect(address).map_err(words)?;
    if !book.page.token.is_empty() {
        match hello(&mut link, Auth::Token(book.page.token.clone()), book.cursor()).map_err(words)? {
            Hello::Welcome(welcome) => {
                welcomed(book, &welcome)?;
                return Ok((link, true));
            }
            Hello::Refused(refusal) if is(&refusal, Code::SignedOut) => {
                say!("-- this device was signed out");
                book.forget_sign_in();
            }
            Hello::Refused(refusal) => return Err(no(&refusal)),
        }
    }
    let secret = password(&format!("password for {handle}: "))?;
    let password = || v1::Password { handle: handle.into(), secret: secret.clone(), ..v1::Password::default() };
    let refusal = match hello(&mut link, Auth::Password(password()), None).map_err(words)? {
        Hello::Welcome(welcome) => return welcomed(book, &welcome).map(|()| (link, false)),
        Hello::Refused(refusal) => refusal,
    };
    if !is(&refusal, Code::Unauthenticated) {
        return Err(no(&refusal));
    }
    if !register && !agreed(&format!("no such account, or not its password; make an account {handle}? [y/N] "))? {
        return Err(no(&refusal));
    }
    match hello(&mut link, Auth::Register(password()), None).map_err(words)? {
        Hello::Welcome(welcome) => welcomed(book, &welcome).map(|()| (link, false)),
        Hello::Refused(refusal) if is(&refusal, Code::Exists) => {
            Err(format!("{handle} exists, and that is not its password"))
        }
        Hello::Refused(refusal) => Err(no(&refusal)),
    }
}

/// Whether a refusal has this code.
pub(super) fn is(refusal: &v1::Refusal, code: Code) -> bool {
    refusal.code == u32::from(code.number())
}

/// A refusal, for people.
pub(super) fn no(refusal: &v1::Refusal) -> String {
    if refusal.field == "secret" {
        return format!("a password has {} to {} bytes", PASSWORD.start(), PASSWORD.end());
    }
    let field = if refusal.field.is_empty() { String::new() } else { format!(" ({})", refusal.field) };
    format!("{}{field} [{} {}]", refusal.text, refusal.code, refusal.name)
}

/// From the variable, from the terminal without showing it, or a line of standard input.
fn password(prompt: &str) -> Result<String, String> {
    if let Ok(secret) = std::env::var(VARIABLE) {
        return Ok(secret);
    }
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map_err(|error| error.to_string());
    }
    line()
}

fn agreed(question: &str) -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    print!("{question}");
    io::stdout().flush().map_err(|error| error.to_string())?;
    Ok(line()?.trim().eq_ignore_ascii_case("y"))
}

fn line() -> Result<String, String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
