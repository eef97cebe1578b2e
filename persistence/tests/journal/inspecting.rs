//! What an operator reads out of a journal: verify and dump, of redacted bodies, masked credentials and the checked-in segment.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use ringdove_core::ids::{Epoch, Position};
use ringdove_core::record::Records;
use ringdove_core::wire::log::event::Event;
use ringdove_persistence::{JournalError, Report, dump, verify, visit};
use serde_json::Value;

use crate::on_disk::{Folder, SECRET, place, write_bodies};

fn dumped(folder: &Folder, from: Position, released: Option<Position>) -> Vec<Value> {
    let mut out = Vec::new();
    dump(folder.data(), from, released, &mut out).expect("it dumps");
    let text = String::from_utf8(out).expect("it is text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn a_redacted_body_is_said_to_be_redacted() {
    // the second of the records, and the last one
    for redacted in [1, 3] {
        let folder = Folder::new();
        let mut bench = folder.bench();
        write_bodies(&mut bench);
        let written = bench.close();
        let (file, offset) = place(written[redacted].head.position.0);
        let body = offset + 48..offset + 48 + written[redacted].body.len();
        folder.change(&file, |bytes| bytes[body].fill(0));

        let report = verify(folder.data(), None).expect("it is whole");
        assert_eq!((report.records, report.redacted, report.torn), (4, 1, None));
        let lines = dumped(&folder, Position(0), None);
        let are: Vec<_> = lines.iter().map(|line| line["events"] == "redacted").collect();
        assert_eq!(are.iter().filter(|is| **is).count(), 1);
        assert!(are[redacted]);

        let (opened, found) = folder.start().expect("it opens");
        assert_eq!(opened.cut, None);
        let rest: Vec<_> = written.iter().filter(|record| **record != written[redacted]).cloned().collect();
        assert_eq!(found, rest);
        let mut body = Vec::new();
        assert_eq!(opened.reader().read(written[redacted].head.position, &mut body), None);
        assert!(body.is_empty());
    }
}

/// The story: the last record of a segment is redacted, and the broker is killed. What says that the record was on disk stands in the
/// next segment.
#[test]
fn a_redacted_record_at_the_end_of_a_segment_is_no_damage() {
    let folder = Folder::new();
    let written = folder.fill(5);
    let (file, offset) = place(written[2].head.position.0);
    folder.change(&file, |bytes| bytes[offset + 48..offset + 1048].fill(0));
    let report = verify(folder.data(), None).expect("it is whole");
    assert_eq!((report.records, report.redacted, report.torn), (5, 1, None));
    assert_eq!(folder.start().expect("it opens").1.len(), 4);
}

#[test]
fn a_dump_masks_what_nobody_may_read() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    bench.close();
    let mut out = Vec::new();
    dump(folder.data(), Position(0), None, &mut out).expect("it dumps");
    let text = String::from_utf8(out).expect("it is text");
    assert!(!text.contains(SECRET) && !text.contains("argon2"), "the password's hash: {text}");
    // the token's hash in hex, base64 and as numbers
    for form in ["a5a5", "paWl", "165,165"] {
        assert!(!text.to_lowercase().contains(&form.to_lowercase()), "the token's hash: {text}");
    }
    assert!(text.contains("(masked)") && text.contains("ada") && text.contains("phone"), "{text}");
    assert!(text.contains("good morning"), "contents are decoded: {text}");
}

#[test]
fn a_dump_begins_and_ends_where_it_is_told() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    let written = bench.published;
    let positions: Vec<_> = dumped(&folder, written[1].head.position, Some(written[3].head.position))
        .iter()
        .map(|line| line["position"].as_u64().expect("a number"))
        .collect();
    assert_eq!(positions, [written[1].head.position.0, written[2].head.position.0]);
}

/// A writer that fails.
struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_dump_into_a_closed_pipe_just_ends() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    bench.close();
    dump(folder.data(), Position(0), None, &mut Failing(io::ErrorKind::BrokenPipe)).expect("nobody reads on");
    let error = dump(folder.data(), Position(0), None, &mut Failing(io::ErrorKind::StorageFull));
    assert!(matches!(error, Err(JournalError::Io { .. })));
}

/// Beside a running broker, what it has not released yet is neither read nor judged.
#[test]
fn verify_stops_at_the_released_position() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    let released = bench.progress.released();
    let (file, offset) = place(released.0);
    folder.change(&file, |bytes| bytes[offset..offset + 20].fill(7));
    let report = verify(folder.data(), Some(released)).expect("it is whole as far as it was released");
    assert_eq!((report.records, report.end, report.torn), (4, released, None));
    assert!(verify(folder.data(), None).expect("a torn tail").torn.is_some());
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Whoever changes the format changes the checked-in files on purpose, and the format's number.
#[test]
fn the_format_is_the_checked_in_one() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    bench.close();
    let written = folder.read("0000000000000000.log");
    let checked_in = fs::read(golden("segment.log")).expect("it is checked in");
    assert_eq!(written.len(), checked_in.len());
    let differs = written.iter().zip(&checked_in).position(|(left, right)| left != right);
    assert_eq!(differs, None, "the first byte that differs");
    let note = fs::read_to_string(golden("journal.toml")).expect("it is checked in");
    assert_eq!(String::from_utf8(folder.read("journal.toml")).expect("it is text"), note);
}

/// The chain of headers runs over an epoch, not only over a segment: nothing can be lost unseen where two segments meet.
#[test]
fn the_first_header_of_a_segment_follows_the_last_one_before_it() {
    let folder = Folder::new();
    let written = folder.fill(7);
    let header = |record: usize| {
        let (file, offset) = place(written[record].head.position.0);
        folder.read(&file)[offset..offset + 48].to_vec()
    };
    let crc = |header: &[u8]| u32::from_le_bytes(header[40..44].try_into().expect("four bytes"));
    let mut chain = 0;
    for record in 0..written.len() {
        let header = header(record);
        assert_eq!(crc(&header), crc32c::crc32c_append(chain, &header[..40]));
        chain = crc(&header);
    }
}

#[test]
fn the_checked_in_segment_is_read() {
    let folder = Folder::new();
    fs::create_dir(folder.path("")).expect("it is new");
    for (from, to) in [("segment.log", "0000000000000000.log"), ("journal.toml", "journal.toml")] {
        fs::copy(golden(from), folder.path(to)).expect("it is checked in");
    }
    let report = verify(folder.data(), None).expect("it is whole");
    let expected = Report {
        segments: 1,
        records: 4,
        redacted: 0,
        epoch: Epoch(1),
        end: Position(432),
        synced: Position(432),
        torn: None,
    };
    assert_eq!(report, expected);
    let lines = fs::read_to_string(golden("dump.jsonl")).expect("it is checked in");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(dumped(&folder, Position(0), None), lines);
    let (_, found) = folder.start().expect("it opens");
    let bodies: Vec<_> = found.into_iter().map(|record| record.body).collect();
    assert_eq!(bodies, crate::on_disk::bodies());
}

/// What a visit shows: position and kind of every event.
fn visited(folder: &Folder, limit: Position) -> Result<Vec<(u64, &'static str)>, JournalError> {
    let mut found = Vec::new();
    let each = |head: ringdove_core::record::RecordHead, event: &Event| {
        let kind = match event {
            Event::AccountRegistered(_) => "account",
            Event::DeviceAdded(_) => "device",
            Event::MessageSent(_) => "message",
            Event::CursorMoved(_) => "cursor",
            _ => "other",
        };
        found.push((head.position.0, kind));
    };
    visit(folder.data(), limit, each, |_, _| ())?;
    Ok(found)
}

#[test]
fn a_visit_meets_every_event_up_to_a_position() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    let written = bench.published;
    let all: Vec<_> =
        written.iter().map(|record| record.head.position.0).zip(["account", "device", "message", "cursor"]).collect();
    assert_eq!(visited(&folder, Position(u64::MAX)).expect("it is whole"), all);
    assert_eq!(visited(&folder, written[2].head.position).expect("it is whole"), all[..2]);
}

/// Whoever counts must not count on what is damaged, and must not skip it either.
#[test]
fn a_visit_is_refused_by_damage_and_says_what_it_could_not_see() {
    let folder = Folder::new();
    let mut bench = folder.bench();
    write_bodies(&mut bench);
    let written = bench.close();
    let (file, offset) = place(written[1].head.position.0);
    let body = offset + 48..offset + 48 + written[1].body.len();
    folder.change(&file, |bytes| bytes[body.clone()].fill(0));
    let report = visit(folder.data(), Position(u64::MAX), |_, _| (), |_, _| ()).expect("redacted is whole");
    assert_eq!((report.records, report.redacted), (4, 1));
    folder.change(&file, |bytes| bytes[body].fill(1));
    assert!(matches!(visited(&folder, Position(u64::MAX)), Err(JournalError::Corrupt { .. })));
}
