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
        tracing::warn!("SQL: {words}; chat goes on, and the tables fall behind until that is over");
        state.failing = Some((words, since));
        drop(state);
        self.look();
    }

    /// The database has done what it should.
    pub(super) fn works(&self) {
        if self.state.lock().failing.take().is_some() {
            tracing::info!("SQL: the database is there again; the tables catch up");
        }
    }

    /// What was on disk when it looked for it last is in the tables.
    pub(super) fn caught_up(&self) {
        let mut state = self.state.lock();
        state.behind = None;
        if std::mem::take(&mut state.told) > Duration::ZERO {
            tracing::info!("SQL: the tables are up to date again");
        }
        drop(state);
        self.look();
    }

    /// To be called now and then, by anyone.
    pub(super) fn look(&self) {
        let (synced, projected) = (self.progress.synced(), self.projected.position());
        let mut state = self.state.lock();
        if projected < synced {
            state.behind.get_or_insert_with(Instant::now);
        }
        let behind = state.behind.map_or(Duration::ZERO, |since| since.elapsed());
        let seconds = behind.as_secs();
        if behind >= (2 * state.told).max(BEHIND) {
            tracing::warn!(seconds, projected = projected.0, "SQL: the tables are behind the journal");
            state.told = behind;
        }
        self.projected.say(match &state.failing {
            Some((words, since)) => format!("failing since {since}: {words}"),
            None if seconds >= 2 => format!("behind for {seconds} s"),
            None if !state.answered => STARTING.to_owned(),
            // what came in the last moment is on its way
            None => "up to date".to_owned(),
        });
    }
}
