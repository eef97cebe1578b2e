//! What can be typed behind `loadgen`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fleet::Timing;
use crate::goals::{Comparison, Goal};
use crate::load::{FanoutLoad, PairLoad};
use crate::servers::Cores;
use crate::stamp::STAMP;
use crate::workload::Circle;
use crate::workload::Pace;

/// Load for ringdove, and its latency measured honestly.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What loadgen can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pairs of users. Without --window and --rate: round trips, one message in flight for each pair.
    Pair(PairOptions),
    /// Groups: the first member of each writes to all others.
    Fanout(FanoutOptions),
    /// Connections that say nothing: what each of them costs.
    Idle(IdleOptions),
    /// Devices that connect, sign in with their token, and leave.
    SignIn(SignInOptions),
    /// Everyone signs in within some seconds, and has to learn which of their contacts are there.
    Reconnect(ReconnectOptions),
    /// Makes users who have each other as contacts, and leaves it at that.
    People(PeopleOptions),
    /// The same loads against a bare relay of loadgen's own, which is started for it.
    #[command(subcommand)]
    Floor(Floor),
    /// Run the relay alone.
    Relay(RelayOptions),
    /// ringdove beside its floor, in turns: the ratios, and whether they reach the goals.
    Goals(GoalsOptions),
    /// The page of a comparison, made anew from its run.json.
    Report(ReportOptions),
}

/// What can be run against the floor.
#[derive(Debug, Subcommand)]
pub enum Floor {
    /// Pairs of users.
    Pair {
        /// The load.
        #[command(flatten)]
        pair: PairOptions,
        /// The relay.
        #[command(flatten)]
        relay: FloorRelay,
    },
    /// Groups.
    Fanout {
        /// The load.
        #[command(flatten)]
        fanout: FanoutOptions,
        /// The relay.
        #[command(flatten)]
        relay: FloorRelay,
    },
}

/// What all runs share.
#[derive(Debug, Args)]
pub struct Run {
    /// Where the server listens.
    #[arg(long, default_value = "127.0.0.1:7400")]
    pub addr: SocketAddr,
    /// The admin door, through which users are made.
    #[arg(long, value_name = "PATH", default_value = "./ringdove-data/admin.sock")]
    pub admin: PathBuf,
    /// How long is measured.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Before that, not measured.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// Look for news so long before sleeping.
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration)]
    spin: Duration,
    /// Run on this core.
    #[arg(long)]
    pub core: Option<usize>,
    /// Whose CPU time and memory to count; by default that of whoever listens at the admin door.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Write the figures here as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Run {
    fn timing(&self) -> Timing {
        Timing { warm_up: self.warmup, duration: self.duration, spin: self.spin }
    }
}

/// How much is sent.
#[derive(Debug, Args)]
pub struct PaceOptions {
    /// Closed loop: so many unanswered sends at a time, over all senders.
    #[arg(long, conflicts_with = "rate", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    window: Option<u64>,
    /// Open loop: so many sends a second, over all senders; latency counts from when a send was meant.
    #[arg(long)]
    rate: Option<f64>,
}

impl PaceOptions {
    fn pace(&self) -> Option<Pace> {
        self.rate.filter(|rate| *rate > 0.0).map(Pace::Rate).or(self.window.map(Pace::Window))
    }
}

/// Pairs.
#[derive(Debug, Args)]
pub struct PairOptions {
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = count)]
    pairs: usize,
    /// Bytes of a text.
    #[arg(long, default_value_t = 64, value_parser = payload)]
    payload: usize,
    /// How much.
    #[command(flatten)]
    pace: PaceOptions,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl PairOptions {
    /// The load.
    pub fn load(&self) -> PairLoad {
        PairLoad { pairs: self.pairs, payload: self.payload, pace: self.pace.pace() }
    }

    /// How long.
    pub fn timing(&self) -> Timing {
        self.run.timing()
    }
}

/// Groups.
#[derive(Debug, Args)]
pub struct FanoutOptions {
    /// How many.
    #[arg(long, default_value_t = 1, value_parser = count)]
    groups: usize,
    /// Members of each, the sender among them.
    #[arg(long, default_value_t = 500, value_parser = count)]
    members: usize,
    /// Bytes of a text.
    #[arg(long, default_value_t = 64, value_parser = payload)]
    payload: usize,
    /// How much; 16 unanswered sends if nothing is said.
    #[command(flatten)]
    pace: PaceOptions,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl FanoutOptions {
    /// The load.
    pub fn load(&self) -> FanoutLoad {
        let pace = self.pace.pace().unwrap_or(Pace::Window(16));
        FanoutLoad { groups: self.groups, members: self.members, payload: self.payload, pace }
    }

    /// How long.
    pub fn timing(&self) -> Timing {
        self.run.timing()
    }
}

/// Idle connections.
#[derive(Debug, Args)]
pub struct IdleOptions {
    /// How many.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    pub connections: usize,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

/// Sign-ins.
#[derive(Debug, Args)]
pub struct SignInOptions {
    /// How many users take turns.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    pub users: usize,
    /// How many are on their way in at a time.
    #[arg(long, default_value_t = 64, value_parser = count)]
    pub at_once: usize,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

/// People who are there.
#[derive(Debug, Args)]
pub struct PeopleOptions {
    /// How many.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(3..=10_000_000))]
    pub users: u32,
    /// How many contacts each has; an even number below that of the users.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=5_000))]
    pub contacts: u32,
    /// The admin door of a running ringdove.
    #[arg(long, value_name = "PATH", default_value = "./ringdove-data/admin.sock")]
    pub admin: PathBuf,
}

impl PeopleOptions {
    /// Who knows whom.
    pub fn circle(&self) -> Circle {
        Circle::new(self.users as usize, self.contacts as usize)
    }
}

/// People who come back.
#[derive(Debug, Args)]
pub struct ReconnectOptions {
    /// How many.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    pub users: usize,
    /// How many contacts each has; an even number below that of the users.
    #[arg(long, default_value_t = 200, value_parser = count)]
    pub contacts: usize,
    /// Over how long they come.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub within: Duration,
    /// Where.
    #[command(flatten)]
    pub run: Run,
}

impl ReconnectOptions {
    /// Who knows whom.
    pub fn circle(&self) -> Circle {
        Circle::new(self.users, self.contacts)
    }
}

/// The relay of a floor.
#[derive(Debug, Args)]
pub struct FloorRelay {
    /// The relay looks for news so long before it sleeps.
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration)]
    pub relay_spin: Duration,
    /// One fdatasync for each batch.
    #[arg(long)]
    pub sync: bool,
    /// Where the synced file is made.
    #[arg(long, default_value = ".")]
    pub folder: PathBuf,
    /// Where both run.
    #[command(flatten)]
    pub cores: CoreOptions,
}

/// Where what is measured and the load run.
#[derive(Clone, Copy, Debug, Args)]
pub struct CoreOptions {
    /// The server's core.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The load's core.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
}

impl CoreOptions {
    /// Both.
    pub fn get(self) -> Cores {
        Cores { server: self.server_core, load: self.load_core }
    }
}

/// A relay.
#[derive(Debug, Args)]
pub struct RelayOptions {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Look for news so long before sleeping.
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration)]
    pub spin: Duration,
    /// Write and sync this file once for each batch.
    #[arg(long, value_name = "FILE")]
    pub sync: Option<PathBuf>,
}

/// The comparison.
#[derive(Debug, Args)]
pub struct GoalsOptions {
    /// The broker's binary.
    #[arg(long, default_value = "target/release/ringdove")]
    broker: PathBuf,
    /// Only these goals.
    #[arg(long, value_enum)]
    goal: Vec<Goal>,
    /// Rounds, each with a run of both.
    #[arg(long, default_value_t = 9, value_parser = count)]
    rounds: usize,
    /// How long is measured in a run.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Where data folders are made.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Where both run.
    #[command(flatten)]
    cores: CoreOptions,
    /// Write the figures here as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl GoalsOptions {
    /// Which goals.
    pub fn goals(&self) -> Vec<Goal> {
        if self.goal.is_empty() { Goal::value_variants().to_vec() } else { self.goal.clone() }
    }

    /// How.
    pub fn comparison(self) -> Comparison {
        Comparison {
            broker: self.broker,
            rounds: self.rounds,
            duration: self.duration,
            cores: self.cores.get(),
            folder: self.folder,
        }
    }
}

/// A report.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// The folder of the comparison, in which its run.json is; report.html is written there.
    pub folder: PathBuf,
    /// Print the tables as Markdown, and write nothing.
    #[arg(long)]
    pub markdown: bool,
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=100_000).contains(count)).ok_or_else(|| "1 to 100000".into())
}

fn payload(text: &str) -> Result<usize, String> {
    let right = STAMP..=60_000;
    text.parse()
        .ok()
        .filter(|bytes| right.contains(bytes))
        .ok_or_else(|| format!("{} to {}", right.start(), right.end()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::CommandLine::command().debug_assert();
    }
}
