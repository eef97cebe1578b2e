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
    let fields = fields(&stat);
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
    pub fn read(server: Option<u32>) -> Result<Self, String> {
        let words = |path: &str, error: std::io::Error| format!("{path}: {error}");
        let stat = fs::read_to_string("/proc/stat").map_err(|error| words("/proc/stat", error))?;
        // user, nice, system, idle, iowait, irq, softirq, steal
        let stolen = stat.lines().next().and_then(|line| line.split_whitespace().nth(8)?.parse().ok());
        let mut this = Self { others: in_ticks(stolen.unwrap_or(0)), kernel: Duration::ZERO };
        for entry in fs::read_dir("/proc").map_err(|error| words("/proc", error))?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // one that has just ended is in the sums of its parent
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let fields: Vec<u64> = fields(&stat).iter().map(|field| field.parse().unwrap_or(0)).collect();
            let [_, parent, .., user, system, ended_user, ended_system] = fields[..fields.len().min(15)] else {
                continue;
            };
            if pid == KTHREADD || parent == u64::from(KTHREADD) {
                this.kernel += in_ticks(user + system);
            } else if pid != std::process::id() && Some(pid) != server {
                this.others += in_ticks(user + system + ended_user + ended_system);
            }
        }
        Ok(this)
    }

    /// What everyone else spent since then, and the kernel's threads.
    pub fn since(&self, begin: Self) -> (Duration, Duration) {
        (self.others.saturating_sub(begin.others), self.kernel.saturating_sub(begin.kernel))
    }
}

/// What stands in /proc/PID/stat behind the name, which may hold anything, in brackets: state, parent ...
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect()
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
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let pid = std::process::id();
        let before = OtherClocks::read(None).unwrap();
        let memory = memory(pid).unwrap();
        assert!(memory.anonymous > 10_000 && memory.rss >= memory.anonymous);
        assert!(kernel_memory().unwrap() > 10_000);
        let (others, kernel) = OtherClocks::read(None).unwrap().since(before);
        assert!(others < Duration::from_secs(600) && kernel < Duration::from_secs(600));
    }

    /// Whatever another process spends is seen, whether it has ended meanwhile or not.
    #[test]
    fn others_are_seen() {
        let before = OtherClocks::read(None).unwrap();
        let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("sh").args(["-c", busy]).status().unwrap().success());
        let mut going = std::process::Command::new("sh").args(["-c", &format!("{busy}; sleep 60")]).spawn().unwrap();
        while cpu(going.id()).unwrap() < Duration::from_millis(50) {
            std::thread::yield_now();
        }
        let (others, _) = OtherClocks::read(None).unwrap().since(before);
        going.kill().unwrap();
        going.wait().unwrap();
        assert!(others >= Duration::from_millis(50), "{others:?}");
    }
}
