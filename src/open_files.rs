//! The system's limit on open files, which bounds connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are no connections: the doors, pollers, the terminal, and segments of the journal that are written or made ahead.
const OTHERS: u64 = 128;

/// Raises this process's limit as far as it may, and returns how many connections fit beside so many segments that stay in memory.
pub fn raise(segments: u64) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    // without the raise, what there is has to do
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(files.saturating_sub(OTHERS + segments).max(1)).unwrap_or(u32::MAX)
}

/// What `auto` takes at most: tables for connections are set aside when the broker starts, and a limit of a billion files is common.
const AUTO: u32 = 1_000_000;

/// How many connections are taken: as many as `wanted`, or as fit.
///
/// # Errors
/// More are wanted than fit.
pub fn connections(wanted: Option<u32>, fit: u32) -> Result<u32, String> {
    match wanted {
        None => Ok(fit.min(AUTO)),
        Some(wanted) if wanted <= fit => Ok(wanted),
        Some(wanted) => Err(format!(
            "limits.connections is {wanted}, but the system's limit on open files leaves room for {fit}: raise it (`ulimit -n`)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_fit_are_refused() {
        assert_eq!(connections(None, 7), Ok(7));
        assert_eq!(connections(None, u32::MAX), Ok(AUTO));
        assert_eq!(connections(Some(7), 7), Ok(7));
        assert!(connections(Some(8), 7).unwrap_err().contains("room for 7"));
        assert_eq!(raise(0) - raise(10), 10);
        assert_eq!(raise(u64::MAX / 2), 1);
    }
}
