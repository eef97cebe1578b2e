//! How it starts, and what it says when it cannot.

use std::fs;
use std::net::TcpListener;

use tempfile::tempdir;

use crate::broker::{Broker, PATIENCE, done, refused, ringdove, run, serve};
use crate::client::{Client, text};

#[test]
fn without_any_configuration_it_serves_from_its_own_folder() {
    let folder = tempdir().unwrap();
    let mut command = ringdove::<&str>([]);
    // the one thing that two tests cannot share is the default port
    command.current_dir(folder.path()).env("RINGDOVE_LISTEN", "127.0.0.1:0");
    let broker = Broker::start(command);
    let said = broker.said.join("\n");
    let data = folder.path().canonicalize().unwrap().join("ringdove-data");
    assert!(said.contains(&format!("data        {}", data.display())), "{said}");
    assert!(said.contains("durability  process"), "{said}");
    assert!(data.join("journal").is_dir());
    let client = Client::register(broker.address, "ann");
    assert_eq!(client.welcome.limits.unwrap().rate, 30);
    broker.stop();
}

#[test]
fn the_default_port_is_7400() {
    let printed = done(&mut ringdove(["config", "print"]));
    assert!(printed.contains("listen = \"127.0.0.1:7400\"  # default"), "{printed}");
    assert!(printed.contains("data = \"./ringdove-data\"  # default"), "{printed}");
}

#[test]
fn one_folder_one_process_and_the_holder_is_named() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let broker = Broker::on(&data);
    let said = refused(&mut serve(&data));
    assert!(said.contains(&format!("is in use by process {}, since 2", broker.pid())), "{said}");
    // and it has done no harm
    Client::register(broker.address, "ann");
    broker.crash();
    // a lock ends with its process
    Broker::on(&data).stop();
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(ringdove(["serve", "--listen", &address, "--data"]).arg(folder.path()));
    assert!(said.contains(&format!("{address} is taken")), "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::write(&data, "a file where the folder should be").unwrap();
    let said = refused(&mut serve(&data));
    assert!(said.contains(&format!("cannot write to the data folder {}", data.display())), "{said}");
    let said = refused(&mut serve("/proc/ringdove".as_ref()));
    assert!(said.contains("cannot write to the data folder /proc/ringdove"), "{said}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_named_with_its_line() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("ringdove.toml");
    fs::write(&file, "listen = \"127.0.0.1:0\"\n\n[limits]\nrat = 3\ngroup = 1\n").unwrap();
    let mut commands = [ringdove(["serve", "--config"]), ringdove(["config", "check", "--config"])];
    for command in &mut commands {
        let said = refused(command.arg(&file));
        let file = file.display();
        assert!(said.contains(&format!("{file}:4: unknown key \"limits.rat\"")), "{said}");
        assert!(said.contains(&format!("{file}:5: limits.group: \"1\" is no whole number from 2 to 10000")), "{said}");
    }
    fs::write(&file, "[limits]\nrate = 3\n").unwrap();
    let said = done(ringdove(["config", "check"]).env("RINGDOVE_CONFIG", &file));
    assert!(said.contains("right"), "{said}");
    let printed = done(ringdove(["config", "print"]).env("RINGDOVE_CONFIG", &file).env("RINGDOVE_IDLE", "7us"));
    assert!(printed.contains("rate = 3  # ") && printed.contains("idle = \"7us\"  # RINGDOVE_IDLE"), "{printed}");
}

#[test]
fn a_flag_that_does_not_exist_is_refused_by_name() {
    let (code, said) = run(&mut ringdove(["serve", "--port", "1"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("'--port'"), "{said}");
}

#[test]
fn json_logs_are_an_object_a_line() {
    let folder = tempdir().unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.args(["--log-format", "json", "--durability", "memory"]).env("RINGDOVE_LIMITS_HELLO_MS", "x");
    let said = refused(&mut command);
    assert!(said.contains("RINGDOVE_LIMITS_HELLO_MS: limits.hello_ms"), "{said}");

    let mut command = serve(&folder.path().join("data"));
    command.args(["--log-format", "json"]).stderr(std::process::Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(process.stderr.take().unwrap()));
    let listens = lines.by_ref().map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let mut listens = listens.skip_while(|line| line["message"] != "listens");
    let line = listens.next().expect("it says that it listens");
    assert_eq!(line["durability"], "process");
    assert!(line["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    process.kill().unwrap();
    process.wait().unwrap();
}

/// How much nicer each thread is than the one that chat goes through.
#[test]
fn threads_that_compute_let_chat_go_first() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let niceness = || {
        let threads = fs::read_dir(format!("/proc/{}/task", broker.pid())).unwrap();
        let of = |stat: String| {
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            Some((name.to_owned(), rest.split_whitespace().nth(16)?.parse::<i32>().ok()?))
        };
        let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        stats.filter_map(of).collect::<std::collections::BTreeMap<_, _>>()
    };
    let since = std::time::Instant::now();
    loop {
        let niceness = niceness();
        let chat = niceness["reactor-0"];
        let nicer = niceness.iter().filter(|(_, nice)| **nice == (chat + 10).min(19)).map(|(name, _)| &**name);
        if nicer.collect::<Vec<_>>() == ["password-0", "sql"] {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{niceness:?}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    broker.stop();
}

/// Segments are kept for good; the descriptors of all but the newest are not, for they are there for connections.
#[test]
fn old_segments_hold_no_open_files() {
    let folder = tempdir().unwrap();
    let mut command = serve(folder.path());
    command.env("RINGDOVE_JOURNAL_MEMORY_BYTES", "4MiB").env("RINGDOVE_JOURNAL_SYNC_EVERY", "10ms");
    let broker = Broker::start(command);
    let mut ann = Client::register(broker.address, "ann");
    for key in 1..=2_000 {
        // the next segment may not be prepared yet
        while ann.send(text(ann.welcome.user, key, "x".repeat(8_000))).is_err() {}
    }
    let segments = || fs::read_dir(folder.path().join("journal")).unwrap().count();
    let open = |broker: &Broker| {
        let files = fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap();
        let names = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        let segments = names.filter(|name| name.starts_with(folder.path().join("journal")));
        // those that are made ahead have nothing behind their header
        segments.filter(|name| fs::read(name).is_ok_and(|bytes| bytes.iter().skip(64).any(|byte| *byte != 0))).count()
    };
    let becomes_few = |broker: &Broker| {
        let since = std::time::Instant::now();
        // four that stay in memory, one that has begun to leave it, and the one that is written
        while open(broker) > 6 {
            assert!(since.elapsed() < PATIENCE, "{} of {} segments are open", open(broker), segments());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    assert!(segments() > 14, "{}", segments());
    becomes_few(&broker);
    broker.stop();
    let broker = Broker::on(folder.path());
    let ann = Client::resume(broker.address, &ann.identity(), None);
    // the default keeps 128 segments of this size
    assert_eq!(ann.welcome.version, 2_000);
    assert!(open(&broker) > 14);
    broker.stop();
    let mut command = serve(folder.path());
    command.env("RINGDOVE_JOURNAL_MEMORY_BYTES", "4MiB");
    let broker = Broker::start(command);
    becomes_few(&broker);
    broker.stop();
}

#[test]
fn a_journal_that_is_not_read_is_named() {
    let folder = tempdir().unwrap();
    Broker::on(folder.path()).stop();
    let mut command = serve(folder.path());
    let broker = Broker::start({
        command.args(["--durability", "memory"]);
        command
    });
    assert!(broker.said.iter().any(|line| line.contains("is not read")), "{:?}", broker.said);
    broker.stop();
}

#[test]
fn a_data_folder_with_too_long_a_path_is_refused() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("x".repeat(120));
    let said = refused(&mut serve(&data));
    assert!(said.contains("admin.sock has ") && said.contains("choose a shorter data folder"), "{said}");
}

#[test]
fn more_connections_than_open_files_are_refused() {
    let folder = tempdir().unwrap();
    let said = refused(serve(&folder.path().join("data")).env("RINGDOVE_LIMITS_CONNECTIONS", "16000000"));
    assert!(said.contains("limit on open files"), "{said}");
}
