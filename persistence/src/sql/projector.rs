//! What keeps the tables up to date, for a thread of its own; and what watches it, for another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringdove_core::projected::Projected;
use ringdove_core::rings::Progress;

use super::error::SqlError;
use super::lag::Lag;
use super::projection::Projection;
use crate::journal::Storage;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often the lag is.
const WATCH: Duration = Duration::from_secs(1);
/// Pauses between attempts grow from the first to the last of these.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Keeps tables up to date. It may block for as long as a database likes, and gates nothing.
pub struct Projector<S: Storage> {
    projection: Projection<S>,
    progress: Arc<Progress>,
    lag: Arc<Lag>,
    stop: Arc<AtomicBool>,
}

/// Tells how far the tables are behind, also when the projector hangs in its database.
pub struct Watch {
    lag: Arc<Lag>,
    stop: Arc<AtomicBool>,
}

impl<S: Storage> Projector<S> {
    pub(super) fn new(projection: Projection<S>, progress: Arc<Progress>, projected: Arc<Projected>) -> Self {
        let lag = Arc::new(Lag::new(Arc::clone(&progress), projected));
        Self { projection, progress, lag, stop: Arc::default() }
    }

    /// Set it, and both end soon: after the transaction that is in hand.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// What watches it.
    pub fn watch(&self) -> Watch {
        Watch { lag: Arc::clone(&self.lag), stop: Arc::clone(&self.stop) }
    }

    /// Projects until it is stopped; then once more, up to what is on disk by then. What became of the first attempt to open the database is
    /// told to `verdict`, which says whether anybody heard it: an error is one that time does not mend, and if somebody heard it, this is the end.
    pub fn run(mut self, verdict: impl FnOnce(Result<(), &SqlError>) -> bool) {
        match self.projection.open(self.progress.synced()) {
            Err(error) if !error.may_pass() => {
                if verdict(Err(&error)) {
                    return;
                }
                self.lag.failed(&error);
            }
            opened => {
                match &opened {
                    Ok(()) => self.lag.reached(self.projection.position()),
                    Err(error) => self.lag.failed(error),
                }
                self.lag.look();
                if !verdict(Ok(())) && opened.is_ok() {
                    tracing::info!("SQL: the database is there again; the tables catch up");
                }
            }
        }
        let mut pause = PAUSE.0;
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let turn = self.turn();
            if let Err(error) = &turn {
                self.lag.failed(error);
            }
            if stopping {
                // losing it costs reading some records again
                let _ = self.projection.finish();
                return;
            }
            if turn.is_ok() {
                pause = PAUSE.0;
                wait(&self.stop, LOOK);
            } else {
                wait(&self.stop, pause);
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }

    /// Projects what is on disk now, or as much of it as there is time for.
    fn turn(&mut self) -> Result<(), SqlError> {
        let end = self.progress.synced();
        self.projection.open(end)?;
        while self.projection.advance(end)? {
            self.lag.works();
            self.lag.reached(self.projection.position());
            self.lag.look();
            if self.stop.load(Ordering::Acquire) {
                return Ok(());
            }
        }
        self.lag.works();
        // behind the last record may stand nothing for a while: a new epoch begins further on
        self.lag.reached(end);
        self.lag.caught_up();
        Ok(())
    }
}

impl Watch {
    /// Watches until the projector is stopped.
    pub fn run(self) {
        while !self.stop.load(Ordering::Acquire) {
            self.lag.look();
            wait(&self.stop, WATCH);
        }
    }
}

fn wait(stop: &AtomicBool, time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time && !stop.load(Ordering::Acquire) {
        std::thread::sleep(LOOK.min(time));
    }
}
