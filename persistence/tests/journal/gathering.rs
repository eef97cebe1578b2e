//! At level disk a sync waits a few turns for a batch that still grows, and never longer.

use ringdove_persistence::Durability;

use crate::bench::{Bench, options, replay};
use crate::crashing::CrashingStorage;

fn open(durability: Durability) -> (CrashingStorage, Bench<CrashingStorage>) {
    let storage = CrashingStorage::new(7);
    let (opened, _) = replay(storage.clone(), options(durability, 4096, &storage.boot())).expect("a new journal");
    (storage, Bench::new(opened))
}

#[test]
fn what_comes_in_the_turns_behind_a_record_shares_its_sync() {
    let (storage, mut bench) = open(Durability::Disk);
    let before = storage.operations();
    for _ in 0..3 {
        assert!(bench.publish(10));
        assert!(bench.turn() > 0, "it has to be called again");
        assert_eq!(bench.seen(), [], "nothing is told before it is on disk");
    }
    assert_eq!(bench.turn(), 3);
    assert_eq!(bench.seen().len(), 3);
    assert_eq!(storage.operations() - before, 2, "one write and one sync");
}

#[test]
fn a_batch_that_never_stops_growing_is_written_all_the_same() {
    let (_, mut bench) = open(Durability::Disk);
    let mut turns = 0;
    while bench.seen().is_empty() {
        assert!(bench.publish(10));
        bench.turn();
        turns += 1;
        assert!(turns < 10, "it waits for ever");
    }
    assert!(turns > 1);
}

#[test]
fn what_is_not_synced_waits_for_nothing() {
    let (_, mut bench) = open(Durability::Process);
    assert!(bench.publish(10));
    assert_eq!(bench.turn(), 1);
    assert_eq!(bench.seen().len(), 1);
}
