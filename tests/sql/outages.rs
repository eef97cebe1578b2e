//! Databases that are gone, killed, slow, read-only or full: chat goes on, the lag is told, and afterwards the tables are exactly right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use tempfile::tempdir;

use crate::broker::{Broker, PATIENCE};
use crate::client::{Client, text};
use crate::operator::{Door, beside, serve_with, verify};
use crate::postgres::Postgres;

/// People who sign up and write to each other until they are told to stop; everything must be answered.
struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Load {
    fn on(broker: &Broker, name: &'static str) -> Self {
        let (address, stop) = (broker.address, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = spawn(move || {
            let mut people = 0;
            let mut last: Option<Client> = None;
            while !stopped.load(Ordering::Relaxed) {
                let mut client = Client::register(address, &format!("{name}{people}"));
                people += 1;
                if let Some(last) = &last {
                    for key in 1..=5 {
                        client.send(text(last.welcome.user, key, "while the database is away")).expect("chat goes on");
                    }
                }
                last = Some(client);
            }
            people
        });
        Self { stop, thread }
    }

    /// How many people signed up.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("chat goes on")
    }
}

/// Waits until more people have signed up.
fn more_people(door: &mut Door, than: u64) -> u64 {
    let begin = Instant::now();
    loop {
        let accounts = door.figures().accounts;
        if accounts >= than {
            return accounts;
        }
        assert!(begin.elapsed() < 2 * PATIENCE, "nobody signs up any more");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn postgres_is_stopped_and_started_under_load() {
    let mut server = Postgres::start();
    let (folder, sql, broker, mut door) = beside(&server);
    let load = Load::on(&broker, "dove");
    for _ in 0..3 {
        let there = more_people(&mut door, door_accounts(folder.path()) + 50);
        server.stop();
        broker.hear("the tables fall behind");
        more_people(&mut door, there + 100);
        let figures = door.figures();
        assert!(figures.sql.starts_with("failing since"), "{}", figures.sql);
        assert!(figures.projected < figures.released, "the lag is visible");
        server.start_again();
        broker.hear("the database is there again");
    }
    let people = load.end();
    assert_eq!(door.caught_up().accounts, people);
    assert!(verify(folder.path(), &sql).contains(&format!("{people} accounts")));
    broker.stop();
}

fn door_accounts(data: &std::path::Path) -> u64 {
    Door::of(data).figures().accounts
}

/// `kill -9` of the server while it is busy with a transaction, again and again.
#[test]
fn postgres_is_killed_in_the_middle_of_transactions() {
    let mut server = Postgres::start();
    let (folder, sql, broker, mut door) = beside(&server);
    let (data, killed) = (folder.path().to_owned(), Arc::new(AtomicBool::new(false)));
    let enough = Arc::clone(&killed);
    let import = spawn(move || {
        let mut waves = 0;
        while !enough.load(Ordering::Relaxed) {
            Door::of(&data).import(&format!("wave{waves}x"), 2_000);
            waves += 1;
        }
        waves
    });
    for _ in 0..4 {
        let begin = Instant::now();
        let busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'ringdove' AND state <> 'idle' AND xact_start IS NOT NULL";
        let mut client = server.client("postgres");
        while client.query(busy, &[]).expect("it runs").is_empty() {
            assert!(begin.elapsed() < 2 * PATIENCE, "nothing is written");
        }
        server.kill();
        broker.hear("the tables fall behind");
        server.start_again();
        broker.hear("the database is there again");
    }
    killed.store(true, Ordering::Relaxed);
    let waves = import.join().expect("the import goes on");
    assert_eq!(door.caught_up().accounts, waves * 2_000);
    let rows = format!("{0} accounts, {0} devices, {1} contacts", waves * 2_000, waves * 1_999);
    assert!(verify(folder.path(), &sql).contains(&rows), "{rows}");
    broker.stop();
}

#[test]
fn postgres_that_is_not_there_at_the_start_is_taken_up_later() {
    let mut server = Postgres::start();
    let folder = tempdir().unwrap();
    let sql = server.url("chat");
    server.stop();
    let broker = Broker::start(serve_with(folder.path(), &sql));
    assert!(broker.said.iter().any(|line| line.contains("SQL: connecting to Postgres")), "{:?}", broker.said);
    Door::of(folder.path()).import("dove", 50);
    server.start_again();
    broker.hear("the database is there again");
    Door::of(folder.path()).caught_up();
    assert!(verify(folder.path(), &sql).contains("50 accounts"));
    // a shutdown does not wait for a database that is away
    server.stop();
    Door::of(folder.path()).import("owl", 50);
    broker.stop();
    server.start_again();
    let broker = Broker::start(serve_with(folder.path(), &sql));
    Door::of(folder.path()).caught_up();
    assert!(verify(folder.path(), &sql).contains("100 accounts"));
    broker.stop();
}

/// Somebody holds a table, or the server takes no writes for a while.
#[test]
fn postgres_that_is_slow_or_read_only_costs_lag_and_nothing_else() {
    let server = Postgres::start();
    let (folder, sql, broker, mut door) = beside(&server);
    door.import("dove", 10);
    door.caught_up();
    let mut somebody = server.client("chat");
    somebody.batch_execute("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").unwrap();
    door.import("owl", 100);
    let mut ann = Client::register(broker.address, "ann");
    ann.send(text(ann.welcome.user, 1, "chat goes on")).unwrap();
    let figures = door.figures();
    assert!(figures.projected < figures.released, "{figures:?}");
    somebody.batch_execute("COMMIT").unwrap();
    door.caught_up();
    assert!(verify(folder.path(), &sql).contains("111 accounts"));

    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringdove'";
    somebody.batch_execute("ALTER DATABASE chat SET default_transaction_read_only = on").unwrap();
    somebody.batch_execute(terminate).unwrap();
    door.import("hen", 100);
    broker.hear("read-only transaction");
    ann.send(text(ann.welcome.user, 2, "chat goes on")).unwrap();
    somebody
        .batch_execute(
            "SET default_transaction_read_only = off; ALTER DATABASE chat RESET default_transaction_read_only",
        )
        .unwrap();
    somebody.batch_execute(terminate).unwrap();
    door.caught_up();
    assert!(verify(folder.path(), &sql).contains("211 accounts"));
    broker.stop();
}

/// A server that takes connections and says nothing holds up neither the start, nor the chat, nor the end.
#[test]
fn postgres_that_does_not_answer_holds_nothing_up() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempdir().unwrap();
    let sql = format!("postgres://postgres@{}/chat", mute.local_addr().unwrap());
    let broker = Broker::start(serve_with(folder.path(), &sql));
    assert!(broker.said.iter().any(|line| line.contains("the database does not answer")), "{:?}", broker.said);
    let mut ann = Client::register(broker.address, "ann");
    ann.send(text(ann.welcome.user, 1, "chat goes on")).unwrap();
    broker.hear("the tables are behind the journal");
    let figures = Door::of(folder.path()).figures();
    assert!(figures.sql.starts_with("behind for"), "{}", figures.sql);
    broker.stop();
}

/// The schema is dropped under it, and comes back; somebody else's lock in the name of this journal is waited for.
#[test]
fn postgres_whose_schema_is_gone_or_locked_costs_lag_and_nothing_else() {
    let server = Postgres::start();
    let (folder, sql, broker, mut door) = beside(&server);
    door.import("dove", 10);
    door.caught_up();
    let mut somebody = server.client("chat");
    somebody.batch_execute("DROP SCHEMA public CASCADE").unwrap();
    door.import("owl", 10);
    broker.hear("no schema of the search_path exists");
    somebody.batch_execute("CREATE SCHEMA public").unwrap();
    broker.hear("the database is there again");
    door.caught_up();
    assert!(verify(folder.path(), &sql).contains("20 accounts"));
    broker.stop();

    somebody.batch_execute("SELECT pg_advisory_lock(x'524456'::int, hashtext('public'))").unwrap();
    let broker = Broker::start(serve_with(folder.path(), &sql));
    assert!(
        broker.said.iter().any(|line| line.contains("a connection from before still holds it")),
        "{:?}",
        broker.said
    );
    Door::of(folder.path()).import("hen", 10);
    somebody.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
    broker.hear("the database is there again");
    Door::of(folder.path()).caught_up();
    assert!(verify(folder.path(), &sql).contains("30 accounts"));
    broker.stop();
}

/// With TLS the server has to be who it says; who does not prove that is told nothing.
#[test]
fn postgres_over_tls_has_to_prove_who_it_is() {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let servers = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&servers, &issuer).unwrap();
    let mut server = Postgres::start();
    server.stop();
    server.with_tls(&certificate.pem(), &servers.serialize_pem());
    server.start_again();
    let folder = tempdir().unwrap();
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, own.pem()).unwrap();

    // nobody knows the authority; then the name is another one
    let data = folder.path().join("data");
    let stranger = server.url_over_tls("localhost", "chat");
    let broker = Broker::start(serve_with(&data, &stranger));
    assert!(broker.said.iter().any(|line| line.contains("connecting to Postgres")), "{:?}", broker.said);
    assert!(Door::of(&data).figures().sql.starts_with("failing since"));
    broker.stop();
    let mut command = serve_with(&data, &server.url_over_tls("127.0.0.1", "chat"));
    command.env("SSL_CERT_FILE", &trusted);
    let broker = Broker::start(command);
    assert!(broker.said.iter().any(|line| line.contains("certificate")), "{:?}", broker.said);
    broker.stop();

    let sql = server.url_over_tls("localhost", "chat");
    let mut command = serve_with(&data, &sql);
    command.env("SSL_CERT_FILE", &trusted);
    let broker = Broker::start(command);
    Door::of(&data).import("dove", 10);
    Door::of(&data).caught_up();
    let secure =
        "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'ringdove'";
    assert_eq!(server.client("chat").query(secure, &[]).unwrap().len(), 1);
    // over the socket, where nobody else listens, as before
    assert!(verify(&data, &server.url("chat")).contains("10 accounts"));
    broker.stop();
}

/// What stands in rows is for the tables alone: not for the log, whatever its level, and not for `stats`.
#[test]
fn postgres_that_refuses_a_row_tells_nobody_what_is_in_it() {
    let server = Postgres::start();
    let folder = tempdir().unwrap();
    let sql = server.url("chat");
    let mut command = serve_with(folder.path(), &sql);
    command.args(["--log-level", "trace"]);
    let broker = Broker::start(command);
    let mut door = Door::of(folder.path());
    Client::register(broker.address, "ann");
    door.caught_up();
    let mut somebody = server.client("chat");
    somebody.batch_execute("ALTER TABLE accounts ADD CONSTRAINT picky CHECK (handle <> 'bob')").unwrap();
    Client::register(broker.address, "bob");
    let said = broker.hear_all("picky");
    assert!(!door.figures().sql.contains("argon2"), "{}", door.figures().sql);
    somebody.batch_execute("ALTER TABLE accounts DROP CONSTRAINT picky").unwrap();
    let said = [said, broker.hear_all("the database is there again")].concat();
    door.caught_up();
    assert!(verify(folder.path(), &sql).contains("2 accounts"));
    assert_eq!(said.iter().find(|line| line.contains("argon2") || line.contains("$v=19")), None);
    // once, and not at every attempt
    assert_eq!(said.iter().filter(|line| line.contains("picky")).count(), 1, "{said:#?}");
    broker.stop();
}

/// An operator's program holds the file; then it is no database any more.
#[test]
fn sqlite_that_is_held_or_broken_costs_lag_and_nothing_else() {
    let folder = tempdir().unwrap();
    let broker = Broker::start(serve_with(folder.path(), "sqlite"));
    let mut door = Door::of(folder.path());
    door.import("dove", 10);
    door.caught_up();
    let file = folder.path().join("ringdove.sqlite");
    let somebody = rusqlite::Connection::open(&file).unwrap();
    somebody.execute_batch("BEGIN IMMEDIATE").unwrap();
    door.import("owl", 100);
    broker.hear("database is locked");
    somebody.execute_batch("COMMIT").unwrap();
    door.caught_up();
    assert!(verify(folder.path(), "sqlite").contains("110 accounts"));
    drop(somebody);
    broker.stop();

    std::fs::write(&file, "no database at all, though it has the name of one, and is long enough to be read as one")
        .unwrap();
    let broker = Broker::start(serve_with(folder.path(), "sqlite"));
    assert!(broker.said.iter().any(|line| line.contains("file is not a database")), "{:?}", broker.said);
    Door::of(folder.path()).import("hen", 5);
    std::fs::remove_file(&file).unwrap();
    broker.hear("the database is there again");
    Door::of(folder.path()).caught_up();
    assert!(verify(folder.path(), "sqlite").contains("115 accounts"));
    broker.stop();
}
