//! A client of MQTT 3.1.1, at QoS 0 (nothing is acknowledged) or 1 (everything is, both ways).

use std::rc::Rc;

use crate::system::{Book, Cast, Dialect, Heard, To};

/// Packets, by the upper half of their first byte; the lower half where it is fixed.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
/// What a packet takes, at most: more than any text of a load.
const PACKET: usize = 1 << 20;
/// Name and level of the protocol, a session that ends with its connection, and no pings.
const PROTOCOL: &[u8] = b"\0\x04MQTT\x04\x02\0\0";

/// Everyone's topics, each with its length.
pub struct Topics {
    people: Vec<Vec<u8>>,
    groups: Vec<Vec<u8>>,
    cast: Cast,
    /// 0 or 1.
    qos: u8,
}

impl Topics {
    /// Of these people and their groups.
    pub fn new(cast: &Cast, qos: u8) -> Self {
        let topic = |kind: char, place: usize| {
            let name = format!("{kind}{place}");
            [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat()
        };
        Self {
            people: (0..cast.people).map(|place| topic('p', place)).collect(),
            groups: (0..cast.groups.len()).map(|group| topic('g', group)).collect(),
            cast: cast.clone(),
            qos,
        }
    }

    /// What a person reads.
    fn read_by(&self, place: usize) -> impl Iterator<Item = &[u8]> {
        let groups = self.cast.groups_read_by(place).map(|group| &*self.groups[group]);
        std::iter::once(&*self.people[place]).chain(groups)
    }
}

impl Book for Rc<Topics> {
    fn dialect(&self, place: usize) -> Box<dyn Dialect> {
        Box::new(Client { topics: self.clone(), place, asked: 0, answered: 0, unconfirmed: None })
    }
}

/// A client.
struct Client {
    topics: Rc<Topics>,
    place: usize,
    /// The number of the last packet that has to be acknowledged, and of the last one that was.
    asked: u16,
    answered: u16,
    /// Topics that the broker has to confirm; `None`: it has.
    unconfirmed: Option<usize>,
}

/// Packets are numbered from 1.
fn next(number: u16) -> u16 {
    number.checked_add(1).unwrap_or(1)
}

/// Appends the head of a packet with so many bytes behind it: seven bits a byte.
fn put_head(out: &mut Vec<u8>, kind: u8, mut len: usize) {
    out.push(kind);
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

/// A packet from the broker.
struct Packet<'a> {
    /// Its first byte.
    kind: u8,
    body: &'a [u8],
    /// How many bytes all of it took.
    used: usize,
}

/// The first packet; `None`: it is not whole yet.
fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>, String> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    let mut len = 0;
    for (place, byte) in rest.iter().enumerate().take(4) {
        len |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            if len > PACKET {
                return Err(format!("a packet of {len} bytes"));
            }
            let body = rest.get(place + 1..place + 1 + len);
            return Ok(body.map(|body| Packet { kind: *kind, body, used: place + 2 + len }));
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err("a packet without a length".into()) }
}

/// Takes a number of two bytes off.
fn number(body: &[u8]) -> Result<(u16, &[u8]), String> {
    let (number, rest) = body.split_first_chunk().ok_or("a packet ends within a number")?;
    Ok((u16::from_be_bytes(*number), rest))
}

impl Client {
    fn subscribed(&mut self, body: &[u8]) -> Result<Heard<'static>, String> {
        let (_, granted) = number(body)?;
        let wanted = self.unconfirmed.take().ok_or("topics were confirmed twice")?;
        if granted.len() != wanted || granted.iter().any(|qos| *qos != self.topics.qos) {
            return Err(format!("topics are refused: {granted:?}"));
        }
        Ok(Heard::Ready)
    }

    fn text<'a>(&self, kind: u8, body: &'a [u8], out: &mut Vec<u8>) -> Result<Heard<'a>, String> {
        if kind >> 1 & 3 != self.topics.qos {
            return Err(format!("a text came at QoS {}", kind >> 1 & 3));
        }
        let (len, rest) = number(body)?;
        let (_, text) = rest.split_at_checked(len.into()).ok_or("a packet ends within its topic")?;
        if self.topics.qos == 0 {
            return Ok(Heard::Text(text.into()));
        }
        let (number, text) = number(text)?;
        put_head(out, PUBACK, 2);
        out.extend_from_slice(&number.to_be_bytes());
        Ok(Heard::Text(text.into()))
    }
}

impl Dialect for Client {
    fn hello(&mut self, out: &mut Vec<u8>) {
        (self.asked, self.answered) = (0, 0);
        // a client is called as its topic
        let name = &self.topics.people[self.place];
        put_head(out, CONNECT, PROTOCOL.len() + name.len());
        out.extend_from_slice(PROTOCOL);
        out.extend_from_slice(name);
        let len: usize = self.topics.read_by(self.place).map(|topic| topic.len() + 1).sum();
        put_head(out, SUBSCRIBE, 2 + len);
        // the only one of its kind, so its number may be that of a text
        out.extend_from_slice(&1u16.to_be_bytes());
        let mut topics = 0;
        for topic in self.topics.read_by(self.place) {
            out.extend_from_slice(topic);
            out.push(self.topics.qos);
            topics += 1;
        }
        self.unconfirmed = Some(topics);
    }

    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]) {
        let topic = match to {
            To::Person(place) => &self.topics.people[place],
            To::Group(group) => &self.topics.groups[group],
        };
        let qos = self.topics.qos;
        put_head(out, PUBLISH | qos << 1, topic.len() + usize::from(2 * qos) + text.len());
        out.extend_from_slice(topic);
        if qos > 0 {
            self.asked = next(self.asked);
            out.extend_from_slice(&self.asked.to_be_bytes());
        }
        out.extend_from_slice(text);
    }

    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
        let Some(Packet { kind, body, used }) = packet(bytes)? else { return Ok(None) };
        let heard = match kind {
            CONNACK => match body {
                [_, 0] => Heard::Nothing,
                _ => return Err(format!("the connection is refused: {body:?}")),
            },
            SUBACK => self.subscribed(body)?,
            PUBACK => {
                let (number, _) = number(body)?;
                if self.answered == self.asked || number != next(self.answered) {
                    return Err(format!("text {number} was acknowledged, the last one before was {}", self.answered));
                }
                self.answered = number;
                Heard::Answered
            }
            kind if kind & 0xF0 == PUBLISH => self.text(kind, body, out)?,
            _ => return Err(format!("a packet of kind {kind:#x}")),
        };
        Ok(Some((used, heard)))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn client(place: usize, qos: u8) -> Box<dyn Dialect> {
        let cast = Cast { people: 4, groups: vec![0..4, 1..3], ..Cast::default() };
        Rc::new(Topics::new(&cast, qos)).dialect(place)
    }

    #[test]
    fn whoever_writes_to_a_group_does_not_read_it() {
        let connect = |place| [b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x02p", &[b'0' + place][..]].concat();
        for (place, qos, subscribe) in [
            (0, 0, &b"\x82\x07\0\x01\0\x02p0\0"[..]),
            (1, 1, b"\x82\x0c\0\x01\0\x02p1\x01\0\x02g0\x01"),
            (2, 0, b"\x82\x11\0\x01\0\x02p2\0\0\x02g0\0\0\x02g1\0"),
        ] {
            let mut out = Vec::new();
            client(place, qos).hello(&mut out);
            assert_eq!(out, [&connect(place as u8), subscribe].concat());
        }
    }

    #[test]
    fn texts_go_to_the_topic_of_a_person_or_a_group() {
        let mut out = Vec::new();
        client(0, 0).send(&mut out, To::Person(3), b"hi");
        let mut acknowledged = client(0, 1);
        acknowledged.send(&mut out, To::Group(1), &[b'x'; 200]);
        acknowledged.send(&mut out, To::Group(1), b"");
        let long = [&b"\x32\xce\x01\0\x02g1\0\x01"[..], &[b'x'; 200]].concat();
        assert_eq!(out, [&b"\x30\x06\0\x02p3hi"[..], &long, b"\x32\x06\0\x02g1\0\x02"].concat());
    }

    #[test]
    fn a_stream_of_packets_may_be_cut_anywhere() {
        let text = [b"\x32\xce\x01\0\x02p1\x12\x34".to_vec(), vec![0x30; 200]].concat();
        let bytes = [&b"\x20\x02\0\0\x90\x04\0\x01\x01\x01\x40\x02\0\x01"[..], &text, b"\x40\x02\0\x02"].concat();
        for cut in 0..bytes.len() {
            let (mut client, mut out, mut at, mut all) = (client(1, 1), Vec::new(), 0, Vec::new());
            client.hello(&mut Vec::new());
            for end in [cut, bytes.len()] {
                while let Some((used, heard)) = client.hear(&bytes[at..end], &mut out).unwrap() {
                    at += used;
                    if heard == Heard::Ready {
                        client.send(&mut Vec::new(), To::Person(0), b"");
                        client.send(&mut Vec::new(), To::Person(0), b"");
                    }
                    all.push(heard);
                }
            }
            let text = Heard::Text(Cow::Borrowed(&[0x30; 200]));
            assert_eq!(all, [Heard::Nothing, Heard::Ready, Heard::Answered, text, Heard::Answered], "{cut}");
            assert_eq!((at, &*out), (bytes.len(), &b"\x40\x02\x12\x34"[..]));
        }
    }

    #[test]
    fn texts_at_qos_0_have_no_number_and_are_not_acknowledged() {
        let (mut client, mut out) = (client(1, 0), Vec::new());
        client.hello(&mut Vec::new());
        assert_eq!(
            client.hear(b"\x30\x08\0\x02p1\r\n\0\xff", &mut out),
            Ok(Some((10, Heard::Text(Cow::Borrowed(b"\r\n\0\xff")))))
        );
        assert!(out.is_empty());
    }

    #[test]
    fn numbers_begin_again_before_they_end() {
        let (mut client, mut out) = (client(0, 1), Vec::new());
        client.hello(&mut out);
        for number in (1..=u16::MAX).chain(1..=2) {
            out.clear();
            client.send(&mut out, To::Person(1), b"");
            assert_eq!(out[6..], number.to_be_bytes());
            let ack = [&[PUBACK, 2][..], &number.to_be_bytes()].concat();
            assert_eq!(client.hear(&ack, &mut out), Ok(Some((4, Heard::Answered))));
        }
        // on a new connection too
        client.hello(&mut out);
        out.clear();
        client.send(&mut out, To::Person(1), b"");
        assert_eq!(out[6..], 1u16.to_be_bytes());
    }

    #[test]
    fn what_no_broker_says_is_refused() {
        for bytes in [
            &b"\x30\xff\xff\xff\x7f"[..],
            b"\x30\xff\xff\xff\xff",
            b"\x30\x81\x80\x80\x80\x00",
            b"\x32\x00",
            b"\x32\x03\0\x02p",
            b"\x32\x04\xff\xffp1",
            b"\x32\x05\0\x02p1\0",
            b"\x30\x04\0\x02p1",
            b"\x34\x06\0\x02p1\0\x01",
            b"\x40\x01\0",
            b"\x40\x02\0\x01",
            b"\x20\x02\0\x05",
            b"\x20\x00",
            b"\x90\x03\0\x01\x01",
            b"\x90\x04\0\x01\x01\x80",
            b"\x90\x00",
            b"\xd0\x00",
            b"\x00\x00",
        ] {
            let mut client = client(1, 1);
            client.hello(&mut Vec::new());
            assert!(client.hear(bytes, &mut Vec::new()).is_err(), "{bytes:x?}");
        }
    }
}
