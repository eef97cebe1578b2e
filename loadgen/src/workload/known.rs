//! What everyone was told of their contacts, and whether it is true.

use super::Circle;

/// What people know of each other.
pub struct Known {
    circle: Circle,
    /// By person, and by the place of the contact in their circle: whether the contact is there, as they were told last.
    told: Vec<Vec<bool>>,
    /// How often anyone was told that a contact came or went.
    news: u64,
    /// How many lists were read.
    lists: u64,
}

impl Known {
    /// Nobody was told anything.
    pub fn new(circle: Circle) -> Self {
        Self { circle, told: vec![vec![false; circle.contacts]; circle.users], news: 0, lists: 0 }
    }

    /// `who` was told that a contact came or went.
    ///
    /// # Errors
    /// It is none of their contacts.
    pub fn news(&mut self, who: usize, contact: usize, online: bool) -> Result<(), String> {
        self.news += 1;
        self.learn(who, contact, online)
    }

    /// `who` read a page of who is there; behind the first one, nobody else is known to be.
    ///
    /// # Errors
    /// One of them is none of their contacts.
    pub fn list(&mut self, who: usize, contacts: &[usize], first: bool) -> Result<(), String> {
        if first {
            self.lists += 1;
            self.told[who].fill(false);
        }
        contacts.iter().try_for_each(|contact| self.learn(who, *contact, true))
    }

    fn learn(&mut self, who: usize, contact: usize, online: bool) -> Result<(), String> {
        let place = self.circle.place(who, contact);
        let place = place.ok_or_else(|| format!("person {who} was told of {contact}, a stranger"))?;
        self.told[who][place] = online;
        Ok(())
    }

    /// Who knows something wrong, in words: everyone who is there has to know of each contact whether they are.
    pub fn wrong(&self, is_there: &[bool]) -> Option<String> {
        let present = (0..self.circle.users).filter(|who| is_there[*who]);
        let mut wrong = present.flat_map(|who| {
            let told = self.circle.of(who).zip(&self.told[who]);
            told.filter(|(contact, told)| **told != is_there[*contact]).map(move |(contact, _)| (who, contact))
        });
        let (who, contact) = wrong.next()?;
        let state = if is_there[contact] { "there" } else { "away" };
        Some(format!(
            "presence: person {who} was not told that {contact} is {state}, and so in {} more cases",
            wrong.count()
        ))
    }

    /// How often anyone was told that a contact came or went.
    pub fn told(&self) -> u64 {
        self.news
    }

    /// How many lists were read.
    pub fn lists(&self) -> u64 {
        self.lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIRCLE: Circle = Circle { users: 5, contacts: 2 };

    /// Everyone has read who is there: all.
    fn all_there() -> Known {
        let mut known = Known::new(CIRCLE);
        for who in 0..5 {
            let contacts: Vec<_> = CIRCLE.of(who).collect();
            known.list(who, &contacts, true).unwrap();
        }
        known
    }

    #[test]
    fn a_contact_who_goes_has_to_be_told_of() {
        let mut known = all_there();
        let mut there = [true; 5];
        assert_eq!(known.wrong(&there), None);
        there[2] = false;
        let wrong = known.wrong(&there).unwrap();
        assert!(wrong.contains("person 1 was not told that 2 is away, and so in 1 more cases"), "{wrong}");
        known.news(1, 2, false).unwrap();
        known.news(3, 2, false).unwrap();
        assert_eq!(known.wrong(&there), None, "what the absent know does not matter");
        assert_eq!((known.told(), known.lists()), (2, 5));
    }

    #[test]
    fn the_last_news_count_and_a_list_begins_anew() {
        let mut known = all_there();
        known.news(0, 1, false).unwrap();
        known.news(0, 1, true).unwrap();
        assert_eq!(known.wrong(&[true; 5]), None);
        known.news(0, 1, false).unwrap();
        assert!(known.wrong(&[true; 5]).unwrap().contains("that 1 is there"));
        known.list(0, &[1], true).unwrap();
        assert!(known.wrong(&[true; 5]).unwrap().contains("that 4 is there"), "the list did not name them");
        known.list(0, &[4], false).unwrap();
        assert_eq!(known.wrong(&[true; 5]), None, "a further page adds to the first");
    }

    #[test]
    fn strangers_are_nobodys_business() {
        let mut known = Known::new(CIRCLE);
        assert!(known.news(0, 2, true).unwrap_err().contains("stranger"));
        assert!(known.list(0, &[0], true).is_err());
    }
}
