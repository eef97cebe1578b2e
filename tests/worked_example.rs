//! docs/protocol.md tells the truth: its worked example is played against the real broker, line by line, its golden vectors are
//! encoded, and its tables of codes and limits are compared with what the broker says.
//!
//! A line of a `session` block is `NAME -> JSON` (a client writes), `NAME <- JSON` (it reads exactly this), `NAME closes`, or `NAME ends`
//! (the broker has closed). A name without a connection opens one. A string `<...>` stands for any value; the same name stands for
//! the same value again, but for the ones in [`FRESH`].

mod broker;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use broker::{Broker, PATIENCE, ringdove};
use prost::Message;
use ringdove_core::wire::Code;
use ringdove_core::wire::frame::put_length;
use ringdove_core::wire::v1::{ClientFrame, ServerFrame};
use serde_json::Value;

const PAGE: &str = include_str!("../docs/protocol.md");
/// Placeholders that are another value each time.
const FRESH: [&str; 2] = ["<time>", "<position>"];

/// The lines of all blocks of one kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}");
    let mut lines = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        match line {
            _ if line == fence => inside = true,
            "```" => inside = false,
            _ if inside => lines.push(line),
            _ => {}
        }
    }
    assert!(!lines.is_empty(), "the page has {kind} blocks");
    lines
}

/// The cells of all table rows below a heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = PAGE.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("a section {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// One client's connection.
struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the broker listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self { reader: BufReader::new(socket) }
    }

    fn write(&mut self, line: &str) {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the broker reads");
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("an answer in time");
        line
    }

    fn expect_end(&mut self) {
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest).expect("the end in time");
        assert_eq!(rest, "", "nothing follows");
    }
}

/// What the placeholders stand for.
#[derive(Default)]
struct Values(HashMap<String, Value>);

impl Values {
    /// Puts the values into what a client writes.
    fn fill(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (name, value) in &self.0 {
            line = line.replace(&format!("\"{name}\""), &value.to_string());
        }
        assert!(!line.contains("\"<"), "nothing is known yet of a value in {line}");
        line
    }

    /// Whether what came is what was expected, and learns what the placeholders stand for.
    fn agree(&mut self, expected: &Value, came: &Value) -> bool {
        match (expected, came) {
            (Value::String(name), _) if name.starts_with('<') && name.ends_with('>') => {
                FRESH.contains(&name.as_str()) || self.0.entry(name.clone()).or_insert_with(|| came.clone()) == came
            }
            (Value::Object(expected), Value::Object(came)) => {
                expected.len() == came.len()
                    && expected.iter().all(|(name, value)| came.get(name).is_some_and(|came| self.agree(value, came)))
            }
            (Value::Array(expected), Value::Array(came)) => {
                expected.len() == came.len() && expected.iter().zip(came).all(|(value, came)| self.agree(value, came))
            }
            _ => expected == came,
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text:?} is no JSON: {error}"))
}

/// Plays the worked example and returns what was learned.
fn play(broker: &Broker) -> Values {
    let mut connections: HashMap<&str, Connection> = HashMap::new();
    let mut values = Values::default();
    for line in blocks("session") {
        let (who, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        if rest == "closes" {
            connections.remove(who).expect("an open connection");
            continue;
        }
        let connection = connections.entry(who).or_insert_with(|| Connection::open(broker.address));
        match rest.split_once(' ') {
            Some(("->", said)) => {
                json(said);
                connection.write(&values.fill(said));
            }
            Some(("<-", expected)) => {
                let came = connection.read();
                assert!(values.agree(&json(expected), &json(&came)), "expected {line}\ngot      {who} <- {came}");
            }
            None if rest == "ends" => {
                connection.expect_end();
                connections.remove(who);
            }
            _ => panic!("no line of a session: {line:?}"),
        }
    }
    values
}

#[test]
fn the_worked_example_and_the_limits_are_what_the_broker_does() {
    let data = tempfile::tempdir().expect("a folder");
    // as it is without any configuration: the page states its limits
    let mut command = ringdove(["serve", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(data.path().join("data"));
    let broker = Broker::start(command);
    let values = play(&broker);
    let announced = values.0["<limits>"].as_object().expect("limits").clone();
    let mut said = serde_json::Map::new();
    for row in rows("Limits") {
        if let [name, default, ..] = row[..]
            && let Some(name) = name.strip_prefix('`')
        {
            let number: u64 = default.replace(',', "").parse().expect("a number");
            said.insert(name.trim_end_matches('`').to_owned(), number.into());
        }
    }
    assert_eq!(said, announced);
}

#[test]
fn a_line_that_differs_is_found() {
    let mut values = Values::default();
    let expected = json(r#"{"id":1,"token":"<token>","time":"<time>","list":[{"a":"1"}]}"#);
    let came = |text: &str| json(text);
    assert!(values.agree(&expected, &came(r#"{"id":1,"token":"x","time":"7","list":[{"a":"1"}]}"#)));
    assert!(values.agree(&expected, &came(r#"{"id":1,"token":"x","time":"8","list":[{"a":"1"}]}"#)));
    for other in [
        r#"{"id":1,"token":"y","time":"8","list":[{"a":"1"}]}"#,
        r#"{"id":2,"token":"x","time":"8","list":[{"a":"1"}]}"#,
        r#"{"id":1,"token":"x","time":"8","list":[]}"#,
        r#"{"id":1,"token":"x","time":"8","list":[{"a":"1"}],"more":true}"#,
        r#"{"id":1,"token":"x","list":[{"a":"1"}]}"#,
    ] {
        assert!(!values.agree(&expected, &came(other)), "{other}");
    }
    assert_eq!(values.fill(r#"{"token":"<token>"}"#), r#"{"token":"x"}"#);
}

#[test]
fn the_golden_vectors_hold() {
    let lines = blocks("vectors");
    for pair in lines.chunks(2) {
        let [hex, text] = pair else { panic!("hex without JSON: {pair:?}") };
        let (direction, hex) = hex.split_once(' ').expect("a direction");
        let wire: Vec<u8> = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
        let frame = match direction {
            "->" => serde_json::from_str::<ClientFrame>(text).expect("a client's frame").encode_to_vec(),
            "<-" => serde_json::from_str::<ServerFrame>(text).expect("a server's frame").encode_to_vec(),
            other => panic!("{other:?}"),
        };
        let mut framed = Vec::new();
        put_length(&mut framed, frame.len());
        framed.extend_from_slice(&frame);
        assert_eq!(framed, wire, "{text}");
    }
}

#[test]
fn the_table_of_codes_is_complete() {
    let mut said = Vec::new();
    for row in rows("Codes") {
        if let [number, name, _, http, ..] = row[..]
            && let Ok(number) = number.parse::<u16>()
        {
            said.push((number, name, http.parse().unwrap_or(0)));
        }
    }
    let known: Vec<_> = Code::ALL.iter().map(|code| (code.number(), code.name(), code.http_status())).collect();
    assert_eq!(said, known);
}
