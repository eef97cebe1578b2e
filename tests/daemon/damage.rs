//! A journal with a flipped bit: refused with its place below what was on disk, cut above it, mended by `log repair`.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::broker::{Broker, done, refused, ringdove, serve};
use crate::client::{Client, Identity, text};

/// A data folder with 50 notes of ann's, ended in order or not.
fn notes(data: &Path, in_order: bool) -> Identity {
    let broker = Broker::on(data);
    let mut ann = Client::register(broker.address, "ann");
    for key in 1..=50 {
        ann.send(text(ann.welcome.user, key, format!("note {key}"))).unwrap();
    }
    let identity = ann.identity();
    if in_order {
        broker.stop()
    } else {
        broker.crash()
    }
    identity
}

fn first_segment(data: &Path) -> PathBuf {
    data.join("journal").join("0000000000000000.log")
}

/// Flips a bit of the first place where the bytes stand; returns the offset.
fn flip(path: &Path, bytes: &[u8]) -> usize {
    let mut file = fs::read(path).unwrap();
    let place = file.windows(bytes.len()).position(|window| window == bytes).expect("it is there");
    file[place] ^= 4;
    fs::write(path, file).unwrap();
    place
}

#[test]
fn damage_below_what_was_on_disk_is_refused_and_repaired_on_request() {
    let folder = tempdir().unwrap();
    let ann = notes(folder.path(), true);
    let path = first_segment(folder.path());
    let place = flip(&path, b"note 30");
    let before = fs::read(&path).unwrap();
    for command in [&mut serve(folder.path()), ringdove(["log", "verify", "--data"]).arg(folder.path())] {
        let said = refused(command);
        assert!(said.contains("0000000000000000.log") && said.contains("position "), "{said}");
        assert!(said.contains("ringdove log repair --data DIR --cut "), "{said}");
    }
    assert_eq!(fs::read(&path).unwrap(), before, "it was not touched");
    let said = refused(&mut serve(folder.path()));
    let cut = said.split("--cut ").nth(1).and_then(|rest| rest.split('`').next()).unwrap().to_owned();
    let offset: usize = said.split("offset ").nth(1).and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap();
    assert!(offset < place && place - offset < 200, "the record of the note: {offset}, {place}");
    done(ringdove(["log", "repair", "--cut", &cut, "--data"]).arg(folder.path()));

    // the tables in SQL hold what was given up
    let said = refused(&mut serve(folder.path()));
    assert!(said.contains("the tables in SQL are ahead of the journal") && said.contains("sql rebuild"), "{said}");
    done(ringdove(["sql", "rebuild", "--data"]).arg(folder.path()));
    let broker = Broker::on(folder.path());
    let client = Client::resume(broker.address, &ann, Some((ann.epoch, 50)));
    assert_eq!(client.welcome.epoch, ann.epoch + 1);
    assert!(client.welcome.gap, "an older epoch syncs afresh");
    assert_eq!(client.welcome.version, 29);
    broker.stop();
}

#[test]
fn repair_touches_nothing_where_there_is_nothing() {
    let folder = tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let said = refused(ringdove(["log", "repair", "--cut", "64", "--data"]).arg(&nowhere));
    assert!(said.contains(&format!("there is no journal in the data folder {}", nowhere.display())), "{said}");
    assert!(!nowhere.exists());
    let ann = notes(folder.path(), true);
    let said = refused(ringdove(["log", "repair", "--cut", "999999999", "--data"]).arg(folder.path()));
    assert!(said.contains("nothing was cut"), "{said}");
    let broker = Broker::on(folder.path());
    let client = Client::resume(broker.address, &ann, Some((ann.epoch, 50)));
    assert_eq!((client.welcome.epoch, client.welcome.gap), (ann.epoch, false));
    broker.stop();
}

#[test]
fn repair_is_refused_while_a_broker_runs() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let said = refused(ringdove(["log", "repair", "--cut", "64", "--data"]).arg(folder.path()));
    assert!(said.contains("is in use by process"), "{said}");
    broker.stop();
}

#[test]
fn a_torn_tail_is_cut_and_opens_a_new_epoch() {
    let folder = tempdir().unwrap();
    let mut command = serve(folder.path());
    // nothing is synced in the background, so that all of it is above what is on disk for sure
    command.env("RINGDOVE_JOURNAL_SYNC_EVERY", "1h");
    let broker = Broker::start(command);
    let mut ann = Client::register(broker.address, "ann");
    for key in 1..=50 {
        ann.send(text(ann.welcome.user, key, format!("note {key}"))).unwrap();
    }
    let identity = ann.identity();
    broker.crash();
    flip(&first_segment(folder.path()), b"note 30");
    let said = done(ringdove(["log", "verify", "--data"]).arg(folder.path()));
    assert!(said.contains("torn tail"), "{said}");
    let broker = Broker::on(folder.path());
    assert!(broker.said.iter().any(|line| line.contains("torn and has been cut")), "{:?}", broker.said);
    let mut client = Client::resume(broker.address, &identity, Some((identity.epoch, 50)));
    assert_eq!((client.welcome.epoch, client.welcome.version), (identity.epoch + 1, 29));
    // what is new goes behind everything that was preallocated
    let sent = client.send(text(identity.user, 100, "after")).unwrap();
    assert!(sent.position / 256 >= 1 << 20, "{}", sent.position);
    broker.stop();
    Broker::on(folder.path()).stop();
}

#[test]
fn a_folder_without_a_journal_is_named() {
    let folder = tempdir().unwrap();
    let said = refused(ringdove(["log", "verify", "--data"]).arg(folder.path()));
    assert!(said.contains(&folder.path().display().to_string()), "{said}");
}
