//! How batches are written. At level disk a sync waits a few turns for one that still grows, and never longer; at level process the pages of a small one are
//! made by zeros ahead, and a large one makes its own.

use ringdove_persistence::Durability;

use crate::bench::{Bench, options, replay};
use crate::crashing::CrashingStorage;

fn open(durability: Durability) -> (CrashingStorage, Bench<CrashingStorage>) {
    open_with(durability, 4096)
}

fn open_with(durability: Durability, segment_bytes: u64) -> (CrashingStorage, Bench<CrashingStorage>) {
    let storage = CrashingStorage::new(7);
    let (opened, _) =
        replay(storage.clone(), options(durability, segment_bytes, &storage.boot())).expect("a new journal");
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

#[test]
fn a_large_batch_makes_its_own_pages_and_a_small_one_has_zeros_ahead() {
    // a portion of zeros is a quarter of this, 16 KiB, and a batch that goes 8 KiB beyond them needs none
    let (storage, mut bench) = open_with(Durability::Process, 64 << 10);
    let operations = |bench: &mut Bench<CrashingStorage>, records: usize| {
        let before = storage.operations();
        for _ in 0..records {
            assert!(bench.publish(1000));
        }
        bench.write();
        assert_eq!(bench.seen().len(), records);
        storage.operations() - before
    };
    // the batch, and the length of its first record
    assert_eq!(operations(&mut bench, 15), 2, "it goes from the segment's header to 15 KiB, and zeros to 16");
    assert_eq!(operations(&mut bench, 2), 3, "to 17 KiB: zeros are written ahead to 32");
    assert_eq!(operations(&mut bench, 10), 2, "to 28 KiB");
    assert_eq!(operations(&mut bench, 14), 2, "to 41 KiB: it makes its pages, and zeros to 48");
    assert_eq!(operations(&mut bench, 9), 3, "to 50 KiB: zeros to 64");
    assert_eq!(operations(&mut bench, 10), 2, "to 60 KiB");
    let written = bench.close();
    let (_, found) =
        replay(storage.clone(), options(Durability::Process, 64 << 10, &storage.boot())).expect("it opens");
    assert_eq!(found, written);
}
