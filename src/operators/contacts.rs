//! `ringdove contact list`: whom someone has in the list, and how they stand.

use ringdove_core::wire::admin::{Contact, ListContacts, admin_answer::Body, admin_frame::Request};
use ringdove_core::wire::v1;
use serde_json::{Value, json};

use super::commands::ContactCommand;
use super::door::Door;
use super::paper::{Paper, Table, named};
use super::users::missing;
use crate::terminal::printable;

/// Does it.
///
/// # Errors
/// No broker runs there, or it says no.
pub fn run(command: ContactCommand) -> Result<(), String> {
    let ContactCommand::List { whom, form, folder } = command;
    let mut door = Door::open(&folder.data)?;
    let mut paper = Paper::new();
    let mut table = Table::<5>::new(&[3]);
    let mut head = Some(["user", "handle", "state", "version", "remark"].map(str::to_owned));
    let mut after = 0;
    loop {
        let asked = ListContacts { who: Some(whom.who.to_wire()), after, limit: 0 };
        let page = match door.ask(Request::ListContacts(asked)) {
            Ok(Body::Contacts(page)) => page,
            Ok(_) => return Err(door.odd().into()),
            Err(failure) => return Err(missing(&failure, &whom.who)),
        };
        if form.json {
            page.contacts.iter().for_each(|contact| paper.line(&to_json(contact).to_string()));
        } else {
            let rows: Vec<_> = head.take().into_iter().chain(page.contacts.iter().map(row)).collect();
            table.print(&mut paper, &rows);
        }
        if page.next <= after || !paper.flush() {
            return paper.finish();
        }
        after = page.next;
    }
}

fn row(contact: &Contact) -> [String; 5] {
    [
        format!("u{}", contact.user),
        printable(&contact.handle),
        state(contact),
        contact.version.to_string(),
        printable(&contact.remark),
    ]
}

/// How they stand, in words: `accepted`, `requested (by them), blocked` ...
fn state(contact: &Contact) -> String {
    let name = named(contact.state, v1::Contact::as_str_name);
    let by_them = if contact.asked_by_them { " (by them)" } else { "" };
    let blocked = if contact.blocked { ", blocked" } else { "" };
    format!("{name}{by_them}{blocked}")
}

fn to_json(contact: &Contact) -> Value {
    json!({
        "user": contact.user,
        "handle": contact.handle,
        "state": named(contact.state, v1::Contact::as_str_name),
        "askedByThem": contact.asked_by_them,
        "blocked": contact.blocked,
        "remark": contact.remark,
        "version": contact.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_said_in_words_and_hides_nothing() {
        let contact =
            |state: u32, asked_by_them, blocked| Contact { state, asked_by_them, blocked, ..Contact::default() };
        assert_eq!(state(&contact(2, false, false)), "accepted");
        assert_eq!(state(&contact(1, true, true)), "requested (by them), blocked");
        assert_eq!(state(&contact(99, false, false)), "99");
        let remark = Contact { remark: "\u{1b}[2J".into(), handle: "bob".into(), ..contact(2, false, false) };
        assert_eq!(row(&remark)[4], "\\u{1b}[2J");
    }
}
