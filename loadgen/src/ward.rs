//! A folder and the server that works in it. Neither outlives loadgen: not where it ends by itself, not where SIGINT or SIGTERM ends it, and not
//! where it panics. What cannot be caught, SIGKILL for one, leaves the folder behind; the server ends with it ([`tether`](crate::tether)).

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tempfile::TempDir;

use crate::{process, signals};

/// How often it is looked whether a server has ended.
const GLANCE: Duration = Duration::from_millis(10);
/// What the kernel may take to clear away processes that were killed.
const DYING: Duration = Duration::from_secs(10);

/// All wards. Whoever ends loadgen keeps it locked to the end, so that no server is started behind it.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// What a ward has to do with, known to whoever ends loadgen.
struct Kept {
    folder: PathBuf,
    child: Option<Child>,
}

/// A folder of its own, at most one process, and those that it starts, as long as they stay in its group. All go when this is dropped: the processes at once, without being asked.
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
        self.own(&mut kept).and_then(|own| own.child.as_ref()).is_none_or(has_ended)
    }

    /// Asks the process and those that it has started to end, and waits for that, at most so long.
    pub fn ask_to_end(&self, patience: Duration) {
        let Some(group) = self.own(&mut kept()).and_then(|own| own.child.as_ref()).map(Pid::from_child) else { return };
        let _ = kill_process_group(group, Signal::TERM);
        let begin = Instant::now();
        while process::works(group) && begin.elapsed() < patience {
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
            // it is waited for only behind them: until then the number is its own, and its group's
            let group = Pid::from_child(child);
            let _ = kill_process_group(group, Signal::KILL);
            let begin = Instant::now();
            while process::works(group) && begin.elapsed() < DYING {
                std::thread::sleep(GLANCE);
            }
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether a process has ended. It is not waited for.
fn has_ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(Pid::from_child(child)), options), Ok(None))
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
        assert!(ward.has_ended() && ward.folder().exists());
        drop(ward);
        assert!(!process.exists());
    }

    /// A server that a script starts, which ends before it.
    #[test]
    fn what_a_process_has_started_ends_with_it() {
        let _alone = alone();
        for asked in [false, true] {
            let place = tempfile::tempdir().unwrap();
            let ward = Ward::new(place.path()).unwrap();
            let file = ward.folder().join("pid");
            let text = "sleep 600 & echo $! > \"$0.new\"; mv \"$0.new\" \"$0\"; wait";
            ward.spawn(Command::new("sh").arg("-c").arg(text).arg(&file)).unwrap();
            while !file.exists() {
                std::thread::sleep(GLANCE);
            }
            let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
            if asked {
                ward.ask_to_end(Duration::from_secs(60));
            } else {
                drop(ward);
            }
            // whoever inherits it may leave it unburied for a moment
            let lives = || {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                !stat.is_empty() && !stat.contains(") Z ")
            };
            let begin = Instant::now();
            while lives() {
                assert!(begin.elapsed() < Duration::from_secs(60), "it goes on (asked: {asked})");
                std::thread::sleep(GLANCE);
            }
        }
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
