//! `ringdove user`: accounts, one at a time or all of them.

use std::io::{self, IsTerminal, Write};

use ringdove_core::wire::Code;
use ringdove_core::wire::admin::{
    Add, Change, Device, List, Show, User, admin_answer::Body, admin_frame::Request, change,
};
use ringdove_core::wire::v1::{Kind, State};
use serde_json::{Value, json};

use super::commands::{UserCommand, Whom};
use super::door::{Door, Failure};
use super::paper::{Paper, Table, named, pair, time};
use super::who::Who;
use crate::command_line::Folder;
use crate::terminal::{printable, say};

/// Does it.
///
/// # Errors
/// No broker runs there, or it says no.
pub fn run(command: UserCommand) -> Result<(), String> {
    match command {
        UserCommand::Add { handle, name, password, folder } => {
            // before anyone is asked for a password
            let mut door = Door::open(&folder.data)?;
            let secret = password.read(&handle)?;
            let made = door.user(Request::Add(Add { handle: handle.clone(), name, secret }));
            let made = made.map_err(|failure| match failure.is(Code::Exists) {
                true => format!("{handle} exists, or existed: a handle is not given twice"),
                false => failure.to_string(),
            })?;
            say!("made {}", whole_name(&made));
            Ok(())
        }
        UserCommand::List { form, folder } => list(&folder, form.json),
        UserCommand::Show { whom, form, folder } => {
            let user = found(&mut Door::open(&folder.data)?, &whom.who)?;
            let mut paper = Paper::new();
            if form.json {
                paper.line(&to_json(&user, true).to_string())
            } else {
                show(&mut paper, &user)
            }
            paper.finish()
        }
        UserCommand::Disable { whom, folder } => changed(&folder, &whom, change::What::Disable(true), "disabled"),
        UserCommand::Enable { whom, folder } => changed(&folder, &whom, change::What::Disable(false), "enabled"),
        UserCommand::Passwd { whom, password, folder } => {
            let mut door = Door::open(&folder.data)?;
            let user = found(&mut door, &whom.who)?;
            let secret = password.read(&whole_name(&user))?;
            let done = if secret.is_empty() { "removed the password of" } else { "set the password of" };
            alter(&mut door, &whom.who, change::What::Password(secret))?;
            say!("{done} {}; all devices are signed out", whole_name(&user));
            Ok(())
        }
        UserCommand::SignOut { whom, device, folder } => {
            let done = device
                .map_or("signed out all devices of".to_owned(), |device| format!("signed out device {device} of"));
            changed(&folder, &whom, change::What::SignOut(device.unwrap_or(0).into()), &done)
        }
        UserCommand::Delete { whom, yes, folder } => {
            let mut door = Door::open(&folder.data)?;
            let user = found(&mut door, &whom.who)?;
            if !yes && !agreed(&whole_name(&user))? {
                return Err("nothing was deleted".into());
            }
            // by number: what was shown is what is deleted
            alter(&mut door, &Who::Number(user.user), change::What::Delete(true))?;
            say!("deleted {}", whole_name(&user));
            Ok(())
        }
    }
}

/// An account, or who there is none of.
pub(super) fn found(door: &mut Door, who: &Who) -> Result<User, String> {
    door.user(Request::Show(Show { who: Some(who.to_wire()) })).map_err(|failure| missing(&failure, who))
}

/// A refusal in which "not found" says who was not.
pub(super) fn missing(failure: &Failure, who: &Who) -> String {
    match failure {
        Failure::Refused(refusal) if failure.is(Code::NotFound) && refusal.field == "who" => {
            format!("there is no account {who}")
        }
        Failure::Refused(refusal) if failure.is(Code::NotFound) && refusal.field == "device" => {
            format!("{who} has no such device, or none at all; `ringdove user show {who}` lists them")
        }
        _ => failure.to_string(),
    }
}

fn alter(door: &mut Door, who: &Who, what: change::What) -> Result<User, String> {
    let change = Change { who: Some(who.to_wire()), what: Some(what) };
    door.user(Request::Change(change)).map_err(|failure| missing(&failure, who))
}

fn changed(folder: &Folder, whom: &Whom, what: change::What, done: &str) -> Result<(), String> {
    let user = alter(&mut Door::open(&folder.data)?, &whom.who, what)?;
    say!("{done} {}", whole_name(&user));
    Ok(())
}

/// Asks on the terminal, if there is one.
fn agreed(whom: &str) -> Result<bool, String> {
    let words = |error: io::Error| error.to_string();
    if !io::stdin().is_terminal() {
        return Err("there is no terminal to ask whether that is meant: say --yes".into());
    }
    eprint!("delete {whom} for good? Its handle is not given again. [y/N] ");
    io::stderr().flush().map_err(words)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(words)?;
    Ok(line.trim().eq_ignore_ascii_case("y"))
}

/// All accounts, a page at a time.
fn list(folder: &Folder, as_json: bool) -> Result<(), String> {
    let mut door = Door::open(&folder.data)?;
    let mut paper = Paper::new();
    let mut table = Table::<6>::new(&[3]);
    let mut head = Some(["user", "handle", "state", "contacts", "last seen", "name"].map(str::to_owned));
    let mut after = 0;
    loop {
        let page = match door.ask(Request::List(List { after, limit: 0 }))? {
            Body::Users(page) => page,
            _ => return Err(door.odd().into()),
        };
        if as_json {
            page.users.iter().for_each(|user| paper.line(&to_json(user, false).to_string()));
        } else {
            let rows: Vec<_> = head.take().into_iter().chain(page.users.iter().map(row)).collect();
            table.print(&mut paper, &rows);
        }
        // a broker that sends the same page for ever would be a bug: it must not be ours
        if page.next <= after || !paper.flush() {
            return paper.finish();
        }
        after = page.next;
    }
}

fn row(user: &User) -> [String; 6] {
    [
        format!("u{}", user.user),
        printable(&user.handle),
        state(user).to_owned(),
        user.contacts.to_string(),
        time(user.last_seen),
        printable(&user.name),
    ]
}

fn state(user: &User) -> &'static str {
    match (user.disabled, user.online) {
        (true, _) => "disabled",
        (false, true) => "online",
        (false, false) => "offline",
    }
}

/// How others see the user while it is there. Not chosen is online.
fn chosen_name(user: &User) -> String {
    named(user.chosen.max(State::Online as u32), State::as_str_name)
}

fn whole_name(user: &User) -> String {
    format!("u{} {}", user.user, printable(&user.handle)).trim_end().to_owned()
}

fn show(paper: &mut Paper, user: &User) {
    pair(paper, "user", &format!("u{}", user.user));
    pair(paper, "handle", &printable(&user.handle));
    for (words, text) in [("name", &user.name), ("status", &user.status), ("avatar", &user.avatar)] {
        if !text.is_empty() {
            pair(paper, words, &printable(text));
        }
    }
    let chosen = match user.chosen {
        chosen if chosen > State::Online as u32 => format!(", shows itself as {}", chosen_name(user)),
        _ => String::new(),
    };
    pair(paper, "state", &format!("{}{chosen}", state(user)));
    pair(paper, "password", if user.password { "yes" } else { "none" });
    pair(paper, "registered", &time(user.registered));
    pair(paper, "last seen", &time(user.last_seen));
    pair(paper, "contacts", &user.contacts.to_string());
    pair(paper, "version", &user.version.to_string());
    pair(paper, "devices", &user.devices.len().to_string());
    if user.devices.is_empty() {
        return;
    }
    paper.line("");
    let head = ["device", "kind", "state", "last seen", "signed in", "name"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(user.devices.iter().map(device_row)).collect();
    Table::new(&[0]).print(paper, &rows);
}

fn device_row(device: &Device) -> [String; 6] {
    [
        device.device.to_string(),
        named(device.kind, Kind::as_str_name),
        if device.online { "online" } else { "offline" }.to_owned(),
        time(device.last_seen),
        time(device.signed_in),
        printable(&device.name),
    ]
}

/// All fields, always: a script need not know what absent means. Times are milliseconds since 1970.
fn to_json(user: &User, whole: bool) -> Value {
    let mut value = json!({
        "user": user.user,
        "handle": user.handle,
        "name": user.name,
        "status": user.status,
        "avatar": user.avatar,
        "state": state(user),
        "disabled": user.disabled,
        "online": user.online,
        "chosen": chosen_name(user),
        "password": user.password,
        "registered": user.registered,
        "lastSeen": user.last_seen,
        "contacts": user.contacts,
        "version": user.version,
    });
    if whole {
        value["devices"] = user.devices.iter().map(device_to_json).collect();
    }
    value
}

fn device_to_json(device: &Device) -> Value {
    json!({
        "device": device.device,
        "name": device.name,
        "kind": named(device.kind, Kind::as_str_name),
        "online": device.online,
        "lastSeen": device.last_seen,
        "signedIn": device.signed_in,
    })
}
