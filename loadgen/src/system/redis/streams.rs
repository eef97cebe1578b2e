//! A client of Redis' streams: everyone has a stream of their own. Whoever waits in XREAD cannot say anything meanwhile, so the people of
//! even places write, and the others read.

use std::rc::Rc;

use super::resp::{Stop, Walk, put_command, put_head, put_string, wrong};
use crate::reports::count;
use crate::system::{Book, Dialect, Heard, To};

/// Entries that are asked for at a time.
const PAGE: &[u8] = b"1000";
/// What the id of an entry takes, at most: two numbers of 64 bits.
const ID: usize = 41;

/// Everyone's streams: as many commands as there are people, ready but for their text.
pub struct Streams {
    add: Vec<Vec<u8>>,
    tag: u64,
}

impl Streams {
    /// Of so many people. The tag tells them from those of an earlier load, which are still there.
    pub fn new(people: usize, tag: u64) -> Self {
        let add = |place| {
            let mut head = Vec::new();
            put_head(&mut head, 5, &[b"XADD", name(tag, place).as_bytes(), b"*", b"t"]);
            head
        };
        Self { add: (0..people).map(add).collect(), tag }
    }
}

fn name(tag: u64, place: usize) -> String {
    format!("{tag:x}:{place}")
}

impl Book for Rc<Streams> {
    fn dialect(&self, place: usize) -> Box<dyn Dialect> {
        let name = name(self.tag, place).into_bytes();
        let reads = !place.is_multiple_of(2);
        Box::new(Client { streams: self.clone(), name, reads, seen: b"0".to_vec(), greeted: false, left: 0 })
    }
}

/// A client that writes or reads.
struct Client {
    streams: Rc<Streams>,
    name: Vec<u8>,
    reads: bool,
    /// The id of the last entry that it got.
    seen: Vec<u8>,
    greeted: bool,
    /// Entries of a page that it has not read.
    left: usize,
}

impl Client {
    fn wait(&self, out: &mut Vec<u8>) {
        put_command(out, &[b"XREAD", b"COUNT", PAGE, b"BLOCK", b"0", b"STREAMS", &self.name, &self.seen]);
    }

    /// The head of a page: of how many entries.
    fn page(walk: &mut Walk<'_>) -> Result<usize, Stop> {
        parts(walk, 1)?;
        parts(walk, 2)?;
        walk.string()?;
        walk.array().and_then(|entries| if entries > 0 { Ok(entries) } else { Err(wrong("an empty page", b"")) })
    }

    /// An entry of it: its id and its text.
    fn entry<'a>(walk: &mut Walk<'a>) -> Result<(&'a [u8], &'a [u8]), Stop> {
        parts(walk, 2)?;
        let id = walk.string()?;
        if id.len() > ID {
            return Err(wrong("no id", id));
        }
        parts(walk, 2)?;
        walk.string()?;
        Ok((id, walk.string()?))
    }
}

fn parts(walk: &mut Walk<'_>, wanted: usize) -> Result<(), Stop> {
    let parts = walk.array()?;
    if parts == wanted {
        Ok(())
    } else {
        Err(Stop::Wrong(format!("{} where there are {wanted}", count(parts as u64, "part", "parts"))))
    }
}

impl Dialect for Client {
    fn hello(&mut self, out: &mut Vec<u8>) {
        (self.greeted, self.left) = (false, 0);
        put_command(out, &[b"PING"]);
        if self.reads {
            self.wait(out);
        }
    }

    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]) {
        // a cast with groups is refused
        let To::Person(place) = to else { return };
        out.extend_from_slice(&self.streams.add[place]);
        put_string(out, text);
    }

    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
        let mut walk = Walk::new(bytes);
        if !self.greeted {
            let line = walk.line();
            let Some((used, (kind, words))) = walk.whole(line)? else { return Ok(None) };
            self.greeted = kind == b'+' && words == b"PONG";
            return if self.greeted { Ok(Some((used, Heard::Ready))) } else { Err("a ping was not answered".into()) };
        }
        if !self.reads {
            let id = walk.string();
            return Ok(walk.whole(id)?.map(|(used, _)| (used, Heard::Answered)));
        }
        if self.left == 0 {
            let entries = Self::page(&mut walk);
            let Some((used, entries)) = walk.whole(entries)? else { return Ok(None) };
            self.left = entries;
            return Ok(Some((used, Heard::Nothing)));
        }
        let entry = Self::entry(&mut walk);
        let Some((used, (id, text))) = walk.whole(entry)? else { return Ok(None) };
        self.seen.clear();
        self.seen.extend_from_slice(id);
        self.left -= 1;
        if self.left == 0 {
            self.wait(out);
        }
        Ok(Some((used, Heard::Text(text.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(place: usize) -> Box<dyn Dialect> {
        Rc::new(Streams::new(4, 0xAB)).dialect(place)
    }

    fn entry(id: &str, text: &str) -> String {
        format!("*2\r\n${}\r\n{id}\r\n*2\r\n$1\r\nt\r\n${}\r\n{text}\r\n", id.len(), text.len())
    }

    fn page(entries: &[String]) -> String {
        format!("*1\r\n*2\r\n$4\r\nab:1\r\n*{}\r\n{}", entries.len(), entries.concat())
    }

    fn asks_from(id: &str) -> String {
        let head = "*8\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$4\r\nab:1\r\n";
        format!("{head}${}\r\n{id}\r\n", id.len())
    }

    #[test]
    fn a_writer_adds_and_is_answered() {
        let (mut client, mut out) = (client(0), Vec::new());
        client.hello(&mut out);
        assert_eq!(out, b"*1\r\n$4\r\nPING\r\n");
        out.clear();
        client.send(&mut out, To::Person(3), b"a\r\nb");
        assert_eq!(out, b"*5\r\n$4\r\nXADD\r\n$4\r\nab:3\r\n$1\r\n*\r\n$1\r\nt\r\n$4\r\na\r\nb\r\n");
        assert_eq!(client.hear(b"+PONG\r\n$15\r", &mut out), Ok(Some((7, Heard::Ready))));
        assert_eq!(client.hear(b"$15\r\n1795400000123-0\r", &mut out), Ok(None));
        assert_eq!(client.hear(b"$15\r\n1795400000123-0\r\n", &mut out), Ok(Some((22, Heard::Answered))));
        assert!(client.hear(b"-ERR out of memory\r\n", &mut out).is_err());
    }

    #[test]
    fn pages_may_be_cut_anywhere_and_the_next_is_asked_for_at_their_end() {
        let pages = page(&[entry("7-0", "one"), entry("7-1", "\r\n*1\r\n")]) + &page(&[entry("18-0", "three")]);
        let bytes = format!("+PONG\r\n{pages}").into_bytes();
        for cut in 0..bytes.len() {
            let (mut client, mut out, mut at, mut texts) = (client(1), Vec::new(), 0, Vec::new());
            client.hello(&mut Vec::new());
            for end in [cut, bytes.len()] {
                while let Some((used, heard)) = client.hear(&bytes[at..end], &mut out).unwrap() {
                    at += used;
                    if let Heard::Text(text) = heard {
                        texts.push(text.into_owned());
                    }
                }
            }
            assert_eq!(
                (at, texts),
                (bytes.len(), ["one", "\r\n*1\r\n", "three"].map(|text| text.as_bytes().to_vec()).to_vec()),
                "{cut}"
            );
            assert_eq!(String::from_utf8(out).unwrap(), asks_from("7-1") + &asks_from("18-0"));
        }
    }

    #[test]
    fn after_a_broken_connection_it_goes_on_behind_what_it_has_seen() {
        let (mut client, mut out) = (client(1), Vec::new());
        client.hello(&mut out);
        assert_eq!(String::from_utf8(out.clone()).unwrap(), format!("*1\r\n$4\r\nPING\r\n{}", asks_from("0")));
        let bytes = format!("+PONG\r\n{}", page(&[entry("7-0", "one"), entry("7-1", "two")])).into_bytes();
        let mut at = 0;
        for _ in 0..3 {
            at += client.hear(&bytes[at..], &mut out).unwrap().unwrap().0;
        }
        out.clear();
        client.hello(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("*1\r\n$4\r\nPING\r\n{}", asks_from("7-0")));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let long = page(&[entry(&"7".repeat(ID + 1), "one")]);
        for bytes in
            ["*-1\r\n", "*9999999\r\n", "*2\r\n", "*1\r\n*3\r\n", "*1\r\n*2\r\n$4\r\nab:1\r\n*0\r\n", ":1\r\n", &long]
        {
            let (mut client, mut out) = (client(1), Vec::new());
            client.hello(&mut out);
            client.hear(b"+PONG\r\n", &mut out).unwrap();
            let mut rest = bytes.as_bytes();
            let refused = loop {
                match client.hear(rest, &mut out) {
                    Ok(Some((used, _))) => rest = &rest[used..],
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            assert!(refused, "{bytes}");
        }
        assert!(client(1).hear(b"+OK\r\n", &mut Vec::new()).is_err());
    }
}
