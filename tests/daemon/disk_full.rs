//! A disk that is full: sends are refused with DISK_FULL, reading goes on, and nothing that was told is lost.
//!
//! It needs a file system of its own, small enough to be filled: a tmpfs in a mount namespace. `scripts/test` says so and leaves this
//! out where the system allows none.

use std::process::Command;

use ringdove_core::wire::Code;
use tempfile::tempdir;

use crate::broker::{Broker, serve};
use crate::client::{Client, text};

#[test]
fn disk_full_is_refused_and_reading_goes_on() {
    let folder = tempdir().unwrap();
    let inner = serve(&folder.path().join("data"));
    // room for four segments of 1 MiB, not for a fifth
    let script = "mount -t tmpfs -o size=4600k none \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(folder.path());
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let broker = Broker::start(command);
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
