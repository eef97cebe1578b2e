//! The composition root: the one place that builds everything and decides which agents share a thread.
//!
//! ```text
//!  shared     [ reactor 0 · engine · journal ]            one hot thread: a message crosses without a thread switch
//!             [ reactor 1 ] ...                           if more reactors were asked for
//!  dedicated  [ reactor 0 ] ... [ engine ] [ journal ]    a thread each
//!  always     [ page reader ] [ preparer ] [ passwords ] [ sql ]  may block, and gate no ring
//! ```
//! At level `disk` the journal waits for its disk, so it gets a thread of its own unless there is only one core.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringdove_core::agent::Agent;
use ringdove_core::engine::{self, Engine, State};
use ringdove_core::projected::Projected;
use ringdove_core::rings::{Doorbell, Shutdown, SpaceSignal, commit_ring, inbound_ring};
use ringdove_io::{
    Admission, AttemptLimits, Attempts, Doors, JwtKeys, PageReader, PasswordParams, PasswordPool, Poller, Reactor,
    ReactorConfig, Seams, page_queue,
};
use ringdove_persistence::{
    Durability, Fault, FileStorage, Opened, Options, Storage, Ties, open_memory, project, recover,
};

use crate::config::{Config, Registration, Threads, Writing};
use crate::jwt_keys;
use crate::projecting::Projecting;
use crate::terminal::{progress_bar, tell};
use crate::threads::{Crew, Idle, Sleeper, start};

/// Commands that wait for the engine at most. A reactor reads more in a turn, but much of that goes as trains; and what is not needed is memory that leaves the
/// processor's cache.
const INBOUND_SLOTS: usize = 256;
/// Bytes of bodies above 4 KiB that wait for the engine at most.
const INBOUND_LARGE_BYTES: usize = 32 << 20;
/// Slots between the engine, the journal and the reactors: what shares a sync of a slow disk, and no more, for the same reason.
const COMMIT_SLOTS: usize = 512;
/// Commands that the engine decides in a turn.
const BATCH: u64 = 256;
/// Pages that wait for the page reader at most.
const PAGES: usize = 1024;

/// Bytes of a Unix socket's path at most (unix(7), without the zero at its end).
const SOCKET_PATH: usize = 107;

/// A broker that runs.
pub struct Broker {
    threads: Vec<JoinHandle<()>>,
    bells: Vec<Arc<Doorbell>>,
    shutdown: Arc<Shutdown>,
    passwords: PasswordPool,
    projecting: Option<Projecting>,
    close: Box<dyn FnOnce() -> Result<(), String>>,
    /// Where it listens.
    pub address: std::net::SocketAddr,
}

/// Asks a broker to end; may be called from any thread, also twice.
#[derive(Clone)]
pub struct Stop {
    shutdown: Arc<Shutdown>,
    bells: Vec<Arc<Doorbell>>,
}

impl Stop {
    /// Begins to drain.
    pub fn ask(&self) {
        self.shutdown.ask();
        self.bells.iter().for_each(|bell| bell.ring());
    }
}

impl Broker {
    /// What ends it.
    pub fn stop(&self) -> Stop {
        Stop { shutdown: Arc::clone(&self.shutdown), bells: self.bells.clone() }
    }

    /// Waits until everything has drained, is on disk, and all threads have ended.
    ///
    /// # Errors
    /// The note of an orderly end could not be written, or must not: a thread panicked, which in a release build ends the process at once.
    pub fn join(self) -> Result<(), String> {
        let panicked = self.threads.into_iter().filter_map(|thread| thread.join().err()).count();
        self.passwords.join();
        if let Some(projecting) = self.projecting {
            projecting.end();
        }
        if panicked > 0 {
            return Err("a thread panicked: this is no orderly end".into());
        }
        (self.close)()
    }
}

/// Opens the journal and starts all threads; takes at most so many `connections` at a time.
///
/// # Errors
/// What stands in the way, in words for an operator.
pub fn run(config: &Config, connections: u32) -> Result<Broker, String> {
    let admin = config.data.join("admin.sock");
    if admin.as_os_str().len() > SOCKET_PATH {
        let (path, len) = (admin.display(), admin.as_os_str().len());
        return Err(format!(
            "{path} has {len} bytes, but a Unix socket's path at most {SOCKET_PATH}: choose a shorter data folder"
        ));
    }
    // before the journal is read: a taken port is said at once
    let doors = Doors::open(config.listen, Some(&admin)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!("{} is taken: something else listens there already", config.listen),
        _ => format!("cannot listen on {}: {error}", config.listen),
    })?;
    let jwt = jwt_keys::read(config)?.map(Arc::new);
    let options = journal_options(config)?;
    let mut state = State::new(config.limits.window as usize, config.limits.windows_bytes as usize);
    match config.durability {
        Durability::Memory => {
            let unread = config.data.join("journal");
            if unread.exists() {
                tracing::warn!(
                    "level memory: the journal in {} is not read; its accounts are unknown",
                    unread.display()
                );
            }
            let opened = open_memory(options).map_err(|error| error.to_string())?;
            let projected = Arc::new(Projected::default());
            projected.say("off: level memory keeps nothing to make tables of");
            build(config, connections, doors, jwt, state, opened, (projected, None))
        }
        durability => {
            let folder = config.data.join("journal");
            let storage = FileStorage::create(&folder, durability == Durability::Disk)
                .map_err(|error| format!("cannot use {}: {error}", folder.display()))?;
            let bar = progress_bar("reading the journal {bar:30} {pos}/{len} segments, {eta} left");
            let apply = |head, body: &[u8]| state.replay(head, body).map_err(|error| error.to_string());
            let opened = recover(storage, options, apply, |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            let opened = opened.map_err(|error| error.to_string())?;
            let epoch = opened.start.epoch.0;
            if let Some(why) = opened.new_epoch {
                let cut = opened.cut.as_ref().map(|cut| format!(": {cut}")).unwrap_or_default();
                tracing::warn!("{why}{cut}; epoch {epoch} begins, in which devices sync afresh");
            }
            tracing::info!(records = opened.records, accounts = state.accounts(), epoch, "the journal was read");
            let projected = Arc::new(Projected::default());
            projected.say("off");
            let projector = project(&config.sql, &config.data, &opened, Arc::clone(&projected));
            let projecting = match projector.map(Projecting::start).transpose() {
                Ok(projecting) => projecting,
                Err(why) => {
                    // nothing was written, and the next start finds that nothing was lost
                    opened.close().map_err(|error| error.to_string())?;
                    return Err(why);
                }
            };
            build(config, connections, doors, jwt, state, opened, (projected, projecting))
        }
    }
}

fn build<S: Storage>(
    config: &Config,
    connections: u32,
    doors: Doors,
    jwt: Option<Arc<JwtKeys>>,
    state: State,
    opened: Opened<S>,
    (projected, projecting): (Arc<Projected>, Option<Projecting>),
) -> Result<Broker, String> {
    let words = |error: io::Error| error.to_string();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let dedicated = match config.threads {
        Threads::Shared => false,
        Threads::Dedicated => true,
        // engine, journal and a reactor, and a core for everything else
        Threads::Auto => cores >= 4,
    };
    let reactors = config.reactors.unwrap_or(if dedicated { (cores / 2).clamp(1, 8) } else { 1 });
    let address = doors.address().map_err(words)?;

    let pollers = (0..reactors).map(|_| Poller::new()).collect::<io::Result<Vec<_>>>().map_err(words)?;
    let reactor_bells: Vec<_> = pollers.iter().map(bell_of_poll).collect();
    let home = Place { bell: Arc::clone(&reactor_bells[0]), sleeper: Sleeper::default() };
    // who shares a thread shares its bell
    let journal_apart = dedicated || (config.durability == Durability::Disk && cores > 1);
    let engine_place = if dedicated { parked() } else { home.clone() };
    let journal_place = if journal_apart { parked() } else { home };
    let (preparer_place, pages_place) = (parked(), parked());

    let shutdown = Arc::new(Shutdown::new());
    let progress = Arc::clone(&opened.progress);
    let (inbounds, engine_inbound) = inbound_ring(INBOUND_SLOTS, INBOUND_LARGE_BYTES, reactors);
    let (commit, gate, commits) = commit_ring(COMMIT_SLOTS, reactors);
    let spaces: Vec<_> = reactor_bells.iter().map(|bell| Arc::new(SpaceSignal::new(Arc::clone(bell)))).collect();
    let commit_space = Arc::new(SpaceSignal::new(Arc::clone(&engine_place.bell)));

    let limits = engine::Limits {
        group: config.limits.group as usize,
        devices: config.limits.devices as usize,
        page: config.limits.page as usize,
        contacts: config.limits.contacts as usize,
        requests: config.limits.contact_requests as usize,
        requests_a_day: config.limits.contact_requests_a_day as usize,
        contacts_only: config.writing == Writing::Contacts,
        token_ms: u64::try_from(config.tokens.expire_after.as_millis()).unwrap_or(u64::MAX),
    };
    let engine = Engine::new(
        state,
        limits,
        opened.start,
        BATCH,
        engine::Ties {
            inbound: engine_inbound,
            commit,
            progress: Arc::clone(&progress),
            journal: Arc::clone(&journal_place.bell),
            inbound_space: spaces.clone(),
            commit_space: Arc::clone(&commit_space),
            shutdown: Arc::clone(&shutdown),
        },
    );
    let journal = opened
        .journal(Ties {
            gate,
            progress: Arc::clone(&progress),
            readers: reactor_bells.clone(),
            preparer: Arc::clone(&preparer_place.bell),
            shutdown: Arc::clone(&shutdown),
            on_fault: Box::new(end_with),
        })
        .map_err(|error| error.to_string())?;
    let preparer = opened.preparer(Arc::clone(&shutdown), Box::new(end_with), Box::new(Instant::now));

    let passwords = PasswordPool::start(config.passwords.workers, config.passwords.queue, password_params(config))
        .map_err(words)?;
    let (page_desk, page_queue) = page_queue(PAGES, Arc::clone(&pages_place.bell));
    let page_reader = PageReader::new(page_queue, Box::new(opened.reader()), Arc::clone(&shutdown));

    let reactor_config = Arc::new(reactor_config(config, opened.start.epoch, opened.uuid()));
    let admission = Arc::new(Admission::new(connections as usize, config.limits.connections_per_address));
    let attempts = Arc::new(Attempts::new(attempt_limits(config)));
    let mut edges = Vec::with_capacity(reactors);
    for (index, ((poller, inbound), commits)) in pollers.into_iter().zip(inbounds).zip(commits).enumerate() {
        let seams = Seams {
            poller,
            inbound,
            commits,
            space: Arc::clone(&spaces[index]),
            commit_space: Arc::clone(&commit_space),
            bell: Arc::clone(&reactor_bells[index]),
            engine: Arc::clone(&engine_place.bell),
            progress: Arc::clone(&progress),
            projected: Arc::clone(&projected),
            shutdown: Arc::clone(&shutdown),
            admission: Arc::clone(&admission),
            attempts: Arc::clone(&attempts),
            jwt: jwt.clone(),
            passwords: passwords.desk(),
            pages: page_desk.clone(),
        };
        edges.push(Reactor::new(index as u8, Arc::clone(&reactor_config), seams).map_err(words)?);
    }
    let (first, others) = edges.split_at_mut(1);
    first[0].open(doors, &others.iter().collect::<Vec<_>>()).map_err(words)?;

    let mut crews = Vec::new();
    for (index, edge) in edges.into_iter().enumerate() {
        let place = Place { bell: Arc::clone(&reactor_bells[index]), sleeper: Sleeper::default() };
        settle(&mut crews, format!("reactor-{index}"), Box::new(edge), place);
    }
    settle(&mut crews, "engine".into(), Box::new(engine), engine_place);
    settle(&mut crews, "journal".into(), Box::new(journal), journal_place);
    let hot = crews.len();
    settle(&mut crews, "preparer".into(), Box::new(preparer), preparer_place);
    settle(&mut crews, "pages".into(), Box::new(page_reader), pages_place);
    let bells = crews.iter().map(|crew| Arc::clone(&crew.doorbell)).collect();
    let mut threads = Vec::new();
    for (nth, crew) in crews.into_iter().enumerate() {
        // the last ones wait for disks and queues: they never spin
        let spin = if nth < hot { config.idle } else { Duration::ZERO };
        threads.push(start(crew, Idle { spin }).map_err(words)?);
    }
    let close = Box::new(move || opened.close().map_err(|error| error.to_string()));
    Ok(Broker { threads, bells, shutdown, passwords, projecting, close, address })
}

/// Where an agent runs: the thread behind a bell.
#[derive(Clone)]
struct Place {
    bell: Arc<Doorbell>,
    sleeper: Sleeper,
}

/// A thread of its own, which parks.
fn parked() -> Place {
    let sleeper = Sleeper::default();
    let thread = sleeper.clone();
    Place { bell: Arc::new(Doorbell::new(Box::new(move || thread.wake()))), sleeper }
}

/// Puts an agent on the thread behind its bell; a bell that no thread has yet gets one.
fn settle(crews: &mut Vec<Crew>, name: String, agent: Box<dyn Agent>, place: Place) {
    match crews.iter_mut().find(|crew| Arc::ptr_eq(&crew.doorbell, &place.bell)) {
        Some(crew) => crew.agents.push(agent),
        None => crews.push(Crew { name, agents: vec![agent], doorbell: place.bell, sleeper: place.sleeper }),
    }
}

fn bell_of_poll(poller: &Poller) -> Arc<Doorbell> {
    let waker = poller.waker();
    // an eventfd that cannot be written holds a wake already
    Arc::new(Doorbell::new(Box::new(move || drop(waker.wake()))))
}

/// The journal broke: nothing may be told any more that is not durable, so the process ends.
fn end_with(fault: Fault) {
    tracing::error!(what = fault.what, error = %fault.error, "the journal cannot go on; ending without telling anyone more");
    tell!("ringdove: the journal cannot go on: {}: {}", fault.what, fault.error);
    std::process::exit(1);
}

fn reactor_config(config: &Config, epoch: ringdove_core::ids::Epoch, journal: &str) -> ReactorConfig {
    let limits = &config.limits;
    let defaults = ReactorConfig::default();
    ReactorConfig {
        limits: ringdove_io::Limits {
            frame: limits.frame,
            text: limits.text,
            group: limits.group,
            page: limits.page,
            unanswered: limits.unanswered,
            rate: limits.rate,
            burst: limits.burst,
            window: limits.window,
            ..defaults.limits
        },
        out_buffer: limits.out_buffer as usize,
        hello_timeout_ms: limits.hello_ms.into(),
        server: concat!("ringdove/", env!("CARGO_PKG_VERSION")).into(),
        registration: config.registration == Registration::Open,
        epoch,
        journal: journal.to_owned(),
        ..defaults
    }
}

fn attempt_limits(config: &Config) -> AttemptLimits {
    AttemptLimits {
        per_account: config.limits.failed_logins_per_account,
        per_address: config.limits.failed_logins_per_address,
        registrations: config.limits.registrations_per_address,
        window: config.limits.attempts_window,
    }
}

fn password_params(config: &Config) -> PasswordParams {
    PasswordParams { memory_kib: config.passwords.memory_kib, passes: config.passwords.iterations }
}

fn journal_options(config: &Config) -> Result<Options, String> {
    let mut new_uuid = [0; 16];
    getrandom::fill(&mut new_uuid).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(Options {
        segment_bytes: config.journal.segment_bytes,
        durability: config.durability,
        sync_every: config.journal.sync_every,
        memory_bytes: config.journal.memory_bytes,
        new_uuid,
        // without it every unclean stop counts as a loss of power
        boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into(),
        folder: folder_identity(&config.data),
    })
}

fn folder_identity(folder: &Path) -> String {
    std::fs::metadata(folder).map(|meta| format!("{:x}:{:x}", meta.dev(), meta.ino())).unwrap_or_default()
}
