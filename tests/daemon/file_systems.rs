//! File systems that fail: one that is full, and one that cannot be written to.
//!
//! They need mounts of their own, in a mount namespace. `scripts/test` says so and leaves these out where the system allows none.

use std::path::Path;
use std::process::Command;

use ringdove_core::wire::Code;
use tempfile::tempdir;

use crate::broker::{Broker, refused, serve};
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
