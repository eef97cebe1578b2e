//! How it starts, and what it says when it cannot.

use std::fs;
use std::net::TcpListener;

use tempfile::tempdir;

use crate::broker::{Broker, done, refused, ringdove, run, serve};
use crate::client::Client;

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

#[test]
fn more_connections_than_open_files_are_refused() {
    let folder = tempdir().unwrap();
    let said = refused(serve(&folder.path().join("data")).env("RINGDOVE_LIMITS_CONNECTIONS", "16000000"));
    assert!(said.contains("limit on open files"), "{said}");
}
