//! A folder and the server that works in it. Neither outlives loadgen: not where it ends by itself, not where SIGINT or SIGTERM ends it, and not
//! where it panics. What cannot be caught, SIGKILL for one, leaves the folder behind; the server ends with it ([`tether`](crate::tether)).

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::signals;

/// How often it is looked whether a server has ended.
const GLANCE: Duration = Duration::from_millis(10);

/// All wards. Whoever ends loadgen keeps it locked to the end, so that no server is started behind it.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// What a ward has to do with, known to whoever ends loadgen.
struct Kept {
    folder: PathBuf,
    child: Option<Child>,
}

/// A folder of its own and at most one process. Both go when this is dropped: the process at once, without being asked.
pub struct Ward {
    folder: PathBuf,
}

/// What a process that was started can be heard by, where that was asked for.
pub struct Started {
    /// Its number.
    pub pid: u32,
    /// Its standard output.
    pub out: Option<ChildStdout>,
    /// Its standard error.
    pub err: Option<ChildStderr>,
}

impl Ward {
    /// A new folder in this one.
    ///
    /// # Errors
    /// It cannot be made, or signals cannot be waited for.
    pub fn new(inside: &Path) -> io::Result<Self> {
        watch()?;
        let mut kept = kept();
        let folder = TempDir::with_prefix_in("loadgen-", inside)?.keep();
        kept.push(Kept { folder: folder.clone(), child: None });
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the process, in a group of its own: who presses Ctrl-C means loadgen, which ends it, or lets it go on.
    ///
    /// # Errors
    /// It does not start, or loadgen is about to end.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Started> {
        let mut kept = kept();
        let own = self.own(&mut kept).ok_or_else(|| io::Error::other("loadgen is about to end"))?;
        let mut child = command.process_group(0).spawn()?;
        let started = Started { pid: child.id(), out: child.stdout.take(), err: child.stderr.take() };
        own.child = Some(child);
        Ok(started)
    }

    /// Whether no process runs here (any more).
    pub fn has_ended(&self) -> bool {
        let mut kept = kept();
        let child = self.own(&mut kept).and_then(|own| own.child.as_mut());
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Asks the process to end, and waits for that, at most so long.
    pub fn ask_to_end(&self, patience: Duration) {
        {
            let mut kept = kept();
            let Some(child) = self.own(&mut kept).and_then(|own| own.child.as_mut()) else { return };
            // the number of a process that was waited for may be somebody else's by now
            if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(child.id() as i32)) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let begin = Instant::now();
        while !self.has_ended() && begin.elapsed() < patience {
            std::thread::sleep(GLANCE);
        }
    }

    fn own<'a>(&self, kept: &'a mut [Kept]) -> Option<&'a mut Kept> {
        kept.iter_mut().find(|one| one.folder == self.folder)
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        // what is found out about a server that a signal has ended, too, is not worth telling
        while signals::is_ending() {
            std::thread::park();
        }
        let mut kept = kept();
        if let Some(own) = self.own(&mut kept) {
            own.end();
        }
        kept.retain(|one| one.folder != self.folder);
    }
}

impl Kept {
    fn end(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn kept() -> MutexGuard<'static, Vec<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all wards, for good: whatever is meant to be done then ends loadgen, too.
pub fn end_all(last: impl FnOnce()) {
    let mut kept = kept();
    kept.iter_mut().for_each(Kept::end);
    last();
}

/// From the first call on, neither a signal nor a panic leaves a ward behind.
fn watch() -> io::Result<()> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            usual(panic);
            end_all(|| {});
        }));
    });
    signals::watch()
}

/// A panic in one test ends the servers of all others: those that have some run one by one.
#[cfg(test)]
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(ward: &Ward) -> PathBuf {
        let pid = ward.spawn(Command::new("sleep").arg("600")).unwrap().pid;
        PathBuf::from(format!("/proc/{pid}"))
    }

    #[test]
    fn what_is_dropped_leaves_nothing_behind() {
        let _alone = alone();
        let place = tempfile::tempdir().unwrap();
        let ward = Ward::new(place.path()).unwrap();
        let process = sleeper(&ward);
        std::fs::write(ward.folder().join("data"), "x").unwrap();
        assert!(process.exists() && !ward.has_ended());
        drop(ward);
        assert!(!process.exists());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_process_that_is_asked_to_end_is_waited_for() {
        let _alone = alone();
        let place = tempfile::tempdir().unwrap();
        let ward = Ward::new(place.path()).unwrap();
        let process = sleeper(&ward);
        ward.ask_to_end(Duration::from_secs(60));
        assert!(ward.has_ended() && !process.exists() && ward.folder().exists());
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let _alone = alone();
        let place = tempfile::tempdir().unwrap();
        let ward = Ward::new(place.path()).unwrap();
        let process = sleeper(&ward);
        // where panics abort, nothing is dropped: the hook has to do it
        let caught = std::panic::catch_unwind(|| panic!("meant"));
        assert!(caught.is_err() && !process.exists() && !ward.folder().exists());
    }
}
