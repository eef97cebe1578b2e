//! What machine this is, and which source loadgen was started in: without that a figure says little.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::results::Machine;
use crate::server::Cores;

/// Kernel settings that change such figures.
const TUNING: [&str; 7] = [
    "net/core/somaxconn",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv4/tcp_mem",
    "vm/dirty_ratio",
    "kernel/sched_autogroup_enabled",
];

/// This machine.
pub fn machine(cores: Cores) -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |text: &str, name: &str, split: char| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(split)).map(|(_, value)| value.trim().trim_matches('"'));
        value.unwrap_or_default().to_owned()
    };
    let release = read("/etc/os-release");
    let memory = field(&read("/proc/meminfo"), "MemTotal", ':');
    let kib: u64 = memory.trim_end_matches("kB").trim().parse().unwrap_or_default();
    let uname = rustix::system::uname();
    let tuning = TUNING.iter().filter_map(|name| {
        let value = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        Some((name.replace('/', "."), value.split_whitespace().collect::<Vec<_>>().join(" ")))
    });
    Machine {
        cpu: field(&cpuinfo, "model name", ':'),
        cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count() as u32,
        memory_bytes: kib << 10,
        kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        distribution: field(&release, "PRETTY_NAME", '='),
        virtual_machine: field(&cpuinfo, "flags", ':').split_whitespace().any(|flag| flag == "hypervisor"),
        server_core: cores.server as u32,
        load_core: cores.load as u32,
        tuning: tuning.collect::<BTreeMap<_, _>>(),
    }
}

/// The commit of the source around the working folder, `+` behind it if it was changed.
pub fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let said = Command::new("git").args(arguments).output().ok().filter(|said| said.status.success())?;
        Some(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    Some(if changed { commit + "+" } else { commit })
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_is_known() {
        let machine = super::machine(super::Cores { server: 0, load: 1 });
        assert!(machine.cores > 0 && machine.memory_bytes > 1 << 20 && !machine.kernel.is_empty(), "{machine:?}");
    }
}
