//! A server that ends with loadgen, also where loadgen is killed: before a program becomes the server, it asks the kernel for that.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// This program, also after another one took its place on disk.
const OWN: &str = "/proc/self/exe";
/// What it is told to do.
pub const NAME: &str = "tether";

/// A command that becomes this program and ends with the thread that starts it. That one has to be loadgen's first, which is there to the end.
pub fn tethered(program: &Path) -> Command {
    let mut command = Command::new(OWN);
    command.args([NAME, "--parent", &std::process::id().to_string(), "--"]).arg(program);
    command
}

/// Becomes the program, which is killed as soon as its parent is gone. The kernel forgets that for a program that gives up root.
///
/// # Errors
/// There is no such program, or the parent is gone already.
pub fn become_program(parent: u32, words: &[PathBuf]) -> Result<(), String> {
    let [program, arguments @ ..] = words else { return Err("there is no program".into()) };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    // it may have ended before that was asked for
    if getppid().map(Pid::as_raw_nonzero).map(i32::from) != i32::try_from(parent).ok() {
        return Err("loadgen has ended".into());
    }
    let error = Command::new(program).args(arguments).exec();
    Err(format!("{}: {error}", program.display()))
}
