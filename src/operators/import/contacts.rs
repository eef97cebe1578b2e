//! Contacts: one event for each person, whatever the number of contacts.

use prost::Message;
use ringdove_core::wire::Code;
use ringdove_core::wire::admin::{Friends, ImportContacts, Made, Show, Who, admin_frame::Request};
use serde::Deserialize;

use super::Kind;
use super::accounts::{check_handle, wrong_json};
use super::portion::BYTES;
use crate::operators::door::Door;

/// Tag and length in front of a handle.
const HANDLE_HEAD: usize = 2;

/// A line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    handle: String,
    contacts: Vec<String>,
}

/// Lists of contacts on their way in.
pub(super) struct Contacts;

impl Kind for Contacts {
    type Asked = Friends;
    const MOST: usize = 32;
    const MADE: &'static str = "lists of contacts imported";

    fn parse(&self, line: &[u8]) -> Result<Vec<Friends>, String> {
        let Line { handle, contacts } = serde_json::from_slice(line).map_err(|error| wrong_json(&error))?;
        check_handle("handle", &handle)?;
        for contact in &contacts {
            check_handle("contacts", contact)?;
            if contact.eq_ignore_ascii_case(&handle) {
                return Err(format!("contacts: {handle} cannot be a contact of their own"));
            }
        }
        let mut asked = vec![Friends { handle: handle.clone(), contacts: Vec::new() }];
        let mut bytes = asked[0].encoded_len();
        for contact in contacts {
            let more = contact.len() + HANDLE_HEAD;
            match asked.last_mut() {
                Some(friends) if bytes + more <= BYTES / 2 => friends.contacts.push(contact),
                _ => {
                    asked.push(Friends { handle: handle.clone(), contacts: vec![contact] });
                    bytes = handle.len() + HANDLE_HEAD;
                }
            }
            bytes += more;
        }
        Ok(asked)
    }

    fn request(friends: Vec<Friends>) -> Request {
        Request::ImportContacts(ImportContacts { friends })
    }

    fn handle(asked: &Friends) -> &str {
        &asked.handle
    }

    fn halve(asked: &Friends) -> Option<[Friends; 2]> {
        let (first, second) = asked.contacts.split_at(asked.contacts.len() / 2);
        let half = |contacts: &[String]| Friends { handle: asked.handle.clone(), contacts: contacts.to_vec() };
        (!first.is_empty()).then(|| [half(first), half(second)])
    }

    fn done(&mut self, _: &Friends, _: &Made) -> Result<(), String> {
        Ok(())
    }

    fn passes(&self, _: u32) -> bool {
        false
    }

    /// The answer has room for a code only: who is not there is found by asking for each.
    fn explain(&self, door: &mut Door, asked: &Friends, code: u32) -> Option<String> {
        if code != u32::from(Code::NotFound.number()) {
            return None;
        }
        let mut is_there = |handle: &String| {
            let who = Some(Who { handle: handle.clone(), ..Who::default() });
            !matches!(door.user(Request::Show(Show { who })), Err(failure) if failure.is(Code::NotFound))
        };
        let missing = std::iter::once(&asked.handle).chain(&asked.contacts).find(|handle| !is_there(handle))?;
        Some(format!("there is no account {missing}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Vec<Friends>, String> {
        Contacts.parse(line.as_bytes())
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let cases = [
            (r#"{"handle":"ann"}"#, "missing field `contacts`"),
            (r#"{"handle":"ann","contacts":["bob"],"x":1}"#, "unknown field `x`"),
            (r#"{"handle":"ann","contacts":["b"]}"#, "contacts: \"b\" is no handle"),
            (r#"{"handle":"1","contacts":["bob"]}"#, "handle: \"1\" is no handle"),
            (r#"{"handle":"ann","contacts":["bob","ANN"]}"#, "contacts: ann cannot"),
        ];
        for (line, expected) in cases {
            let why = parse(line).unwrap_err();
            assert!(why.contains(expected), "{line}: {why}");
        }
        assert_eq!(parse(r#"{"handle":"ann","contacts":[]}"#).unwrap().len(), 1, "whether ann is there is asked");
    }

    #[test]
    fn a_long_list_is_asked_for_in_pieces_that_fit() {
        let handles: Vec<_> = (0..5_000).map(|n| format!("somebody-with-a-long-handle-{n}")).collect();
        let line = format!(r#"{{"handle":"ann","contacts":{}}}"#, serde_json::to_string(&handles).unwrap());
        let asked = parse(&line).unwrap();
        assert!(asked.len() > 1);
        assert!(asked.iter().all(|friends| friends.handle == "ann" && friends.encoded_len() <= BYTES / 2));
        let all: Vec<_> = asked.iter().flat_map(|friends| friends.contacts.clone()).collect();
        assert_eq!(all, handles);
        let [first, second] = Contacts::halve(&asked[0]).unwrap();
        assert_eq!([first.contacts, second.contacts].concat(), asked[0].contacts);
        assert!(Contacts::halve(&Friends { contacts: vec!["bob".into()], ..Friends::default() }).is_none());
    }
}
