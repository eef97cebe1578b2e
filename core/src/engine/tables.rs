//! The state as tables: what a projection of the journal has to come to. For whoever compares them.

use super::contacts::Note;
use super::state::State;
use super::users::{Standing, User};
use crate::ids::{DeviceId, GroupId, Time, UserId};
use crate::wire::v1::Contact;

/// An account that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow<'a> {
    /// Whose.
    pub user: UserId,
    /// As it was registered.
    pub handle: &'a str,
    /// To show.
    pub name: &'a str,
    /// An address; empty: none.
    pub avatar: &'a str,
    /// Empty: none.
    pub status: &'a str,
    /// argon2id in PHC form; empty: no password.
    pub secret: &'a str,
    /// Nobody signs in.
    pub disabled: bool,
    /// When it was made.
    pub registered: Time,
}

/// A device that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow<'a> {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub device: DeviceId,
    /// As it calls itself.
    pub name: &'a str,
    /// `ringdove.v1.Kind`.
    pub kind: u8,
    /// SHA-256 of its token.
    pub token: &'a [u8; 32],
    /// When it got that.
    pub signed_in: Time,
    /// When it came or went last; 0: never.
    pub last_seen: Time,
    /// It is connected.
    pub online: bool,
}

/// Someone in a list of contacts: a contact, who asked or was asked, or whom the owner blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRow<'a> {
    /// Whose list.
    pub user: UserId,
    /// Who stands in the list.
    pub contact: UserId,
    /// Never BLOCKED: see `blocked`.
    pub state: Contact,
    /// REQUESTED: the other one asked.
    pub asked_by_them: bool,
    /// The owner takes nothing of them.
    pub blocked: bool,
    /// REQUESTED: what was said with it.
    pub greeting: &'a str,
    /// The owner's own words.
    pub remark: &'a str,
    /// The owner's own.
    pub tags: &'a [String],
}

/// A group that has members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow<'a> {
    /// Which.
    pub group: GroupId,
    /// Absent: never set.
    pub name: Option<&'a str>,
    /// Absent: never set.
    pub announcement: Option<&'a str>,
    /// Absent: never set.
    pub avatar: Option<&'a str>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow<'a> {
    /// Which.
    pub group: GroupId,
    /// Who.
    pub user: UserId,
    /// `ringdove.v1.Role`.
    pub role: i32,
    /// Empty: none.
    pub nickname: &'a str,
    /// Milliseconds since 1970-01-01 UTC; 0: not muted.
    pub muted_until: u64,
}

impl State {
    /// By user.
    pub fn account_rows(&self) -> impl Iterator<Item = AccountRow<'_>> {
        self.existing_accounts().map(|(user, account)| {
            let about = account.about.as_deref();
            AccountRow {
                user,
                handle: &account.handle,
                name: &account.name,
                avatar: about.map_or("", |about| &about.avatar),
                status: about.map_or("", |about| &about.status),
                secret: &account.secret,
                disabled: account.standing == Standing::Disabled,
                registered: account.registered,
            }
        })
    }

    /// By user and device.
    pub fn device_rows(&self) -> impl Iterator<Item = DeviceRow<'_>> {
        self.existing_accounts().flat_map(|(user, account)| {
            let mut devices: Vec<_> = account.devices.iter().collect();
            devices.sort_unstable_by_key(|device| device.id);
            devices.into_iter().map(move |device| DeviceRow {
                user,
                device: device.id,
                name: &device.name,
                kind: device.kind,
                token: &device.token,
                signed_in: device.signed_in,
                last_seen: device.last_seen,
                online: device.online,
            })
        })
    }

    /// By user and contact.
    pub fn contact_rows(&self) -> impl Iterator<Item = ContactRow<'_>> {
        const NONE: &Note = &Note { greeting: String::new(), remark: String::new(), tags: Vec::new() };
        self.existing_accounts().flat_map(|(user, account)| {
            let there = account.contacts.behind(0).filter(|(_, tie)| !tie.is_tombstone());
            there.map(move |(id, tie)| {
                let note = account.contacts.note(id).unwrap_or(NONE);
                ContactRow {
                    user,
                    contact: UserId::nth(id.into()),
                    state: tie.state,
                    asked_by_them: tie.asked_by_them,
                    blocked: tie.blocked,
                    greeting: &note.greeting,
                    remark: &note.remark,
                    tags: &note.tags,
                }
            })
        })
    }

    /// By group.
    pub fn group_rows(&self) -> impl Iterator<Item = GroupRow<'_>> {
        let groups = (1..).zip(self.groups.iter()).filter(|(_, group)| !group.is_dissolved());
        groups.map(|(nth, group)| GroupRow {
            group: GroupId::nth(nth),
            name: group.about.name.as_deref(),
            announcement: group.about.announcement.as_deref(),
            avatar: group.about.avatar.as_deref(),
        })
    }

    /// By group and user.
    pub fn membership_rows(&self) -> impl Iterator<Item = MembershipRow<'_>> {
        (1..).zip(self.groups.iter()).flat_map(|(nth, group)| {
            group.members.iter().map(move |member| MembershipRow {
                group: GroupId::nth(nth),
                user: member.user,
                role: member.role,
                nickname: &member.nickname,
                muted_until: member.muted_until,
            })
        })
    }

    fn existing_accounts(&self) -> impl Iterator<Item = (UserId, &User)> {
        let users = (1..).zip(self.users.iter()).map(|(nth, user)| (UserId::nth(nth), user));
        users.filter(|(_, user)| user.standing != Standing::Deleted)
    }
}
