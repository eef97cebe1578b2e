//! SIGTERM and SIGINT: the first one drains, the second one ends at once.

use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use crate::compose::Stop;

/// A drain that takes longer than this is stuck; with what comes before and behind it, the process ends within 5 s.
const PATIENCE: Duration = Duration::from_millis(4_500);
/// What the process ends with if a drain did not come to its end.
const STUCK: i32 = 1;

/// Takes over both signals.
///
/// # Errors
/// The system does not let us.
pub fn watch(stop: Stop) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                tracing::warn!(signal = signal_name(signal), "a second signal: ending at once");
                std::process::exit(128 + signal);
            }
            asked = true;
            tracing::info!(signal = signal_name(signal), "draining; a second signal ends at once");
            stop.ask();
            thread::spawn(|| {
                thread::sleep(PATIENCE);
                tracing::error!("the drain is stuck: ending without it");
                std::process::exit(STUCK);
            });
        }
    })?;
    Ok(())
}
