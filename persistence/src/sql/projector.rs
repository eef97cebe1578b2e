//! The thread that keeps the tables up to date, and says how they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringdove_core::ids::Position;
use ringdove_core::projected::Projected;
use ringdove_core::rings::Progress;

use super::error::SqlError;
use super::projection::Projection;
use crate::journal::Storage;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Pauses between attempts grow from the first to the last of these.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Tables that are behind for so long are worth a line, and another one whenever it has doubled.
const BEHIND: Duration = Duration::from_secs(10);

/// Keeps tables up to date. It may block, and gates nothing.
pub struct Projector<S: Storage> {
    projection: Projection<S>,
    progress: Arc<Progress>,
    projected: Arc<Projected>,
    lag: Lag,
    stop: Arc<AtomicBool>,
}

impl<S: Storage> Projector<S> {
    /// One that has opened its database, or that will when it can: what is wrong for now is logged.
    ///
    /// # Errors
    /// The database is not this journal's, ahead of it, of a newer version or somebody else's: nothing that time would mend.
    pub(super) fn start(
        mut projection: Projection<S>,
        progress: Arc<Progress>,
        projected: Arc<Projected>,
    ) -> Result<Self, SqlError> {
        let mut lag = Lag::default();
        match projection.open(progress.synced()) {
            Ok(()) => {
                projected.reach(projection.position());
                projected.say("catching up");
            }
            Err(error) if error.may_pass() => lag.failed(&error, &projected),
            Err(error) => return Err(error),
        }
        Ok(Self { projection, progress, projected, lag, stop: Arc::default() })
    }

    /// Set it, and the thread ends soon: after what is in hand, or what can be done in a moment.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Projects until it is stopped; then once more, up to what is on disk by then.
    pub fn run(mut self) {
        let mut pause = PAUSE.0;
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let turn = self.turn();
            if let Err(error) = &turn {
                self.lag.failed(error, &self.projected);
            }
            if stopping {
                // losing it costs reading some records again
                let _ = self.projection.finish();
                return;
            }
            match turn {
                Ok(()) => {
                    pause = PAUSE.0;
                    self.wait(LOOK);
                }
                Err(_) => {
                    self.wait(pause);
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    /// Projects what is on disk now.
    fn turn(&mut self) -> Result<(), SqlError> {
        let end = self.progress.synced();
        self.projection.open(end)?;
        self.lag.goes_on();
        while self.projection.advance(end)? {
            self.projected.reach(self.projection.position());
            self.lag.behind(end, &self.projected);
        }
        // behind the last record may stand nothing for a while: a new epoch begins further on
        self.projected.reach(end);
        self.lag.caught_up(&self.projected);
        Ok(())
    }

    fn wait(&self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time && !self.stop.load(Ordering::Acquire) {
            std::thread::sleep(LOOK.min(time));
        }
    }
}

/// How far the tables are behind, and what was said of it.
#[derive(Debug, Default)]
struct Lag {
    since: Option<Instant>,
    /// The next line is worth it after so long.
    next: Duration,
    failing: Option<String>,
}

impl Lag {
    /// The database does not do what it should.
    fn failed(&mut self, error: &SqlError, projected: &Projected) {
        let words = error.to_string();
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.failing.as_ref() != Some(&words) {
            tracing::warn!("SQL: {words}; chat goes on, and the tables fall behind until that is over");
            projected.say(format!("failing since {now}: {words}"));
            self.failing = Some(words);
            self.next = (since.elapsed() * 2).max(BEHIND);
        } else {
            self.grown(since, projected);
        }
    }

    /// The database is there (again).
    fn goes_on(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!("SQL: the database is there again; the tables catch up");
        }
    }

    /// There is more to project than one transaction took.
    fn behind(&mut self, end: Position, projected: &Projected) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.next == Duration::ZERO {
            self.next = BEHIND;
        }
        let left = end.0.saturating_sub(projected.position().0);
        projected.say(format!("catching up, {left} bytes of the journal to go"));
        self.grown(since, projected);
    }

    fn grown(&mut self, since: Instant, projected: &Projected) {
        let behind = since.elapsed();
        if behind >= self.next {
            let seconds = behind.as_secs();
            tracing::warn!(seconds, projected = projected.position().0, "SQL: the tables are behind the journal");
            self.next = behind * 2;
        }
    }

    fn caught_up(&mut self, projected: &Projected) {
        if let Some(since) = self.since.take()
            && self.next > BEHIND
        {
            tracing::info!(after_seconds = since.elapsed().as_secs(), "SQL: the tables are up to date again");
        }
        self.next = Duration::ZERO;
        projected.say("up to date");
    }
}
