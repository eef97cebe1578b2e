//! Portions of an import: what fits into one request, asked for until every item of it has its answer.

use std::thread;
use std::time::Duration;

use prost::Message;
use ringdove_core::wire::Code;
use ringdove_core::wire::admin::{Imported, Made, admin_answer::Body};

use super::Kind;
use super::course::Course;
use crate::operators::door::{Door, Failure};
use crate::terminal::{printable, say};

/// Bytes of a request, so that it and the journal record that it becomes fit into 64 and 80 KiB. A broker with a lower `limits.frame` gets
/// smaller ones after it has refused this.
pub(super) const BYTES: usize = 48 << 10;
/// Tag and length in front of an item.
const ITEM_HEAD: usize = 4;
/// How long to wait for a broker without room, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// One item on its way.
#[derive(Clone)]
struct Item<A> {
    line: u64,
    /// The last one of its line.
    last: bool,
    asked: A,
}

/// What was gathered for the next request.
pub(super) struct Portion<K: Kind> {
    door: Door,
    kind: K,
    pub(super) course: Course,
    items: Vec<Item<K::Asked>>,
    bytes: usize,
    pause: Duration,
}

impl<K: Kind> Portion<K> {
    pub(super) fn new(door: Door, kind: K, course: Course) -> Self {
        Self { door, kind, course, items: Vec::new(), bytes: 0, pause: PAUSES.0 }
    }

    /// Takes a line, and sends what was gathered if it is enough.
    ///
    /// # Errors
    /// The line is wrong, or a line before it was refused, and that stops the import; or the broker is gone.
    pub(super) fn take(&mut self, line: u64, text: Result<&[u8], String>) -> Result<(), String> {
        let asked = match text.and_then(|text| self.kind.parse(text)) {
            Ok(asked) => asked,
            Err(why) => {
                if !self.course.skips_refused() {
                    // everything before the wrong line is done
                    self.send()?;
                }
                return self.course.wrong(line, &why);
            }
        };
        let count = asked.len();
        for (nth, asked) in asked.into_iter().enumerate() {
            let bytes = asked.encoded_len() + ITEM_HEAD;
            if self.bytes + bytes > BYTES || self.items.len() == K::MOST {
                self.send()?;
            }
            self.bytes += bytes;
            self.items.push(Item { line, last: nth + 1 == count, asked });
        }
        Ok(())
    }

    /// Sends what was gathered, and waits until all of it was seen to.
    ///
    /// # Errors
    /// A line was refused and that stops the import, or the broker is gone.
    pub(super) fn send(&mut self) -> Result<(), String> {
        self.bytes = 0;
        // the next piece to ask for is the last one; pieces are halves of halves, so there are never many
        let mut pieces = vec![std::mem::take(&mut self.items)];
        while let Some(piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let asked = piece.iter().map(|item| item.asked.clone()).collect();
            let answer = self.door.ask(K::request(asked));
            match answer {
                Ok(Body::Imported(Imported { made }) | Body::ContactsImported(Imported { made })) => {
                    let rest = self.answered(piece, made)?;
                    pieces.push(rest);
                }
                Ok(_) => return Err(self.door.odd().into()),
                Err(failure) if is_for_later(&failure) => {
                    self.wait(&failure.to_string());
                    pieces.push(piece);
                }
                // something in it is wrong, or it is too much at once: smaller pieces tell
                Err(Failure::Refused(_)) if piece.len() > 1 => {
                    let mut piece = piece;
                    let behind = piece.split_off(piece.len() / 2);
                    pieces.extend([behind, piece]);
                }
                Err(failure) => pieces.extend(self.halved(&piece[0], &failure)?),
            }
        }
        self.kind.settle()
    }

    /// Sees to the answers of a piece, and returns what has to be asked for again.
    fn answered(&mut self, mut piece: Vec<Item<K::Asked>>, made: Vec<Made>) -> Result<Vec<Item<K::Asked>>, String> {
        if made.is_empty() || made.len() > piece.len() {
            return Err(self.door.odd().into());
        }
        let no_room = made.iter().position(|made| is_no_room(made.code));
        let rest = piece.split_off(no_room.unwrap_or(made.len()));
        let mut stop = Ok(());
        // also behind a refusal: the broker has done these
        for (item, made) in piece.iter().zip(&made) {
            if made.code == 0 {
                self.kind.done(&item.asked, made)?;
                self.course.done(item.line, item.last, false);
            } else if self.kind.passes(made.code) {
                self.course.done(item.line, item.last, true);
            } else {
                let why = self.why_not(&item.asked, made.code);
                stop = stop.and(self.course.refuse(item.line, &why));
            }
        }
        stop?;
        match no_room.and_then(|at| made.get(at)) {
            Some(made) => self.wait(code_name(made.code)),
            None => self.pause = PAUSES.0,
        }
        Ok(rest)
    }

    /// One item alone was refused by the door itself: it may be too large and have halves.
    fn halved(&mut self, item: &Item<K::Asked>, failure: &Failure) -> Result<Vec<Vec<Item<K::Asked>>>, String> {
        if !matches!(failure, Failure::Refused(_)) {
            return Err(failure.to_string());
        }
        if failure.is(Code::TooLarge)
            && let Some([first, second]) = K::halve(&item.asked)
        {
            let second = Item { asked: second, ..item.clone() };
            return Ok(vec![vec![second], vec![Item { line: item.line, last: false, asked: first }]]);
        }
        let handle = printable(K::handle(&item.asked));
        self.course.refuse(item.line, &format!("{handle}: {failure}")).map(|()| Vec::new())
    }

    fn why_not(&mut self, asked: &K::Asked, code: u32) -> String {
        let handle = printable(K::handle(asked));
        let text = Code::from_number(code).map_or("", Code::text);
        let text = self.kind.explain(&mut self.door, asked, code).unwrap_or_else(|| text.to_owned());
        format!("{handle}: {text} [{code} {}]", code_name(code))
    }

    fn wait(&mut self, why: &str) {
        self.course.waits(why);
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
    }

    /// The end, good or bad: says what became of the lines.
    ///
    /// # Errors
    /// It was cut short, or lines were refused.
    pub(super) fn finish(mut self, end: Result<(), String>) -> Result<(), String> {
        // what was made before something went wrong is kept, too
        let end = end.and(self.kind.settle());
        let words = self.course.finish(K::MADE);
        match end {
            Ok(()) => {
                say!("{words}");
                match self.course.refused() {
                    0 => Ok(()),
                    1 => Err("1 line was refused".into()),
                    count => Err(format!("{count} lines were refused")),
                }
            }
            Err(why) => {
                Err(format!("{why}\nstopped there: {words}; all lines up to {} were seen to", self.course.line()))
            }
        }
    }
}

/// The broker has no room now, but may have later.
fn is_for_later(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(refusal) if is_no_room(refusal.code))
}

fn is_no_room(code: u32) -> bool {
    matches!(Code::from_number(code), Some(Code::Busy | Code::DiskFull))
}

fn code_name(code: u32) -> &'static str {
    Code::from_number(code).map_or("unknown", Code::name)
}
