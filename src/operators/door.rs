//! Asks a running broker through its admin door.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use ringdove_core::ids::Position;
use ringdove_core::wire::admin::{AdminAnswer, AdminFrame, Stats, admin_answer, admin_frame};
use ringdove_core::wire::frame::{Split, put_length, split};

/// An answer is small; what is longer is none.
const ANSWER_BYTES: usize = 64 << 10;
/// A broker answers at once, or it is stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// The position that the broker on a data folder has released; `None` if none runs there.
///
/// # Errors
/// One runs, but does not answer.
pub fn released(data: &Path) -> Result<Option<Position>, String> {
    // nobody listens, or there is no such socket: no broker runs
    let Ok(socket) = UnixStream::connect(data.join("admin.sock")) else { return Ok(None) };
    ask(socket).map(Some).map_err(|why| format!("a broker runs on {}, but does not answer: {why}", data.display()))
}

fn ask(mut socket: UnixStream) -> Result<Position, String> {
    let words = |error: std::io::Error| error.to_string();
    socket.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    let frame = AdminFrame { id: 1, request: Some(admin_frame::Request::Stats(Stats {})) }.encode_to_vec();
    let mut bytes = Vec::new();
    put_length(&mut bytes, frame.len());
    bytes.extend_from_slice(&frame);
    socket.write_all(&bytes).map_err(words)?;
    bytes.clear();
    let mut chunk = [0; 4096];
    loop {
        match split(&bytes, ANSWER_BYTES) {
            Split::Frame { frame, .. } => {
                let answer = AdminAnswer::decode(frame).map_err(|error| error.to_string())?;
                return match answer.body {
                    Some(admin_answer::Body::Figures(figures)) => Ok(Position(figures.released)),
                    other => Err(format!("it answers {other:?}")),
                };
            }
            Split::Partial { .. } => {}
            _ => return Err("its answer is no frame".into()),
        }
        match socket.read(&mut chunk).map_err(words)? {
            0 => return Err("it closed the connection".into()),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}
