//! What operators ask of a running broker: accounts, contacts, figures.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use ringdove_core::wire::v1::{
    self, Contact, ContactChange, ProfileChange, client_frame::Request, hello::Auth, server_frame::Body,
};
use serde_json::Value;
use tempfile::tempdir;

use crate::broker::{Broker, done, fed, refused, ringdove, run};
use crate::client::Client;

/// `ringdove` with these words, for the broker on a folder.
pub fn asked(words: &str, data: &Path) -> Command {
    let mut command = ringdove(words.split(' '));
    command.arg("--data").arg(data);
    command
}

/// What it prints, as JSON, an object a line.
pub fn objects(words: &str, data: &Path) -> Vec<Value> {
    let said = done(&mut asked(words, data));
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// An account as `user show` has it.
fn shown(who: &str, data: &Path) -> Value {
    objects(&format!("user show {who} --json"), data).remove(0)
}

fn password(handle: &str, secret: &str) -> Auth {
    Auth::Password(v1::Password { handle: handle.into(), secret: secret.into(), ..v1::Password::default() })
}

/// What a hello is refused with.
fn hello_refused(broker: &Broker, auth: Auth) -> String {
    let hello = v1::Hello { auth: Some(auth), ..v1::Hello::default() };
    Client::connect(broker.address).ask(Request::Hello(hello)).expect_err("it is refused").name
}

/// The name of the bye that ends a connection.
fn bye(client: &mut Client) -> String {
    loop {
        match client.news().body {
            Some(Body::Bye(bye)) => return bye.name,
            Some(_) => {}
            None => panic!("a ping of the server's"),
        }
    }
}

#[test]
fn an_account_is_made_with_a_password_from_standard_input() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut add = asked("user add Ann --name Ann-Marie --password-stdin", folder.path());
    let (code, said, _) = fed(&mut add, b"correct horse\n");
    assert_eq!((code, &*said), (Some(0), "made u256 Ann\n"));
    let ann = Client::hello(broker.address, password("ann", "correct horse"), None);
    assert_eq!((ann.welcome.user, &*ann.welcome.handle), (256, "Ann"));
    assert_eq!(hello_refused(&broker, password("ann", "wrong horse")), "UNAUTHENTICATED");
    let shown = shown("ann", folder.path());
    assert_eq!((shown["name"].as_str(), shown["password"].as_bool()), (Some("Ann-Marie"), Some(true)));
    let segment = std::fs::read(folder.path().join("journal/0000000000000000.log")).unwrap();
    assert!(!segment.windows(13).any(|window| window == b"correct horse"), "only its hash is kept");
    broker.stop();
}

#[test]
fn a_password_is_never_an_argument_and_never_empty() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    for words in
        ["user add ann correct-horse", "user add ann --password correct-horse", "user passwd ann correct-horse"]
    {
        assert_eq!(run(&mut asked(words, folder.path())).0, Some(2), "{words}");
    }
    let said = refused(&mut asked("user add ann", folder.path()));
    assert!(said.contains("there is no terminal to ask"), "{said}");
    for input in [&b""[..], b"\n", b"short\n", &[b'x'; 1025]] {
        let (code, _, said) = fed(&mut asked("user add ann --password-stdin", folder.path()), input);
        assert_eq!(code, Some(1));
        assert!(said.contains("a password has 8 to 1024 bytes"), "{said}");
    }
    assert_eq!(objects("user list --json", folder.path()).len(), 0, "nothing was made");
    assert_eq!(done(&mut asked("user add ann --no-password", folder.path())), "made u256 ann\n");
    assert_eq!(shown("ann", folder.path())["password"], false);
    let said = refused(&mut asked("user add ANN --no-password", folder.path()));
    assert_eq!(said, "ringdove: ANN exists, or existed: a handle is not given twice\n");
    broker.stop();
}

#[test]
fn what_is_no_account_is_said() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    for words in ["user show zed", "user disable zed", "user sign-out zed", "user delete zed --yes", "contact list zed"]
    {
        assert_eq!(refused(&mut asked(words, folder.path())), "ringdove: there is no account zed\n", "{words}");
    }
    assert_eq!(refused(&mut asked("user show 512", folder.path())), "ringdove: there is no account u512\n");
    for words in ["user show u0", "user show a!", "user add 9ab --no-password", "user sign-out ann --device 0"] {
        assert_eq!(run(&mut asked(words, folder.path())).0, Some(2), "{words}");
    }
    broker.stop();
}

/// More than two pages of the door, which have 256 users each.
#[test]
fn a_list_has_everyone_once_and_its_columns_line_up() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let lines: String = (0..600).map(|n| format!("{{\"handle\":\"somebody-{n}\",\"name\":\"No {n}\"}}\n")).collect();
    assert_eq!(fed(&mut asked("import accounts -", folder.path()), lines.as_bytes()).0, Some(0));
    let users = objects("user list --json", folder.path());
    let numbers: Vec<_> = users.iter().map(|user| user["user"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=600).map(|n| n * 256).collect::<Vec<_>>());
    assert_eq!((users[599]["handle"].as_str(), users[599]["name"].as_str()), (Some("somebody-599"), Some("No 599")));

    let said = done(&mut asked("user list", folder.path()));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 601);
    for page in [&lines[..257], &lines[257..513], &lines[513..]] {
        let places: Vec<_> = page[1..].iter().map(|line| line.find("offline").unwrap()).collect();
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    }
    assert_eq!(lines[0].find("state"), lines[1].find("offline"));
    broker.stop();
}

/// The story: the client of the door took answers up to 64 KiB, and one page of users can say ten times as much of themselves.
#[test]
fn a_page_may_be_larger_than_a_clients_frame() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let avatar = format!("https://example.org/{}", "a".repeat(2_000));
    for n in 0..50 {
        let mut client = Client::register(broker.address, &format!("user-{n}"));
        let change = ProfileChange { avatar: Some(avatar.clone()), ..ProfileChange::default() };
        client.send(v1::Send { profile_change: Some(change), ..v1::Send::default() }).unwrap();
    }
    let users = objects("user list --json", folder.path());
    assert_eq!(users.len(), 50);
    assert!(users.iter().all(|user| user["avatar"] == avatar.as_str()));
    broker.stop();
}

#[test]
fn an_account_is_shown_by_handle_and_by_number_with_its_devices() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let register = v1::Password {
        handle: "ann".into(),
        secret: "correct horse".into(),
        name: "Ann \u{2713}".into(),
        ..v1::Password::default()
    };
    let hello = v1::Hello {
        auth: Some(Auth::Register(register)),
        device_name: "Ann's phone".into(),
        device_kind: v1::Kind::Phone.into(),
        ..v1::Hello::default()
    };
    let mut ann = Client::connect(broker.address);
    assert!(matches!(ann.ask(Request::Hello(hello)), Ok(Body::Welcome(_))));
    for who in ["ann", "ANN", "@ann", "256", "u256"] {
        assert_eq!(shown(who, folder.path())["handle"], "ann", "{who}");
    }
    let user = shown("ann", folder.path());
    let device = &user["devices"][0];
    assert_eq!((user["state"].as_str(), user["online"].as_bool()), (Some("online"), Some(true)));
    assert_eq!((device["kind"].as_str(), device["name"].as_str()), (Some("phone"), Some("Ann's phone")));
    assert_eq!((device["device"].as_u64(), device["online"].as_bool()), (Some(1), Some(true)));
    let registered = user["registered"].as_u64().unwrap();
    assert!(registered > 1_700_000_000_000 && device["lastSeen"].as_u64() >= Some(registered));

    let said = done(&mut asked("user show ann", folder.path()));
    let line = |words: &str| said.lines().find(|line| line.starts_with(words)).unwrap_or_else(|| panic!("{said}"));
    assert!(line("name").ends_with("Ann \u{2713}") && line("state").ends_with("online"), "{said}");
    // RFC 3339, in UTC
    let time = line("registered").split_whitespace().last().unwrap();
    assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains("phone") && last.ends_with("Ann's phone"), "{said}");
    broker.stop();
}

#[test]
fn a_disabled_account_is_sent_away_and_an_enabled_one_comes_back() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let identity = ann.identity();
    assert_eq!(done(&mut asked("user disable ann", folder.path())), "disabled u256 ann\n");
    assert_eq!(bye(&mut ann), "DISABLED");
    assert_eq!(hello_refused(&broker, Auth::Token(identity.token.clone())), "DISABLED");
    assert_eq!(hello_refused(&broker, password("ann", "correct horse")), "DISABLED");
    assert_eq!(shown("ann", folder.path())["state"], "disabled");
    assert_eq!(done(&mut asked("user enable u256", folder.path())), "enabled u256 ann\n");
    Client::resume(broker.address, &identity, None);
    broker.stop();
}

#[test]
fn without_a_password_nobody_signs_in_and_everyone_is_signed_out() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut phone = Client::register(broker.address, "ann");
    let mut desktop = Client::hello(broker.address, password("ann", "correct horse"), None);
    let said = done(&mut asked("user passwd ann --no-password", folder.path()));
    assert_eq!(said, "removed the password of u256 ann; all devices are signed out\n");
    for client in [&mut phone, &mut desktop] {
        assert_eq!(bye(client), "SIGNED_OUT");
        assert_eq!(hello_refused(&broker, Auth::Token(client.welcome.token.clone())), "SIGNED_OUT");
    }
    assert_eq!(hello_refused(&broker, password("ann", "correct horse")), "UNAUTHENTICATED");
    let user = shown("ann", folder.path());
    assert_eq!((user["password"].as_bool(), user["devices"].as_array().map(Vec::len)), (Some(false), Some(0)));
    broker.stop();
}

#[test]
fn a_new_password_signs_everyone_out_and_lets_its_owner_in() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let (code, said, _) = fed(&mut asked("user passwd ann --password-stdin", folder.path()), b"battery staple");
    assert_eq!((code, &*said), (Some(0), "set the password of u256 ann; all devices are signed out\n"));
    assert_eq!(bye(&mut ann), "SIGNED_OUT");
    assert_eq!(hello_refused(&broker, password("ann", "correct horse")), "UNAUTHENTICATED");
    Client::hello(broker.address, password("ann", "battery staple"), None);
    broker.stop();
}

#[test]
fn one_device_is_signed_out_or_all_are() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut first = Client::register(broker.address, "ann");
    let mut second = Client::hello(broker.address, password("ann", "correct horse"), None);
    let said = done(&mut asked("user sign-out ann --device 1", folder.path()));
    assert_eq!(said, "signed out device 1 of u256 ann\n");
    assert_eq!(bye(&mut first), "SIGNED_OUT");
    let user = shown("ann", folder.path());
    assert_eq!((user["online"].as_bool(), user["devices"][0]["device"].as_u64()), (Some(true), Some(2)));
    let said = refused(&mut asked("user sign-out ann --device 1", folder.path()));
    assert!(said.starts_with("ringdove: ann has no such device"), "{said}");
    assert_eq!(done(&mut asked("user sign-out ann", folder.path())), "signed out all devices of u256 ann\n");
    assert_eq!(bye(&mut second), "SIGNED_OUT");
    broker.stop();
}

#[test]
fn an_account_is_deleted_for_good_and_only_if_that_is_meant() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let said = refused(&mut asked("user delete ann", folder.path()));
    assert!(said.contains("say --yes"), "{said}");
    assert_eq!(shown("ann", folder.path())["state"], "online");
    assert_eq!(done(&mut asked("user delete ann --yes", folder.path())), "deleted u256 ann\n");
    assert_eq!(bye(&mut ann), "DISABLED");
    assert_eq!(refused(&mut asked("user show ann", folder.path())), "ringdove: there is no account ann\n");
    refused(&mut asked("user add ann --no-password", folder.path()));
    assert_eq!(objects("user list --json", folder.path()).len(), 0);
    broker.stop();
}

#[test]
fn a_list_of_contacts_shows_how_they_stand() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut people: Vec<_> = ["ann", "bob", "cyd", "dan"].map(|handle| Client::register(broker.address, handle)).into();
    let ids: Vec<_> = people.iter().map(|client| client.welcome.user).collect();
    let mut change = |by: usize, to: usize, change: ContactChange| {
        let to = Some(v1::send::To::User(ids[to]));
        people[by].send(v1::Send { to, contact_change: Some(change), ..v1::Send::default() }).unwrap();
    };
    let state = |state: Contact| ContactChange { state: state.into(), ..ContactChange::default() };
    change(0, 1, state(Contact::Requested));
    change(1, 0, state(Contact::Accepted));
    change(0, 1, ContactChange { remark: "from the choir".into(), ..ContactChange::default() });
    change(2, 0, state(Contact::Requested));
    change(0, 3, state(Contact::Blocked));
    let contacts = objects("contact list ann --json", folder.path());
    let found: Vec<_> = contacts
        .iter()
        .map(|one| {
            let text = |field: &str| one[field].as_str().unwrap();
            (text("handle"), text("state"), one["askedByThem"] == true, one["blocked"] == true, text("remark"))
        })
        .collect();
    let expected = [
        ("bob", "accepted", false, false, "from the choir"),
        ("cyd", "requested", true, false, ""),
        ("dan", "none", false, true, ""),
    ];
    assert_eq!(found, expected);
    let said = done(&mut asked("contact list u256", folder.path()));
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[1].contains("bob") && lines[1].ends_with("from the choir"), "{said}");
    assert!(lines[2].contains("requested (by them)") && lines[3].contains("none, blocked"), "{said}");
    broker.stop();
}

#[test]
fn figures_count_what_there_is() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let ann = Client::register(broker.address, "ann");
    let _phone = Client::hello(broker.address, password("ann", "correct horse"), None);
    drop(Client::register(broker.address, "bob"));
    let online = |data: &Path| objects("user list --json", data).iter().filter(|user| user["online"] == true).count();
    // the kernel tells that bob is gone
    while online(folder.path()) > 1 {
        std::thread::yield_now();
    }
    let figures = objects("stats --json", folder.path()).remove(0);
    let counts = ["accounts", "online", "sessions", "groups", "epoch"].map(|field| figures[field].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 2, 0, 1]);
    assert!(figures["at"].as_u64() <= figures["released"].as_u64());
    let lag = figures["released"].as_u64().unwrap() - figures["synced"].as_u64().unwrap();
    assert_eq!(figures["lag"].as_u64(), Some(lag));
    let said = done(&mut asked("stats", folder.path()));
    for (words, count) in [("accounts", "2"), ("online", "1"), ("sessions", "2")] {
        let line = said.lines().find(|line| line.starts_with(words)).unwrap();
        assert_eq!(line.split_whitespace().last(), Some(count), "{said}");
    }
    drop(ann);
    broker.stop();
}

#[test]
fn whoever_has_seen_enough_is_no_error() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let lines: String = (0..3_000).map(|n| format!("{{\"handle\":\"somebody-{n}\"}}\n")).collect();
    assert_eq!(fed(&mut asked("import accounts -", folder.path()), lines.as_bytes()).0, Some(0));
    for words in ["user list", "user list --json"] {
        let mut command = asked(words, folder.path());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(process.stdout.take());
        let output = process.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
    }
    broker.stop();
}

#[test]
fn without_a_broker_that_is_said() {
    let folder = tempdir().unwrap();
    let all = [
        "user add ann --no-password",
        "user list",
        "user show ann",
        "user disable ann",
        "user passwd ann --no-password",
        "user sign-out ann",
        "user delete ann --yes",
        "contact list ann",
        "stats",
        "import accounts -",
        "import contacts -",
    ];
    for words in all {
        let said = refused(&mut asked(words, folder.path()));
        assert!(said.starts_with("ringdove: no broker runs on ") && said.contains("there is no "), "{words}: {said}");
        assert_eq!(said.lines().count(), 1);
    }
    let broker = Broker::on(folder.path());
    broker.crash();
    let said = refused(&mut asked("stats", folder.path()));
    assert!(said.starts_with("ringdove: no broker runs on ") && said.contains("was left behind"), "{said}");
    done(&mut asked("log verify", folder.path()));
}

/// Whoever answers on the socket is no broker, or one that breaks.
#[test]
fn an_answer_that_is_none_is_said() {
    let closes: &[u8] = b"";
    for (answer, expected) in [
        (closes, "closed the connection"),
        (&[0x80, 0x80, 0x80], "answers something else"),
        (&[2, 8, 9], "answers something else"),
    ] {
        let folder = tempdir().unwrap();
        let door = UnixListener::bind(folder.path().join("admin.sock")).unwrap();
        let answers = std::thread::spawn(move || {
            let (mut socket, _) = door.accept().unwrap();
            let _ = socket.read(&mut [0; 4096]).unwrap();
            socket.write_all(answer).unwrap();
        });
        let said = refused(&mut asked("stats", folder.path()));
        assert!(said.contains(expected), "{said}");
        answers.join().unwrap();
    }
}
