//! A client of JetStream. It publishes into one stream, and is answered with the place of its message there. It reads each of its subjects through
//! an ordered consumer, as NATS calls it: one of its own that pushes, wants no acknowledgements, and begins behind what the client has read. On
//! a new connection it makes new ones, so nothing is missed while it is away.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::client::{Subjects, put_connect, put_message, put_subscription};
use super::frame::{Frame, Message, frame};
use crate::system::{Dialect, Heard, To};

/// The stream's name: short, as it stands in front of each message that is pushed.
pub const STREAM: &str = "chat";
/// The subscription to answers to what was published, to those of the server's own doors, and the first one to what is read.
const ANSWERS: usize = 1;
const DOORS: usize = 2;
const TEXTS: usize = 3;
/// A consumer goes when nobody has listened to it for so long: that of a connection that is over.
const LEFTOVER: Duration = Duration::from_secs(5);
/// Which part of where an acknowledgement would go, `$JS.ACK.stream.consumer.times.PLACE.number.time.waiting`, is the message's place in the stream.
const PLACE: usize = 5;

/// The stream, as its server is asked for it: the subjects of all persons and groups.
pub fn stream() -> Value {
    json!({
        "name": STREAM,
        "subjects": ["p.*", "g.*"],
        "storage": "file",
        "num_replicas": 1,
        "retention": "limits",
        "discard": "old",
        // a long load does not fill the disk
        "max_bytes": 2_u64 << 30,
    })
}

/// A consumer, but for what it reads, where it pushes to and where it begins: NATS calls it an ordered one.
pub fn consumer() -> Value {
    json!({
        "ack_policy": "none",
        "max_deliver": 1,
        "replay_policy": "instant",
        // where it is: its reader knows that too
        "mem_storage": true,
        "num_replicas": 1,
        "inactive_threshold": LEFTOVER.as_nanos() as u64,
    })
}

/// One subject that somebody reads.
struct Read {
    /// The place of the last message in the stream that was read, or was there when the first consumer was made; `None`: there was none yet.
    last: Option<u64>,
    /// Its consumer of this connection is there.
    made: bool,
}

/// A client.
pub struct Client {
    subjects: Rc<Subjects>,
    place: usize,
    /// Where answers go.
    answers: String,
    /// Told apart from what other loads leave behind on a server that runs on.
    load: u32,
    connections: u32,
    reads: Vec<Read>,
    ready: bool,
}

impl Client {
    /// That of one person.
    pub fn new(subjects: Rc<Subjects>, place: usize) -> Self {
        let load = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u32;
        let reads = subjects.of_reader(place).map(|_| Read { last: None, made: false }).collect();
        Self { subjects, place, answers: format!("a.{place}"), load, connections: 0, reads, ready: false }
    }

    /// Appends what makes a consumer of the n-th subject, which pushes to the subscription of that number.
    fn put_consumer(&self, out: &mut Vec<u8>, place: usize, subject: &str, door: &str) {
        // never used before: what an earlier connection has left behind pushes elsewhere
        let own = format!("d.{}.{}.{}.{place}", self.load, self.place, self.connections);
        put_subscription(out, &own, TEXTS + place);
        let mut config = consumer();
        config["deliver_subject"] = own.into();
        config["filter_subject"] = subject.into();
        config["deliver_policy"] = "new".into();
        if let Some(last) = self.reads[place].last {
            config["deliver_policy"] = "by_start_sequence".into();
            config["opt_start_seq"] = (last + 1).into();
        }
        let request = json!({ "stream_name": STREAM, "config": config }).to_string();
        put_message(out, &format!("$JS.API.CONSUMER.CREATE.{STREAM}"), Some(door), request.as_bytes());
    }

    /// A consumer is there, and begins behind a place in the stream.
    fn made(&mut self, answer: &[u8]) -> Result<Heard<'static>, String> {
        let answer = answer_of(answer)?;
        let subject = answer["config"]["filter_subject"].as_str().unwrap_or_default();
        let place = self.subjects.of_reader(self.place).position(|own| own == subject);
        let (Some(place), Some(behind)) = (place, answer["delivered"]["stream_seq"].as_u64()) else {
            return Err(format!("this is no consumer of ours: {answer}"));
        };
        let read = &mut self.reads[place];
        read.made = true;
        read.last.get_or_insert(behind);
        if !self.ready && self.reads.iter().all(|read| read.made) {
            self.ready = true;
            return Ok(Heard::Ready);
        }
        Ok(Heard::Nothing)
    }

    fn message<'a>(&mut self, message: &Message<'a>) -> Result<Heard<'a>, String> {
        match message.subscription {
            ANSWERS | DOORS if !message.headers.is_empty() => {
                Err(format!("nobody takes it: {}", String::from_utf8_lossy(message.headers).trim_end()))
            }
            ANSWERS => {
                // JSON, an error first if there is one
                if !message.body.starts_with(b"{\"stream\":") {
                    answer_of(message.body)?;
                }
                Ok(Heard::Answered)
            }
            DOORS => self.made(message.body),
            number => {
                let read = number.checked_sub(TEXTS).and_then(|place| self.reads.get_mut(place));
                let read = read.ok_or_else(|| format!("it has no subscription {number}"))?;
                let place = message.reply.split(|byte| *byte == b'.').nth(PLACE).and_then(place_of);
                let words = || format!("a message without a place: {}", String::from_utf8_lossy(message.reply));
                read.last = Some(place.ok_or_else(words)?);
                Ok(Heard::Text(message.body.into()))
            }
        }
    }
}

/// A message's place in a stream.
fn place_of(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What a door of the server answers.
///
/// # Errors
/// It is an error, or no JSON.
pub fn answer_of(body: &[u8]) -> Result<Value, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| format!("an answer of JetStream: {error}"))?;
    match answer.get("error") {
        Some(error) => Err(format!("JetStream refuses: {error}")),
        None => Ok(answer),
    }
}

impl Dialect for Client {
    fn hello(&mut self, out: &mut Vec<u8>) {
        self.connections += 1;
        self.ready = false;
        self.reads.iter_mut().for_each(|read| read.made = false);
        // with headers: a message that no stream takes is refused in them
        put_connect(out, true);
        let door = format!("r.{}", self.place);
        put_subscription(out, &self.answers, ANSWERS);
        put_subscription(out, &door, DOORS);
        for (place, subject) in self.subjects.of_reader(self.place).enumerate() {
            self.put_consumer(out, place, subject, &door);
        }
    }

    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]) {
        put_message(out, self.subjects.to(to), Some(&self.answers), text);
    }

    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String> {
        let Some((used, frame)) = frame(bytes)? else { return Ok(None) };
        let heard = match frame {
            Frame::Message(message) => self.message(&message)?,
            Frame::Ping => {
                out.extend_from_slice(b"PONG\r\n");
                Heard::Nothing
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
    use crate::system::Cast;

    /// The second of three, who reads their own subject and that of the first group.
    fn client() -> Client {
        let cast = Cast { people: 3, groups: vec![0..3, 1..2], ..Cast::default() };
        Client::new(Rc::new(Subjects::of(&cast)), 1)
    }

    /// What it asks for in a new connection: the consumers' settings.
    fn consumers(client: &mut Client) -> Vec<Value> {
        let mut out = Vec::new();
        client.hello(&mut out);
        let text = String::from_utf8(out).unwrap();
        let requests = text.lines().filter(|line| line.starts_with("{\"config\""));
        requests.map(|line| serde_json::from_str::<Value>(line).unwrap()["config"].take()).collect()
    }

    fn message(subscription: usize, reply: &str, body: &str) -> Vec<u8> {
        format!("MSG x {subscription} {reply} {}\r\n{body}\r\n", body.len()).into_bytes()
    }

    fn hear<'a>(client: &mut Client, bytes: &'a [u8]) -> Result<Heard<'a>, String> {
        for cut in 0..bytes.len() {
            assert_eq!(client.hear(&bytes[..cut], &mut Vec::new()), Ok(None));
        }
        let (used, heard) = client.hear(bytes, &mut Vec::new())?.unwrap();
        assert_eq!(used, bytes.len());
        Ok(heard)
    }

    fn made(subject: &str, behind: u64) -> Vec<u8> {
        let answer = json!({ "config": { "filter_subject": subject }, "delivered": { "stream_seq": behind } });
        message(DOORS, "r", &answer.to_string())
    }

    #[test]
    fn it_is_ready_when_all_its_consumers_are_there() {
        let mut client = client();
        let asked = consumers(&mut client);
        assert_eq!(asked.len(), 2);
        assert_eq!((&asked[0]["filter_subject"], &asked[1]["filter_subject"]), (&"p.1".into(), &"g.0".into()));
        assert_eq!(asked[0]["deliver_policy"], "new");
        assert_eq!(hear(&mut client, b"INFO {}\r\n"), Ok(Heard::Nothing));
        assert_eq!(hear(&mut client, &made("g.0", 7)), Ok(Heard::Nothing));
        assert_eq!(hear(&mut client, &made("p.1", 7)), Ok(Heard::Ready));
    }

    #[test]
    fn on_a_new_connection_it_goes_on_behind_what_it_has_read() {
        let mut client = client();
        let before = consumers(&mut client);
        assert_eq!(hear(&mut client, &made("p.1", 7)), Ok(Heard::Nothing));
        assert_eq!(hear(&mut client, &made("g.0", 7)), Ok(Heard::Ready));
        let text = message(TEXTS, "$JS.ACK.chat.q1.1.12.1.1795400000123456789.0", "a\r\nb");
        assert_eq!(hear(&mut client, &text), Ok(Heard::Text(Cow::Borrowed(b"a\r\nb"))));
        let after = consumers(&mut client);
        assert_eq!(
            (&after[0]["deliver_policy"], &after[0]["opt_start_seq"]),
            (&"by_start_sequence".into(), &13.into())
        );
        assert_eq!(after[1]["opt_start_seq"], 8, "it has read nothing in the group");
        assert_ne!(before[0]["deliver_subject"], after[0]["deliver_subject"], "the old consumer must not be heard");
        assert_eq!(hear(&mut client, &made("g.0", 20)), Ok(Heard::Nothing));
        assert_eq!(hear(&mut client, &made("p.1", 20)), Ok(Heard::Ready));
    }

    #[test]
    fn sends_name_where_their_answer_goes() {
        let mut client = client();
        let mut out = Vec::new();
        client.send(&mut out, To::Person(2), b"hi");
        client.send(&mut out, To::Group(0), b"\r\n");
        assert_eq!(out, b"PUB p.2 a.1 2\r\nhi\r\nPUB g.0 a.1 2\r\n\r\n\r\n");
        let answer = message(ANSWERS, "", "{\"stream\":\"chat\", \"seq\":1}");
        assert!(answer.starts_with(b"MSG x 1  26\r\n"), "as 2.9 writes it where there is no reply");
        assert_eq!(hear(&mut client, &answer), Ok(Heard::Answered));
    }

    #[test]
    fn refusals_are_said() {
        let mut client = client();
        consumers(&mut client);
        let refused = "{\"error\":{\"code\":503,\"description\":\"no room\"},\"stream\":\"chat\",\"seq\":0}";
        for subscription in [ANSWERS, DOORS] {
            let said = hear(&mut client, &message(subscription, "r", refused)).unwrap_err();
            assert!(said.contains("no room"), "{said}");
        }
        let said = hear(&mut client, b"HMSG a.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n").unwrap_err();
        assert!(said.contains("503"), "{said}");
        for foreign in [
            message(DOORS, "r", "{"),
            message(DOORS, "r", "{\"config\":{\"filter_subject\":\"p.9\"},\"delivered\":{\"stream_seq\":1}}"),
            message(TEXTS + 2, "$JS.ACK.chat.q1.1.12.1.1.0", "x"),
            message(TEXTS, "$JS.ACK.chat.q1.1.x", "x"),
            message(TEXTS, "$JS.ACK.chat.q1.1.99999999999999999999.1.1.0", "x"),
            message(0, "r", "x"),
        ] {
            assert!(hear(&mut client, &foreign).is_err(), "{}", foreign.escape_ascii());
        }
    }
}
