//! Who does what in a mixed load: who writes to whom, which groups there are, and who comes and goes.

use std::ops::Range;

/// Everyone writes one to one to so many others.
const PARTNERS: usize = 4;
/// One of so many comes and goes.
const COMERS: usize = 5;
/// One of so many sends goes to a group: 20 %.
const GROUPS: u64 = 5;

/// The parts of a mixed load. People are called by their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Those who write, and who are written to.
    pub writers: usize,
    /// Everyone; those behind the writers only come and go.
    pub people: usize,
    /// Members of each group; the first one writes.
    pub groups: Vec<Range<usize>>,
    /// Those who come and go.
    pub comers: Vec<usize>,
}

/// Where a send goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// From this person to their partner of this number.
    Partner(usize, usize),
    /// To the group of this place.
    Group(usize),
}

impl Roles {
    /// So many writers in groups of so many members (the last group takes the rest). A fifth of the writers come and go where what is sent
    /// to the absent is kept; elsewhere nobody may write to those who do, and as many more people come for that.
    pub fn new(writers: usize, members: usize, keeps: bool) -> Self {
        let members = members.clamp(2, writers);
        let starts = (0..writers / members).map(|group| group * members);
        let mut groups: Vec<_> = starts.map(|start| start..start + members).collect();
        if let Some(last) = groups.last_mut() {
            last.end = writers;
        }
        let count = (writers / COMERS).max(1);
        if !keeps {
            let comers = (writers..writers + count).collect();
            return Self { writers, people: writers + count, groups, comers };
        }
        // a group's writer stays, or its share would fall to the others
        let stays = |who: &usize| !groups.iter().any(|group| group.start == *who);
        let others: Vec<usize> = (0..writers).filter(stays).collect();
        let comers = (0..count.min(others.len())).map(|place| others[place * others.len() / count]).collect();
        Self { writers, people: writers, groups, comers }
    }

    /// How many partners each has.
    pub fn partners(&self) -> usize {
        PARTNERS.min(self.writers - 1)
    }

    /// The partner of this number of a writer: neighbours, and people far away.
    pub fn partner(&self, who: usize, number: usize) -> usize {
        let others = self.writers - 1;
        (who + 1 + number * others / self.partners()) % self.writers
    }

    /// Whose turn it is: every fifth send goes to a group, in turns; the others go from one person to another, in an order that looks random and is
    /// the same each time.
    pub fn choose(&self, send: u64) -> Chosen {
        if send % GROUPS == GROUPS - 1 {
            return Chosen::Group((send / GROUPS) as usize % self.groups.len());
        }
        let random = scramble(send);
        let who = random as usize % self.writers;
        Chosen::Partner(who, (random >> 32) as usize % self.partners())
    }
}

/// The finish of splitmix64: numbers in a row become numbers that look random.
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_send_in_five_goes_to_a_group_and_everyone_has_a_share() {
        let roles = Roles::new(200, 20, true);
        let (mut to_groups, mut from) = (vec![0; 10], vec![0; 200]);
        for send in 0..100_000 {
            match roles.choose(send) {
                Chosen::Group(group) => to_groups[group] += 1,
                Chosen::Partner(who, number) => {
                    assert_ne!(roles.partner(who, number), who);
                    from[who] += 1;
                }
            }
        }
        assert_eq!(to_groups, [2_000; 10]);
        assert_eq!(from.iter().sum::<i32>(), 80_000);
        assert!(from.iter().all(|count| (300..=500).contains(count)), "{from:?}");
    }

    #[test]
    fn partners_are_different_people() {
        for writers in [2, 3, 5, 6, 200] {
            let roles = Roles::new(writers, 20, true);
            for who in 0..writers {
                let mut partners: Vec<_> = (0..roles.partners()).map(|number| roles.partner(who, number)).collect();
                partners.push(who);
                partners.sort_unstable();
                partners.dedup();
                assert_eq!(partners.len(), roles.partners() + 1, "{writers} people");
            }
        }
    }

    #[test]
    fn members_come_and_go_where_messages_are_kept() {
        let roles = Roles::new(205, 20, true);
        assert_eq!((roles.people, roles.comers.len()), (205, 41));
        assert_eq!((roles.groups.len(), roles.groups[9].clone()), (10, 180..205));
        assert!(roles.comers.windows(2).all(|two| two[0] < two[1]));
        let writes = |who: &usize| roles.groups.iter().any(|group| group.start == *who);
        assert!(!roles.comers.iter().any(writes), "a group's writer stays");
        assert!(roles.comers.iter().all(|who| *who < 205));
    }

    #[test]
    fn nobody_writes_to_those_who_come_and_go_where_messages_would_be_lost() {
        let roles = Roles::new(200, 20, false);
        assert_eq!((roles.people, roles.writers, roles.groups.len()), (240, 200, 10));
        assert!(roles.comers.iter().copied().eq(200..240));
        assert!(roles.groups.iter().all(|group| group.end <= 200));
        assert!((0..200).all(|who| (0..4).all(|number| roles.partner(who, number) < 200)));
        // the same sends, whoever comes and goes
        let kept = Roles::new(200, 20, true);
        assert!((0..1_000).all(|send| kept.choose(send) == roles.choose(send)));
    }

    #[test]
    fn a_few_people_are_enough() {
        let roles = Roles::new(3, 20, true);
        assert_eq!((roles.groups.len(), roles.groups[0].clone()), (1, 0..3));
        assert_eq!((roles.comers.len(), roles.partners()), (1, 2));
    }
}
