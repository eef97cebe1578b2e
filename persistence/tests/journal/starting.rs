//! Starts on real files: all is found again, a torn tail is cut, and what is damaged is refused in words that help.

use std::fs::{self, File};

use ringdove_core::ids::{Epoch, Position};
use ringdove_persistence::{Durability, FileStorage, JournalError, repair, verify};

use crate::bench::{Bench, Written};
use crate::on_disk::{Folder, SEGMENT, place};

#[test]
fn a_start_finds_everything_again() {
    for durability in [Durability::Disk, Durability::Process] {
        let folder = Folder { durability, ..Folder::new() };
        let mut bench = folder.bench();
        for len in [1, 3000, 64, 2000, 500, 3900] {
            bench.append(len);
        }
        let mut written = bench.close();
        for _ in 0..2 {
            let (opened, found) = folder.start().expect("it opens");
            assert_eq!(found, written);
            assert_eq!((opened.start.epoch, opened.cut.as_deref()), (Epoch(1), None));
            let mut bench = Bench::new(opened);
            bench.append(1500);
            written.extend(bench.close());
        }
        // and behind a `kill -9`
        let mut bench = folder.bench();
        bench.append(100);
        written.extend(bench.published);
        let (opened, found) = folder.start().expect("it opens");
        assert_eq!(found, written);
        assert_eq!(opened.start.epoch, Epoch(1), "a kill loses nothing, so the epoch goes on");
    }
}

#[test]
fn a_start_finds_trains_again() {
    for durability in [Durability::Disk, Durability::Process] {
        let folder = Folder { durability, ..Folder::new() };
        let mut bench = folder.bench();
        for lens in [[100, 900, 40], [1200, 1200, 1200], [7, 8, 9]] {
            assert!(bench.publish_train(&lens), "there is room");
            bench.write();
            bench.prepare();
        }
        let written = bench.close();
        let segments: Vec<_> = written.iter().map(|record| record.head.position.0 / SEGMENT).collect();
        assert_eq!(segments, [0, 0, 0, 0, 0, 1, 1, 1, 1], "the second train goes on in the next segment");
        assert_eq!(folder.start().expect("it opens").1, written);
    }
}

/// Both levels write the same file, but for what they say about synced-up-to.
#[test]
fn a_level_can_be_changed_between_two_starts() {
    let mut folder = Folder::new();
    let mut written = Vec::new();
    for durability in [Durability::Process, Durability::Disk, Durability::Process] {
        folder.durability = durability;
        let mut bench = folder.bench();
        bench.append(1500);
        bench.append(1500);
        written.extend(bench.close());
    }
    assert_eq!(folder.start().expect("it opens").1, written);
}

/// Takes a refusal apart: it names file, offset and position, and the command that repairs it.
fn corrupt(folder: &Folder) -> (String, u64, Position) {
    let error = folder.refusal();
    let words = error.to_string();
    let JournalError::Corrupt { file, offset, position, synced, .. } = error else { panic!("not corrupt: {words}") };
    assert!(position < synced);
    for part in [&file, &format!("offset {offset}"), &format!("ringdove log repair --data DIR --cut {position}")] {
        assert!(words.contains(part), "{part} is not in: {words}");
    }
    assert!(matches!(verify(folder.data(), None), Err(JournalError::Corrupt { .. })), "verify sees it too");
    (file, offset, position)
}

#[test]
fn a_flipped_bit_in_what_was_synced_is_refused() {
    let folder = Folder::new();
    let written = folder.fill(8);
    let damaged = &written[4];
    let (file, offset) = place(damaged.head.position.0);
    folder.change(&file, |bytes| bytes[offset + 48 + 500] ^= 4);
    assert_eq!(corrupt(&folder), (file, offset as u64, damaged.head.position));
}

fn flip_in_last(folder: &Folder, written: &[Written]) {
    let (file, offset) = place(written.last().expect("records").head.position.0);
    folder.change(&file, |bytes| bytes[offset + 48 + 500] ^= 4);
}

#[test]
fn a_flipped_bit_above_what_was_synced_is_a_torn_tail() {
    let folder = Folder { boot: "first", ..Folder::new() };
    let written = folder.fill(5);
    flip_in_last(&folder, &written);
    let torn = verify(folder.data(), None).expect("a torn tail is news, not an error");
    assert_eq!(torn.records, 4);
    assert!(torn.torn.expect("it says so").contains("body"));
    let prepared = folder.files().keys().filter(|name| name.ends_with(".log")).count() as u64;

    let folder = Folder { boot: "second", ..folder };
    let (opened, found) = folder.start().expect("it opens");
    assert_eq!(found, written[..4]);
    assert!(opened.cut.as_ref().expect("it says so").contains("body"));
    assert_eq!(opened.start.epoch, Epoch(2));
    assert_eq!(opened.start.cursor.next(), Position(prepared * SEGMENT + 64), "behind all that was preallocated");
    let (file, offset) = place(written[3].end().0);
    assert_eq!(file, "0000000000000001.log");
    assert!(folder.read(&file)[offset..].iter().all(|byte| *byte == 0), "zeros up to the segment's end");
    assert!(!folder.path("0000000000000002.log").exists(), "what was prepared behind it is gone");

    let mut bench = Bench::new(opened);
    bench.append(10);
    let mut all = written[..4].to_vec();
    all.extend(bench.close());
    let (opened, found) = folder.start().expect("it opens");
    assert_eq!(found, all);
    assert_eq!((opened.start.epoch, opened.cut.as_deref()), (Epoch(2), None));
}

/// Good records behind the damage do not save it: they were never told.
#[test]
fn a_torn_tail_is_cut_at_the_first_damage() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    bench.append(1000);
    // one batch, which nobody was told of: it runs into the second segment
    for _ in 0..4 {
        assert!(bench.publish(1000));
    }
    bench.write();
    let written = bench.published;
    let (file, offset) = place(written[1].head.position.0);
    folder.change(&file, |bytes| bytes[offset + 100] ^= 1);
    // the last record stands in the next segment, which says that all before it was synced at the turn of the page
    assert_eq!(place(written[4].head.position.0).0, "0000000000000001.log");
    let (opened, found) = folder.start().expect("it opens");
    assert_eq!(found, written[..1]);
    assert_eq!(opened.start.epoch, Epoch(2));
    assert!(!folder.path("0000000000000001.log").exists());
}

/// Bytes where no record can be are none of anybody's.
#[test]
fn a_flipped_bit_behind_the_last_record_of_a_full_segment_costs_nothing() {
    let folder = Folder::new();
    let written = folder.fill(5);
    folder.change("0000000000000000.log", |bytes| bytes[SEGMENT as usize - 9] ^= 1);
    let folder = Folder { boot: "after a loss of power", ..folder };
    let (opened, found) = folder.start().expect("it opens");
    assert_eq!(found, written);
    assert_eq!((opened.start.epoch, opened.cut.as_deref()), (Epoch(1), None));
}

/// What a redacted record says about synced-up-to counts like that of any other.
#[test]
fn damage_before_a_redacted_record_is_refused() {
    let folder = Folder::new();
    let written = folder.fill(2);
    let (file, first) = place(written[0].head.position.0);
    let (_, second) = place(written[1].head.position.0);
    folder.change(&file, |bytes| {
        bytes[first + 48] ^= 1;
        bytes[second + 48..second + 1048].fill(0);
    });
    assert_eq!(corrupt(&folder).2, written[0].head.position);
}

#[test]
fn after_an_end_in_order_there_is_no_torn_tail() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    bench.append(1000);
    let written = bench.close();
    flip_in_last(&folder, &written);
    assert_eq!(corrupt(&folder).2, written[0].head.position);
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (folder, other) = (Folder::new(), Folder { uuid: *b"fedcba9876543210", ..Folder::new() });
    folder.fill(5);
    other.fill(5);
    folder.write("0000000000000001.log", &other.read("0000000000000001.log"));
    let error = folder.refusal();
    assert!(matches!(&error, JournalError::Foreign { file } if file == "0000000000000001.log"), "{error}");
}

#[test]
fn a_newer_format_is_refused() {
    let folder = Folder::new();
    folder.fill(1);
    folder.change("0000000000000000.log", |bytes| {
        bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    let error = folder.refusal();
    assert!(matches!(error, JournalError::Newer { format: 2, .. }), "{error}");
    assert!(error.to_string().contains("newer ringdove"), "{error}");
}

#[test]
fn a_missing_segment_is_refused() {
    for missing in 0..3 {
        let folder = Folder::new();
        folder.fill(9);
        let file = format!("{missing:016x}.log");
        fs::remove_file(folder.path(&file)).expect("it is there");
        assert_eq!(corrupt(&folder), (file, 0, Position(missing * SEGMENT)));
    }
}

/// The story: the segment that is written now is lost, and only the empty ones that were prepared behind it are left.
#[test]
fn a_missing_last_segment_is_refused() {
    let folder = Folder::new();
    folder.fill(1);
    fs::remove_file(folder.path("0000000000000000.log")).expect("it is there");
    assert_eq!(corrupt(&folder).2, Position(0));
}

#[test]
fn a_truncated_segment_is_refused() {
    for bytes in [0, 40, SEGMENT - 1, SEGMENT + 1] {
        let folder = Folder::new();
        folder.fill(5);
        let file = File::options().write(true).open(folder.path("0000000000000001.log")).expect("it opens");
        file.set_len(bytes).expect("it is truncated");
        assert_eq!(corrupt(&folder), ("0000000000000001.log".into(), 0, Position(SEGMENT)));
    }
}

#[test]
fn a_file_that_is_only_named_like_a_segment_is_refused() {
    let folder = Folder::new();
    folder.fill(1);
    folder.write("ffffffffffffffff.log", &[1; SEGMENT as usize]);
    let error = folder.refusal();
    assert!(matches!(&error, JournalError::Foreign { file } if file == "ffffffffffffffff.log"), "{error}");
    assert!(repair(folder.data(), Position(SEGMENT)).is_err(), "nor is it repaired away");
}

#[test]
fn other_files_in_the_folder_are_left_alone() {
    let folder = Folder::new();
    let written = folder.fill(2);
    folder.write("next.tmp", b"half a segment");
    folder.write("notes.log", b"an operator's");
    assert_eq!(folder.start().expect("it opens").1, written);
    assert_eq!(folder.read("notes.log"), b"an operator's");
}

#[test]
fn garbage_in_the_journals_note_is_refused() {
    let folder = Folder::new();
    folder.fill(1);
    let good = String::from_utf8(folder.read("journal.toml")).expect("it is text");
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in {good}");
        good.replace(from, to).into_bytes()
    };
    let cases = [
        Vec::new(),
        b"\xff\xfe garbage".to_vec(),
        b"uuid = 1".to_vec(),
        changed("epoch = 1", "epoch = 0"),
        changed("epoch = 1", "epoch = 4294967295"),
        changed("segment_bytes = 4096", "segment_bytes = 8"),
        changed("segment_bytes = 4096", "segment_bytes = 5000"),
        changed("segment_bytes = 4096", "segment_bytes = 4611686018427387904"),
        changed("first_segment = 0", "first_segment = 9223372036854775807"),
        changed("uuid = \"30", "uuid = \"zz"),
        changed("epoch = 1", "epoch = 1\nnobody_knows = 1"),
    ];
    for bytes in cases {
        folder.write("journal.toml", &bytes);
        let error = folder.refusal();
        assert!(matches!(&error, JournalError::Meta { file, .. } if file == "journal.toml"), "{error}");
        assert!(verify(folder.data(), None).is_err());
    }
    folder.write("journal.toml", good.as_bytes());
    folder.start().expect("it was only the note");
}

/// The story: the note is lost, and a start makes a new journal over the old one's segments.
#[test]
fn segments_without_the_journals_note_are_refused() {
    let folder = Folder::new();
    folder.fill(1);
    fs::remove_file(folder.path("journal.toml")).expect("it is there");
    let error = folder.refusal();
    assert!(matches!(error, JournalError::Meta { .. }), "{error}");
}

/// What a repair leaves: everything below the cut, and a new epoch.
fn repairs(folder: &Folder, written: &[Written]) {
    let (_, _, position) = corrupt(folder);
    repair(folder.data(), position).expect("it repairs");
    let (opened, found) = folder.start().expect("then it opens");
    let kept: Vec<_> = written.iter().filter(|record| record.head.position < position).cloned().collect();
    assert_eq!(found, kept);
    assert_eq!(opened.start.epoch, Epoch(2));
    assert!(opened.start.cursor.next() > written.last().expect("records").end(), "no position is used twice");
    let mut bench = Bench::new(opened);
    bench.append(700);
    let mut all = kept;
    all.extend(bench.close());
    let (opened, found) = folder.start().expect("and again");
    assert_eq!(found, all);
    assert_eq!(opened.start.epoch, Epoch(2), "one repair, one new epoch");
}

#[test]
fn a_repair_cuts_where_the_refusal_says_so() {
    let damages: [&dyn Fn(&Folder); 6] = [
        &|folder| folder.change("0000000000000001.log", |bytes| bytes[64 + 1048 + 100] ^= 1),
        &|folder| folder.change("0000000000000001.log", |bytes| bytes[64 + 9] ^= 1),
        &|folder| folder.change("0000000000000001.log", |bytes| bytes[20] ^= 1),
        &|folder| folder.change("0000000000000000.log", |bytes| bytes[64] ^= 1),
        &|folder| fs::remove_file(folder.path("0000000000000001.log")).expect("it is there"),
        &|folder| folder.change("0000000000000000.log", |bytes| bytes.truncate(100)),
    ];
    for damage in damages {
        let folder = Folder::new();
        let written = folder.fill(9);
        damage(&folder);
        repairs(&folder, &written);
    }
}

/// A cut that is no record's begin takes the record that it goes through.
#[test]
fn a_repair_can_cut_anywhere() {
    let folder = Folder::new();
    let written = folder.fill(5);
    for cut in [written[4].head.position.0 + 300, SEGMENT + 7, written[1].end().0, 64, 3, 0] {
        repair(folder.data(), Position(cut)).expect("it repairs");
        let (_, found) = folder.start().unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let kept = written.iter().filter(|record| record.end().0 <= cut).count();
        assert_eq!(found, written[..kept], "cut at {cut}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_said_in_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("it writes");
    // holds for every user, also for one that may write everywhere
    let error = FileStorage::create(&file.join("journal"), false).expect_err("there is a file in the way");
    assert!(!error.to_string().is_empty());
    assert_eq!(error.kind(), std::io::ErrorKind::NotADirectory);
}

#[test]
fn a_start_in_a_folder_that_vanished_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let storage = FileStorage::create(&folder.path().join("journal"), false).expect("the folder is made");
    fs::remove_dir(folder.path().join("journal")).expect("it is empty");
    let options = crate::bench::options(Durability::Disk, SEGMENT, "boot");
    let Err(error) = crate::bench::replay(storage, options) else { panic!("there is no folder") };
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
    assert!(matches!(verify(folder.path(), None), Err(JournalError::None { .. })));
}
