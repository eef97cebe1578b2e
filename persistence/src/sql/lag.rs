//! How far the tables are behind the journal, and what operators are told of it. The database may hang, so whoever looks is not who works.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use ringdove_core::ids::Position;
use ringdove_core::projected::Projected;
use ringdove_core::rings::Progress;

use super::error::SqlError;

/// Tables that are behind for so long are worth a line, and another one whenever that has doubled.
const BEHIND: Duration = Duration::from_secs(10);

/// For less nobody is said to be behind.
const WORTH_SAYING: Duration = Duration::from_secs(2);

/// The database has not answered yet.
const STARTING: &str = "starting";

/// What is known of the tables' state, by who works and who looks.
pub(super) struct Lag {
    progress: Arc<Progress>,
    projected: Arc<Projected>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The database has told how far the tables are.
    answered: bool,
    /// What is wrong, and since when, as it is told.
    failing: Option<(String, String)>,
    /// Since then something that is on disk is not in the tables.
    behind: Option<Instant>,
    /// The next line is worth it after so long; nothing: none was.
    told: Duration,
}

impl Lag {
    pub(super) fn new(progress: Arc<Progress>, projected: Arc<Projected>) -> Self {
        projected.say(STARTING);
        Self { progress, projected, state: Mutex::default() }
    }

    /// Everything below is in the tables.
    pub(super) fn reached(&self, position: Position) {
        self.state.lock().answered = true;
        self.projected.reach(position);
    }

    /// The database does not do what it should.
    pub(super) fn failed(&self, error: &SqlError) {
        let words = error.to_string();
        let mut state = self.state.lock();
        let since = match &state.failing {
            Some((before, _)) if *before == words => return,
            Some((_, since)) => since.clone(),
            None => humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        };
        state.failing = Some((words.clone(), since));
        self.say(&mut state);
        tracing::warn!("SQL: {words}; chat goes on, and the tables fall behind until that is over");
    }

    /// The database has done what it should.
    pub(super) fn works(&self) {
        let mut state = self.state.lock();
        if state.failing.take().is_some() {
            self.say(&mut state);
            tracing::info!("SQL: the database is there again; the tables catch up");
        }
    }

    /// What was on disk when it looked for it last is in the tables.
    pub(super) fn caught_up(&self) {
        let mut state = self.state.lock();
        state.behind = None;
        let was_told = std::mem::take(&mut state.told) > Duration::ZERO;
        self.say(&mut state);
        if was_told {
            tracing::info!("SQL: the tables are up to date again");
        }
    }

    /// To be called now and then, by anyone.
    pub(super) fn look(&self) {
        let mut state = self.state.lock();
        let behind = self.say(&mut state);
        if behind >= (2 * state.told).max(BEHIND) {
            state.told = behind;
            let (seconds, projected) = (behind.as_secs(), self.projected.position().0);
            tracing::warn!(seconds, projected, "SQL: the tables are behind the journal");
        }
    }

    /// Says how the tables do, and returns for how long they have been behind. Before any line of it: who reads the line and asks is told the same.
    fn say(&self, state: &mut State) -> Duration {
        let (synced, projected) = (self.progress.synced(), self.projected.position());
        if projected < synced {
            state.behind.get_or_insert_with(Instant::now);
        }
        let behind = state.behind.map_or(Duration::ZERO, |since| since.elapsed());
        self.projected.say(match &state.failing {
            Some((words, since)) => format!("failing since {since}: {words}"),
            None if behind >= WORTH_SAYING => format!("behind for {} s", behind.as_secs()),
            None if !state.answered => STARTING.to_owned(),
            // what came in the last moment is on its way
            None => "up to date".to_owned(),
        });
        behind
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// A log whose reader asks how the tables do at every line.
    #[derive(Clone)]
    struct Reader {
        projected: Arc<Projected>,
        told: Arc<Mutex<Vec<(String, String)>>>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.told.lock().push((String::from_utf8_lossy(line).into_owned(), self.projected.how()));
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Reader {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn who_reads_a_line_and_asks_is_told_the_same() {
        let projected = Arc::new(Projected::default());
        let reader = Reader { projected: Arc::clone(&projected), told: Arc::default() };
        let told = Arc::clone(&reader.told);
        let log = tracing_subscriber::fmt().with_writer(reader).finish();
        tracing::subscriber::with_default(log, || {
            let lag = Lag::new(Arc::new(Progress::new(Position(64), Position(64))), projected);
            lag.reached(Position(64));
            lag.failed(&SqlError::Failed { what: "connecting", error: "the server was stopped".to_owned() });
            lag.works();
            lag.state.lock().told = BEHIND;
            lag.caught_up();
        });
        let told = told.lock();
        let expected = [
            ("and the tables fall behind", "failing since "),
            ("the database is there again", "up to date"),
            ("the tables are up to date again", "up to date"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for ((line, how), (words, begin)) in told.iter().zip(expected) {
            assert!(line.contains(words) && how.starts_with(begin), "{line} {how}");
        }
    }
}
