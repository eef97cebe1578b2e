//! Who is who. People are numbers on the wire: entries wait until the broker has told the names of those in them, and whatever is to be shown waits behind
//! them; a group command waits until it has told the numbers of those it names.

use std::collections::{BTreeMap, VecDeque};

use ringdove_core::wire::v1::{self, entry::To};

use super::book::Book;

/// The broker is asked for so many people at once at most.
pub(super) const AT_ONCE: usize = 250;
/// So much waits to be shown at most. At the bound entries are shown with numbers.
const MOST: usize = 1_000;

/// Something that has its turn behind all that came before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ToShow {
    /// An entry is shown.
    Entry(Box<v1::Entry>),
    /// A line is shown.
    Line(String),
    /// Nothing: the entry with this version is known.
    Known(u64),
}

/// What waits for names and numbers.
#[derive(Debug, Default)]
pub(super) struct People {
    /// What is not shown yet, the oldest first.
    waiting: VecDeque<ToShow>,
    /// So many of these are shown with what is known by now.
    free: usize,
    /// The request for names that is on its way, and how many of these are free once it is answered.
    asked: Option<(u32, usize)>,
    /// How far it is with the numbers that the next line needs.
    pub(super) numbers: Numbers,
    /// Those that are told, by handle in lower case.
    told: BTreeMap<String, u64>,
}

/// Whether the broker was asked for the numbers of those whom a line names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Not yet, or not for all.
    #[default]
    Unasked,
    /// With this request.
    Asked(u32),
    /// It has answered: whoever is not told is not there.
    Told,
    /// It has refused to.
    Refused,
}

impl People {
    /// It has its turn behind all that waits.
    pub(super) fn push(&mut self, next: ToShow) {
        self.waiting.push_back(next);
        if self.waiting.len() >= MOST {
            self.free = self.waiting.len();
            self.asked = None;
        }
    }

    /// Takes out what has its turn now.
    pub(super) fn take(&mut self, book: &Book) -> Option<ToShow> {
        if self.free == 0 && strangers(book, self.waiting.front()?).next().is_some() {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.free = self.free.saturating_sub(1);
        if let Some((_, covered)) = &mut self.asked {
            *covered = covered.saturating_sub(1);
        }
        Some(next)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whose names are asked for now: of those in the oldest entries, if nothing is on its way. [`People::asked`] has to follow.
    pub(super) fn wanted(&self, book: &Book) -> Option<(v1::Users, usize)> {
        if self.asked.is_some() {
            return None;
        }
        let mut users = Vec::new();
        let mut covered = 0;
        for next in &self.waiting {
            let before = users.len();
            for user in strangers(book, next) {
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
        (!users.is_empty()).then(|| (v1::Users { users, handles: Vec::new() }, covered))
    }

    /// The request by which the broker was asked for names, and how many of those that wait need no others.
    pub(super) fn asked(&mut self, id: u32, covered: usize) {
        self.asked = Some((id, covered));
    }

    /// The broker has said who some people are. Returns whether it was asked for that with this request.
    pub(super) fn told(&mut self, id: u32, found: &v1::Found, book: &mut Book) -> bool {
        if self.asked.is_some_and(|(asked, _)| asked == id) {
            let learned = found.profiles.iter().filter(|profile| book.learn(profile.user, &profile.handle)).count();
            // where some did not fit in, the others are asked for once more
            if found.page.is_empty() || learned == 0 {
                self.free = self.asked.map_or(0, |(_, covered)| covered);
            }
            self.asked = None;
            return true;
        }
        if self.numbers != Numbers::Asked(id) {
            return false;
        }
        for profile in &found.profiles {
            self.told.insert(profile.handle.to_ascii_lowercase(), profile.user);
            book.learn(profile.user, &profile.handle);
        }
        // where some did not fit in, the others are asked for
        let is_part = !found.page.is_empty() && !found.profiles.is_empty();
        self.numbers = if is_part { Numbers::Unasked } else { Numbers::Told };
        true
    }

    /// The number of a handle, if it is told.
    pub(super) fn number(&self, handle: &str) -> Option<u64> {
        self.told.get(&handle.to_ascii_lowercase()).copied()
    }

    /// The line that needed numbers is seen to.
    pub(super) fn forget_numbers(&mut self) {
        self.numbers = Numbers::Unasked;
        self.told.clear();
    }

    /// The broker has refused a request. Returns whether it was one for names or numbers.
    pub(super) fn refused(&mut self, id: u32) -> bool {
        if let Some((_, covered)) = self.asked.take_if(|(asked, _)| *asked == id) {
            self.free = covered;
            return true;
        }
        let is_ours = self.numbers == Numbers::Asked(id);
        if is_ours {
            self.numbers = Numbers::Refused;
        }
        is_ours
    }

    /// The broker is away: what waits is shown with what is known, and numbers are asked for again.
    pub(super) fn give_up(&mut self) {
        self.free = self.waiting.len();
        self.asked = None;
        self.forget_numbers();
    }
}

/// Those whose names are to be shown and not known.
fn strangers<'a>(book: &'a Book, next: &'a ToShow) -> impl Iterator<Item = u64> + 'a {
    let entry = if let ToShow::Entry(entry) = next { Some(entry) } else { None };
    entry.into_iter().flat_map(|entry| strangers_in(book, entry))
}

fn strangers_in<'a>(book: &'a Book, entry: &'a v1::Entry) -> impl Iterator<Item = u64> + 'a {
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

    fn from(user: u64) -> ToShow {
        ToShow::Entry(Box::new(v1::Entry { from: user, ..v1::Entry::default() }))
    }

    fn found(users: &[u64], page: &str) -> v1::Found {
        let profile = |user| v1::Profile { user, handle: format!("name-{user}"), ..v1::Profile::default() };
        v1::Found { profiles: users.iter().copied().map(profile).collect(), page: page.into(), ..v1::Found::default() }
    }

    /// Asks as a conversation does; returns whom for.
    fn ask(people: &mut People, book: &Book, id: u32) -> Vec<u64> {
        let Some((users, covered)) = people.wanted(book) else { return Vec::new() };
        people.asked(id, covered);
        users.users
    }

    fn taken(people: &mut People, book: &Book) -> Vec<ToShow> {
        std::iter::from_fn(|| people.take(book)).collect()
    }

    fn entries(users: &[u64]) -> Vec<ToShow> {
        users.iter().map(|user| from(*user)).collect()
    }

    #[test]
    fn entries_wait_for_names_in_their_order_and_no_longer_than_for_an_answer() {
        let (_folder, mut book) = book(&[1]);
        let mut people = People::default();
        [from(1), from(2), ToShow::Line("a line".into()), ToShow::Known(9), from(3)]
            .into_iter()
            .for_each(|next| people.push(next));
        assert_eq!(taken(&mut people, &book), [from(1)]);
        assert_eq!(ask(&mut people, &book, 7), [2, 3]);
        people.push(from(4));
        assert_eq!(ask(&mut people, &book, 8), [0; 0], "one request at a time");
        assert_eq!(taken(&mut people, &book), []);
        assert!(!people.told(8, &found(&[2, 3], ""), &mut book) && !people.refused(8));
        assert!(people.told(7, &found(&[2], ""), &mut book));
        let line = ToShow::Line("a line".into());
        assert_eq!(taken(&mut people, &book), [from(2), line, ToShow::Known(9), from(3)], "3 is nobody any more");
        assert_eq!(ask(&mut people, &book, 9), [4]);
        assert!(people.refused(9));
        people.push(from(5));
        assert_eq!(taken(&mut people, &book), [from(4)], "a number will do for those who were asked for");
        assert_eq!(ask(&mut people, &book, 10), [5]);
        people.give_up();
        assert_eq!(taken(&mut people, &book), [from(5)]);
        assert!(people.is_empty() && !people.told(10, &found(&[5], ""), &mut book));
    }

    #[test]
    fn what_was_told_otherwise_meanwhile_frees_nothing_else() {
        let (_folder, mut book) = book(&[]);
        let mut people = People::default();
        people.push(from(1));
        assert_eq!(ask(&mut people, &book, 1), [1]);
        book.learn(1, "name-1");
        assert_eq!(taken(&mut people, &book), [from(1)]);
        assert!(people.refused(1));
        people.push(from(2));
        assert_eq!(taken(&mut people, &book), [], "2 was not asked for");
    }

    #[test]
    fn whoever_does_not_fit_into_an_answer_is_asked_for_again() {
        let (_folder, mut book) = book(&[]);
        let mut people = People::default();
        entries(&[1, 2]).into_iter().for_each(|next| people.push(next));
        assert_eq!(ask(&mut people, &book, 1), [1, 2]);
        people.told(1, &found(&[1], "more"), &mut book);
        assert_eq!(taken(&mut people, &book), [from(1)]);
        assert_eq!(ask(&mut people, &book, 2), [2]);
        people.told(2, &found(&[], "more"), &mut book);
        assert_eq!(taken(&mut people, &book), [from(2)], "and no more if that leads nowhere");
    }

    #[test]
    fn no_more_are_asked_for_and_no_more_wait_than_may() {
        let (_folder, book) = book(&[]);
        let mut people = People::default();
        let member = |user| v1::Member { user, ..v1::Member::default() };
        let change = v1::GroupChange { set: (1..400).map(member).collect(), ..v1::GroupChange::default() };
        people.push(from(400));
        people.push(ToShow::Entry(Box::new(v1::Entry { group_change: Some(change), ..v1::Entry::default() })));
        assert_eq!(ask(&mut people, &book, 1), [400]);
        people.refused(1);
        assert_eq!(taken(&mut people, &book), [from(400)]);
        assert_eq!(ask(&mut people, &book, 2).len(), AT_ONCE);
        (1..MOST as u64).for_each(|user| people.push(from(user)));
        assert_eq!(taken(&mut people, &book).len(), MOST);
        assert!(!people.refused(2), "the answer is of no use any more");
        people.push(from(1));
        assert_eq!(taken(&mut people, &book), []);
    }

    #[test]
    fn numbers_are_told_for_a_line_and_forgotten_behind_it() {
        let (_folder, mut book) = book(&[]);
        let mut people = People { numbers: Numbers::Asked(3), ..People::default() };
        assert!(!people.told(2, &found(&[1], ""), &mut book));
        assert!(people.told(3, &found(&[1], "more"), &mut book));
        assert_eq!(
            (people.numbers, people.number("Name-1"), people.number("name-2")),
            (Numbers::Unasked, Some(1), None)
        );
        people.numbers = Numbers::Asked(4);
        assert!(people.told(4, &found(&[2], ""), &mut book));
        assert_eq!(
            (people.numbers, people.number("name-1"), people.number("name-2")),
            (Numbers::Told, Some(1), Some(2))
        );
        people.forget_numbers();
        assert_eq!((people.numbers, people.number("name-1")), (Numbers::Unasked, None));
        people.numbers = Numbers::Asked(5);
        assert!(people.refused(5));
        assert_eq!(people.numbers, Numbers::Refused);
    }
}
