//! A disk that fails: after an error nothing more is told, and a full disk is said to be full until there is room.

use std::time::Duration;

use ringdove_core::ids::Position;
use ringdove_core::rings::Progress;
use ringdove_persistence::Durability;
use rustix::io::Errno;

use crate::bench::{Bench, options, replay};
use crate::crashing::{Crash, CrashingStorage, Failing};

const SEGMENT: u64 = 1024;

fn open(durability: Durability) -> (CrashingStorage, Bench<CrashingStorage>) {
    let storage = CrashingStorage::new(7);
    let (opened, _) = replay(storage.clone(), options(durability, SEGMENT, &storage.boot())).expect("a new journal");
    (storage, Bench::new(opened))
}

fn positions(progress: &Progress) -> (Position, Position) {
    (progress.released(), progress.synced())
}

/// At level disk the batch in which a write or a sync fails is not shown, nor anything behind it, and the broker hears of it once.
fn latches_at_level_disk(failing: Failing) {
    let (storage, mut bench) = open(Durability::Disk);
    bench.append(100);
    let told = bench.seen();
    assert_eq!(told.len(), 1);
    let before = positions(&bench.progress);

    storage.fail(failing, 0, Errno::IO);
    assert!(bench.publish(50) && bench.publish(60));
    bench.write();
    assert_eq!(bench.faults.lock().len(), 1, "the fault is reported");
    assert!(bench.faults.lock()[0].contains("0000000000000000.log"), "{:?}", bench.faults);

    let operations = storage.operations();
    assert!(bench.publish(70));
    bench.write();
    bench.write();
    assert_eq!(bench.faults.lock().len(), 1, "once");
    assert_eq!(storage.operations(), operations, "nothing is tried again");
    assert_eq!(positions(&bench.progress), before, "nothing is told");
    assert_eq!(bench.seen(), [], "the gate is not passed");

    // whatever the failed sync left, what was told is there
    let left = storage.after(Crash::PowerLoss, 1);
    let (_, found) = replay(left.clone(), options(Durability::Disk, SEGMENT, &left.boot())).expect("it is not damaged");
    assert_eq!(found[0], bench.published[0]);
}

#[test]
fn a_failed_write_latches_the_journal() {
    latches_at_level_disk(Failing::Write);
}

#[test]
fn a_failed_sync_latches_the_journal() {
    latches_at_level_disk(Failing::Sync);
}

#[test]
fn a_failed_sync_at_the_end_of_a_segment_latches_the_journal() {
    let (storage, mut bench) = open(Durability::Disk);
    storage.fail(Failing::Sync, 0, Errno::IO);
    // the batch crosses into the next segment
    assert!(bench.publish(600) && bench.publish(600));
    bench.write();
    assert_eq!(bench.faults.lock().len(), 1);
    assert_eq!(bench.progress.released(), Position(64));
    assert_eq!(bench.seen(), []);
}

/// At level process the preparer syncs: it reports the error, and never says that more is on disk.
#[test]
fn a_failed_sync_in_the_background_is_reported_once_and_never_retried() {
    let (storage, mut bench) = open(Durability::Process);
    bench.append(100);
    bench.prepare();
    let synced = bench.progress.synced();
    assert_eq!(synced, bench.progress.released());

    bench.append(100);
    storage.fail(Failing::Sync, 0, Errno::IO);
    bench.prepare();
    bench.prepare();
    assert_eq!(*bench.faults.lock(), [format!("syncing the journal: {}", std::io::Error::from(Errno::IO))]);
    assert_eq!(bench.progress.synced(), synced);
}

/// The story: the sync of the last batch fails, and whoever composes the broker notes an orderly end all the same. The next start
/// must not take the journal for one that is whole.
#[test]
fn a_journal_that_broke_is_not_closed_as_one_that_ended_in_order() {
    let (storage, mut bench) = open(Durability::Process);
    bench.prepare(); // so that the sync that fails is not that of a new segment
    bench.append(100);
    storage.fail(Failing::Sync, 0, Errno::IO);
    bench.prepare();
    assert_eq!(bench.faults.lock().len(), 1);
    let epoch = bench.epoch();
    bench.opened.close().expect("nothing to note");
    let left = storage.after(Crash::PowerLoss, 3);
    let (opened, _) = replay(left.clone(), options(Durability::Process, SEGMENT, &left.boot())).expect("it opens");
    assert!(opened.start.epoch > epoch, "it was noted as ended in order");
}

#[test]
fn a_full_disk_is_said_to_be_full_until_there_is_room() {
    let (storage, mut bench) = open(Durability::Disk);
    bench.prepare(); // one more is made ahead
    let prepared = bench.progress.prepared();
    assert_eq!(prepared, Position(3 * SEGMENT));

    storage.fail(Failing::Create, 0, Errno::NOSPC);
    bench.append(600);
    bench.append(600);
    assert!(!bench.progress.disk_full());
    bench.prepare();
    assert!(bench.progress.disk_full());
    assert_eq!(bench.progress.prepared(), prepared, "what is there can be used up");
    bench.append(600);
    assert!(!bench.publish(600), "then the engine has no credit");
    bench.hands.pass(Duration::from_millis(999));
    bench.prepare();
    assert!(bench.progress.disk_full(), "it is asked again once a second");
    assert!(bench.faults.lock().is_empty(), "a full disk is no fault");
    assert_eq!(bench.seen().len(), 3);

    bench.hands.pass(Duration::from_millis(1));
    bench.prepare();
    assert!(!bench.progress.disk_full());
    assert_eq!(bench.progress.prepared(), Position(4 * SEGMENT));
    bench.append(600);
    let published = bench.close();
    assert_eq!(published.len(), 4);
    let (_, found) = replay(storage.clone(), options(Durability::Disk, SEGMENT, &storage.boot())).expect("it is whole");
    assert_eq!(found, published);
}

/// An error other than "no room" while a segment is made is no reason to refuse sends for lack of room.
#[test]
fn a_segment_that_could_not_be_made_for_another_reason_is_not_a_full_disk() {
    let (storage, mut bench) = open(Durability::Process);
    let prepared = bench.progress.prepared();
    storage.fail(Failing::Create, 0, Errno::ACCESS);
    bench.prepare();
    assert!(!bench.progress.disk_full());
    assert_eq!(bench.progress.prepared(), prepared);
}

/// The story: a journal at level process loses power, and the operator takes the occasion to switch to level disk.
#[test]
fn what_level_process_lost_is_in_a_new_epoch_though_the_next_start_is_at_level_disk() {
    let (storage, mut bench) = open(Durability::Process);
    bench.append(100);
    let (epoch, prepared) = (bench.epoch(), bench.progress.prepared());
    for seed in 0..8 {
        let left = storage.after(Crash::PowerLoss, seed);
        let (opened, _) = replay(left.clone(), options(Durability::Disk, SEGMENT, &left.boot())).expect("it opens");
        assert!(opened.start.epoch > epoch);
        assert!(opened.start.cursor.next() >= prepared);
    }
}

/// The story: the last record filled its segment to the byte, and the broker ended.
#[test]
fn a_record_that_fills_its_segment_is_no_trouble_at_the_end() {
    for durability in [Durability::Disk, Durability::Process] {
        let (storage, mut bench) = open(durability);
        bench.append(SEGMENT as usize - 64 - 48);
        assert_eq!(bench.progress.released(), Position(SEGMENT));
        let mut written = bench.close();
        let reopen = || replay(storage.clone(), options(durability, SEGMENT, &storage.boot())).expect("it is whole");
        let (opened, found) = reopen();
        assert_eq!(found, written);
        assert_eq!(opened.start.cursor.next(), Position(SEGMENT + 64));
        let mut bench = Bench::new(opened);
        bench.append(10);
        written.extend(bench.close());
        assert_eq!(reopen().1, written);
    }
}
