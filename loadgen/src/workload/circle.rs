//! Who knows whom.

/// The circle in which everyone has their neighbours as contacts, as many to the left as to the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circle {
    /// How many people.
    pub users: usize,
    /// How many contacts each has: an even number, less than there are people.
    pub contacts: usize,
}

impl Circle {
    /// So many people with about so many contacts: an even number, and fewer than there are people.
    pub fn new(users: usize, contacts: usize) -> Self {
        Self { users, contacts: (contacts / 2 * 2).min((users - 1) / 2 * 2) }
    }

    /// The contacts of one of them.
    pub fn of(self, who: usize) -> impl Iterator<Item = usize> {
        let half = self.contacts / 2;
        let behind = (1..=half).map(move |far| (who + far) % self.users);
        behind.chain((1..=half).map(move |far| (who + self.users - far) % self.users))
    }

    /// Which of the contacts of `who` this is; `None`: it is none of them.
    pub fn place(self, who: usize, other: usize) -> Option<usize> {
        let half = self.contacts / 2;
        let ahead = (other + self.users - who) % self.users;
        match ahead {
            0 => None,
            far if far <= half => Some(far - 1),
            far if self.users - far <= half => Some(half + self.users - far - 1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_in_the_circle_knows_who_knows_them() {
        let circle = Circle { users: 11, contacts: 6 };
        for who in 0..11 {
            let contacts: Vec<_> = circle.of(who).collect();
            for other in 0..11 {
                assert_eq!(circle.place(who, other).is_some(), contacts.contains(&other));
                assert_eq!(circle.place(who, other).is_some(), circle.place(other, who).is_some());
            }
            let mut places: Vec<_> = contacts.iter().filter_map(|other| circle.place(who, *other)).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..6));
        }
    }
}
