//! A client of NATS without JetStream: it subscribes to its own subject and to those of the groups that it reads, and publishes.

use std::io::Write;
use std::rc::Rc;

use super::frame::{Frame, frame};
use crate::system::{Cast, Dialect, Heard, To};

/// What everyone is called: each person and each group is a subject.
pub struct Subjects {
    /// By place.
    people: Vec<String>,
    /// By place.
    groups: Vec<String>,
    /// By person: the groups that they read, by place.
    reads: Vec<Vec<usize>>,
}

impl Subjects {
    /// Those of a cast.
    pub fn of(cast: &Cast) -> Self {
        let mut reads = vec![Vec::new(); cast.people];
        for (group, members) in cast.groups.iter().enumerate() {
            // the first one only writes
            members.clone().skip(1).for_each(|member| reads[member].push(group));
        }
        Self {
            people: (0..cast.people).map(|place| format!("p.{place}")).collect(),
            groups: (0..cast.groups.len()).map(|place| format!("g.{place}")).collect(),
            reads,
        }
    }

    /// What one person reads: their own subject, and those of their groups.
    pub fn of_reader(&self, place: usize) -> impl Iterator<Item = &str> {
        let groups = self.reads[place].iter().map(|group| self.groups[*group].as_str());
        std::iter::once(self.people[place].as_str()).chain(groups)
    }

    /// Whom something is for.
    pub fn to(&self, to: To) -> &str {
        match to {
            To::Person(place) => &self.people[place],
            To::Group(place) => &self.groups[place],
        }
    }
}

/// Appends what a client says first. It wants no `+OK`, no checks of its subjects, and not to be told what it published itself.
pub fn put_connect(out: &mut Vec<u8>, headers: bool) {
    // a vector grows, here and below
    let _ = write!(
        out,
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"echo\":false,\"headers\":{headers},\"no_responders\":{headers},\
         \"lang\":\"loadgen\",\"version\":\"{}\",\"protocol\":1}}\r\n",
        env!("CARGO_PKG_VERSION")
    );
}

/// Appends a subscription with its number.
pub fn put_subscription(out: &mut Vec<u8>, subject: &str, number: usize) {
    let _ = write!(out, "SUB {subject} {number}\r\n");
}

/// Appends a message; `reply`: where an answer is to go.
pub fn put_message(out: &mut Vec<u8>, subject: &str, reply: Option<&str>, body: &[u8]) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(subject.as_bytes());
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply.as_bytes());
        out.push(b' ');
    }
    let _ = write!(out, "{}\r\n", body.len());
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

/// A client.
pub struct Client {
    subjects: Rc<Subjects>,
    place: usize,
    ready: bool,
}

impl Client {
    /// That of one person.
    pub fn new(subjects: Rc<Subjects>, place: usize) -> Self {
        Self { subjects, place, ready: false }
    }
}

impl Dialect for Client {
    fn hello(&mut self, out: &mut Vec<u8>) {
        self.ready = false;
        put_connect(out, false);
        for (number, subject) in self.subjects.of_reader(self.place).enumerate() {
            put_subscription(out, subject, number);
        }
        // frames are taken in order: its answer says that the subscriptions are there
        out.extend_from_slice(b"PING\r\n");
    }

    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]) {
        put_message(out, self.subjects.to(to), None, text);
    }

    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
        let Some((used, frame)) = frame(bytes)? else { return Ok(None) };
        let heard = match frame {
            Frame::Message(message) => Heard::Text(message.body.into()),
            Frame::Ping => {
                out.extend_from_slice(b"PONG\r\n");
                Heard::Nothing
            }
            Frame::Pong if !self.ready => {
                self.ready = true;
                Heard::Ready
            }
            Frame::Pong | Frame::Other => Heard::Nothing,
        };
        Ok(Some((used, heard)))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// Four people; the second to the fourth read what the first writes to their group.
    fn client(place: usize) -> Client {
        let cast = Cast { people: 4, groups: vec![0..4, 1..2], ..Cast::default() };
        Client::new(Rc::new(Subjects::of(&cast)), place)
    }

    fn said(client: &mut Client) -> String {
        let mut out = Vec::new();
        client.hello(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_subscribes_to_itself_and_to_the_groups_that_it_reads() {
        let first = said(&mut client(0));
        assert!(first.starts_with("CONNECT {\"verbose\":false,"), "{first}");
        assert!(first.ends_with("}\r\nSUB p.0 0\r\nPING\r\n"), "the first member only writes: {first}");
        let options = first.lines().next().unwrap().strip_prefix("CONNECT ").unwrap();
        let options: serde_json::Value = serde_json::from_str(options).unwrap();
        assert_eq!(options["echo"], false);
        let second = said(&mut client(1));
        assert!(second.ends_with("}\r\nSUB p.1 0\r\nSUB g.0 1\r\nPING\r\n"), "{second}");
    }

    #[test]
    fn it_is_ready_once_on_each_connection() {
        let mut client = client(1);
        let mut out = Vec::new();
        for _ in 0..2 {
            client.hello(&mut out);
            assert_eq!(client.hear(b"INFO {}\r\nPONG\r\n", &mut out), Ok(Some((9, Heard::Nothing))));
            assert_eq!(client.hear(b"PONG\r\nPONG\r\n", &mut out), Ok(Some((6, Heard::Ready))));
            assert_eq!(client.hear(b"PONG\r\n", &mut out), Ok(Some((6, Heard::Nothing))));
        }
    }

    #[test]
    fn texts_are_bytes_and_pings_are_answered() {
        let mut client = client(1);
        let mut out = Vec::new();
        client.send(&mut out, To::Person(2), b"a\r\nb\0\xFF");
        client.send(&mut out, To::Group(0), b"");
        assert_eq!(out, b"PUB p.2 6\r\na\r\nb\0\xFF\r\nPUB g.0 0\r\n\r\n");
        out.clear();
        let came = b"MSG p.1 0 6\r\na\r\nb\0\xFF\r\nPING\r\n";
        for cut in 0..21 {
            assert_eq!(client.hear(&came[..cut], &mut out), Ok(None));
        }
        assert_eq!(client.hear(came, &mut out), Ok(Some((21, Heard::Text(Cow::Borrowed(b"a\r\nb\0\xFF"))))));
        assert!(out.is_empty());
        assert_eq!(client.hear(&came[21..], &mut out), Ok(Some((6, Heard::Nothing))));
        assert_eq!(out, b"PONG\r\n");
    }
}
