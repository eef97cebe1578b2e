//! The admin door of a running broker: one question, one answer.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use ringdove_core::ids::Position;
use ringdove_core::wire::Code;
use ringdove_core::wire::admin::{
    self, AdminAnswer, AdminFrame, Figures, Refusal, Stats, admin_answer::Body, admin_frame::Request,
};
use ringdove_core::wire::frame::{Split, put_length, split};
use ringdove_persistence::journal_uuid;

use crate::terminal::printable;

/// No frame of a broker is longer: its length has three bytes. A page of 256 users with all they may say of themselves takes 640 KiB.
const ANSWER_BYTES: usize = (1 << 21) - 1;
/// A broker that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer to use.
#[derive(Debug)]
pub(super) enum Failure {
    /// No broker runs on the folder.
    Absent(String),
    /// One may run, but cannot be asked, or does not answer as it should.
    Broken(String),
    /// It says no.
    Refused(Refusal),
}

impl Failure {
    /// Whether the broker said no with this code.
    pub(super) fn is(&self, code: Code) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == u32::from(code.number()))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(why) | Self::Broken(why) => f.write_str(why),
            Self::Refused(refusal) => {
                let field = if refusal.field.is_empty() { String::new() } else { format!(" ({})", refusal.field) };
                let (text, field, name) = (printable(&refusal.text), printable(&field), printable(&refusal.name));
                write!(f, "{text}{field} [{} {name}]", refusal.code)
            }
        }
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

/// A connection to a broker, as its operator.
pub(super) struct Door {
    socket: UnixStream,
    /// Bytes of an answer that is not whole yet.
    received: Vec<u8>,
    /// The number of the last question.
    id: u32,
    data: String,
}

impl Door {
    /// Goes to the broker that runs on a data folder.
    pub(super) fn open(data: &Path) -> Result<Self, Failure> {
        let path = data.join("admin.sock");
        let socket = UnixStream::connect(&path).map_err(|error| closed(data, &path, &error))?;
        let data = data.display().to_string();
        let limits = socket.set_read_timeout(Some(PATIENCE)).and_then(|()| socket.set_write_timeout(Some(PATIENCE)));
        limits.map_err(|error| Failure::Broken(format!("{}: {error}", path.display())))?;
        Ok(Self { socket, received: Vec::new(), id: 0, data })
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&mut self, request: Request) -> Result<Body, Failure> {
        self.id = self.id.wrapping_add(1).max(1);
        let frame = AdminFrame { id: self.id, request: Some(request) }.encode_to_vec();
        let mut bytes = Vec::with_capacity(frame.len() + 3);
        put_length(&mut bytes, frame.len());
        bytes.extend_from_slice(&frame);
        self.socket.write_all(&bytes).map_err(|error| self.lost(&error))?;
        match self.answer()? {
            AdminAnswer { id, body: Some(body) } if id == self.id => match body {
                Body::Refusal(refusal) => Err(Failure::Refused(refusal)),
                body => Ok(body),
            },
            _ => Err(self.odd()),
        }
    }

    fn answer(&mut self) -> Result<AdminAnswer, Failure> {
        let mut chunk = [0; 64 << 10];
        loop {
            match split(&self.received, ANSWER_BYTES) {
                Split::Frame { frame, used } => {
                    let answer = AdminAnswer::decode(frame);
                    self.received.drain(..used);
                    return answer.map_err(|_| self.odd());
                }
                Split::Partial { .. } => {}
                Split::TooLarge { .. } | Split::Malformed => return Err(self.odd()),
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(self.lost(&ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// What a user is, or has become.
    pub(super) fn user(&mut self, request: Request) -> Result<admin::User, Failure> {
        match self.ask(request)? {
            Body::User(user) => Ok(user),
            _ => Err(self.odd()),
        }
    }

    /// How many there are of everything.
    pub(super) fn figures(&mut self) -> Result<Figures, Failure> {
        match self.ask(Request::Stats(Stats {}))? {
            Body::Figures(figures) => Ok(figures),
            _ => Err(self.odd()),
        }
    }

    /// It answers, but with something else than what was asked for.
    pub(super) fn odd(&self) -> Failure {
        Failure::Broken(format!("the broker on {} answers something else than what it was asked for", self.data))
    }

    fn lost(&self, error: &io::Error) -> Failure {
        let data = &self.data;
        Failure::Broken(match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("the broker on {data} does not answer: waited {} s", PATIENCE.as_secs())
            }
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                format!("the broker on {data} closed the connection: it ended, or too many operators are there already")
            }
            _ => format!("the broker on {data} cannot be asked: {error}"),
        })
    }
}

/// Why nobody opens.
fn closed(data: &Path, path: &Path, error: &io::Error) -> Failure {
    let (data, path) = (data.display(), path.display());
    match error.kind() {
        ErrorKind::NotFound => Failure::Absent(format!("no broker runs on {data}: there is no {path}")),
        ErrorKind::ConnectionRefused => Failure::Absent(format!(
            "no broker runs on {data}: {path} was left behind by one that did not end in order"
        )),
        ErrorKind::PermissionDenied => {
            Failure::Broken(format!("{path} may be opened only by the user that the broker runs as (and root)"))
        }
        // the path is too long for a socket, so none was ever made there
        ErrorKind::InvalidInput => Failure::Absent(format!("no broker runs on {data}: {path}: {error}")),
        _ => Failure::Broken(format!("{path}: {error}")),
    }
}

/// The position up to which the broker on a data folder has released the journal in it; `None` if none runs there, or one of level `memory`, which
/// leaves an older journal alone.
///
/// # Errors
/// One runs, or may run, but does not answer.
pub fn released(data: &Path) -> Result<Option<Position>, String> {
    match Door::open(data) {
        Ok(mut door) => {
            let figures = door.figures()?;
            let is_its_own = journal_uuid(data).is_ok_and(|journal| journal == figures.journal);
            Ok(is_its_own.then_some(Position(figures.released)))
        }
        Err(Failure::Absent(_)) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}
