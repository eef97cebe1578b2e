//! Accounts and contacts in bulk, from JSON lines.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use prost::Message;
use ringdove_core::wire::admin::{self, admin_answer, admin_frame};
use ringdove_core::wire::frame::{Split, put_length, split};
use ringdove_core::wire::v1::{self, get::What, hello::Auth, server_frame::Body};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::broker::{Broker, done, fed, refused, run, serve};
use crate::client::{Client, Identity};
use crate::operators::{asked, objects};

/// A file with these lines.
fn file(folder: &Path, name: &str, lines: impl IntoIterator<Item = Value>) -> PathBuf {
    let path = folder.join(name);
    let lines: Vec<_> = lines.into_iter().map(|line| line.to_string()).collect();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// `ringdove import` with these words, from a file.
fn import(words: &str, file: &Path, data: &Path) -> std::process::Command {
    let mut command = asked(&format!("import {words}"), data);
    command.arg(file);
    command
}

/// Everyone in `handles` as accounts.
fn people(broker: &Broker, data: &Path, handles: &[&str]) {
    let lines: String = handles.iter().map(|handle| format!("{{\"handle\":\"{handle}\"}}\n")).collect();
    let (code, _, said) = fed(&mut asked("import accounts -", data), lines.as_bytes());
    assert_eq!(code, Some(0), "{said} at {}", broker.address);
}

fn handles(words: &str, data: &Path) -> Vec<String> {
    objects(words, data).iter().map(|one| one["handle"].as_str().unwrap().to_owned()).collect()
}

fn records(data: &Path) -> usize {
    done(&mut asked("log dump", data)).lines().count()
}

#[test]
fn a_thousand_people_and_whom_they_know_come_in_and_can_come_again() {
    let folder = tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path());
    let broker = Broker::on(&data);
    let handle = |n: usize| format!("somebody-{}", n % 1_000);
    let accounts = file(files, "accounts", (0..1_000).map(|n| json!({"handle": handle(n), "name": format!("No {n}")})));
    let friends = |n: usize| (1..=20).map(|more| handle(n + more)).collect::<Vec<_>>();
    let contacts = file(files, "contacts", (0..1_000).map(|n| json!({"handle": handle(n), "contacts": friends(n)})));

    let said = done(&mut import("accounts", &accounts, &data));
    assert!(said.starts_with("1,000 accounts made, in "), "{said}");
    let said = done(&mut import("contacts", &contacts, &data));
    assert!(said.starts_with("1,000 lists of contacts imported, in "), "{said}");
    assert_eq!(handles("user list --json", &data).len(), 1_000);
    let mut known = friends(7);
    known.sort();
    let mut found = handles("contact list somebody-7 --json", &data);
    found.sort();
    assert_eq!(found, known);
    assert_eq!(objects("user show somebody-7 --json", &data)[0]["version"], 1, "one entry for all of them");

    let before = records(&data);
    let said = refused(&mut import("accounts", &accounts, &data));
    assert!(said.contains("accounts line 1: somebody-0: that handle is or was somebody's"), "{said}");
    let said = done(&mut import("accounts --skip-existing", &accounts, &data));
    assert!(said.starts_with("0 accounts made, 1,000 existed already, in "), "{said}");
    done(&mut import("contacts", &contacts, &data));
    assert_eq!(records(&data), before, "nothing of it is new");

    // what was imported is there after a crash
    broker.crash();
    let broker = Broker::on(&data);
    assert_eq!(handles("contact list somebody-7 --json", &data).len(), 20);
    broker.stop();
}

#[test]
fn tokens_go_into_a_new_file_and_sign_their_devices_in() {
    let folder = tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path());
    let broker = Broker::on(&data);
    let accounts = file(files, "accounts", (0..300).map(|n| json!({"handle": format!("somebody-{n}")})));
    let path = files.join("tokens");
    let words = format!("accounts --tokens {}", path.display());
    done(&mut import(&words, &accounts, &data));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let tokens: Vec<Value> =
        fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(tokens.len(), 300);
    for (n, line) in tokens.iter().enumerate().step_by(99) {
        assert_eq!((line["handle"].as_str(), line["device"].as_u64()), (Some(&*format!("somebody-{n}")), Some(1)));
        let token = line["token"].as_str().unwrap().to_owned();
        let identity = Identity { token, ..Identity::default() };
        let client = Client::resume(broker.address, &identity, None);
        assert_eq!(Some(client.welcome.user), line["user"].as_u64());
    }
    // a second import must not take the first one's tokens away
    let others = file(files, "others", [json!({"handle": "other"})]);
    let said = refused(&mut import(&words, &others, &data));
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(handles("user list --json", &data).len(), 300);
    broker.stop();
}

#[test]
fn without_a_token_there_is_no_device() {
    let folder = tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path());
    let broker = Broker::on(&data);
    people(&broker, &data, &["ann"]);
    assert_eq!(objects("user show ann --json", &data)[0]["devices"], json!([]));
    let path = files.join("tokens");
    let two = [json!({"handle": "bob", "token": false}), json!({"handle": "cyd", "token": true})];
    let accounts = file(files, "accounts", two);
    done(&mut import(&format!("accounts --tokens {}", path.display()), &accounts, &data));
    assert_eq!(objects("user show bob --json", &data)[0]["devices"], json!([]));
    let tokens = fs::read_to_string(&path).unwrap();
    assert!(tokens.contains("cyd") && tokens.lines().count() == 1, "{tokens}");
    broker.stop();
}

/// The hash that another broker made of a password.
fn hash_of_correct_horse(folder: &Path) -> String {
    let broker = Broker::on(folder);
    drop(Client::register(broker.address, "ann"));
    broker.stop();
    let segment = fs::read(folder.join("journal/0000000000000000.log")).unwrap();
    let begin = segment.windows(10).position(|window| window == b"$argon2id$").unwrap();
    let hash: Vec<u8> = segment[begin..]
        .iter()
        .copied()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"$=,+/".contains(byte))
        .collect();
    String::from_utf8(hash).unwrap()
}

#[test]
fn a_password_comes_along_as_its_hash() {
    let folder = tempdir().unwrap();
    let hash = hash_of_correct_horse(&folder.path().join("before"));
    let data = folder.path().join("data");
    let broker = Broker::on(&data);
    let accounts = file(folder.path(), "accounts", [json!({"handle": "ann", "secret": hash})]);
    done(&mut import("accounts", &accounts, &data));
    let password = v1::Password { handle: "ann".into(), secret: "correct horse".into(), ..v1::Password::default() };
    Client::hello(broker.address, Auth::Password(password), None);
    let wrong = file(folder.path(), "wrong", [json!({"handle": "bob", "secret": "$2b$10$nothing"})]);
    let said = refused(&mut import("accounts", &wrong, &data));
    assert!(said.contains("wrong line 1: secret: an argon2id hash"), "{said}");
    broker.stop();
}

/// Everything before the wrong line is done, nothing behind it, and that is said.
#[test]
fn a_wrong_line_stops_the_import_where_it_stands() {
    let long = format!("{{\"handle\":\"{}\"}}", "x".repeat(2 << 20));
    let accounts = [
        ("{\"handle\":", "EOF while parsing a value"),
        ("{\"handle\":\"cyd\",\"colour\":\"red\"}", "unknown field `colour`"),
        ("{\"handle\":\"c d\"}", "handle: \"c d\" is no handle"),
        ("{\"handle\":\"cyd\",\"name\":\"\\u001b[2J\"}", "name: "),
        ("{\"handle\":\"cyd\",\"token\":true}", "token: "),
        ("{\"handle\":\"ANN\"}", "ANN: that handle is or was somebody's"),
        (&long, "it has more than 1048576 bytes"),
    ];
    for (wrong, expected) in accounts {
        let folder = tempdir().unwrap();
        let broker = Broker::on(folder.path());
        people(&broker, folder.path(), &["ann"]);
        let input = format!("{{\"handle\":\"bob\"}}\n{wrong}\n{{\"handle\":\"dan\"}}\n");
        let (code, said, why) = fed(&mut asked("import accounts -", folder.path()), input.as_bytes());
        assert_eq!((code, &*said), (Some(1), ""));
        assert!(why.starts_with("ringdove: standard input line 2: ") && why.contains(expected), "{why}");
        assert!(why.contains("\nringdove: stopped there: 1 accounts made") || wrong.contains("ANN"), "{why}");
        let there = handles("user list --json", folder.path());
        // a handle that exists is found out by the broker, which has done the rest of the portion then
        let expected: &[&str] = if wrong.contains("ANN") { &["ann", "bob", "dan"] } else { &["ann", "bob"] };
        assert_eq!(there, expected);
    }
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    people(&broker, folder.path(), &["ann", "bob", "cyd"]);
    let contacts = [
        ("{\"handle\":\"ann\",\"contacts\":[\"bob\",\"ann\"]}", "contacts: ann cannot be a contact of their own"),
        ("{\"handle\":\"ann\",\"contacts\":[\"bob\",\"zed\"]}", "ann: there is no account zed [4200 NOT_FOUND]"),
        ("{\"handle\":\"zed\",\"contacts\":[\"bob\"]}", "zed: there is no account zed [4200 NOT_FOUND]"),
        ("{\"handle\":\"ann\"}", "missing field `contacts`"),
    ];
    for (wrong, expected) in contacts {
        let input = format!("{{\"handle\":\"bob\",\"contacts\":[\"cyd\"]}}\n{wrong}\n");
        let (code, _, why) = fed(&mut asked("import contacts -", folder.path()), input.as_bytes());
        assert_eq!(code, Some(1));
        assert!(why.starts_with("ringdove: standard input line 2: ") && why.contains(expected), "{why}");
        assert!(why.contains("stopped there: 1 lists of contacts imported, 1 refused"), "{why}");
    }
    assert_eq!(handles("contact list bob --json", folder.path()), ["cyd"]);
    assert_eq!(handles("contact list ann --json", folder.path()).len(), 0);
    broker.stop();
}

#[test]
fn refused_lines_are_reported_and_passed_if_that_is_asked_for() {
    let folder = tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path());
    let broker = Broker::on(&data);
    people(&broker, &data, &["ann"]);
    let path = files.join("accounts");
    // both kinds of line end, empty lines, a line that is far too long, and none at the end
    let long = "x".repeat(2 << 20);
    let text = format!(
        "\r\n{{\"handle\":\"bob\"}}\r\n\n{{\"handle\":\"b b\"}}\r\n{{\"handle\":\"ann\"}}\nnonsense\n{long}\n  \n{{\"handle\":\"cyd\"}}"
    );
    fs::write(&path, text).unwrap();
    let (code, said, why) = fed(&mut import("accounts --skip-refused", &path, &data), b"");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("2 accounts made, 4 refused, in "), "{said}");
    for line in ["line 4: handle: ", "line 5: ann: that handle", "line 6: ", "line 7: it has more than"] {
        assert!(why.contains(line), "{line}: {why}");
    }
    assert!(why.contains("[4206 EXISTS]") && why.ends_with("ringdove: 4 lines were refused\n"), "{why}");
    assert_eq!(why.lines().count(), 5);
    assert_eq!(handles("user list --json", &data), ["ann", "bob", "cyd"]);
    let (code, said, why) = fed(&mut import("accounts --skip-refused --skip-existing", &path, &data), b"");
    assert_eq!((code, why.lines().count()), (Some(1), 4));
    assert!(said.starts_with("0 accounts made, 3 existed already, 3 refused, in "), "{said}");
    broker.stop();
}

/// A list that no frame can hold goes in pieces, and a broker that takes only small frames gets smaller ones.
#[test]
fn lists_of_any_length_fit_into_any_frame() {
    for frame in ["65536", "4096"] {
        let folder = tempdir().unwrap();
        let (data, files) = (folder.path().join("data"), folder.path());
        let mut command = serve(&data);
        command.env("RINGDOVE_LIMITS_FRAME", frame).env("RINGDOVE_LIMITS_TEXT", "1024");
        let broker = Broker::start(command);
        let handle = |n: usize| format!("somebody-whose-handle-takes-some-room-{n}");
        let accounts = file(files, "accounts", (0..3_000).map(|n| json!({"handle": handle(n)})));
        done(&mut import("accounts", &accounts, &data));
        let all: Vec<_> = (1..3_000).map(handle).collect();
        let two =
            [json!({"handle": handle(0), "contacts": all}), json!({"handle": handle(1), "contacts": [handle(2)]})];
        let contacts = file(files, "contacts", two);
        let said = done(&mut import("contacts", &contacts, &data));
        assert!(said.starts_with("2 lists of contacts imported, in "), "{said}");
        assert_eq!(handles(&format!("contact list {} --json", handle(0)), &data), all);
        broker.stop();
    }
}

/// A door that gives these answers, one for each request, and returns what it was asked.
fn scripted(data: &Path, answers: Vec<admin_answer::Body>) -> JoinHandle<Vec<admin_frame::Request>> {
    let door = UnixListener::bind(data.join("admin.sock")).unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = door.accept().unwrap();
        let (mut received, mut chunk, mut asked) = (Vec::new(), [0; 4096], Vec::new());
        for body in answers {
            let frame = loop {
                if let Split::Frame { frame, used } = split(&received, usize::MAX) {
                    let frame = admin::AdminFrame::decode(frame).unwrap();
                    received.drain(..used);
                    break frame;
                }
                let count = socket.read(&mut chunk).unwrap();
                assert!(count > 0, "it asks once more");
                received.extend_from_slice(&chunk[..count]);
            };
            asked.extend(frame.request);
            let answer = admin::AdminAnswer { id: frame.id, body: Some(body) }.encode_to_vec();
            let mut bytes = Vec::new();
            put_length(&mut bytes, answer.len());
            socket.write_all(&[bytes, answer].concat()).unwrap();
        }
        asked
    })
}

fn made(codes: &[u32]) -> admin::Imported {
    let made = |code: &u32| admin::Made { user: 256, code: *code, ..admin::Made::default() };
    admin::Imported { made: codes.iter().map(made).collect() }
}

/// What the broker has no room for now is asked for again, and nothing else.
#[test]
fn what_found_no_room_is_asked_for_again() {
    use admin_answer::Body::{ContactsImported, Imported, Refusal};
    let refusal = |code| Refusal(admin::Refusal { code, name: "BUSY".into(), ..admin::Refusal::default() });
    let folder = tempdir().unwrap();
    let door = scripted(folder.path(), vec![refusal(4301), refusal(4302), Imported(made(&[0, 4206, 0]))]);
    let people = [json!({"handle": "ann"}), json!({"handle": "bob"}), json!({"handle": "cyd"})];
    let accounts = file(folder.path(), "accounts", people);
    let (code, said, why) = fed(&mut import("accounts --skip-refused", &accounts, folder.path()), b"");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("2 accounts made, 1 refused, in ") && why.contains("line 2: bob: "), "{said}{why}");
    assert_eq!(why.matches("the broker takes no more now").count(), 1, "{why}");
    let asked = door.join().unwrap();
    assert!(asked.len() == 3 && asked[0] == asked[1] && asked[1] == asked[2]);

    // contacts: the answer says how far it came
    let folder = tempdir().unwrap();
    let door = scripted(folder.path(), vec![ContactsImported(made(&[0, 4301])), ContactsImported(made(&[0, 0]))]);
    let lists = ["ann", "bob", "cyd"].map(|handle| json!({"handle": handle, "contacts": ["dan"]}));
    let contacts = file(folder.path(), "contacts", lists);
    let said = done(&mut import("contacts", &contacts, folder.path()));
    assert!(said.contains("3 lists of contacts imported, in "), "{said}");
    let whom: Vec<Vec<String>> = door
        .join()
        .unwrap()
        .into_iter()
        .map(|request| match request {
            admin_frame::Request::ImportContacts(import) => import.friends.into_iter().map(|one| one.handle).collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(whom, [vec!["ann", "bob", "cyd"], vec!["bob", "cyd"]]);
}

/// A refusal of the whole request is one line's fault: the others are done.
#[test]
fn the_line_that_spoils_a_request_is_found() {
    use admin_answer::Body::{Imported, Refusal};
    let invalid = || Refusal(admin::Refusal { code: 4002, field: "secret".into(), ..admin::Refusal::default() });
    let folder = tempdir().unwrap();
    let script = vec![invalid(), Imported(made(&[0])), invalid(), invalid(), Imported(made(&[0]))];
    let door = scripted(folder.path(), script);
    let people = ["ann", "bob", "cyd"].map(|handle| json!({"handle": handle}));
    let accounts = file(folder.path(), "accounts", people);
    let (code, said, why) = fed(&mut import("accounts --skip-refused", &accounts, folder.path()), b"");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("2 accounts made, 1 refused, in "), "{said}");
    assert!(why.contains("accounts line 2: bob: ") && why.contains("(secret)"), "{why}");
    assert_eq!(door.join().unwrap().len(), 5);
}

/// Small segments fill faster than they are made: the import waits, and nothing is lost or done twice.
#[test]
fn an_import_waits_for_a_broker_that_is_busy() {
    let folder = tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path());
    let broker = Broker::on(&data);
    let name = "x".repeat(60);
    let lines = (0..30_000).map(|n| json!({"handle": format!("somebody-with-a-long-handle-{n}"), "name": name}));
    let accounts = file(files, "accounts", lines);
    let (code, said) = run(&mut import("accounts", &accounts, &data));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("30,000 accounts made, in "), "{said}");
    let figures = objects("stats --json", &data).remove(0);
    assert_eq!(figures["accounts"], 30_000);
    broker.stop();
}

#[test]
fn whoever_has_contacts_by_an_import_sees_them() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let broker = Broker::on(data);
    let mut ann = Client::register(broker.address, "ann");
    people(&broker, data, &["bob", "cyd"]);
    let (code, ..) = fed(&mut asked("import contacts -", data), br#"{"handle":"ann","contacts":["bob","cyd"]}"#);
    assert_eq!(code, Some(0));
    let get = v1::Get { what: Some(What::Contacts(true)), ..v1::Get::default() };
    let Ok(Body::Found(found)) = ann.ask(v1::client_frame::Request::Get(get)) else { panic!("no list") };
    let names: Vec<_> = found.profiles.iter().map(|one| &*one.handle).collect();
    assert_eq!(names, ["bob", "cyd"]);
    assert!(ann.news.iter().any(|news| matches!(&news.body, Some(Body::Entry(entry)) if entry.version == 1)));
    broker.stop();
}
