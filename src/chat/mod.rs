//! `ringdove chat`: a small terminal client, so that two people can talk a minute after the broker has started.
//!
//! ```text
//!  standard input ─▶ thread ─┐
//!                            ├─▶ conversation (one loop: what is typed, what is heard, what is due) ─▶ standard output, socket
//!  socket ─────────▶ thread ─┤             │
//!  reconnecting ───▶ thread ─┘           book (on disk: token, cursor, unanswered sends, known names)
//! ```

mod book;
mod conversation;
mod link;
mod people;
mod shown;
mod sign_in;
mod typed;
mod waiting;

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use book::Book;
use conversation::Conversation;
use crossbeam_channel::bounded;

/// What `ringdove chat` needs to know.
#[derive(Debug, clap::Args)]
pub struct ChatOptions {
    /// Who you are: 3 to 64 of a-z 0-9 . _ -, beginning with a letter.
    #[arg(long = "as", value_name = "HANDLE")]
    handle: String,
    /// Where the broker listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7400")]
    addr: SocketAddr,
    /// Where this device's token and cursor are kept [default: $XDG_STATE_HOME/ringdove or ~/.local/state/ringdove].
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Make the account if there is none, without asking.
    #[arg(long)]
    register: bool,
}

/// Talks until standard input ends or the broker sends us away for good.
///
/// # Errors
/// Nobody is there, the sign-in is refused, or the broker has said bye for good.
pub fn run(options: &ChatOptions) -> Result<(), String> {
    let mut book = Book::open(options.home.clone(), options.addr, &options.handle)?;
    let (link, syncing) = sign_in::enter(options.addr, &options.handle, options.register, &mut book)?;
    // a line is read when the one before was taken
    let (typed, lines) = bounded(0);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            // a line that is not UTF-8 cannot be sent
            let Ok(line) = line else { break };
            if typed.send(line).is_err() {
                return;
            }
        }
    });
    Conversation::new(options.addr, book, lines).run(link, syncing)
}
