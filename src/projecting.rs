//! The thread of the tables in SQL. Nothing waits for it, but the end for a moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringdove_persistence::{Projector, Storage};

/// At the end the tables get so long to take what is on disk by then. What they do not get now they get after the next start.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread, while it runs.
pub struct Projecting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Projecting {
    /// Starts it.
    ///
    /// # Errors
    /// As the system says.
    pub fn start<S: Storage>(projector: Projector<S>) -> io::Result<Self> {
        let stop = projector.stop();
        let thread = thread::Builder::new().name("sql".into()).spawn(move || projector.run())?;
        Ok(Self { stop, thread })
    }

    /// Ends it, after a last look at the journal. A database that does not answer in time is left alone: its transaction is undone.
    pub fn end(self) {
        self.stop.store(true, Ordering::Release);
        let begin = Instant::now();
        while !self.thread.is_finished() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
