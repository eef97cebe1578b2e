//! The threads of the tables in SQL. Nothing waits for them, but the start and the end for a moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use ringdove_io::stand_back;
use ringdove_persistence::{Projector, Storage};

/// A start waits so long for the database to say whether its tables are this journal's; then it goes on without it.
const ANSWER: Duration = Duration::from_secs(5);
/// At the end the tables get so long to take what is on disk by then. What they do not get now they get after the next start.
const PATIENCE: Duration = Duration::from_secs(1);

/// The threads, while they run.
pub struct Projecting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Projecting {
    /// Starts them.
    ///
    /// # Errors
    /// The tables are not this journal's, ahead of it, of a newer version or somebody else's. A database that cannot be reached, or does not
    /// answer, is no error.
    pub fn start<S: Storage>(projector: Projector<S>) -> Result<Self, String> {
        let words = |error: io::Error| error.to_string();
        let (stop, watch) = (projector.stop(), projector.watch());
        let (told, verdict) = channel();
        let run = move || {
            stand_back();
            projector.run(|opened| told.send(opened.map_err(ToString::to_string)).is_ok())
        };
        let thread = Builder::new().name("sql".into()).spawn(run).map_err(words)?;
        match verdict.recv_timeout(ANSWER) {
            Ok(opened) => opened?,
            // the receiver is gone then, so the thread knows that nobody has heard its verdict
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    "SQL: the database does not answer; chat goes on without it, and the tables fall behind"
                );
            }
            Err(RecvTimeoutError::Disconnected) => return Err("the thread of the tables has ended".into()),
        }
        Builder::new().name("sql-watch".into()).spawn(move || watch.run()).map_err(words)?;
        Ok(Self { stop, thread })
    }

    /// Ends them, after a last look at the journal. A database that does not answer in time is left alone: its transaction is undone.
    pub fn end(self) {
        self.stop.store(true, Ordering::Release);
        let begin = Instant::now();
        while !self.thread.is_finished() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
