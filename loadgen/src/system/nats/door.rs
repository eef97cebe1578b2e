//! One question to JetStream before a load, on a connection of its own that waits for the answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::client::{put_connect, put_message, put_subscription};
use super::frame::{Frame, frame};
use super::jetstream::answer_of;

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What one read takes.
const CHUNK: usize = 4096;

/// Asks at a door of the server, and waits for what it answers.
///
/// # Errors
/// It refuses, has no such door (JetStream is not enabled), or does not answer.
pub fn ask(address: SocketAddr, door: &str, request: &Value) -> Result<Value, String> {
    let words = |error: std::io::Error| format!("{address}: {error}");
    let mut socket = TcpStream::connect(address).map_err(words)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    let mut out = Vec::new();
    put_connect(&mut out, true);
    put_subscription(&mut out, "r.door", 1);
    put_message(&mut out, door, Some("r.door"), request.to_string().as_bytes());
    socket.write_all(&out).map_err(words)?;
    let mut received = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        while let Some((used, frame)) = frame(&received)? {
            match frame {
                Frame::Message(message) if message.headers.is_empty() => return answer_of(message.body),
                Frame::Message(_) => return Err(format!("{address} has no {door}: is JetStream enabled?")),
                Frame::Ping => socket.write_all(b"PONG\r\n").map_err(words)?,
                Frame::Pong | Frame::Other => {}
            }
            received.drain(..used);
        }
        match socket.read(&mut chunk).map_err(|error| format!("{address} does not answer: {error}"))? {
            0 => return Err(format!("{address} closed the connection")),
            count => received.extend_from_slice(&chunk[..count]),
        }
    }
}
