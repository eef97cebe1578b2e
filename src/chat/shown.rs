//! How entries look on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use ringdove_core::wire::v1::{self, entry::To};

use super::book::Book;
use crate::terminal::printable;

/// An entry as a line, or nothing if it is not for people.
pub(super) fn line(book: &Book, entry: &v1::Entry) -> String {
    let me = book.page.user;
    let mine = entry.from == 0 || entry.from == me;
    let who = if mine { "you".to_owned() } else { printable(&book.name(entry.from)) };
    let says = match (&entry.to, &entry.group_change) {
        (to, Some(change)) => changed(book, &who, to.as_ref(), change),
        (Some(To::Group(group)), None) => format!("#{group} {who}: {}", words(entry)),
        (Some(To::User(user)), None) if mine && *user != me => {
            format!("you -> {}: {}", printable(&book.name(*user)), words(entry))
        }
        _ => format!("{who}: {}", words(entry)),
    };
    format!("{} {says}", dimmed(&clock(entry.time)))
}

fn words(entry: &v1::Entry) -> String {
    if entry.text.is_empty() { "(not supported here)".into() } else { printable(&entry.text) }
}

fn changed(book: &Book, who: &str, to: Option<&To>, change: &v1::GroupChange) -> String {
    let group = if let Some(To::Group(group)) = to { format!("#{group}") } else { "a group".into() };
    let names = |users: &mut dyn Iterator<Item = u64>| -> String {
        let names: Vec<_> =
            users.map(|user| if user == book.page.user { "you".into() } else { printable(&book.name(user)) }).collect();
        names.join(", ")
    };
    let mut says = Vec::new();
    if change.create {
        says.push(format!("made {group} ({})", printable(change.name.as_deref().unwrap_or("without a name"))));
    } else if let Some(name) = &change.name {
        says.push(format!("calls {group} {}", printable(name)));
    }
    if !change.set.is_empty() {
        says.push(format!("added {} to {group}", names(&mut change.set.iter().map(|member| member.user))));
    }
    if !change.remove.is_empty() {
        says.push(format!("removed {} from {group}", names(&mut change.remove.iter().copied())));
    }
    if change.dissolve {
        says.push(format!("dissolved {group}"));
    }
    if says.is_empty() {
        says.push(format!("changed {group}"));
    }
    format!("* {who} {}", says.join(", "))
}

/// Hours and minutes, UTC.
fn clock(time_ms: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(time_ms)).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string().get(11..16).unwrap_or_default().to_owned()
}

fn dimmed(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_like_a_conversation() {
        let folder = tempfile::tempdir().unwrap();
        let broker = "127.0.0.1:7400".parse().unwrap();
        let mut book = Book::open(Some(folder.path().to_owned()), broker, "ann").unwrap();
        book.page.user = 256;
        book.page.names.insert(512, "bob".into());
        let time = 1_795_400_000_123;
        let entry = |from, to, text: &str| v1::Entry { from, to, time, text: text.into(), ..v1::Entry::default() };
        let cases = [
            (entry(512, None, "hi"), "02:13 bob: hi"),
            (entry(768, None, "hi"), "02:13 u768: hi"),
            (entry(0, Some(To::User(512)), "hi"), "02:13 you -> bob: hi"),
            (entry(512, Some(To::Group(1024)), "hi"), "02:13 #1024 bob: hi"),
            (entry(256, Some(To::Group(1024)), "hi"), "02:13 #1024 you: hi"),
            (entry(0, None, "note"), "02:13 you: note"),
            (entry(512, None, ""), "02:13 bob: (not supported here)"),
            (entry(512, None, "\x1b[2Jgone\n\u{202e}x"), "02:13 bob: \\u{1b}[2Jgone\\n\\u{202e}x"),
        ];
        for (entry, shown) in cases {
            assert_eq!(line(&book, &entry), shown);
        }
        let change = v1::GroupChange {
            create: true,
            name: Some("picnic".into()),
            set: vec![v1::Member { user: 256, ..v1::Member::default() }],
            ..v1::GroupChange::default()
        };
        let made = v1::Entry { group_change: Some(change), ..entry(512, Some(To::Group(1024)), "") };
        assert_eq!(line(&book, &made), "02:13 * bob made #1024 (picnic), added you to #1024");
    }
}
