//! `ringdove import`: accounts and contacts from JSON lines, in portions, in bounded memory however long the file is.
//!
//! ```text
//!  file ─▶ lines ─▶ accounts | contacts (what a line says) ─▶ portion ─▶ door
//!                                                       course (bar, counts, what was refused) ◀─┘
//! ```
//! One portion is on its way at a time: the door answers in order, and waits for each portion's journal record itself.

mod accounts;
mod contacts;
mod course;
mod lines;
mod portion;

use accounts::Accounts;
use contacts::Contacts;
use course::Course;
use lines::Lines;
use portion::Portion;
use ringdove_core::wire::admin::{Made, admin_frame::Request};

use super::commands::{ImportCommand, Source};
use super::door::Door;

/// What can be imported.
trait Kind {
    /// What the door is asked for, one of many in a request.
    type Asked: prost::Message + Clone;
    /// So many in one request at most.
    const MOST: usize;
    /// What a line makes, in words behind a number.
    const MADE: &'static str;

    /// What a line asks for: once, or more than once if it is too long for one request.
    ///
    /// # Errors
    /// What is wrong with the line.
    fn parse(&self, line: &[u8]) -> Result<Vec<Self::Asked>, String>;
    fn request(asked: Vec<Self::Asked>) -> Request;
    fn handle(asked: &Self::Asked) -> &str;
    /// Two halves of one that is too large alone, if it has halves.
    fn halve(asked: &Self::Asked) -> Option<[Self::Asked; 2]>;
    /// It was done.
    ///
    /// # Errors
    /// The answer cannot be kept.
    fn done(&mut self, asked: &Self::Asked, made: &Made) -> Result<(), String>;
    /// Whether a refusal with this code is passed over.
    fn passes(&self, code: u32) -> bool;
    /// More about a refusal, where the door can tell.
    fn explain(&self, door: &mut Door, asked: &Self::Asked, code: u32) -> Option<String>;
    /// All of a portion was answered.
    ///
    /// # Errors
    /// The answers cannot be kept.
    fn settle(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Does it.
///
/// # Errors
/// No broker runs there, a line is wrong or refused, or the import was cut short; it says how far it came.
pub fn run(command: ImportCommand) -> Result<(), String> {
    match command {
        ImportCommand::Accounts { source, tokens, skip_existing } => {
            let door = Door::open(&source.folder.data)?;
            let lines = Lines::open(&source.file)?;
            import(door, &source, lines, Accounts::new(tokens.as_deref(), skip_existing)?)
        }
        ImportCommand::Contacts { source } => {
            let door = Door::open(&source.folder.data)?;
            let lines = Lines::open(&source.file)?;
            import(door, &source, lines, Contacts)
        }
    }
}

fn import<K: Kind>(door: Door, source: &Source, lines: Lines, kind: K) -> Result<(), String> {
    let course = Course::new(lines.name(), lines.total(), source.skip_refused);
    let mut portion = Portion::new(door, kind, course);
    let end = all(&mut portion, lines);
    portion.finish(end)
}

/// Line by line to the end, or to the first that stops it.
fn all<K: Kind>(portion: &mut Portion<K>, mut lines: Lines) -> Result<(), String> {
    loop {
        match lines.next() {
            Ok(Some((number, line))) => portion.take(number, line)?,
            Ok(None) => return portion.send(),
            Err(error) => {
                portion.send()?;
                return Err(format!("{}: {error}", lines.name()));
            }
        }
        portion.course.read(lines.read());
    }
}
