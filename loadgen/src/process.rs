//! CPU time and memory of processes and of the machine, as Linux counts them, and the core that a process runs on.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};

/// User and system time of a process so far.
///
/// # Errors
/// It has ended, or is none of ours to look at.
pub fn cpu(pid: u32) -> Result<Duration, String> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // behind the name, which may hold anything, in brackets
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else { return Err(format!("{path} cannot be read")) };
    Ok(in_ticks(user + system))
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
    /// By the server.
    pub server: Option<Duration>,
    /// By this process.
    pub own: Duration,
}

impl Clocks {
    /// Now.
    ///
    /// # Errors
    /// The server has ended.
    pub fn read(server: Option<u32>) -> Result<Self, String> {
        Ok(Self { server: server.map(cpu).transpose()?, own: cpu(std::process::id())? })
    }

    /// What was spent since then.
    pub fn since(&self, begin: Self) -> Spent {
        let server = self.server.zip(begin.server).map(|(to, from)| to.saturating_sub(from));
        Spent { server, own: self.own.saturating_sub(begin.own) }
    }
}

/// The clocks of the whole machine: reading them takes milliseconds, so it is done before and after a run.
#[derive(Clone, Copy, Debug)]
pub struct MachineClocks {
    known: Clocks,
    /// The kernel's own threads: they write to disk for whoever dirtied pages.
    kernel: Duration,
    /// All processes, and what the host took away. What the kernel does in interrupts is nobody's, and is left out.
    all: Duration,
}

impl MachineClocks {
    /// Now.
    ///
    /// # Errors
    /// The server has ended.
    pub fn read(server: Option<u32>) -> Result<Self, String> {
        let path = "/proc/stat";
        let stat = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let line = stat.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let [user, nice, system, _, _, _, _, steal, ..] = fields[..] else {
            return Err(format!("{path} cannot be read"));
        };
        let all = in_ticks(user + nice + system + steal);
        Ok(Self { known: Clocks::read(server)?, kernel: kernel_threads(), all })
    }

    /// What everyone else spent since then, and the kernel's threads.
    pub fn others_since(&self, begin: Self) -> (Duration, Duration) {
        let known = self.known.since(begin.known);
        let kernel = self.kernel.saturating_sub(begin.kernel);
        let ours = known.own + known.server.unwrap_or_default() + kernel;
        (self.all.saturating_sub(begin.all).saturating_sub(ours), kernel)
    }
}

/// The thread that all of the kernel's other threads come from.
const KTHREADD: &str = "2";

fn kernel_threads() -> Duration {
    let Ok(entries) = fs::read_dir("/proc") else { return Duration::ZERO };
    let spent = entries.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
        if parent == KTHREADD { cpu(pid).ok() } else { None }
    });
    spent.sum()
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Resident and its own: anonymous pages, not the pages of files that it maps.
    pub anonymous: u64,
}

/// Memory of a process.
///
/// # Errors
/// It has ended.
pub fn memory(pid: u32) -> Result<Memory, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let bytes = |name: &str| kib(&status, name).ok_or_else(|| format!("{path} has no {name}"));
    Ok(Memory { rss: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}

/// What the kernel holds for sockets on the whole machine, in bytes: its own structures (slab), and what stands in TCP's buffers.
///
/// # Errors
/// This system does not tell.
pub fn kernel_memory() -> Result<u64, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let slab = kib(&read("/proc/meminfo")?, "SUnreclaim:").ok_or("/proc/meminfo has no SUnreclaim")?;
    let sockets = read("/proc/net/sockstat")?;
    let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = tcp.split_whitespace().skip_while(|word| *word != "mem").nth(1).and_then(|pages| pages.parse().ok());
    Ok(slab + pages.unwrap_or(0) * page_size() as u64)
}

/// The kB behind a name, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
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
/// There is no such core.
pub fn pin(core: usize) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    if core >= rustix::thread::CpuSet::MAX_CPU {
        return Err(format!("core {core}: there is none"));
    }
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| format!("core {core}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let pid = std::process::id();
        let before = MachineClocks::read(Some(pid)).unwrap();
        let memory = memory(pid).unwrap();
        assert!(memory.anonymous > 10_000 && memory.rss >= memory.anonymous);
        assert!(kernel_memory().unwrap() > 10_000);
        let (others, kernel) = MachineClocks::read(Some(pid)).unwrap().others_since(before);
        assert!(others < Duration::from_secs(600) && kernel < Duration::from_secs(600));
    }
}
