//! `ringdove chat`, as two people at two terminals use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use tempfile::{TempDir, tempdir};

use crate::broker::{Broker, PATIENCE, ringdove, serve, serve_at};
use crate::operators::asked;

/// Someone at a terminal.
struct Person {
    process: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<String>,
}

impl Person {
    fn sits_down(broker: &Broker, home: &Path, handle: &str) -> Self {
        Self::sits_down_at(broker.address, home, handle)
    }

    fn sits_down_at(address: SocketAddr, home: &Path, handle: &str) -> Self {
        let mut command = ringdove(["chat", "--register", "--as", handle, "--addr", &address.to_string()]);
        command.arg("--home").arg(home).env("RINGDOVE_PASSWORD", "correct horse");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, screen) = channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let keyboard = process.stdin.take();
        let person = Self { process, keyboard, screen };
        person.sees(&format!("you are {handle}"));
        person
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keyboard.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line with these words.
    fn sees(&self, words: &str) -> String {
        self.sees_all(words).remove(0)
    }

    /// Waits for a line with these words, and returns that one and all before it, the last one first.
    fn sees_all(&self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line =
                self.screen.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{words:?} never comes: {lines:?}"));
            lines.insert(0, line);
            if lines[0].contains(words) {
                return lines;
            }
        }
    }

    fn leaves(mut self) {
        drop(self.keyboard.take());
        self.has_left();
    }

    fn has_left(&mut self) {
        assert!(self.process.wait().unwrap().success());
    }
}

/// Where people meet: the same address and folders, whatever becomes of the broker.
struct Table {
    folder: TempDir,
    address: String,
}

impl Table {
    fn laid() -> (Self, Broker) {
        let folder = tempdir().unwrap();
        let broker = Broker::on(&folder.path().join("data"));
        let address = broker.address.to_string();
        (Self { folder, address }, broker)
    }

    fn seats(&self, broker: &Broker, handle: &str) -> Person {
        Person::sits_down(broker, &self.folder.path().join("home"), handle)
    }

    fn broker_again(&self) -> Broker {
        Broker::start(serve_at(&self.address, &self.folder.path().join("data")))
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn two_people_talk() {
    let folder = tempdir().unwrap();
    let home = folder.path().join("home");
    let broker = Broker::on(&folder.path().join("data"));
    let mut bob = Person::sits_down(&broker, &home, "bob");
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@bob hello \x1b[2J");
    // he is told who she is, and her escape codes do nothing
    assert!(bob.sees("hello").ends_with("ann: hello \\u{1b}[2J"));
    bob.types("@ann hello ann");
    ann.sees("bob: hello ann");
    ann.types("/group create picnic @bob");
    ann.sees("the group is #256");
    bob.sees("* ann made #256 (picnic), added you to #256");
    bob.types("#256 who comes?");
    ann.sees("#256 bob: who comes?");
    bob.leaves();

    ann.types("me");
    ann.types("@BOB are you there?");
    ann.keyboard.as_mut().unwrap().write_all(b"@bob \xff\n").unwrap();
    ann.sees("that line is no UTF-8, and was not sent");
    ann.types("@nobody hello");
    assert!(ann.sees("not sent: Not there").ends_with("[4200 NOT_FOUND]: hello"));
    ann.types("to nobody");
    ann.sees("to whom?");
    let mut bob = Person::sits_down(&broker, &home, "bob");
    bob.sees("while you were away");
    bob.sees("#256 ann: me");
    bob.sees("ann: are you there?");
    bob.types("/group leave #256");
    ann.sees("* bob removed bob from #256");
    bob.types("/logout");
    bob.has_left();
    ann.leaves();
    broker.stop();
}

/// A group of people who have never met is made by their handles.
#[test]
fn strangers_are_found_by_their_handles() {
    let (table, broker) = Table::laid();
    let [bob, carl, mut ann] = ["bob", "carl", "ann"].map(|handle| table.seats(&broker, handle));
    ann.types("/group create picnic @bob @Carl");
    ann.types("who comes?");
    ann.types("/group add #256 @nobody");
    ann.sees("there is no nobody");
    for (guest, sees) in [(&bob, "you, carl"), (&carl, "bob, you")] {
        guest.sees(&format!("* ann made #256 (picnic), added {sees} to #256"));
        guest.sees("#256 ann: who comes?");
    }
    ann.leaves();
    carl.leaves();
    bob.leaves();
    broker.stop();
}

/// Numbers and handles begin anew with an empty data folder: nobody is taken for who had them before.
#[test]
fn whoever_has_anothers_number_is_not_taken_for_them() {
    let (table, broker) = Table::laid();
    let [mut ann, bob] = ["ann", "bob"].map(|handle| table.seats(&broker, handle));
    ann.types("@bob zero");
    bob.sees("ann: zero");
    ann.leaves();
    bob.leaves();
    broker.stop();
    std::fs::remove_dir_all(table.folder.path().join("data")).unwrap();
    let broker = table.broker_again();
    let [mut ann, mut carl, bob] = ["ann", "carl", "bob"].map(|handle| table.seats(&broker, handle));
    carl.types("@ann hello");
    ann.sees("carl: hello");
    ann.types("/group create picnic @bob");
    ann.types("for bob only");
    bob.sees("#256 ann: for bob only");
    carl.types("/quit");
    assert_eq!(carl.screen.iter().find(|line| line.contains("picnic") || line.contains("only")), None);
    carl.has_left();
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// A way to the broker, on which what a client says can be held up.
struct Way {
    address: SocketAddr,
    is_held: Arc<AtomicBool>,
    /// Hears of what is held.
    held: Receiver<()>,
}

impl Way {
    fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (sender, held) = channel();
        let is_held = Arc::new(AtomicBool::new(false));
        let way = Self { address: listener.local_addr().unwrap(), is_held: Arc::clone(&is_held), held };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(broker) else { return };
                let (mut to, mut from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let (is_held, sender) = (Arc::clone(&is_held), sender.clone());
                std::thread::spawn(move || {
                    let (mut client, mut server, mut chunk) = (client, server, [0; 4096]);
                    while let Ok(count @ 1..) = client.read(&mut chunk) {
                        if is_held.load(Ordering::SeqCst) {
                            let _ = sender.send(());
                        } else if server.write_all(&chunk[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = server.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        way
    }
}

/// What waits for the name of who wrote it was not shown, whatever ends chat then, so the next start shows it.
#[test]
fn what_was_heard_and_not_shown_is_shown_at_the_next_start() {
    let (table, broker) = Table::laid();
    let way = Way::to(broker.address);
    let home = table.folder.path().join("home");
    let mut ann = Person::sits_down_at(way.address, &home, "ann");
    let mut bob = table.seats(&broker, "bob");
    way.is_held.store(true, Ordering::SeqCst);
    bob.types("@ann one");
    way.held.recv_timeout(PATIENCE).expect("she asks who that is");
    ann.process.kill().unwrap();
    ann.process.wait().unwrap();
    way.is_held.store(false, Ordering::SeqCst);
    bob.types("@ann two");
    let ann = Person::sits_down_at(way.address, &home, "ann");
    ann.sees("while you were away");
    assert!(ann.sees(" ").ends_with("bob: one"));
    ann.sees("bob: two");
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// Who was signed out elsewhere signs in with a password, though what this device asked for behind its token is refused too.
#[test]
fn one_who_was_signed_out_comes_back_with_a_password() {
    let folder = tempdir().unwrap();
    let (home, data) = (folder.path().join("home"), folder.path().join("data"));
    let broker = Broker::on(&data);
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@ann a note");
    ann.types("#notes another");
    ann.sees("that names nobody");
    ann.leaves();
    assert!(asked("user sign-out ann", &data).status().unwrap().success());
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@ann hello again");
    ann.types("@nobody hello");
    ann.sees("not sent: Not there");
    ann.leaves();
    broker.stop();
}

/// What is typed while the broker is down is sent when it is back, once; that it waits is said, and that it went.
#[test]
fn a_restart_of_the_broker_loses_nothing() {
    let (table, broker) = Table::laid();
    let [bob, mut ann] = ["bob", "ann"].map(|handle| table.seats(&broker, handle));
    ann.types("@bob one");
    bob.sees("one");
    broker.crash();
    ann.sees("the connection is lost");
    ann.types("two");
    ann.sees("this line waits: it is sent when the broker is back");
    let broker = table.broker_again();
    ann.sees("connected again");
    let line = ann.sees("-- sent: ");
    assert!(line.ends_with(" you -> bob: two"), "{line}");
    let line = bob.sees("two");
    assert!(line.ends_with("ann: two"), "{line}");
    ann.types("three");
    assert!(bob.sees("ann: ").ends_with("three"), "two came once");
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// A broker that reads its journal takes connections and says nothing: what is typed meanwhile is told that it waits, too.
#[test]
fn what_waits_is_said_of_every_line() {
    let (table, broker) = Table::laid();
    let [bob, mut ann] = ["bob", "ann"].map(|handle| table.seats(&broker, handle));
    ann.types("@bob zero");
    bob.sees("zero");
    broker.crash();
    ann.sees("the connection is lost");
    let mute = TcpListener::bind(&table.address).unwrap();
    let connection = mute.accept().unwrap();
    ann.types("one");
    ann.sees("this line waits: it is sent");
    ann.types("/group create picnic @bob");
    ann.sees("this line waits: it is seen to");
    ann.types("/help");
    ann.sees("write to ann, who is then the current chat");
    ann.types("two");
    ann.sees("this line waits: it is seen to");
    drop((mute, connection));
    let broker = table.broker_again();
    ann.sees("connected again");
    for sent in [" you -> bob: one", " * you made #256 (picnic), added bob to #256", " #256 you: two"] {
        let line = ann.sees("-- sent: ");
        assert!(line.ends_with(sent), "{line}");
    }
    for heard in ["ann: one", "* ann made #256 (picnic), added you to #256", "#256 ann: two"] {
        bob.sees(heard);
    }
    ann.types("three");
    bob.sees("three");
    bob.leaves();
    ann.types("/quit");
    assert_eq!(ann.screen.iter().find(|line| line.contains("sent: ")), None, "of what has not waited nothing is said");
    ann.has_left();
    broker.stop();
}

/// Text behind a group that is being made is for that group alone: not for the chat before, if the group is refused; and whoever names another chat
/// meanwhile writes there.
#[test]
fn what_is_meant_for_a_group_is_told_to_nobody_else() {
    let (table, broker) = Table::laid();
    let [bob, mut ann] = ["bob", "ann"].map(|handle| table.seats(&broker, handle));
    ann.types("@bob zero");
    bob.sees("zero");
    broker.crash();
    ann.sees("the connection is lost");
    ann.types("/group create nobody u7");
    ann.types("not for bob");
    ann.types("/group create stranger @carl");
    ann.types("not for bob either");
    ann.types("/group create picnic @bob");
    ann.types("@bob for bob");
    ann.types("and this");
    ann.types("/group create feast @bob");
    ann.types("for the feast");
    let broker = table.broker_again();
    for said in ["not done: ", "to whom?", "there is no carl", "to whom?", "the group is #", "the group is #"] {
        ann.sees(said);
    }
    for heard in ["made #256 (picnic)", "ann: for bob", "ann: and this", "made #512 (feast)", "#512 ann: for the feast"]
    {
        let said = bob.sees_all(heard);
        assert!(!said.iter().any(|line| line.contains("not for bob")), "{said:?}");
    }
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// So many lines wait and no more: the others are left where they were typed, and come behind.
#[test]
fn lines_that_wait_have_a_bound() {
    let (table, broker) = Table::laid();
    let [bob, mut ann] = ["bob", "ann"].map(|handle| table.seats(&broker, handle));
    ann.types("@bob");
    broker.crash();
    ann.sees("the connection is lost");
    (0..150).for_each(|nth| ann.types(&format!("line {nth}")));
    ann.sees("this line waits");
    let said = ann.sees_all("100 lines wait: no more are read until the broker is back");
    assert_eq!(said.iter().filter(|line| line.contains("this line waits")).count(), 99);
    let broker = table.broker_again();
    let said = ann.sees_all("connected again");
    assert!(!said.iter().any(|line| line.contains("waits")), "{said:?}");
    for nth in 0..150 {
        let line = bob.sees("line");
        assert!(line.ends_with(&format!("ann: line {nth}")), "{line}");
    }
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// Whoever leaves meanwhile is told what is left, and the next start sends it.
#[test]
fn what_waits_at_the_end_is_sent_at_the_next_start() {
    let (table, broker) = Table::laid();
    let [bob, mut ann] = ["bob", "ann"].map(|handle| table.seats(&broker, handle));
    broker.crash();
    ann.sees("the connection is lost");
    ann.types("@bob one");
    ann.types("/group create picnic @bob");
    ann.types("two");
    ann.types("/quit");
    ann.sees("1 line waits: it is sent at the next start");
    ann.sees("not seen to, and not kept: /group create picnic @bob");
    ann.sees("not seen to, and not kept: two");
    ann.has_left();
    let broker = table.broker_again();
    let ann = table.seats(&broker, "ann");
    let line = ann.sees("-- sent: ");
    assert!(line.ends_with(" you -> bob: one"), "{line}");
    bob.sees("ann: one");
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// What is refused for now is sent again, and nothing that was typed later overtakes it.
#[test]
fn a_rate_limit_changes_no_order() {
    let folder = tempdir().unwrap();
    let home = folder.path().join("home");
    let mut command = serve(&folder.path().join("data"));
    command.env("RINGDOVE_LIMITS_RATE", "20").env("RINGDOVE_LIMITS_BURST", "2");
    let broker = Broker::start(command);
    let bob = Person::sits_down(&broker, &home, "bob");
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@bob line 0");
    (1..10).for_each(|nth| ann.types(&format!("line {nth}")));
    ann.sees("trying again");
    for nth in 0..10 {
        let line = bob.sees("line");
        assert!(line.ends_with(&format!("line {nth}")), "{line}");
    }
    ann.leaves();
    bob.leaves();
    broker.stop();
}
