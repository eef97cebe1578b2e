//! What people type.

/// For people who ask.
pub(super) const HELP: &str = "\
  @ann hello          write to ann, who is then the current chat
  u512 hello          the same, by number
  #768 hello          write to a group
  hello               write to the current chat
  /group create NAME @ann u512 ...
  /group add #768 @ann ...
  /group remove #768 @ann ...
  /group leave #768
  /quit               end; this device stays signed in
  /logout             end, and sign this device out";

/// A person, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Person {
    /// By handle.
    Handle(String),
    /// By number.
    Number(u64),
}

/// A chat, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chat {
    /// With a person.
    Person(Person),
    /// A group.
    Group(u64),
}

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing.
    Nothing,
    /// A text for a chat; `None`: the current one.
    Say(Option<Chat>, String),
    /// Only the name of a chat: it is the current one now.
    Turn(Chat),
    /// Make a group.
    Create(String, Vec<Person>),
    /// Take people in.
    Add(u64, Vec<Person>),
    /// Take people out.
    Remove(u64, Vec<Person>),
    /// Leave.
    Leave(u64),
    /// Show what can be typed.
    Help,
    /// End.
    Quit,
    /// End and sign out.
    Logout,
    /// Not understood, and why.
    Wrong(&'static str),
}

/// Understands a line.
pub(super) fn understand(line: &str) -> Typed {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match first {
        "" => Typed::Nothing,
        "/help" => Typed::Help,
        "/quit" => Typed::Quit,
        "/logout" => Typed::Logout,
        "/group" => group_command(rest).unwrap_or(Typed::Wrong("a group command looks like one of those in /help")),
        _ if first.starts_with('/') => Typed::Wrong("there is no such command; /help shows all"),
        _ => match (chat(first), rest) {
            // what was meant for one is not to be told to another
            (None, _) if looks_like_a_chat(first) => {
                Typed::Wrong("that names nobody: a person is @ann, or u512, and a group #768; text begins otherwise")
            }
            (None, _) => Typed::Say(None, line.to_owned()),
            (Some(chat), "") => Typed::Turn(chat),
            (Some(chat), text) => Typed::Say(Some(chat), text.to_owned()),
        },
    }
}

fn chat(word: &str) -> Option<Chat> {
    group(word).map(Chat::Group).or_else(|| person(word).map(Chat::Person))
}

fn looks_like_a_chat(word: &str) -> bool {
    word.starts_with(['@', '#']) && word.len() > 1
}

fn group(word: &str) -> Option<u64> {
    word.strip_prefix('#')?.parse().ok()
}

fn person(word: &str) -> Option<Person> {
    if let Some(handle) = word.strip_prefix('@') {
        return ringdove_core::wire::names::is_handle(handle).then(|| Person::Handle(handle.to_owned()));
    }
    word.strip_prefix('u')?.parse().ok().map(Person::Number)
}

fn group_command(rest: &str) -> Option<Typed> {
    let mut words = rest.split_whitespace();
    let (verb, object) = (words.next()?, words.next()?);
    let people = words.map(person).collect::<Option<Vec<_>>>()?;
    match verb {
        "create" => Some(Typed::Create(object.to_owned(), people)),
        "leave" if people.is_empty() => Some(Typed::Leave(group(object)?)),
        "add" if !people.is_empty() => Some(Typed::Add(group(object)?, people)),
        "remove" if !people.is_empty() => Some(Typed::Remove(group(object)?, people)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let ann = || Person::Handle("ann".into());
        let cases = [
            ("", Typed::Nothing),
            ("  ", Typed::Nothing),
            ("hello there", Typed::Say(None, "hello there".into())),
            ("@ann  hello there ", Typed::Say(Some(Chat::Person(ann())), "hello there".into())),
            ("@ann", Typed::Turn(Chat::Person(ann()))),
            ("u512 hi", Typed::Say(Some(Chat::Person(Person::Number(512))), "hi".into())),
            ("#768 hi", Typed::Say(Some(Chat::Group(768)), "hi".into())),
            ("@ ann", Typed::Say(None, "@ ann".into())),
            ("until then", Typed::Say(None, "until then".into())),
            ("# 1 is text", Typed::Say(None, "# 1 is text".into())),
            ("so is #one", Typed::Say(None, "so is #one".into())),
            ("/group create picnic @ann u512", Typed::Create("picnic".into(), vec![ann(), Person::Number(512)])),
            ("/group create alone", Typed::Create("alone".into(), vec![])),
            ("/group add #768 @ann", Typed::Add(768, vec![ann()])),
            ("/group remove #768 @ann", Typed::Remove(768, vec![ann()])),
            ("/group leave #768", Typed::Leave(768)),
            ("/help", Typed::Help),
            ("/quit", Typed::Quit),
            ("/logout", Typed::Logout),
        ];
        for (line, typed) in cases {
            assert_eq!(understand(line), typed, "{line:?}");
        }
        for wrong in [
            "/nothing",
            "/group",
            "/group create x ann",
            "/group add #768",
            "/group add x @ann",
            "/group leave",
            "#picnic who comes?",
            "@An hi",
            "#picnic",
        ] {
            assert!(matches!(understand(wrong), Typed::Wrong(_)), "{wrong:?}");
        }
    }
}
