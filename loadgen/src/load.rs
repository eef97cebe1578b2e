//! Makes users, signs them in, runs a workload against a server, and reports.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::accounts::{User, import, made_up};
use crate::client::SignedIn;
use crate::fleet::{Fleet, Run, Timing};
use crate::report::{Latency, Report};
use crate::workload::{Fanout, Pace, Pair};

/// What a load is aimed at.
#[derive(Clone, Debug)]
pub struct Target {
    /// How it is called in reports.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The admin door through which users are made; a relay takes anyone.
    pub admin: Option<PathBuf>,
    /// The process whose CPU time is counted.
    pub pid: Option<u32>,
}

impl Target {
    /// Users who can sign in there.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn users(&self, count: usize) -> Result<Vec<User>, String> {
        self.admin.as_deref().map_or_else(|| Ok(made_up(count)), |door| import(door, count))
    }

    fn sign_in(&self, count: usize) -> Result<Vec<SignedIn>, String> {
        self.users(count)?.iter().map(|user| SignedIn::hello(self.address, user)).collect()
    }
}

/// Pairs.
#[derive(Clone, Copy, Debug)]
pub struct PairLoad {
    /// How many.
    pub pairs: usize,
    /// Bytes of a text.
    pub payload: usize,
    /// `None`: round trip.
    pub pace: Option<Pace>,
}

/// Groups.
#[derive(Clone, Copy, Debug)]
pub struct FanoutLoad {
    /// How many.
    pub groups: usize,
    /// Members of each, the sender among them.
    pub members: usize,
    /// Bytes of a text.
    pub payload: usize,
    /// How much is sent.
    pub pace: Pace,
}

/// Runs pairs.
///
/// # Errors
/// Something was lost, came twice or out of order, or was refused.
pub fn pair(target: &Target, load: PairLoad, timing: Timing) -> Result<Report, String> {
    let mut fleet = Fleet::new(target.sign_in(2 * load.pairs)?, load.payload).map_err(|error| error.to_string())?;
    let mut workload = Pair::new(load.pairs, load.pace);
    let run = fleet.run(&mut workload, timing, target.pid, "pair")?;
    let mut settings = vec![("pairs", load.pairs.to_string()), ("payload", load.payload.to_string())];
    settings.push(pace_words(load.pace));
    Ok(report("pair", target, settings, run, workload.latencies()))
}

/// Runs groups.
///
/// # Errors
/// Something was lost, came twice or out of order, or was refused.
pub fn fanout(target: &Target, load: FanoutLoad, timing: Timing) -> Result<Report, String> {
    let mut signed_in = target.sign_in(load.groups * load.members)?;
    let users = signed_in.iter().map(SignedIn::user).collect::<Vec<_>>();
    let mut groups = Vec::with_capacity(load.groups);
    for group in 0..load.groups {
        let first = group * load.members;
        groups.push(signed_in[first].make_group(&users[first + 1..first + load.members])?);
    }
    let mut fleet = Fleet::new(signed_in, load.payload).map_err(|error| error.to_string())?;
    let mut workload = Fanout::new(groups, load.members, load.pace);
    let run = fleet.run(&mut workload, timing, target.pid, "fanout")?;
    let mut settings = vec![("groups", load.groups.to_string()), ("members", load.members.to_string())];
    settings.push(("payload", load.payload.to_string()));
    settings.push(pace_words(Some(load.pace)));
    Ok(report("fanout", target, settings, run, workload.latencies()))
}

fn pace_words(pace: Option<Pace>) -> (&'static str, String) {
    match pace {
        None => ("pace", "round trip".into()),
        Some(Pace::Window(window)) => ("window", window.to_string()),
        Some(Pace::Rate(rate)) => ("rate", rate.to_string()),
    }
}

fn report(
    workload: &'static str,
    target: &Target,
    settings: Vec<(&'static str, String)>,
    run: Run,
    latencies: Vec<(&'static str, Latency)>,
) -> Report {
    Report {
        workload,
        target: target.name.clone(),
        settings,
        measured: run.measured,
        counts: run.counts,
        checked: run.all,
        latencies,
        server_cpu: run.server_cpu,
        own_cpu: run.own_cpu,
        figures: if run.syncs > 0 { vec![("syncs", run.syncs as f64)] } else { Vec::new() },
    }
}
