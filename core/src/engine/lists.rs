//! Lists that clients read: contacts, devices, members, users, and what the joins in memory find.

use super::contacts::{Tie, place};
use super::decide::Asker;
use super::desk::Desk;
use super::joins::Viewer;
use super::state::State;
use super::users::{About, Standing, User};
use crate::ids::{GroupId, UserId, Version};
use crate::rings::{AnswerBody, InboundSlot, Parcel};
use crate::wire::v1::{self, Contact, Found, Get, Profile, get::What};
use crate::wire::{Code, Refusal};

/// Items of a page at most, whatever was asked for: a turn of the engine is short.
const PAGE: usize = 250;
/// ... and a page ends behind so many bytes.
const PAGE_BYTES: usize = 48 << 10;
/// Users that may be looked up at once.
const LOOKED_UP: usize = 250;

impl Desk {
    pub(super) fn list(&mut self, slot: &InboundSlot, asker: Asker, get: &Get) -> Result<(), Refusal> {
        let mut found = self.state.list(asker, get, self.limits.page)?;
        found.version = self.state.head(asker.user).0;
        self.presence.shown(&self.state, asker.user);
        self.answer(slot, AnswerBody::Found(Parcel::of(found)));
        Ok(())
    }
}

/// A page that is being filled.
struct Page {
    found: Found,
    room: usize,
    bytes: usize,
}

impl Page {
    /// Adds a profile, or says that the page is full and where the next one begins.
    fn add(&mut self, profile: Profile, before: u32) -> bool {
        if self.room == 0 || self.bytes > PAGE_BYTES {
            self.found.page = before.to_string();
            return false;
        }
        self.room -= 1;
        self.bytes += prost::Message::encoded_len(&profile);
        self.found.profiles.push(profile);
        true
    }
}

impl State {
    fn list(&self, asker: Asker, get: &Get, most: usize) -> Result<Found, Refusal> {
        let account = self.account(asker.user).ok_or(Refusal::of(Code::NotFound))?;
        let me = Viewer { id: asker.user, contacts: &account.contacts };
        let after = match get.page.as_str() {
            "" => 0,
            page => page.parse().map_err(|_| Refusal::of(Code::Invalid).field("page"))?,
        };
        let room = if get.limit == 0 { PAGE } else { PAGE.min(get.limit as usize) }.min(most);
        let mut page = Page { found: Found::default(), room, bytes: 0 };
        match get.what.as_ref().ok_or(Refusal::of(Code::Invalid).field("what"))? {
            What::Contacts(_) => self.contacts(me, Version(get.since), after, &mut page),
            What::Online(_) => self.list_online(me, after, &mut page),
            What::Mutual(user) => self.mutual_contacts(me, UserId(*user), after, &mut page)?,
            What::Known(group) => self.known_members(me, GroupId(*group), after, &mut page)?,
            What::Members(group) => self.members(me, GroupId(*group), after, &mut page)?,
            What::Users(users) => self.look_up(me, users, &mut page)?,
            What::Devices(_) => page.found.devices = devices(account),
            What::Chats(_) => return Err(Refusal::of(Code::Unsupported).field("chats")),
        }
        Ok(page.found)
    }

    fn contacts(&self, me: Viewer<'_>, since: Version, after: u32, page: &mut Page) {
        // who asks from the begin, or from before a tombstone that was forgotten, gets everything that is
        let whole = since == Version(0) || since < me.contacts.forgotten();
        page.found.whole = whole;
        let mut before = after;
        for (id, tie) in me.contacts.behind(after) {
            let is_news = if whole {
                tie.blocked || matches!(tie.state, Contact::Accepted | Contact::Requested)
            } else {
                tie.version > since
            };
            if is_news && !page.add(self.profile_of(me, id, Some(tie)), before) {
                return;
            }
            before = id;
        }
    }

    fn list_online(&self, me: Viewer<'_>, after: u32, page: &mut Page) {
        let mut before = after;
        for (id, tie) in self.online_among(me, after) {
            if !page.add(self.profile_of(me, id, Some(tie)), before) {
                return;
            }
            before = id;
        }
    }

    /// For those who know each other, or whom one of them has asked.
    fn mutual_contacts(&self, me: Viewer<'_>, other: UserId, after: u32, page: &mut Page) -> Result<(), Refusal> {
        let not_found = Refusal::of(Code::NotFound).field("mutual");
        let tie = place(other).and_then(|other| me.contacts.get(other)).ok_or(not_found)?;
        if !matches!(tie.state, Contact::Accepted | Contact::Requested) {
            return Err(not_found);
        }
        let mut ids = Vec::new();
        self.mutual(me.id, other, &mut ids);
        self.add_all(me, &ids, after, page);
        Ok(())
    }

    fn known_members(&self, me: Viewer<'_>, group: GroupId, after: u32, page: &mut Page) -> Result<(), Refusal> {
        let mut ids = Vec::new();
        if !self.known(me.id, group, &mut ids) {
            return Err(Refusal::of(Code::NotFound).field("known"));
        }
        self.add_all(me, &ids, after, page);
        Ok(())
    }

    fn members(&self, me: Viewer<'_>, group: GroupId, after: u32, page: &mut Page) -> Result<(), Refusal> {
        let group = self.group(group).filter(|group| group.member(me.id).is_some());
        let group = group.ok_or(Refusal::of(Code::NotFound).field("members"))?;
        let from = group.members.partition_point(|member| place(member.user).is_none_or(|id| id <= after));
        let rest = &group.members[from..];
        let (shown, left) = rest.split_at(rest.len().min(page.room));
        page.found.members = shown
            .iter()
            .map(|member| v1::Member {
                user: member.user.0,
                role: member.role,
                nickname: member.nickname.to_string(),
                muted_until: member.muted_until,
            })
            .collect();
        if let (false, Some(last)) = (left.is_empty(), shown.last().and_then(|member| place(member.user))) {
            page.found.page = last.to_string();
        }
        Ok(())
    }

    fn look_up(&self, me: Viewer<'_>, users: &v1::Users, page: &mut Page) -> Result<(), Refusal> {
        if users.users.len() + users.handles.len() > LOOKED_UP {
            return Err(Refusal::of(Code::TooLarge).field("users"));
        }
        let named = users.handles.iter().filter_map(|handle| self.find(handle));
        page.room = LOOKED_UP;
        // whoever is not there is left out
        for user in users.users.iter().map(|user| UserId(*user)).chain(named) {
            let Some(id) = place(user).filter(|_| self.account(user).is_some()) else { continue };
            let mut profile = self.profile_of(me, id, me.contacts.get(id));
            if user == me.id {
                profile.presence = self.user(user).map(|me| own_presence(me, self.presence(me)));
            }
            page.add(profile, 0);
        }
        Ok(())
    }

    fn add_all(&self, me: Viewer<'_>, ids: &[u32], after: u32, page: &mut Page) {
        let from = ids.partition_point(|id| *id <= after);
        let mut before = after;
        for id in &ids[from..] {
            if !page.add(self.profile_of(me, *id, me.contacts.get(*id)), before) {
                return;
            }
            before = *id;
        }
    }

    /// Someone, as `me` may see them.
    fn profile_of(&self, me: Viewer<'_>, id: u32, tie: Option<Tie>) -> Profile {
        let user = UserId::nth(id.into());
        let asked = tie.filter(|tie| tie.state == Contact::Requested && tie.asked_by_them).map_or(0, |_| user.0);
        let mut profile = Profile {
            user: user.0,
            contact: tie.map(|tie| tie.on_wire(me.contacts.note(id))),
            asked,
            version: tie.map_or(0, |tie| tie.version.0),
            ..Profile::default()
        };
        let Some(account) = self.user(user).filter(|user| user.standing != Standing::Deleted) else { return profile };
        profile.handle = account.handle.to_string();
        profile.name = account.name.to_string();
        if let Some(About { avatar, status }) = account.about.as_deref() {
            profile.avatar = avatar.to_string();
            profile.status = status.to_string();
        }
        if tie.is_some_and(Tie::is_accepted) && !self.hides_from(id, me) {
            profile.presence = Some(self.presence(account));
        }
        profile
    }
}

/// Oneself, also when nobody else sees it.
fn own_presence(me: &User, shown: v1::Presence) -> v1::Presence {
    v1::Presence { state: i32::from(me.seen.chosen.max(v1::State::Online as u8)), ..shown }
}

fn devices(me: &User) -> Vec<v1::Device> {
    let device = |device: &super::users::Device| v1::Device {
        device: device.id.0.into(),
        name: device.name.to_string(),
        kind: device.kind.into(),
        last_seen: device.last_seen.0,
        online: device.online,
    };
    me.devices.iter().map(device).collect()
}
