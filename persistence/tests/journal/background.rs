//! The background sync of level process.

use std::time::Duration;

use ringdove_persistence::{Durability, Options};

use crate::bench::{Bench, options, replay};
use crate::crashing::CrashingStorage;

fn with_sync_every(sync_every: Duration) -> Bench<CrashingStorage> {
    let storage = CrashingStorage::new(7);
    let options = Options { sync_every, ..options(Durability::Process, 4096, &storage.boot()) };
    let (opened, _) = replay(storage, options).expect("a new journal");
    Bench::new(opened)
}

/// The story: the first turn of the preparer synced at once, whatever was written by then. On a busy machine its thread came to that late, and
/// what a test took for above the last sync was below it.
#[test]
fn the_first_sync_comes_no_sooner_than_the_others() {
    let mut bench = with_sync_every(Duration::from_secs(3_600));
    let before = bench.progress.synced();
    bench.append(10);
    bench.prepare();
    assert_eq!(bench.progress.synced(), before);
}

#[test]
fn what_is_due_is_synced() {
    let mut bench = with_sync_every(Duration::ZERO);
    bench.append(10);
    bench.prepare();
    assert_eq!(bench.progress.synced(), bench.progress.released());
}
