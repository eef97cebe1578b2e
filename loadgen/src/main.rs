//! loadgen: load for ringdove, its latency measured honestly, and the floor beside every figure.
#![forbid(unsafe_code)]

mod accounts;
mod client;
mod command_line;
mod fleet;
mod goals;
mod latency;
mod load;
mod process;
mod relay;
mod report;
mod reports;
mod results;
mod servers;
mod stamp;
mod wire;
mod workload;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use command_line::{Command, CommandLine, Floor, GoalsOptions, RelayOptions, ReportOptions, Run};
use load::Target;
use relay::Relay;
use report::Report;
use servers::Server;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Pair(pair) => run(&pair.run, |target| load::pair(target, pair.load(), pair.timing())),
        Command::Fanout(fanout) => run(&fanout.run, |target| load::fanout(target, fanout.load(), fanout.timing())),
        Command::Idle(idle) => run(&idle.run, |target| {
            let server = target.pid.ok_or("say --pid: whose memory is it?")?;
            workload::idle(target.address, &target.users(idle.connections)?, server, idle.run.duration)
        }),
        Command::SignIn(options) => run(&options.run, |target| {
            let server = target.pid.ok_or("say --pid: whose CPU time is it?")?;
            let users = target.users(options.users)?;
            workload::sign_in(target.address, &users, options.at_once, options.run.duration, server)
        }),
        Command::People(people) => make_people(&people),
        Command::Reconnect(reconnect) => {
            run(&reconnect.run, |target| reconnect_all(target, reconnect.circle(), reconnect.within))
        }
        Command::Floor(Floor::Pair { pair, relay }) => {
            floor(&relay, &pair.run, |target| load::pair(target, pair.load(), pair.timing()))
        }
        Command::Floor(Floor::Fanout { fanout, relay }) => {
            floor(&relay, &fanout.run, |target| load::fanout(target, fanout.load(), fanout.timing()))
        }
        Command::Relay(options) => relay(&options),
        Command::Goals(options) => goals(options),
        Command::Report(options) => tell_folder(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("loadgen: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a load against a server that runs already.
fn run(run: &Run, load: impl FnOnce(&Target) -> Result<Report, String>) -> Result<(), String> {
    let target = Target {
        name: run.addr.to_string(),
        address: run.addr,
        admin: Some(run.admin.clone()),
        pid: run.pid.or_else(|| process::listener(&run.admin)),
    };
    if let Some(core) = run.core {
        process::pin(core)?;
    }
    tell(&load(&target)?, run.json.as_deref())
}

/// Makes users and their contacts, and says how fast that went.
fn make_people(people: &command_line::PeopleOptions) -> Result<(), String> {
    let circle = people.circle();
    let begin = std::time::Instant::now();
    let users = accounts::import(&people.admin, circle.users)?;
    let accounts = begin.elapsed().as_secs_f64();
    accounts::befriend(&people.admin, &users, |place| circle.of(place))?;
    let contacts = begin.elapsed().as_secs_f64() - accounts;
    let (each, all) = (circle.users as f64, (circle.users * circle.contacts) as f64);
    println!("{} accounts in {accounts:.1} s, {:.0}/s", circle.users, each / accounts);
    println!("{all} contacts in {contacts:.1} s, {:.0}/s", all / contacts);
    Ok(())
}

/// Everyone comes back at once, and learns who is there.
fn reconnect_all(target: &Target, circle: workload::Circle, within: std::time::Duration) -> Result<Report, String> {
    let server = target.pid.ok_or("say --pid: whose memory is it?")?;
    let users = target.users(circle.users)?;
    let door = target.admin.as_deref().ok_or("a relay knows no contacts")?;
    accounts::befriend(door, &users, |place| circle.of(place))?;
    workload::reconnect(target.address, &users, circle, within, server)
}

/// Runs a load against a relay that is started for it.
fn floor(
    options: &command_line::FloorRelay,
    run: &Run,
    load: impl FnOnce(&Target) -> Result<Report, String>,
) -> Result<(), String> {
    let server = Server::relay(options.cores.get(), options.relay_spin, options.sync, &options.folder)?;
    let target = Target { name: "the floor".into(), address: server.address, admin: None, pid: Some(server.pid()) };
    tell(&load(&target)?, run.json.as_deref())
}

fn tell(report: &Report, json: Option<&Path>) -> Result<(), String> {
    print!("{}", report.table());
    json.map_or(Ok(()), |path| write_json(path, &report.json()))
}

/// Writes the page of a comparison's folder, or its tables to the terminal.
fn tell_folder(options: &ReportOptions) -> Result<(), String> {
    let results = reports::read(&options.folder)?;
    if options.markdown {
        print!("{}", reports::markdown(&results));
        return Ok(());
    }
    let page = reports::write_page(&options.folder, &results)?;
    print!("{}", reports::summary(&results));
    println!("the page: {}", page.display());
    Ok(())
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<(), String> {
    std::fs::write(path, format!("{value:#}\n")).map_err(|error| format!("{}: {error}", path.display()))
}

fn relay(options: &RelayOptions) -> Result<(), String> {
    let words = |error: std::io::Error| format!("{}: {error}", options.listen);
    let relay = Relay::bind(options.listen, options.spin, options.sync.as_deref()).map_err(words)?;
    println!("relay listens on {}", relay.address().map_err(words)?);
    relay.run().map_err(words)
}

fn goals(options: GoalsOptions) -> Result<(), String> {
    let goals = options.goals();
    let json = options.json.clone();
    let comparison = options.comparison();
    let results = goals.into_iter().map(|goal| comparison.measure(goal)).collect::<Result<Vec<_>, _>>()?;
    json.map_or(Ok(()), |path| write_json(&path, &serde_json::Value::Array(results)))
}
