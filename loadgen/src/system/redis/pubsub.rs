//! A client of Redis' pub/sub. In the third version of its protocol one connection reads its channels and publishes.

use std::rc::Rc;

use super::resp::{Reply, Walk, put_command, put_head, put_string};
use crate::system::{Book, Cast, Dialect, Heard, To};

/// Everyone's channels: as many commands as there are people and groups, ready but for their text.
pub struct Channels {
    people: Vec<Vec<u8>>,
    groups: Vec<Vec<u8>>,
    cast: Cast,
    /// Every PUBLISH is answered.
    replies: bool,
}

impl Channels {
    /// Of these people and their groups.
    pub fn new(cast: &Cast, replies: bool) -> Self {
        let publish = |channel: String| {
            let mut head = Vec::new();
            put_head(&mut head, 3, &[b"PUBLISH", channel.as_bytes()]);
            head
        };
        Self {
            people: (0..cast.people).map(|place| publish(of_person(place))).collect(),
            groups: (0..cast.groups.len()).map(|group| publish(of_group(group))).collect(),
            cast: cast.clone(),
            replies,
        }
    }

    /// What a person reads.
    fn read_by(&self, place: usize) -> Vec<String> {
        std::iter::once(of_person(place)).chain(self.cast.groups_read_by(place).map(of_group)).collect()
    }
}

fn of_person(place: usize) -> String {
    format!("p{place}")
}

fn of_group(group: usize) -> String {
    format!("g{group}")
}

impl Book for Rc<Channels> {
    fn dialect(&self, place: usize) -> Box<dyn Dialect> {
        Box::new(Subscriber { channels: self.clone(), place, unconfirmed: 0 })
    }
}

/// A client.
struct Subscriber {
    channels: Rc<Channels>,
    place: usize,
    /// Channels that Redis has not said it reads.
    unconfirmed: usize,
}

impl Dialect for Subscriber {
    fn hello(&mut self, out: &mut Vec<u8>) {
        put_command(out, &[b"HELLO", b"3"]);
        let names = self.channels.read_by(self.place);
        self.unconfirmed = names.len();
        let words: Vec<&[u8]> = std::iter::once(&b"SUBSCRIBE"[..]).chain(names.iter().map(String::as_bytes)).collect();
        put_command(out, &words);
    }

    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]) {
        out.extend_from_slice(match to {
            To::Person(place) => &self.channels.people[place],
            To::Group(group) => &self.channels.groups[group],
        });
        put_string(out, text);
    }

    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
        let mut walk = Walk::new(bytes);
        let reply = walk.reply();
        let Some((used, reply)) = walk.whole(reply)? else { return Ok(None) };
        let heard = match reply {
            Reply::Message(text) => Heard::Text(text.into()),
            Reply::Number if self.channels.replies && self.unconfirmed == 0 => Heard::Answered,
            Reply::Number => return Err("an answer came that nobody wanted".into()),
            Reply::Subscribed => {
                self.unconfirmed = self.unconfirmed.checked_sub(1).ok_or("a channel was confirmed twice")?;
                if self.unconfirmed > 0 {
                    return Ok(Some((used, Heard::Nothing)));
                }
                if !self.channels.replies {
                    // answers end here, and not with the first command: they say that the channels are read. Pushes go on.
                    put_command(out, &[b"CLIENT", b"REPLY", b"OFF"]);
                }
                Heard::Ready
            }
            Reply::Other => Heard::Nothing,
        };
        Ok(Some((used, heard)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &[u8] = b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n";

    fn client(place: usize, replies: bool) -> Box<dyn Dialect> {
        let cast = Cast { people: 4, groups: vec![0..4, 1..3], ..Cast::default() };
        Rc::new(Channels::new(&cast, replies)).dialect(place)
    }

    /// Everything that a client makes of these bytes, which come in two parts; and what it says.
    fn heard(client: &mut dyn Dialect, bytes: &[u8], cut: usize) -> (Vec<String>, Vec<u8>) {
        let (mut all, mut out, mut at) = (Vec::new(), Vec::new(), 0);
        client.hello(&mut Vec::new());
        for end in [cut, bytes.len()] {
            while let Some((used, heard)) = client.hear(&bytes[at..end], &mut out).unwrap() {
                at += used;
                match heard {
                    Heard::Nothing => {}
                    Heard::Text(text) => all.push(String::from_utf8_lossy(&text).into_owned()),
                    other => all.push(format!("{other:?}")),
                }
            }
        }
        assert_eq!(at, bytes.len());
        (all, out)
    }

    fn confirmed(channel: &str, number: usize) -> Vec<u8> {
        format!(">3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:{number}\r\n", channel.len()).into_bytes()
    }

    #[test]
    fn whoever_writes_to_a_group_does_not_read_it() {
        for (place, channels) in
            [(0, "*2\r\n$9\r\nSUBSCRIBE\r\n$2\r\np0\r\n"), (1, "$2\r\np1\r\n$2\r\ng0\r\n"), (2, "g0\r\n$2\r\ng1\r\n")]
        {
            let mut out = Vec::new();
            client(place, true).hello(&mut out);
            let out = String::from_utf8(out).unwrap();
            assert!(out.starts_with("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n") && out.ends_with(channels), "{out}");
        }
    }

    #[test]
    fn texts_go_to_the_channel_of_a_person_or_a_group() {
        let mut out = Vec::new();
        client(0, true).send(&mut out, To::Person(3), b"a\r\nb");
        client(0, true).send(&mut out, To::Group(1), b"");
        assert_eq!(
            out,
            b"*3\r\n$7\r\nPUBLISH\r\n$2\r\np3\r\n$4\r\na\r\nb\r\n*3\r\n$7\r\nPUBLISH\r\n$2\r\ng1\r\n$0\r\n\r\n"
        );
    }

    #[test]
    fn a_stream_of_replies_may_be_cut_anywhere() {
        let mut bytes = [GREETING, &confirmed("p1", 1), &confirmed("g0", 2)].concat();
        bytes.extend_from_slice(b":1\r\n>3\r\n$7\r\nmessage\r\n$2\r\np1\r\n$14\r\n\r\n>3\r\n$7\r\n:1\r\n\r\n:0\r\n");
        for cut in 0..bytes.len() {
            let (all, out) = heard(&mut *client(1, true), &bytes, cut);
            assert_eq!(all, ["Ready", "Answered", "\r\n>3\r\n$7\r\n:1\r\n", "Answered"], "{cut}");
            assert!(out.is_empty(), "answers go on");
        }
    }

    #[test]
    fn answers_end_once_all_channels_are_read() {
        let bytes = [GREETING, &confirmed("p1", 1), &confirmed("g0", 2)].concat();
        let mut client = client(1, false);
        // a second connection goes through all of it again
        for _ in 0..2 {
            let (all, out) = heard(&mut *client, &bytes, 0);
            assert_eq!(
                (&*all, &*out),
                (&["Ready".to_owned()][..], &b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"[..])
            );
        }
        assert!(client.hear(b":1\r\n", &mut Vec::new()).is_err(), "none is wanted");
        assert!(client.hear(&confirmed("p1", 1), &mut Vec::new()).is_err(), "nothing was asked");
    }

    #[test]
    fn a_server_that_is_too_old_says_so() {
        let mut client = client(1, false);
        client.hello(&mut Vec::new());
        let refused = client.hear(b"-ERR unknown command `HELLO`\r\n", &mut Vec::new());
        assert_eq!(refused, Err("refused: ERR unknown command `HELLO`".into()));
    }
}
