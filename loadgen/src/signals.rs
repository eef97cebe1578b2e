//! What a signal does: it ends loadgen, and the wards before it. A run that may take hours can ask that the first one ends only the run.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ward;

/// loadgen is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// The next SIGINT or SIGTERM ends only the run.
static SPARING: AtomicBool = AtomicBool::new(false);
/// It has come.
static SPARED: AtomicBool = AtomicBool::new(false);

/// From the first call on, what would end loadgen ends all wards before.
///
/// # Errors
/// Signals cannot be waited for.
pub fn watch() -> io::Result<()> {
    static WATCHED: OnceLock<Result<(), String>> = OnceLock::new();
    let watched = WATCHED.get_or_init(|| begin().map_err(|error| error.to_string()));
    watched.clone().map_err(io::Error::other)
}

/// The first SIGINT or SIGTERM from now on ends the run and not loadgen, which goes on to say what the run came to; the second one ends both.
///
/// # Errors
/// Signals cannot be waited for.
pub fn end_only_the_run() -> io::Result<()> {
    watch()?;
    SPARING.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether a signal has ended the run.
pub fn run_is_ended() -> bool {
    SPARED.load(Ordering::Relaxed)
}

/// Whether a signal ends loadgen. Whatever happens to a server from now on is not worth telling.
pub fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

/// The signals that end loadgen: also that its terminal has gone, unless it was started to ignore that (`nohup`).
fn ends() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let ends = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];
    ends.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect()
}

fn begin() -> io::Result<()> {
    let mut signals = Signals::new(ends())?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            // standard error may be closed, which is no reason to leave servers behind
            let tell = |what: &str| writeln!(io::stderr(), "loadgen: {name} {what}");
            if [SIGINT, SIGTERM].contains(&signal) && SPARING.swap(false, Ordering::Relaxed) {
                SPARED.store(true, Ordering::Relaxed);
                let _ = tell("ends the run, of which is told in a moment; another one ends loadgen");
                continue;
            }
            ENDING.store(true, Ordering::Relaxed);
            let _ = tell("ends loadgen");
            ward::end_all(|| std::process::exit(128 + signal));
        }
    })?;
    Ok(())
}
