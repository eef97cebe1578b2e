//! Who is who. People are numbers on the wire: entries wait until the broker has told the names of those in them, and a group command until it has told
//! the numbers of those it names.

use std::collections::VecDeque;

use ringdove_core::wire::v1::{self, entry::To};

use super::book::Book;

/// The broker is asked for so many people at once at most.
const AT_ONCE: usize = 250;
/// So many entries wait at most. At the bound they are shown with numbers.
const MOST: usize = 1_000;

/// What waits for names and numbers.
#[derive(Debug, Default)]
pub(super) struct People {
    /// Entries that are not shown yet, the oldest first.
    entries: VecDeque<v1::Entry>,
    /// So many of them are shown with what is known by now.
    free: usize,
    /// The request for names that is on its way, and how many entries are free once it is answered.
    asked: Option<(u32, usize)>,
    /// How the numbers are got that the next line needs.
    pub(super) numbers: Numbers,
}

/// Whether the broker was asked for the numbers of those whom a line names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Not yet.
    #[default]
    Unasked,
    /// With this request.
    Asked(u32),
    /// It has answered: who is not known now is not there.
    Told,
}

impl People {
    /// An entry that is to be shown behind all others.
    pub(super) fn push(&mut self, entry: v1::Entry) {
        self.entries.push_back(entry);
        if self.entries.len() >= MOST {
            self.free = self.entries.len();
        }
    }

    /// Takes the next entry out that can be shown.
    pub(super) fn take(&mut self, book: &Book) -> Option<v1::Entry> {
        if self.free == 0 && strangers(book, self.entries.front()?).next().is_some() {
            return None;
        }
        self.free = self.free.saturating_sub(1);
        self.entries.pop_front()
    }

    /// Whether everything was shown.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whose names are asked for now: of those in the oldest entries, if nothing is on its way. [`People::asked`] has to follow.
    pub(super) fn wanted(&mut self, book: &Book) -> Option<v1::Users> {
        if self.asked.is_some() {
            return None;
        }
        let mut users = Vec::new();
        let mut covered = 0;
        for entry in &self.entries {
            let before = users.len();
            for user in strangers(book, entry) {
                if !users.contains(&user) {
                    users.push(user);
                }
            }
            if users.len() > AT_ONCE && covered > 0 {
                users.truncate(before);
                break;
            }
            covered += 1;
        }
        // of a group with more members all at once, the others stay numbers
        users.truncate(AT_ONCE);
        if users.is_empty() {
            return None;
        }
        self.asked = Some((0, covered));
        Some(v1::Users { users, handles: Vec::new() })
    }

    /// The request by which the broker was asked for the names.
    pub(super) fn asked(&mut self, id: u32) {
        self.asked = self.asked.map(|(_, covered)| (id, covered));
    }

    /// The broker has answered or refused a request. Returns whether it was one of these.
    pub(super) fn answered(&mut self, id: u32) -> bool {
        if let Some((_, covered)) = self.asked.take_if(|(asked, _)| *asked == id) {
            self.free = covered;
            return true;
        }
        let is_ours = self.numbers == Numbers::Asked(id);
        if is_ours {
            self.numbers = Numbers::Told;
        }
        is_ours
    }

    /// The broker is away: what waits is shown with what is known, and numbers are asked for again.
    pub(super) fn give_up(&mut self) {
        self.free = self.entries.len();
        self.asked = None;
        self.numbers = Numbers::Unasked;
    }
}

/// Those in an entry whose names are not known.
fn strangers(book: &Book, entry: &v1::Entry) -> impl Iterator<Item = u64> {
    let to = match entry.to {
        Some(To::User(user)) => user,
        _ => 0,
    };
    let changed = entry.group_change.iter();
    let members =
        changed.flat_map(|change| change.set.iter().map(|member| member.user).chain(change.remove.iter().copied()));
    [entry.from, to].into_iter().chain(members).filter(|user| *user != 0 && !book.page.names.contains_key(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(known: &[u64]) -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(Some(folder.path().to_owned()), "127.0.0.1:7400".parse().unwrap(), "ann").unwrap();
        book.page.names.extend(known.iter().map(|user| (*user, format!("name-{user}"))));
        (folder, book)
    }

    fn from(user: u64) -> v1::Entry {
        v1::Entry { from: user, ..v1::Entry::default() }
    }

    fn taken(people: &mut People, book: &Book) -> Vec<u64> {
        std::iter::from_fn(|| people.take(book)).map(|entry| entry.from).collect()
    }

    #[test]
    fn entries_wait_for_names_in_their_order_and_no_longer_than_for_an_answer() {
        let (_folder, mut book) = book(&[1]);
        let mut people = People::default();
        [1, 2, 1, 3].into_iter().for_each(|user| people.push(from(user)));
        assert_eq!(taken(&mut people, &book), [1]);
        assert_eq!(people.wanted(&book).unwrap().users, [2, 3]);
        people.asked(7);
        people.push(from(4));
        assert_eq!(people.wanted(&book), None, "one request at a time");
        assert_eq!(taken(&mut people, &book), [0; 0]);
        assert!(!people.answered(8));
        assert!(people.answered(7));
        book.page.names.insert(2, "two".into());
        assert_eq!(taken(&mut people, &book), [2, 1, 3], "3 is nobody any more, and is not asked for again");
        assert_eq!(people.wanted(&book).unwrap().users, [4]);
        people.asked(9);
        people.give_up();
        assert_eq!(taken(&mut people, &book), [4]);
        assert!(people.is_empty() && !people.answered(9));
    }

    #[test]
    fn no_more_are_asked_for_and_no_more_wait_than_may() {
        let (_folder, book) = book(&[]);
        let mut people = People::default();
        let member = |user| v1::Member { user, ..v1::Member::default() };
        let change = v1::GroupChange { set: (1..400).map(member).collect(), ..v1::GroupChange::default() };
        people.push(from(400));
        people.push(v1::Entry { group_change: Some(change), ..v1::Entry::default() });
        assert_eq!(people.wanted(&book).unwrap().users, [400]);
        people.asked(1);
        people.answered(1);
        assert_eq!(taken(&mut people, &book), [400]);
        assert_eq!(people.wanted(&book).unwrap().users.len(), AT_ONCE);
        people.asked(2);
        (1..MOST as u64).for_each(|user| people.push(from(user)));
        assert_eq!(taken(&mut people, &book).len(), MOST);
    }

    #[test]
    fn numbers_are_told_once_for_a_line() {
        let mut people = People { numbers: Numbers::Asked(3), ..People::default() };
        assert!(!people.answered(2));
        assert!(people.answered(3));
        assert_eq!(people.numbers, Numbers::Told);
    }
}
