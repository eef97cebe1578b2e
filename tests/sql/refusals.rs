//! Tables that do not belong to this journal, or to this version, are refused at the start, with what to do.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::broker::{Broker, done, refused};
use crate::client::{Client, text};
use crate::operator::{Door, beside, rebuild, serve_with, verify, verify_in_vain};
use crate::postgres::Postgres;

fn copy(from: &Path, to: &Path) {
    done(Command::new("cp").arg("-r").arg(from).arg(to));
}

/// A journal that was restored from an older copy, beside tables that know more.
fn tables_ahead_of_the_journal_are_refused(sql: &str) {
    let folder = tempdir().unwrap();
    let (data, before) = (folder.path().join("data"), folder.path().join("before"));
    let broker = Broker::start(serve_with(&data, sql));
    Door::of(&data).import("dove", 20);
    broker.stop();
    copy(&data.join("journal"), &before);
    let broker = Broker::start(serve_with(&data, sql));
    Door::of(&data).import("owl", 20);
    broker.stop();
    assert!(verify(&data, sql).contains("40 accounts"));
    std::fs::remove_dir_all(data.join("journal")).unwrap();
    copy(&before, &data.join("journal"));
    let said = refused(&mut serve_with(&data, sql));
    assert!(said.contains("the tables in SQL are ahead of the journal"), "{said}");
    assert!(said.contains("ringdove sql rebuild"), "it says what to do: {said}");
    assert!(verify_in_vain(&data, sql).contains("ahead of the journal"));
    let meta = std::fs::read_to_string(data.join("journal/journal.toml")).unwrap();
    assert!(meta.contains("clean = true"), "a refused start leaves it as it was: {meta}");
    rebuild(&data, sql);
    let broker = Broker::start(serve_with(&data, sql));
    // as many records as before, but others: only their checksums tell
    Door::of(&data).import("hen", 20);
    Door::of(&data).caught_up();
    assert!(verify(&data, sql).contains("40 accounts"));
    broker.stop();
    std::fs::remove_dir_all(data.join("journal")).unwrap();
    copy(&before, &data.join("journal"));
    let broker = Broker::start(serve_with(&data, "off"));
    Door::of(&data).import("jay", 40);
    broker.stop();
    let said = refused(&mut serve_with(&data, sql));
    assert!(said.contains("the tables in SQL are ahead of the journal"), "{said}");
}

#[test]
fn sqlite_ahead_of_the_journal_is_refused() {
    tables_ahead_of_the_journal_are_refused("sqlite");
}

#[test]
fn postgres_ahead_of_the_journal_is_refused() {
    let server = Postgres::start();
    tables_ahead_of_the_journal_are_refused(&server.url("chat"));
}

#[test]
fn postgres_of_another_journal_is_refused() {
    let server = Postgres::start();
    let sql = server.url("chat");
    let (mine, other) = (tempdir().unwrap(), tempdir().unwrap());
    let broker = Broker::start(serve_with(mine.path(), &sql));
    Door::of(mine.path()).import("dove", 3);
    Door::of(mine.path()).caught_up();
    // while the first one runs
    let said = refused(&mut serve_with(other.path(), &sql));
    assert!(said.contains("another ringdove writes to this database"), "{said}");
    broker.crash();
    let said = refused(&mut serve_with(other.path(), &sql));
    assert!(said.contains("were written from the journal"), "{said}");
    let broker = Broker::start(serve_with(mine.path(), &sql));
    Door::of(mine.path()).caught_up();
    broker.stop();
    // a schema of its own is as good as a database
    server.client("chat").batch_execute("CREATE SCHEMA second").unwrap();
    let second = format!("{sql}?options=-csearch_path%3Dsecond");
    let broker = Broker::start(serve_with(other.path(), &second));
    Door::of(other.path()).import("owl", 2);
    Door::of(other.path()).caught_up();
    assert!(verify(other.path(), &second).contains("2 accounts"));
    assert!(verify(mine.path(), &sql).contains("3 accounts"));
    broker.stop();
}

#[test]
fn postgres_of_a_newer_version_or_the_wrong_encoding_is_refused() {
    let server = Postgres::start();
    let folder = tempdir().unwrap();
    let sql = server.url("chat");
    Broker::start(serve_with(folder.path(), &sql)).stop();
    let newer = "INSERT INTO refinery_schema_history VALUES (99, 'feeds', '2027-01-01T00:00:00Z', '7')";
    server.client("chat").batch_execute(newer).unwrap();
    let said = refused(&mut serve_with(folder.path(), &sql));
    assert!(said.contains("the tables in SQL are of a newer ringdove"), "{said}");

    let garbled = "UPDATE refinery_schema_history SET applied_on = 'yesterday', checksum = NULL";
    server.client("chat").batch_execute(garbled).unwrap();
    let said = refused(&mut serve_with(folder.path(), &sql));
    assert!(said.contains("the tables in SQL are not as ringdove made them"), "{said}");

    let other = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    server.client("postgres").batch_execute(other).unwrap();
    let said = refused(&mut serve_with(folder.path(), &server.url("latin")));
    assert!(said.contains("the database's encoding is LATIN1"), "{said}");
}

#[test]
fn sqlite_with_a_garbled_list_of_migrations_is_refused() {
    let folder = tempdir().unwrap();
    Broker::start(serve_with(folder.path(), "sqlite")).stop();
    let file = rusqlite::Connection::open(folder.path().join("ringdove.sqlite")).unwrap();
    file.execute_batch("UPDATE refinery_schema_history SET checksum = 'x'").unwrap();
    drop(file);
    let said = refused(&mut serve_with(folder.path(), "sqlite"));
    assert!(said.contains("the tables in SQL are not as ringdove made them"), "{said}");
}

/// What somebody else has changed is found.
#[test]
fn postgres_that_was_tampered_with_is_found_out() {
    let server = Postgres::start();
    let (folder, sql, broker, mut door) = beside(&server);
    door.import("dove", 3);
    let mut ann = Client::register(broker.address, "ann");
    ann.send(text(ann.welcome.user, 1, "note")).unwrap();
    door.caught_up();
    let tamper = "UPDATE accounts SET name = 'Eve', secret = 'x' WHERE handle = 'dove1'; UPDATE accounts SET secret = 'x' WHERE handle = 'ann';
        DELETE FROM contacts WHERE user_id = 768; INSERT INTO memberships VALUES (256, 256, 'OWNER', '', 0, 0)";
    server.client("chat").batch_execute(tamper).unwrap();
    let said = verify_in_vain(folder.path(), &sql);
    for words in [
        "4 rows of the tables are wrong",
        "accounts: 512 has name \"Eve\" in place of \"Ünïcode\"",
        "accounts: 1024 has another secret",
        "contacts: 768 512 is missing",
        "memberships: 256 256 should not be there",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    broker.stop();
    rebuild(folder.path(), &sql);
    assert!(verify(folder.path(), &sql).contains("4 accounts"));
}
