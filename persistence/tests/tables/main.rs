//! Whatever people do, however it is cut into transactions, and wherever the projection breaks off: the tables are what the journal says.
//!
//! The test whose name begins with `postgres` needs one; `scripts/test` leaves it out, and says so, where there is none.

#[path = "../../../core/tests/bench/mod.rs"]
mod bench;
#[path = "../../../core/tests/deeds/mod.rs"]
mod deeds;
#[path = "../journal/bench.rs"]
#[allow(dead_code, reason = "the journal's own tests use the rest")]
mod journal;
#[path = "../../../tests/postgres/mod.rs"]
mod postgres;

use std::path::Path;

use deeds::{Deed, PEOPLE, contact_deed, deed, put};
use postgres::Postgres;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ringdove_core::engine::Limits;
use ringdove_core::rings::Command;
use ringdove_persistence::{Durability, FileStorage, Projection, Sql, compare, projection};

const SEGMENT: u64 = 16 << 10;

/// What an engine journals when all this is done, with a restart in the middle: whoever was online is not any more, and everyone comes back.
fn bodies(deeds: &[Deed]) -> Vec<Vec<u8>> {
    let limits = Limits { group: 4, devices: 3, page: 5, contacts: 3, requests: 2, ..Limits::default() };
    let mut bench = bench::Bench::new(limits, 512, 64);
    for person in 1..=PEOPLE as u32 {
        bench.register(person, &format!("p{person}xx"));
    }
    for (request, deed) in (1..).zip(deeds) {
        if request as usize == deeds.len() / 2 {
            let records = std::mem::take(&mut bench.records);
            bench.records.clone_from(&records);
            bench = bench::Bench::going_on(bench.replayed(), limits, 512, 64);
            bench.records = records;
            for person in 1..=PEOPLE as u32 {
                bench.put(person, 1, Command::Resume { token: [person as u8; 32], cursor: None }, b"");
            }
            bench.run();
        }
        put(&mut bench, request, deed);
        bench.run();
    }
    bench.records.into_iter().map(|(_, body)| body).collect()
}

/// Writes them into a journal, and projects in transactions of `rows` rows; whenever `pace` records are there, the projection is given up
/// in the middle and another one goes on. In the middle of it all the machine starts again, and a new epoch begins.
fn project(data: &Path, sql: &Sql, bodies: Vec<Vec<u8>>, (rows, pace): (usize, usize)) {
    let storage = FileStorage::create(&data.join("journal"), false).unwrap();
    let mut options = journal::options(Durability::Process, SEGMENT, "boot");
    // another journal each time
    new_uuid(&mut options.new_uuid);
    let (opened, _) = journal::replay(storage, options.clone()).unwrap();
    let mut log = journal::Bench::new(opened);
    let tables = |log: &journal::Bench<FileStorage>| projection(sql, data, &log.opened, rows).expect("sql is on");
    let mut first = tables(&log);
    first.clear().unwrap();
    drop(first);
    let portions = bodies.chunks(pace);
    let middle = portions.len() / 2;
    for (nth, portion) in portions.enumerate() {
        if nth == middle {
            drop(log);
            let storage = FileStorage::create(&data.join("journal"), false).unwrap();
            options.boot = "another".into();
            let (opened, _) = journal::replay(storage, options.clone()).unwrap();
            assert!(opened.new_epoch.is_some());
            log = journal::Bench::new(opened);
        }
        for body in portion {
            while !log.publish_body(body.clone()) {
                log.write();
                log.prepare();
                log.seen();
            }
            log.write();
            log.seen();
        }
        log.prepare();
        let end = log.progress.synced();
        let mut given_up: Projection<FileStorage> = tables(&log);
        given_up.open(end).unwrap();
        given_up.advance(end).unwrap();
    }
    let end = log.progress.synced();
    assert_eq!(end, log.progress.released(), "all is on disk");
    let mut last = tables(&log);
    last.open(end).unwrap();
    while last.advance(end).unwrap() {}
    last.finish().unwrap();
    assert!(log.published.last().is_none_or(|record| last.position() >= record.end()));
}

/// A UUID that no journal before had in this process.
fn new_uuid(uuid: &mut [u8; 16]) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    uuid[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
}

fn tables_are_right(sql: &Sql, cases: u32) {
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let rows = prop_oneof![1..4_usize, 4..40_usize, Just(8192_usize)];
    let among_two = prop::collection::vec(contact_deed(2), 1..120);
    let deeds = prop_oneof![prop::collection::vec(deed(), 1..250), among_two];
    let strategy = (deeds, rows, 1..60_usize);
    let outcome = runner.run(&strategy, |(deeds, rows, pace)| {
        let folder = tempfile::tempdir().unwrap();
        project(folder.path(), sql, bodies(&deeds), (rows, pace));
        let found = compare(folder.path(), sql).unwrap();
        prop_assert_eq!(found.wrong, 0, "{:#?}", found.named);
        prop_assert!(found.rows[0].1 > 0);
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}

#[test]
fn sqlite_says_what_the_journal_says() {
    tables_are_right(&Sql::Sqlite, 120);
}

#[test]
fn postgres_says_what_the_journal_says() {
    let server = Postgres::start();
    let sql: Sql = server.url("chat").parse().unwrap();
    tables_are_right(&sql, 40);
}
