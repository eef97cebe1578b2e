//! The background sync of level process.

use std::time::Duration;

use ringdove_persistence::{Durability, Options, Storage, open_memory};

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
    let mut bench = with_sync_every(Duration::from_secs(3_600));
    let before = bench.progress.synced();
    bench.append(10);
    bench.hands.pass(Duration::from_secs(3_599));
    bench.prepare();
    assert_eq!(bench.progress.synced(), before);
    bench.hands.pass(Duration::from_secs(1));
    bench.prepare();
    assert_eq!(bench.progress.synced(), bench.progress.released());
}

/// Fills some segments, each in such a time. Returns how many are ready beyond the one that is written.
fn ready<S: Storage>(bench: &mut Bench<S>, segment_bytes: u64, time: Duration) -> u64 {
    for _ in 0..10 {
        bench.append(600);
        bench.seen();
        bench.hands.pass(time);
        for _ in 0..10 {
            bench.prepare();
        }
    }
    bench.progress.prepared().0 / segment_bytes - bench.progress.released().0 / segment_bytes - 1
}

/// The story: a disk took 180 ms to set a segment aside, in which one and a half were filled, and sends were refused though it had room.
#[test]
fn more_segments_are_ready_where_they_fill_fast_but_not_in_memory() {
    let storage = CrashingStorage::new(7);
    let (opened, _) =
        replay(storage.clone(), options(Durability::Process, 1024, &storage.boot())).expect("a new journal");
    let mut bench = Bench::new(opened);
    assert_eq!(ready(&mut bench, 1024, Duration::from_secs(60)), 2);
    assert_eq!(ready(&mut bench, 1024, Duration::from_millis(240)), 5, "4.2 in a second");
    assert_eq!(ready(&mut bench, 1024, Duration::from_secs(60)), 2);

    let opened = open_memory(options(Durability::Memory, 1024, "boot")).expect("a journal in memory");
    assert_eq!(ready(&mut Bench::new(opened), 1024, Duration::from_millis(240)), 2);
}
