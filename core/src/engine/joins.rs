//! Joins in memory: questions about two sets of people, answered by one walk over both.

use super::contacts::{ContactList, Tie, place};
use super::state::State;
use crate::ids::{GroupId, UserId};

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Viewer<'a> {
    pub(super) id: UserId,
    pub(super) contacts: &'a ContactList,
}

impl State {
    /// Adds the places of the contacts that two users have in common to `out`, growing.
    pub fn mutual(&self, one: UserId, other: UserId, out: &mut Vec<u32>) {
        if let (Some(one), Some(other)) = (self.account(one), self.account(other)) {
            one.contacts.mutual(&other.contacts, out);
        }
    }

    /// Adds the places of a user's contacts who are online, and show it to the user, to `out`, growing.
    pub fn contacts_online(&self, user: UserId, out: &mut Vec<u32>) {
        if let Some(account) = self.account(user) {
            let me = Viewer { id: user, contacts: &account.contacts };
            out.extend(self.online_among(me, 0).map(|(id, _)| id));
        }
    }

    /// Adds the places of a group's members who are contacts of a member to `out`, growing. False: that is no member.
    pub fn known(&self, user: UserId, group: GroupId, out: &mut Vec<u32>) -> bool {
        let group = self.group(group).filter(|group| group.member(user).is_some());
        let (Some(group), Some(account)) = (group, self.account(user)) else { return false };
        let members: Vec<u32> = group.member_ids().filter_map(place).collect();
        account.contacts.among(&members, out);
        true
    }

    /// The contacts behind a place who are online, and show it.
    pub(super) fn online_among<'a>(&'a self, me: Viewer<'a>, after: u32) -> impl Iterator<Item = (u32, Tie)> + 'a {
        let there = move |(id, tie): &(u32, Tie)| tie.is_accepted() && self.online.shows(*id);
        me.contacts.behind(after).filter(there).filter(move |(id, _)| !self.hides_from(*id, me))
    }

    /// Whether someone blocks whoever asks, and so shows nothing of when they are there.
    pub(super) fn hides_from(&self, id: u32, me: Viewer<'_>) -> bool {
        let (Some(user), Some(viewer)) = (self.user(UserId::nth(id.into())), place(me.id)) else { return true };
        user.contacts.blocks(viewer)
    }
}
