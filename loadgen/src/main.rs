//! loadgen: load for ringdove and other brokers, their latency measured honestly, and the floor beside every figure.
#![forbid(unsafe_code)]

mod archive;
mod broker;
mod command_line;
mod compare;
mod compare_options;
mod crew;
mod distance;
mod fleet;
mod forecast;
mod goals;
mod latency;
mod level;
mod load;
mod machine;
mod measure;
mod median;
mod meeting;
mod nearness;
mod onlooker;
mod pool;
mod process;
mod reports;
mod results;
mod said;
mod server;
mod session;
mod signals;
mod soak;
mod stamp;
mod system;
mod terminal;
mod tether;
mod verdict;
mod ward;
mod watch;
mod workload;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use command_line::{Command, CommandLine, PlaceOptions, RelayOptions, Run, SoakOptions};
use compare::Plan;
use compare_options::{CompareOptions, GoalsOptions};
use fleet::Timing;
use goals::{Course, Goal};
use level::Level;
use load::{DURABLE, Load};
use measure::Done;
use nearness::Nearness;
use onlooker::{Nobody, Onlooker};
use session::Session;
use soak::Soak;
use system::Target;
use system::native::accounts;
use system::native::relay::Relay;
use terminal::say;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Pair(pair) => run(&pair.run, &pair.load()),
        Command::Fanout(fanout) => run(&fanout.run, &fanout.load()),
        Command::Durable(durable) => run(&durable.run, &durable.load()),
        Command::Mixed(mixed) => run(&mixed.run, &mixed.load()),
        Command::Storm(storm) => run(&storm.run, &storm.load()),
        Command::Soak(options) => soak(&options),
        Command::Idle(idle) => run(&idle.run, &idle.load()),
        Command::SignIn(sign_in) => run(&sign_in.run, &sign_in.load()),
        Command::Reconnect(reconnect) => reconnect_all(&reconnect),
        Command::People(people) => make_people(&people),
        Command::Compare(options) => compare(&options),
        Command::Goals(options) => goals(&options),
        Command::Systems(place) => systems(&place),
        Command::Report(options) => report(&options.folder, options.markdown),
        Command::Relay(options) => relay(&options),
        Command::Tether(options) => tether::become_program(options.parent, &options.words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("loadgen: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Puts a load on a server that runs already, or on one that is started for it.
fn run(run: &Run, load: &Load) -> Result<(), String> {
    let nearness = Nearness::of(run.place.place().cores);
    run_on(run, load, nearness, |target, timing| {
        // whoever starts a server knows its level
        let asks = load.case().workload == DURABLE && !run.start;
        let mut level = asks.then(|| Level::of(run.system, target));
        let mut nobody = Nobody;
        let onlooker: &mut dyn Onlooker = level.as_mut().map_or(&mut nobody, |level| level);
        measure::measure_watched(load, run.system, target, timing, onlooker)
    })
}

/// A mixed load for hours. What it came to until then is not lost if somebody has enough of it.
fn soak(options: &SoakOptions) -> Result<(), String> {
    let (run, load) = (&options.run, options.load());
    signals::end_only_the_run().map_err(|error| format!("signals: {error}"))?;
    run_on(run, &load, Nearness::unknown(), |target, timing| {
        // what is seen at the begin and the end of some hours says nothing about them
        let timing = Timing { server_core: None, ..timing };
        let times = (options.every, timing.duration);
        let soak = Soak::new(run.system, target, run.place.place(), times, &load);
        match soak {
            Ok(mut soak) => measure::measure_watched(&load, run.system, target, timing, &mut soak),
            Err(why) => measure::failed(&load, run.system, why),
        }
    })
}

/// Does something with a server that runs already, or with one that is started for it, and says what it came to.
fn run_on(
    run: &Run,
    load: &Load,
    nearness: Nearness,
    measure: impl FnOnce(&Target, Timing) -> Done,
) -> Result<(), String> {
    load.suits(run.system)?;
    if let Some(core) = run.core {
        process::pin(core)?;
    }
    // whether it can be written is found out before a run that may take hours
    let mut json = run.json.as_deref().map(JsonFile::create).transpose()?;
    let done = if run.start { started(run, nearness, measure)? } else { measure(&target(run)?, run.timing()) };
    let why = done.run.void.join("; ");
    let has_figures = done.run.measured_s > 0.0 || why.is_empty();
    if has_figures {
        say(&reports::table(&done.run));
    }
    if let Some(json) = &mut json {
        json.write(&done.run)?;
    }
    if !has_figures {
        return Err(why);
    }
    if why.is_empty() { Ok(()) } else { Err(format!("this run counts for nothing: {why}")) }
}

/// Starts a server, does something with it, and judges whether its core was near the load's meanwhile.
fn started(run: &Run, mut nearness: Nearness, measure: impl FnOnce(&Target, Timing) -> Done) -> Result<Done, String> {
    let place = run.place.place();
    let timing = Timing { at_most_ns: nearness.at_most_ns(), ..run.timing() };
    let server = run.system.start(&place)?;
    let mut done = measure(server.target(), timing);
    nearness.learn_from(&done.run);
    nearness.assess(&mut done.run);
    Ok(done)
}

/// A server that runs already.
fn target(run: &Run) -> Result<Target, String> {
    let pid = run.pid.or_else(|| process::listener(&run.admin));
    let unknown =
        || format!("say --addr of a server that runs, or --start: where {} listens is not known", run.system.name());
    let address = run.addr.or_else(|| run.system.usual_address()).ok_or_else(unknown)?;
    Ok(Target { address, admin: Some(run.admin.clone()), pid, is_started: false })
}

fn compare(options: &CompareOptions) -> Result<(), String> {
    let plan = options.plan()?;
    let mut prospects = forecast::Prospects::default();
    let mut tell = |run: &results::Run| {
        say(&compare::line(run));
        prospects.after(run).iter().for_each(|words| eprintln!("loadgen: {words}"));
    };
    let mut session = Session::open(plan.place.cores, Some(&options.out), &mut tell)?;
    session.comparisons.push(plan.comparison()?);
    eprintln!("{}", forecast::words([&plan]));
    plan.go_on(&mut session, 0, &|_| Vec::new())?;
    report(&options.out, false)
}

/// Writes the page of a comparison's folder, or prints its tables.
fn report(folder: &Path, markdown: bool) -> Result<(), String> {
    let results = reports::read(folder)?;
    if markdown {
        say(&reports::markdown(&results));
        return Ok(());
    }
    let page = reports::write_page(folder, &results)?;
    say(&reports::summary(&results));
    say(&format!("the page: {}", page.display()));
    Ok(())
}

fn goals(options: &GoalsOptions) -> Result<(), String> {
    let (mut plans, mut left_out) = (Vec::new(), Vec::new());
    for goal in options.goals() {
        let course = goal.course();
        let (plan, missing) = options.plan(&course)?;
        plans.push((goal, course, plan));
        left_out.push(missing);
    }
    let mut prospects = forecast::Prospects::default();
    let mut tell = |run: &results::Run| {
        eprintln!("{}", compare::line(run));
        prospects.after(run).iter().for_each(|words| eprintln!("loadgen: {words}"));
    };
    let mut session = Session::open(options.place.of_two_cores()?.cores, options.out.as_deref(), &mut tell)?;
    eprintln!("{}", forecast::words(plans.iter().map(|(.., plan)| plan)));
    for (place, missing) in left_out.iter().enumerate() {
        missing.iter().for_each(|why| say(&format!("left out: {why}")));
        session.comparisons.push(plans[place].2.comparison()?);
        pursue(&plans, place, &mut session)?;
    }
    // what near is may have been learned late: goals that were over lack runs then
    let mut made = plans.len();
    while made > 0 {
        made = (0..plans.len()).map(|place| pursue(&plans, place, &mut session)).sum::<Result<_, _>>()?;
    }
    options.out.as_deref().map_or(Ok(()), |folder| report(folder, false))
}

/// Makes the runs that a goal lacks, and says what came of it, unless that was said. Returns how many runs were made.
fn pursue(plans: &[(Goal, Course, Plan)], place: usize, session: &mut Session<'_>) -> Result<usize, String> {
    let (goal, course, plan) = &plans[place];
    let lines =
        |session: &Session<'_>| session.comparisons[place].verdicts.iter().map(verdict::line).collect::<Vec<_>>();
    let said = lines(session);
    let made = plan.go_on(session, place, &|comparison| verdict::judge(*goal, course, comparison))?;
    lines(session).iter().filter(|line| !said.contains(line)).for_each(|line| say(line));
    Ok(made)
}

/// Says which systems there are.
fn systems(place: &PlaceOptions) -> Result<(), String> {
    for system in system::ALL {
        let version = system.version(&place.place()).unwrap_or_else(|why| format!("missing: {why}"));
        say(&format!("{:<18} {version}\n{:<18} {}", system.name(), "", system.about()));
    }
    Ok(())
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
    say(&format!("{} accounts in {accounts:.1} s, {:.0}/s", circle.users, each / accounts));
    say(&format!("{all} contacts in {contacts:.1} s, {:.0}/s", all / contacts));
    Ok(())
}

/// Everyone comes back at once, and learns who is there.
fn reconnect_all(options: &command_line::ReconnectOptions) -> Result<(), String> {
    let started = if options.run.start { Some(options.run.system.start(&options.run.place.place())?) } else { None };
    let target = started.as_ref().map_or_else(|| target(&options.run), |server| Ok(server.target().clone()))?;
    let server = target.pid.ok_or("say --pid: whose memory is it?")?;
    let door = target.admin.as_deref().ok_or("contacts are made through ringdove's admin door, and this has none")?;
    let circle = options.circle();
    let users = accounts::import(door, circle.users)?;
    accounts::befriend(door, &users, |place| circle.of(place))?;
    let mut json = options.run.json.as_deref().map(JsonFile::create).transpose()?;
    let run = workload::reconnect(target.address, &users, circle, options.within, server)?;
    drop(started);
    say(&reports::table(&run));
    json.as_mut().map_or(Ok(()), |json| json.write(&run))
}

/// A file for one run's figures.
struct JsonFile<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> JsonFile<'a> {
    fn create(path: &'a Path) -> Result<Self, String> {
        // what stands there stays until there is something to write
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| format!("--json {}: {error}", path.display()))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, run: &results::Run) -> Result<(), String> {
        let text = serde_json::to_string_pretty(run).map_err(|error| error.to_string())?;
        let emptied = self.file.set_len(0);
        let written = emptied.and_then(|()| self.file.write_all((text + "\n").as_bytes()));
        written.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn relay(options: &RelayOptions) -> Result<(), String> {
    let words = |error: std::io::Error| format!("{}: {error}", options.listen);
    let relay = Relay::bind(options.listen, options.spin, options.sync.as_deref()).map_err(words)?;
    println!("relay listens on {}", relay.address().map_err(words)?);
    relay.run().map_err(words)
}
