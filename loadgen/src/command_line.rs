//! What can be typed behind `loadgen`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::broker::Broker;
use crate::fleet::Timing;
use crate::load::{DURABLE, Load};
use crate::measure::OnTime;
use crate::server::{Cores, Place};
use crate::stamp::STAMP;
use crate::system::{self, System};
use crate::workload::{Circle, Pace, Rates, Weather};

/// Load for ringdove and other brokers, and its latency measured honestly.
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
    /// Pairs of people. Without --window and --rate: round trips, one message in flight for each pair.
    Pair(PairOptions),
    /// Groups: the first member of each writes to all others.
    Fanout(FanoutOptions),
    /// 32 pairs on ringdove at level disk: how many sends are synced a second.
    #[command(mut_arg("system", |system| system.default_value("ringdove-disk")))]
    Durable(DurableOptions),
    /// One to one and groups, while people come and go and are told who is there.
    Mixed(MixedOptions),
    /// Everyone loses their connection at once and comes back, while a few go on writing.
    Storm(StormOptions),
    /// Mixed for hours, and at the end, which Ctrl-C brings sooner, what was done against what ringdove counted (ringdove only).
    Soak(SoakOptions),
    /// Connections that say nothing: what each of them costs.
    Idle(IdleOptions),
    /// People who connect, sign in with their token, and leave.
    SignIn(SignInOptions),
    /// Everyone signs in within some seconds, and has to learn which of their contacts are there (ringdove only).
    Reconnect(ReconnectOptions),
    /// Makes users who have each other as contacts, and leaves it at that (ringdove only).
    People(PeopleOptions),
    /// Systems beside each other, in turns, each started for it on a core and a loopback port of its own.
    Compare(crate::compare_options::CompareOptions),
    /// ringdove beside its floor and its rivals, and whether it reaches its goals.
    Goals(crate::compare_options::GoalsOptions),
    /// The systems that can be compared, and which of them are on this machine.
    Systems(PlaceOptions),
    /// The page of a comparison, made anew from its run.json.
    Report(ReportOptions),
    /// Run the relay that is the floor.
    Relay(RelayOptions),
    /// Become a server that ends with the loadgen that starts it.
    #[command(hide = true, name = crate::tether::NAME)]
    Tether(TetherOptions),
}

/// What all runs share.
#[derive(Debug, Args)]
pub struct Run {
    /// The system that listens there, or is started.
    #[arg(long, default_value = "ringdove", value_parser = system::named)]
    pub system: &'static dyn System,
    /// Where the server listens: an IP address and a port. ringdove's is 127.0.0.1:7400 if nothing is said; of others it has to be said.
    #[arg(long)]
    pub addr: Option<SocketAddr>,
    /// Start a server for this run, on a core of its own, instead of loading one that runs.
    #[arg(long, conflicts_with_all = ["addr", "admin", "pid", "core"])]
    pub start: bool,
    /// ringdove's admin door, through which users are made.
    #[arg(long, value_name = "PATH", default_value = "./ringdove-data/admin.sock")]
    pub admin: PathBuf,
    /// How long is measured.
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub duration: Duration,
    /// Before that, not measured.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// The load looks for news so long before it sleeps.
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration)]
    spin: Duration,
    /// Up to which percentile the load has to be on time: its lag at most a tenth of the response.
    #[arg(long, value_enum, default_value = "p99")]
    on_time: OnTime,
    /// Run on this core.
    #[arg(long)]
    pub core: Option<usize>,
    /// Whose CPU time and memory to count; by default that of whoever listens at the admin door.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Write the figures here as JSON: one of the runs of run.json.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where it is started.
    #[command(flatten)]
    pub place: PlaceOptions,
}

impl Run {
    /// How long.
    pub fn timing(&self) -> Timing {
        // where it runs already nobody knows its core
        let server_core = if self.start { self.place.place().cores.server_apart() } else { None };
        let (warm_up, duration) = (self.warmup, self.duration);
        Timing { warm_up, duration, spin: self.spin, on_time: self.on_time, server_core, at_most_ns: None }
    }
}

/// Where servers are started.
#[derive(Debug, Args)]
pub struct PlaceOptions {
    /// ringdove's program; by default the one beside loadgen's own, else target/release/ringdove.
    #[arg(long, value_name = "PATH")]
    broker: Option<PathBuf>,
    /// Where data folders are made.
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// ringdove and the spinning floors look for news so long before they sleep.
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration)]
    server_spin: Duration,
    /// The server's core.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The load's core.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
}

impl PlaceOptions {
    /// Where, with a core for the server and another one for the load.
    ///
    /// # Errors
    /// They are the same, or the folder is not there.
    pub fn of_two_cores(&self) -> Result<Place, String> {
        if self.server_core == self.load_core {
            let core = self.server_core;
            return Err(format!(
                "on core {core} server and load would wait for each other, and nothing could be compared: say another --server-core or --load-core"
            ));
        }
        if !self.folder.is_dir() {
            return Err(format!("{}: no folder is there (say another --folder)", self.folder.display()));
        }
        Ok(self.place())
    }

    /// Where.
    pub fn place(&self) -> Place {
        Place {
            cores: Cores { server: self.server_core, load: self.load_core },
            folder: self.folder.clone(),
            broker: Broker::new(self.broker.clone()),
            spin: self.server_spin,
            tethers: true,
        }
    }
}

/// How much is sent.
#[derive(Debug, Args)]
pub struct PaceOptions {
    /// Closed loop: so many sends at a time that are not over, over all senders.
    #[arg(long, conflicts_with = "rate", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    window: Option<u64>,
    /// Open loop: so many sends a second, over all senders; latency counts from when a send was meant.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
}

impl PaceOptions {
    fn pace(&self) -> Option<Pace> {
        self.rate.map(Pace::Rate).or(self.window.map(Pace::Window))
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
    pub fn load(&self) -> Load {
        Load::Pair { pairs: self.pairs, payload: self.payload, pace: self.pace.pace(), name: "pair" }
    }
}

/// Groups.
#[derive(Debug, Args)]
pub struct FanoutOptions {
    /// How many.
    #[arg(long, default_value_t = 1, value_parser = count)]
    groups: usize,
    /// Members of each, the sender among them.
    #[arg(long, default_value_t = 500, value_parser = members)]
    members: usize,
    /// Bytes of a text.
    #[arg(long, default_value_t = 64, value_parser = payload)]
    payload: usize,
    /// How much; 16 at a time if nothing is said.
    #[command(flatten)]
    pace: PaceOptions,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl FanoutOptions {
    /// The load.
    pub fn load(&self) -> Load {
        let pace = self.pace.pace().unwrap_or(Pace::Window(16));
        Load::Fanout { groups: self.groups, members: self.members, payload: self.payload, pace }
    }
}

/// Durable sends.
#[derive(Debug, Args)]
pub struct DurableOptions {
    /// How many pairs.
    #[arg(long, default_value_t = 32, value_parser = count)]
    pairs: usize,
    /// Bytes of a text.
    #[arg(long, default_value_t = 64, value_parser = payload)]
    payload: usize,
    /// So many sends at a time that are not over, over all senders.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    window: u64,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl DurableOptions {
    /// The load.
    pub fn load(&self) -> Load {
        let pace = Some(Pace::Window(self.window));
        Load::Pair { pairs: self.pairs, payload: self.payload, pace, name: DURABLE }
    }
}

/// What is said of a mixed load.
#[derive(Debug, Args)]
pub struct MixOptions {
    /// People who write; a fifth of them come and go, or as many others where nothing is kept for the absent.
    #[arg(long, default_value_t = 200, value_parser = writers)]
    people: usize,
    /// Members of each group, its writer among them.
    #[arg(long, default_value_t = 20, value_parser = members)]
    members: usize,
    /// Bytes of a text.
    #[arg(long, default_value_t = 64, value_parser = payload)]
    payload: usize,
    /// Sends a second, one in five of them to a group.
    #[arg(long, default_value_t = 10_000.0, value_parser = rate)]
    rate: f64,
    /// People who are cut off a second; 0: none.
    #[arg(long, default_value_t = 20.0, value_parser = reconnects)]
    reconnects: f64,
}

impl MixOptions {
    fn load(&self, name: &'static str) -> Load {
        let rates = Rates { sends: self.rate, reconnects: self.reconnects };
        Load::Mixed { people: self.people, members: self.members, payload: self.payload, rates, name }
    }
}

/// A mixed load.
#[derive(Debug, Args)]
pub struct MixedOptions {
    /// Who and how much.
    #[command(flatten)]
    mix: MixOptions,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl MixedOptions {
    /// The load.
    pub fn load(&self) -> Load {
        self.mix.load("mixed")
    }
}

/// A mixed load for hours.
#[derive(Debug, Args)]
pub struct SoakOptions {
    /// Who and how much.
    #[command(flatten)]
    mix: MixOptions,
    /// A line so often.
    #[arg(long, default_value = "1m", value_parser = humantime::parse_duration)]
    pub every: Duration,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl SoakOptions {
    /// The load.
    pub fn load(&self) -> Load {
        self.mix.load("soak")
    }
}

/// A storm.
#[derive(Debug, Args)]
pub struct StormOptions {
    /// People who lose their connection, and come back.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    people: usize,
    /// Pairs who write all the time.
    #[arg(long, default_value_t = 100, value_parser = count)]
    pairs: usize,
    /// Sends a second of all pairs.
    #[arg(long, default_value_t = 2_000.0, value_parser = rate)]
    rate: f64,
    /// How often; each time it is waited until all are back.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    storms: u32,
    /// Bytes of a text.
    #[arg(long, default_value_t = 64, value_parser = payload)]
    payload: usize,
    /// Where, and how long the calm before is measured.
    #[command(flatten)]
    pub run: Run,
}

impl StormOptions {
    /// The load.
    pub fn load(&self) -> Load {
        let weather = Weather { pairs: self.pairs, rate: self.rate, people: self.people, storms: self.storms };
        Load::Storm { weather, payload: self.payload }
    }
}

/// Idle connections.
#[derive(Debug, Args)]
pub struct IdleOptions {
    /// How many.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    connections: usize,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl IdleOptions {
    /// The load.
    pub fn load(&self) -> Load {
        Load::Idle { connections: self.connections }
    }
}

/// Sign-ins.
#[derive(Debug, Args)]
pub struct SignInOptions {
    /// How many users take turns.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    users: usize,
    /// How many are on their way in at a time.
    #[arg(long, default_value_t = 64, value_parser = count)]
    at_once: usize,
    /// Where and how long.
    #[command(flatten)]
    pub run: Run,
}

impl SignInOptions {
    /// The load.
    pub fn load(&self) -> Load {
        Load::SignIn { people: self.users, at_once: self.at_once }
    }
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
    #[arg(long, default_value_t = 10_000, value_parser = neighbours)]
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

/// A report.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// The folder of the comparison, in which its run.json is; report.html is written there.
    pub folder: PathBuf,
    /// Print the tables as Markdown, and write nothing.
    #[arg(long)]
    pub markdown: bool,
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

/// A server that ends with loadgen.
#[derive(Debug, Args)]
pub struct TetherOptions {
    /// The process that starts it.
    #[arg(long)]
    pub parent: u32,
    /// Its program, and what that is told.
    #[arg(last = true, required = true)]
    pub words: Vec<PathBuf>,
}

/// A number of people, pairs, groups or rounds.
pub fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=100_000).contains(count)).ok_or_else(|| "1 to 100000".into())
}

/// A number of members, with one who reads.
pub fn members(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (2..=100_000).contains(count)).ok_or_else(|| "2 to 100000".into())
}

/// A number of people of whom each has one to the left and one to the right.
pub fn neighbours(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (3..=100_000).contains(count)).ok_or_else(|| "3 to 100000".into())
}

/// A number of people who write to each other.
pub fn writers(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (3..=10_000).contains(count)).ok_or_else(|| "3 to 10000".into())
}

/// People who are cut off a second.
pub fn reconnects(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| (0.0..=1e6).contains(rate)).ok_or_else(|| "0 to 1000000".into())
}

/// How long is measured: what is shorter cannot be told from the noise of a clock.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_millis(50) { Err("50ms or more".into()) } else { Ok(duration) }
}

/// Bytes of a text.
pub fn payload(text: &str) -> Result<usize, String> {
    let right = STAMP..=60_000;
    text.parse()
        .ok()
        .filter(|bytes| right.contains(bytes))
        .ok_or_else(|| format!("{} to {}", right.start(), right.end()))
}

/// Sends a second.
pub fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| (0.001..=1e8).contains(rate)).ok_or_else(|| "0.001 to 100000000".into())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_well_formed() {
        super::CommandLine::command().debug_assert();
    }

    #[test]
    fn what_has_to_be_durable_runs_at_level_disk() {
        let parse = |words: &[&str]| match super::CommandLine::parse_from(words).command {
            super::Command::Durable(durable) => durable.run.system.name(),
            other => panic!("{other:?}"),
        };
        assert_eq!(parse(&["loadgen", "durable"]), "ringdove-disk");
        assert_eq!(parse(&["loadgen", "durable", "--system", "floor-synced"]), "floor-synced");
    }

    /// With less than three there are no contacts, and whoever comes back would wait for them.
    #[test]
    fn whoever_comes_back_has_contacts() {
        let parse = |users| super::CommandLine::try_parse_from(["loadgen", "reconnect", "--users", users]);
        for users in ["1", "2", "100001"] {
            assert!(parse(users).unwrap_err().to_string().contains("3 to 100000"));
        }
        match parse("3").unwrap().command {
            super::Command::Reconnect(options) => assert_eq!(options.circle().contacts, 2),
            other => panic!("{other:?}"),
        }
    }
}
