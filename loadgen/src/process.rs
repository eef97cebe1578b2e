//! CPU time and memory of processes and of the machine, as Linux counts them, and the core that a process runs on.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{Process, Stat, all_processes};
use procfs::{Current, CurrentSI, ProcError, ProcResult};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::Pid;

/// A server: a process, and those that it had started when this was made, and they in turn. It may be started by a script, or work in several
/// processes.
#[derive(Clone, Debug)]
pub struct Family(Vec<u32>);

impl Family {
    /// That of this process, in some milliseconds.
    pub fn of(pid: u32) -> Self {
        let all: Vec<Stat> =
            all_processes().into_iter().flatten().flatten().filter_map(|one| one.stat().ok()).collect();
        let mut family = vec![pid];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            next += 1;
            let children = all.iter().filter(|stat| u32::try_from(stat.ppid) == Ok(parent));
            let children: Vec<_> = children.filter_map(|stat| u32::try_from(stat.pid).ok()).collect();
            family.extend(children);
        }
        Self(family)
    }

    /// User and system time so far, with that of children that have ended.
    ///
    /// # Errors
    /// The first process has ended, or is none of ours to look at.
    pub fn cpu(&self) -> Result<Duration, String> {
        let spent = self.all(|process| process.stat().map(|stat| spent_with_ended(&stat)))?;
        Ok(in_ticks(spent.into_iter().sum()))
    }

    /// Memory. What several of them share counts for each.
    ///
    /// # Errors
    /// The first process has ended.
    pub fn memory(&self) -> Result<Memory, String> {
        let mut sum = Memory::default();
        for status in self.all(Process::status)? {
            // one that has ended and was not waited for has none
            let bytes = |kib: Option<u64>| kib.unwrap_or(0) << 10;
            sum.rss += bytes(status.vmrss);
            sum.anonymous += bytes(status.rssanon);
        }
        if sum.rss == 0 { Err(format!("process {} has ended", self.0[0])) } else { Ok(sum) }
    }

    /// What each of them says; of those behind the first one, who may have ended.
    fn all<T>(&self, ask: impl Fn(&Process) -> ProcResult<T>) -> Result<Vec<T>, String> {
        let ask = |pid: u32| process(pid).and_then(|process| ask(&process));
        let (first, rest) = (self.0[0], &self.0[1..]);
        let first = ask(first).map_err(|error| format!("process {first}: {error}"))?;
        Ok(std::iter::once(first).chain(rest.iter().filter_map(|pid| ask(*pid).ok())).collect())
    }

    /// Whether one of them listens at a TCP port; `None`: this system does not tell.
    pub fn listens(&self, address: SocketAddr) -> Option<bool> {
        let tables = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
        let is_it =
            |entry: &TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == address.port();
        let sockets: HashSet<_> =
            tables.filter(is_it).map(|entry| PathBuf::from(format!("socket:[{}]", entry.inode))).collect();
        let mut told = !sockets.is_empty();
        for pid in &self.0 {
            let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
                told = false;
                continue;
            };
            // by hand: procfs passes over what it may not read
            for file in files.flatten() {
                match fs::read_link(file.path()) {
                    Ok(file) if sockets.contains(&file) => return Some(true),
                    // somebody else's: of a server that has given up root, to a loadgen that may not look
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => told = false,
                    _ => {}
                }
            }
        }
        told.then_some(false)
    }
}

fn process(pid: u32) -> ProcResult<Process> {
    Process::new(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// User and system time of this process so far, without that of the servers that it has started.
fn own_cpu() -> Result<Duration, String> {
    let stat = Process::myself().and_then(|process| process.stat()).map_err(|error| error.to_string())?;
    Ok(in_ticks(stat.utime + stat.stime))
}

/// In ticks, with that of children that have ended.
fn spent_with_ended(stat: &Stat) -> u64 {
    let ended = u64::try_from(stat.cutime.saturating_add(stat.cstime)).unwrap_or(0);
    stat.utime + stat.stime + ended
}

fn in_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64)
}

/// CPU clocks at one time.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    server: Option<Duration>,
    own: Duration,
}

/// CPU time that was spent between two times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// By the server, all of its processes.
    pub server: Option<Duration>,
    /// By this process.
    pub own: Duration,
}

impl Clocks {
    /// Now.
    ///
    /// # Errors
    /// The server has ended.
    pub fn read(server: Option<&Family>) -> Result<Self, String> {
        Ok(Self { server: server.map(Family::cpu).transpose()?, own: own_cpu()? })
    }

    /// What was spent since then.
    pub fn since(&self, begin: Self) -> Spent {
        // less than before: one of its processes is gone, and nobody has taken over its time
        let server = self.server.zip(begin.server).and_then(|(to, from)| to.checked_sub(from));
        Spent { server, own: self.own.saturating_sub(begin.own) }
    }
}

/// The clocks of everyone else: reading them takes milliseconds, so it is done before and after a run.
#[derive(Clone, Copy, Debug)]
pub struct OtherClocks {
    /// All other processes, with those of their children that have ended, and what the host took away.
    others: Duration,
    /// The kernel's own threads: they write to disk for whoever dirtied pages.
    kernel: Duration,
}

/// The thread that all of the kernel's other threads come from.
const KTHREADD: u32 = 2;

impl OtherClocks {
    /// Now. Processes are added up one by one: what the kernel does in interrupts is counted as theirs on some kernels and on others not, so
    /// that nothing can be told from the sums of the whole machine.
    ///
    /// # Errors
    /// This system does not tell.
    pub fn read(server: Option<&Family>) -> Result<Self, String> {
        let words = |error: ProcError| error.to_string();
        let stolen = procfs::KernelStats::current().map_err(words)?.total.steal;
        let mut this = Self { others: in_ticks(stolen.unwrap_or(0)), kernel: Duration::ZERO };
        for process in all_processes().map_err(words)?.flatten() {
            // one that has just ended is in the sums of its parent
            let Ok(stat) = process.stat() else { continue };
            let Ok(pid) = u32::try_from(stat.pid) else { continue };
            if pid == KTHREADD || stat.ppid == KTHREADD as i32 {
                this.kernel += in_ticks(stat.utime + stat.stime);
            } else if pid != std::process::id() && !server.is_some_and(|server| server.0.contains(&pid)) {
                this.others += in_ticks(spent_with_ended(&stat));
            }
        }
        Ok(this)
    }

    /// What everyone else spent since then, and the kernel's threads.
    pub fn since(&self, begin: Self) -> (Duration, Duration) {
        (self.others.saturating_sub(begin.others), self.kernel.saturating_sub(begin.kernel))
    }
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Resident and its own: anonymous pages, not the pages of files that it maps.
    pub anonymous: u64,
}

/// What the kernel holds for sockets on the whole machine, in bytes: its own structures (slab), and what stands in TCP's buffers.
///
/// # Errors
/// This system does not tell.
pub fn kernel_memory() -> Result<u64, String> {
    let slab = procfs::Meminfo::current().map_err(|error| error.to_string())?.s_unreclaim;
    let slab = slab.ok_or("/proc/meminfo has no SUnreclaim")?;
    let sockets = fs::read_to_string("/proc/net/sockstat").map_err(|error| format!("/proc/net/sockstat: {error}"))?;
    let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = tcp.split_whitespace().skip_while(|word| *word != "mem").nth(1).and_then(|pages| pages.parse().ok());
    Ok(slab + pages.unwrap_or(0) * page_size() as u64)
}

/// Whether anyone of a group of processes has not ended yet.
pub fn works(group: Pid) -> bool {
    let group = group.as_raw_nonzero().get();
    let is_one = |stat: Stat| stat.pgrp == group && !matches!(stat.state, 'Z' | 'X');
    all_processes().is_ok_and(|mut all| all.any(|process| process.and_then(|process| process.stat()).is_ok_and(is_one)))
}

/// The process that listens on a Unix socket, if one does.
pub fn listener(socket: &Path) -> Option<u32> {
    let socket = UnixStream::connect(socket).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&socket).ok()?;
    u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
}

/// Keeps this thread, and what it starts from now on, on one core.
///
/// # Errors
/// There is no such core, or this process may not use it; which there are.
pub fn pin(core: usize) -> Result<(), String> {
    let there_are = || {
        let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        let counted = if online.is_empty() { String::new() } else { format!("; this machine has {}", online.trim()) };
        format!("core {core}: there is none that loadgen may use{counted} (--server-core, --load-core, --core)")
    };
    let mut set = rustix::thread::CpuSet::new();
    if core >= rustix::thread::CpuSet::MAX_CPU {
        return Err(there_are());
    }
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| match error {
        rustix::io::Errno::INVAL => there_are(),
        error => format!("core {core}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;
    use crate::ward::alone;

    #[test]
    fn this_process_has_used_something() {
        let before = OtherClocks::read(None).unwrap();
        let memory = Family(vec![std::process::id()]).memory().unwrap();
        assert!(memory.anonymous > 10_000 && memory.rss >= memory.anonymous);
        assert!(kernel_memory().unwrap() > 10_000);
        let (others, kernel) = OtherClocks::read(None).unwrap().since(before);
        assert!(others < Duration::from_secs(600) && kernel < Duration::from_secs(600));
    }

    #[test]
    fn a_server_is_all_that_it_has_started() {
        // what it has spent is no longer others' once it was waited for
        let _alone = alone();
        let text = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 600 & sleep 600";
        let mut script = std::process::Command::new("sh").args(["-c", text]).process_group(0).spawn().unwrap();
        let group = Pid::from_child(&script);
        let begin = std::time::Instant::now();
        let family = loop {
            let family = Family::of(script.id());
            if family.0.len() == 3 {
                break family;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{family:?}");
            std::thread::sleep(Duration::from_millis(5));
        };
        let alone = Family(vec![script.id()]);
        let (one, all) = (alone.memory().unwrap(), family.memory().unwrap());
        assert!(all.rss > one.rss && all.anonymous > one.anonymous);
        let own = own_cpu().unwrap();
        assert!(Family::of(std::process::id()).cpu().unwrap() >= own + Duration::from_millis(50), "the script's too");
        assert!(works(group));
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        script.wait().unwrap();
        while works(group) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(family.memory().is_err() && family.cpu().is_err());
    }

    #[test]
    fn a_server_of_which_a_process_is_gone_has_no_known_cpu_time() {
        let at = |server: u64| Clocks { server: Some(Duration::from_secs(server)), own: Duration::ZERO };
        assert_eq!(at(3).since(at(2)).server, Some(Duration::from_secs(1)));
        assert_eq!(at(1).since(at(2)).server, None);
    }

    #[test]
    fn it_is_seen_who_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(Family(vec![std::process::id()]).listens(address), Some(true));
        let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        assert_eq!(Family::of(other.id()).listens(address), Some(false));
        other.kill().unwrap();
        other.wait().unwrap();
    }

    /// Whatever another process spends is seen, whether it has ended meanwhile or not.
    #[test]
    fn others_are_seen() {
        let _alone = alone();
        let before = OtherClocks::read(None).unwrap();
        let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("sh").args(["-c", busy]).status().unwrap().success());
        let mut going =
            std::process::Command::new("sh").args(["-c", &format!("{busy}; exec sleep 60")]).spawn().unwrap();
        while Family::of(going.id()).cpu().unwrap() < Duration::from_millis(50) {
            std::thread::yield_now();
        }
        let (others, _) = OtherClocks::read(None).unwrap().since(before);
        going.kill().unwrap();
        going.wait().unwrap();
        assert!(others >= Duration::from_millis(50), "{others:?}");
    }
}
