//! File systems that fail: one that is full, and one that cannot be written to.
//!
//! They need mounts of their own, in a mount namespace. `scripts/test` says so and leaves these out where the system allows none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ringdove_core::wire::Code;
use tempfile::tempdir;

use crate::broker::{Broker, PATIENCE, done, refused, ringdove, serve};
use crate::client::{Client, text};

/// A broker whose data is in `folder`/data, started after `mount`, a script that sees the folder as `$0`, where only it sees the mount.
fn behind(mount: &str, folder: &Path) -> Command {
    let inner = serve(&folder.join("data"));
    let script = format!("{mount} && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).arg(folder);
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Sends are refused with DISK_FULL, reading goes on, and nothing that was told is lost.
#[test]
fn disk_full_is_refused_and_reading_goes_on() {
    let folder = tempdir().unwrap();
    // room for four segments of 1 MiB, not for a fifth
    let broker = Broker::start(behind("mount -t tmpfs -o size=4600k none \"$0\"", folder.path()));
    let mut ann = Client::register(broker.address, "ann");
    let mut bob = Client::register(broker.address, "bob");
    let mut told = 0;
    let refusal = loop {
        match ann.send(text(bob.welcome.user, told + 1, "x".repeat(8_000))) {
            Ok(_) => told += 1,
            Err(refusal) => break refusal,
        }
        assert!(told < 1_000, "the disk is never full");
    };
    assert_eq!((refusal.code, &*refusal.name), (u32::from(Code::DiskFull.number()), "DISK_FULL"));
    assert!(refusal.retry_ms > 0);
    assert!(told > 300, "most of what was prepared is used: {told}");
    // nothing was applied, and what was told is there
    let again = ann.send(text(bob.welcome.user, told + 1, "x".repeat(8_000))).unwrap_err();
    assert_eq!(again.name, "DISK_FULL");
    assert_eq!(bob.sync(0).len() as u64, told);
    broker.stop();
}

/// It is said, nothing is changed, and where it can be written again all is there.
#[test]
fn a_read_only_data_folder_is_refused_and_keeps_what_it_has() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let broker = Broker::on(&data);
    let mut ann = Client::register(broker.address, "ann");
    ann.send(text(ann.welcome.user, 1, "kept")).unwrap();
    broker.stop();
    let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"";
    let said = refused(&mut behind(mount, folder.path()));
    assert!(said.contains(&format!("cannot write to the data folder {}", data.display())), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    let broker = Broker::on(&data);
    let mut ann = Client::resume(broker.address, &ann.identity(), None);
    assert_eq!(ann.sync(0).len(), 1);
    broker.stop();
}

/// The tables in SQL have a small disk of their own, which is full: chat goes on, and when there is room again they are right.
#[test]
fn a_full_disk_under_sqlite_costs_lag_and_nothing_else() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::create_dir(folder.path().join("small")).unwrap();
    symlink("../small/ringdove.sqlite", folder.path().join("data/ringdove.sqlite")).unwrap();
    let mount = "mount -t tmpfs -o size=8m none \"$0/small\" && head -c 7900k /dev/zero > \"$0/small/filler\"";
    let mut command = behind(mount, folder.path());
    command.env("RINGDOVE_JOURNAL_SYNC_EVERY", "10ms");
    let broker = Broker::start(command);
    // as the broker sees it
    let seen = Path::new("/proc").join(broker.pid().to_string()).join("root");
    let seen = seen.join(folder.path().strip_prefix("/").unwrap());
    let people: String = (0..10_000).map(|nth| format!("{{\"handle\":\"dove{nth}\"}}\n")).collect();
    let file = folder.path().join("people.jsonl");
    fs::write(&file, people).unwrap();
    let data = folder.path().join("data");
    done(ringdove(["import", "accounts"]).arg(&file).arg("--data").arg(&data));
    broker.hear("full");
    let mut ann = Client::register(broker.address, "ann");
    ann.send(text(ann.welcome.user, 1, "chat goes on")).unwrap();
    let stats = done(ringdove(["stats", "--data"]).arg(&data));
    assert!(stats.contains("failing since"), "{stats}");
    fs::remove_file(seen.join("small/filler")).unwrap();
    broker.hear("the database is there again");
    let all_there = || {
        let stats = done(ringdove(["stats", "--json", "--data"]).arg(&data));
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        stats["projected"].as_u64() >= stats["released"].as_u64()
    };
    let begin = Instant::now();
    while !all_there() {
        assert!(begin.elapsed() < PATIENCE, "the tables stay behind");
    }
    // nobody else sees that disk: what is on it is copied to where everyone does
    for name in ["ringdove.sqlite", "ringdove.sqlite-wal"] {
        fs::copy(seen.join("small").join(name), folder.path().join("small").join(name)).unwrap();
    }
    let said = done(ringdove(["sql", "verify", "--data"]).arg(&data));
    assert!(said.contains("10001 accounts"), "{said}");
    broker.stop();
}
