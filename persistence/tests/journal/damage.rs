//! Every bit of a journal is flipped in turn: what was on disk is never given up in silence, and nothing panics.

use ringdove_core::ids::Position;
use ringdove_persistence::{Durability, JournalError, Storage, StorageFile};

use crate::bench::{Bench, Written, options, replay};
use crate::crashing::{Crash, CrashingStorage};

const SEGMENT: u64 = 1024;

/// A journal of three segments, each record in a batch of its own.
fn journal(clean: bool) -> (CrashingStorage, Vec<Written>) {
    let storage = CrashingStorage::new(1);
    let (opened, _) =
        replay(storage.clone(), options(Durability::Disk, SEGMENT, &storage.boot())).expect("a new journal");
    let mut bench = Bench::new(opened);
    for len in [64, 300, 128, 256, 1, 7, 400, 128, 32, 40, 500, 64] {
        bench.append(len);
    }
    if clean {
        return (storage, bench.close());
    }
    (storage, bench.published)
}

fn segments(storage: &CrashingStorage) -> Vec<String> {
    let mut names = storage.list().expect("it lists");
    names.retain(|name| name.ends_with(".log"));
    names.sort();
    names
}

/// Changes one byte of a copy and starts on it.
fn start_changed(
    storage: &CrashingStorage,
    name: &str,
    offset: u64,
    change: impl Fn(u8) -> u8,
) -> Result<(Vec<Written>, bool), JournalError> {
    let copy = storage.after(Crash::Process, 0);
    let file = copy.open(name).expect("it opens");
    let mut byte = Vec::new();
    file.read(offset, 1, &mut byte);
    file.write(offset, &[change(byte[0])]).expect("it is written");
    let (opened, found) = replay(copy, options(Durability::Disk, SEGMENT, &storage.boot()))?;
    Ok((found, opened.cut.is_some()))
}

fn flip_all(
    storage: &CrashingStorage,
    bits: u32,
    mut judge: impl FnMut(u64, Result<(Vec<Written>, bool), JournalError>),
) {
    for (index, name) in segments(storage).iter().enumerate() {
        for offset in 0..SEGMENT {
            for bit in 0..bits {
                let result = start_changed(storage, name, offset, |byte| byte ^ (1 << bit));
                judge(index as u64 * SEGMENT + offset, result);
            }
        }
    }
}

#[test]
fn after_an_end_in_order_no_flipped_bit_loses_a_record() {
    let (storage, written) = journal(true);
    let mut refused = 0;
    flip_all(&storage, 8, |position, result| match result {
        Err(_) => refused += 1,
        Ok((found, _)) => assert_eq!(found, written, "a bit at {position} cost a record and nobody said so"),
    });
    let bytes: u64 = written.iter().map(|record| record.body.len() as u64 + 44).sum();
    assert!(refused >= bytes * 8, "{refused} of {bytes} bytes");
}

#[test]
fn after_a_crash_only_the_last_record_can_be_taken_for_a_torn_tail() {
    let (storage, written) = journal(false);
    let (last, others) = written.split_last().expect("there are records");
    flip_all(&storage, 8, |position, result| match result {
        Err(error) => {
            let in_last = (last.head.position.0..last.end().0).contains(&position);
            assert!(!in_last, "the last record may be torn, and is cut then: {error}");
        }
        Ok((found, _)) if found == written => {}
        Ok((found, cut)) => {
            assert!(position >= last.head.position.0, "a bit at {position} cost a record and nobody said so");
            // without its length a record looks like one that the process did not finish: nobody was told of that one
            let has_no_length = (last.head.position.0..last.head.position.0 + 4).contains(&position);
            assert!(cut || has_no_length);
            assert_eq!(found, others);
        }
    });
}

/// A whole sector of zeros, as a disk that forgot a write leaves it.
#[test]
fn a_sector_that_was_lost_after_it_was_synced_is_refused() {
    let (storage, written) = journal(false);
    let last = written.last().expect("there are records").head.position.0;
    for (index, name) in segments(&storage).iter().enumerate() {
        for sector in 0..SEGMENT / 512 {
            let begin = index as u64 * SEGMENT + sector * 512;
            // the last record's header, elsewhere, says that this sector was on disk
            let holds_records = begin + 512 <= last
                && written.iter().any(|record| record.head.position.0 < begin + 512 && record.end().0 > begin);
            let copy = storage.after(Crash::Process, 0);
            let file = copy.open(name).expect("it opens");
            file.write(sector * 512, &[0; 512]).expect("it is written");
            let result = replay(copy, options(Durability::Disk, SEGMENT, &storage.boot()));
            if holds_records {
                let Err(JournalError::Corrupt { position, synced, .. }) = result else {
                    panic!("sector {sector} of {name} was given up")
                };
                assert!(position < synced);
                assert!(position < Position(begin + 512), "{position} is behind the sector at {begin}");
            }
        }
    }
}
