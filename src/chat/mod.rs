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

use std::io::{self, BufRead, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::thread;

use book::Book;
use conversation::Conversation;
use crossbeam_channel::bounded;

use crate::terminal::say;

/// Bytes of a typed line at most: more than any text may have. What is longer comes as several.
const LINE: u64 = 128 << 10;

/// What `ringdove chat` needs to know.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The password is in RINGDOVE_PASSWORD, or asked for at a terminal; elsewhere it is the first line of standard input."
)]
pub struct ChatOptions {
    /// Who you are: 3 to 64 of a-z 0-9 . _ -, beginning with a letter.
    #[arg(long = "as", value_name = "HANDLE")]
    handle: String,
    /// Where the broker listens.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7400", value_parser = address)]
    addr: SocketAddr,
    /// Where this device's token and cursor are kept [default: $XDG_STATE_HOME/ringdove or ~/.local/state/ringdove].
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Make the account if there is none, without asking whether to.
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
        while let Ok(Some(line)) = next_line(&mut io::stdin().lock()) {
            match String::from_utf8(line) {
                Ok(line) => {
                    if typed.send(line).is_err() {
                        return;
                    }
                }
                Err(_) => say!("-- that line is no UTF-8, and was not sent"),
            }
        }
    });
    Conversation::new(options.addr, book, lines).run(link, syncing)
}

/// The next line of `input`, without its end; `None`: there is none.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    for end in [b'\n', b'\r'] {
        line.pop_if(|byte| *byte == end);
    }
    Ok(Some(line))
}

/// An address, or a host's name with a port: the first address that it has, one of version 4 if there is any.
fn address(text: &str) -> Result<SocketAddr, String> {
    let all: Vec<_> = text.to_socket_addrs().map_err(|error| error.to_string())?.collect();
    let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
    first.copied().ok_or_else(|| "this host has no address".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end_and_have_a_bound() {
        let long = vec![b'x'; LINE as usize + 1];
        let mut input = io::Cursor::new([&b"one\r\n\n\xff\n"[..], &long, b"\nlast"].concat());
        let lines: Vec<_> = std::iter::from_fn(|| next_line(&mut input).unwrap()).collect();
        assert_eq!(lines, [b"one", &b""[..], b"\xff", &long[1..], b"x", b"last"]);
    }

    #[test]
    fn a_broker_may_be_called_by_its_host_s_name() {
        assert_eq!(address("localhost:7400"), Ok("127.0.0.1:7400".parse().unwrap()));
        assert_eq!(address("[::1]:1"), Ok("[::1]:1".parse().unwrap()));
        assert!(address("127.0.0.1").is_err());
    }
}
