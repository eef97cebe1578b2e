//! The state as tables: what a projection of the journal has to come to. For whoever compares them.

use super::contacts::Note;
use super::state::State;
use super::users::{Standing, User};
use crate::ids::{DeviceId, GroupId, Time, UserId};
use crate::wire::v1::Contact;

/// An account that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the log's schema")]
pub struct AccountRow<'a> {
    pub user: UserId,
    pub handle: &'a str,
    pub name: &'a str,
    pub avatar: &'a str,
    pub status: &'a str,
    pub secret: &'a str,
    pub disabled: bool,
    pub registered: Time,
}

/// A device that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the log's schema")]
pub struct DeviceRow<'a> {
    pub user: UserId,
    pub device: DeviceId,
    pub name: &'a str,
    pub kind: u8,
    pub token: &'a [u8; 32],
    pub signed_in: Time,
    pub last_seen: Time,
    pub online: bool,
}

/// Someone in a list of contacts: a contact, who asked or was asked, or whom the owner blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the log's schema")]
pub struct ContactRow<'a> {
    pub user: UserId,
    pub contact: UserId,
    pub state: Contact,
    pub asked_by_them: bool,
    pub blocked: bool,
    pub greeting: &'a str,
    pub remark: &'a str,
    pub tags: &'a [String],
}

/// A group that has members.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the log's schema")]
pub struct GroupRow<'a> {
    pub group: GroupId,
    pub name: Option<&'a str>,
    pub announcement: Option<&'a str>,
    pub avatar: Option<&'a str>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the log's schema")]
pub struct MembershipRow<'a> {
    pub group: GroupId,
    pub user: UserId,
    pub role: i32,
    pub nickname: &'a str,
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
