//! Groups: their members, and what a change means.

use std::collections::BTreeSet;

use prost::Message;

use super::chats::Chat;
use super::state::State;
use crate::ids::{GroupId, UserId};
use crate::wire::v1::{self, GroupChange, Role};
use crate::wire::{Code, Refusal};

/// One change names at most so many members.
const CHANGED_AT_ONCE: usize = 500;
/// Names are at most so many bytes.
const NAME: usize = 256;
/// Announcements and avatars are at most so many bytes.
const LONG_TEXT: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) user: UserId,
    pub(super) role: i32,
    pub(super) nickname: Box<str>,
    pub(super) muted_until: u64,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) chat: Chat,
    /// By user id.
    pub(super) members: Vec<Member>,
    /// Name, announcement and the like: the newest value of each, without members.
    pub(super) about: GroupChange,
}

impl Group {
    pub(super) fn member_ids(&self) -> impl Iterator<Item = UserId> + '_ {
        self.members.iter().map(|member| member.user)
    }

    pub(super) fn member(&self, user: UserId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&user, |member| member.user).ok()?;
        self.members.get(at)
    }

    pub(super) fn is_dissolved(&self) -> bool {
        self.members.is_empty()
    }

    fn set(&mut self, change: &v1::Member) {
        let user = UserId(change.user);
        let member = Member {
            user,
            role: change.role,
            nickname: change.nickname.as_str().into(),
            muted_until: change.muted_until,
        };
        match self.members.binary_search_by_key(&user, |member| member.user) {
            // whoever owns the group goes on owning it
            Ok(at) if self.members[at].role == Role::Owner as i32 => self.members[at].nickname = member.nickname,
            Ok(at) => self.members[at] = member,
            Err(at) => self.members.insert(at, member),
        }
    }

    /// Changes the group, and returns who hears of it: all members, before and after.
    pub(super) fn apply(&mut self, change: &GroupChange, by: UserId) -> Vec<UserId> {
        if change.create {
            self.set(&v1::Member { user: by.0, role: Role::Owner as i32, ..v1::Member::default() });
        }
        for member in &change.set {
            self.set(member);
        }
        let told = self.member_ids().collect();
        self.members.retain(|member| !change.remove.contains(&member.user.0));
        if change.dissolve {
            self.members = Vec::new();
        }
        self.about.name = change.name.clone().or(self.about.name.take());
        self.about.announcement = change.announcement.clone().or(self.about.announcement.take());
        self.about.avatar = change.avatar.clone().or(self.about.avatar.take());
        self.about.join = change.join.or(self.about.join);
        self.about.muted = change.muted.or(self.about.muted);
        self.about.history_for_newcomers = change.history_for_newcomers.or(self.about.history_for_newcomers);
        told
    }
}

impl Group {
    /// A member's account is gone; if it owned the group, `heir` does now.
    pub(super) fn bequeath(&mut self, gone: UserId, heir: UserId) {
        self.members.retain(|member| member.user != gone);
        if let Ok(at) = self.members.binary_search_by_key(&heir, |member| member.user) {
            self.members[at].role = Role::Owner as i32;
        }
    }

    /// Who would own the group without its member `gone`: the first admin, or else the first member. `None`: somebody else owns it, or
    /// nobody is left.
    pub(super) fn heir(&self, gone: UserId) -> Option<UserId> {
        let owns = self.member(gone)?.role == Role::Owner as i32;
        let others = || self.members.iter().filter(|member| member.user != gone);
        let heir = others().find(|member| member.role == Role::Admin as i32).or_else(|| others().next());
        heir.filter(|_| owns).map(|member| member.user)
    }
}

/// The change that an entry's content holds.
pub(super) fn change_of(content: &[u8]) -> Option<GroupChange> {
    v1::Entry::decode(content).ok()?.group_change
}

/// Whether `by` may make this change (`group` none: make a group). In this order: the change itself, the group, the role, the
/// members, the cap.
pub(super) fn check(
    state: &State,
    by: UserId,
    group: GroupId,
    change: &GroupChange,
    cap: usize,
) -> Result<(), Refusal> {
    if change.set.len() + change.remove.len() > CHANGED_AT_ONCE {
        return Err(Refusal::of(Code::TooLarge).field("set"));
    }
    if change.create != (group == GroupId::default())
        || (change.create && (change.dissolve || !change.remove.is_empty()))
    {
        return Err(Refusal::of(Code::Invalid).field("create"));
    }
    texts(change)?;
    let mut added = usize::from(change.create);
    if !change.create {
        let Some(group) = state.group(group) else { return Err(Refusal::of(Code::NotFound).field("group")) };
        let Some(member) = group.member(by) else { return Err(Refusal::of(Code::NotFound).field("group")) };
        let only_leaves =
            change.remove == [by.0] && *change == (GroupChange { remove: vec![by.0], ..GroupChange::default() });
        let owns = member.role == Role::Owner as i32;
        if !owns && !only_leaves {
            return Err(Refusal::of(Code::Forbidden).field("group"));
        }
        // the owner leaves only as the last one
        if owns && change.remove.contains(&by.0) && group.members.len() > 1 {
            return Err(Refusal::of(Code::Forbidden).field("remove"));
        }
        if change.remove.iter().any(|user| group.member(UserId(*user)).is_none()) {
            return Err(Refusal::of(Code::NotFound).field("remove"));
        }
    }
    let known = (!change.create).then(|| state.group(group)).flatten();
    for (nth, member) in change.set.iter().enumerate() {
        let user = UserId(member.user);
        if state.account(user).is_none() {
            return Err(Refusal::of(Code::NotFound).field("set"));
        }
        if member.role != Role::Member as i32 && member.role != Role::Admin as i32 || member.nickname.len() > NAME {
            return Err(Refusal::of(Code::Invalid).field("set"));
        }
        let twice =
            change.set[..nth].iter().any(|other| other.user == member.user) || change.remove.contains(&member.user);
        if twice || (change.create && user == by) {
            return Err(Refusal::of(Code::Invalid).field("set"));
        }
        added += usize::from(known.is_none_or(|group| group.member(user).is_none()));
    }
    let removed = change.remove.iter().collect::<BTreeSet<_>>().len();
    let members = known.map_or(0, |group| group.members.len()) + added;
    // a group that is larger than the cap, which was lowered since, may still shrink
    if added > removed && members - removed > cap {
        return Err(Refusal::of(Code::Full).field("set"));
    }
    Ok(())
}

fn texts(change: &GroupChange) -> Result<(), Refusal> {
    if change.name.as_ref().is_some_and(|name| name.len() > NAME) {
        return Err(Refusal::of(Code::TooLarge).field("name"));
    }
    for (text, field) in [(&change.announcement, "announcement"), (&change.avatar, "avatar")] {
        if text.as_ref().is_some_and(|text| text.len() > LONG_TEXT) {
            return Err(Refusal::of(Code::TooLarge).field(field));
        }
    }
    Ok(())
}
