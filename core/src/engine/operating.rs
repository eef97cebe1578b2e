//! What operators ask, through the admin door. Passwords are hashed when they come here.

use std::collections::BTreeSet;

use super::contact_rules::{MANY, REMOVED};
use super::contacts::place;
use super::decide::{self, Events, sign_out};
use super::desk::Desk;
use super::event::Event;
use super::publish::{Act, Room};
use super::state::State;
use super::users::{About, Standing, User};
use crate::ids::{DeviceId, Time, UserId};
use crate::rings::{Answer, AnswerBody, Imported, InboundSlot, Parcel, Register};
use crate::wire::admin::admin_answer::Body;
use crate::wire::admin::admin_frame::Request;
use crate::wire::admin::{self, change::What};
use crate::wire::log::{AccountDisabled, Left, Reason, SecretChanged};
use crate::wire::record::LogEntry;
use crate::wire::{Code, Refusal};

/// Items of a list at most.
const PAGE: usize = 256;
/// Users whose contacts one request may import: each takes a slot.
const IMPORTED: usize = 32;

impl Desk {
    pub(super) fn import(&mut self, slot: &InboundSlot, accounts: &[Imported]) -> Result<(), Refusal> {
        let (events, made) = decide::import(&self.state, accounts);
        if !events.is_empty() {
            self.happen(&events, Room::Ordinary)?;
        }
        self.answer(slot, AnswerBody::Imported(Parcel::of(made)));
        Ok(())
    }

    pub(super) fn figures(&mut self, slot: &InboundSlot) {
        let body = AnswerBody::Figures {
            accounts: self.state.accounts(),
            groups: self.state.existing_groups(),
            sessions: self.state.sessions(),
            online: self.state.online(),
            at: self.publisher.next(),
        };
        self.answer(slot, body);
    }

    pub(super) fn operate(&mut self, slot: &InboundSlot, request: &Request) -> Result<(), Refusal> {
        let body = match request {
            Request::Add(add) => self.add_account(add)?,
            Request::List(list) => Body::Users(self.state.users_behind(list)),
            Request::Show(show) => Body::User(self.state.shown(self.state.who(show.who.as_ref())?, true)),
            Request::Change(change) => return self.change_account(slot, change),
            Request::ListContacts(list) => Body::Contacts(self.state.contacts_behind(list)?),
            Request::ImportContacts(import) => Body::ContactsImported(self.import_contacts(import)?),
            Request::Import(_) | Request::Stats(_) => return Err(Refusal::of(Code::UnknownRequest)),
        };
        self.answer(slot, AnswerBody::Operated(Parcel::of(body)));
        Ok(())
    }

    fn add_account(&mut self, add: &admin::Add) -> Result<Body, Refusal> {
        let user = self.state.next_user();
        let admin::Add { handle, name, secret } = add.clone();
        let mut events = decide::register(&self.state, &Register { handle, name, secret, ..Register::default() })?;
        // the account alone: a device comes with whoever signs in
        events.truncate(1);
        self.happen(&events, Room::Ordinary)?;
        Ok(Body::User(self.state.shown(user, true)))
    }

    fn change_account(&mut self, slot: &InboundSlot, change: &admin::Change) -> Result<(), Refusal> {
        let user = self.state.who(change.who.as_ref())?;
        match change.what.as_ref().ok_or(Refusal::of(Code::Invalid).field("what"))? {
            What::Delete(_) => return self.delete(slot, user),
            What::Disable(disabled) => self.disable(user, *disabled)?,
            What::Password(secret) => self.change_secret(user, secret, None)?,
            What::SignOut(device) => {
                let device = u32::try_from(*device).map(DeviceId).unwrap_or_default();
                self.sign_out_devices(user, Events::new(), Code::SignedOut, |id| {
                    device == DeviceId(0) || id == device
                })?;
            }
        }
        let body = Body::User(self.state.shown(user, true));
        self.answer(slot, AnswerBody::Operated(Parcel::of(body)));
        Ok(())
    }

    fn disable(&mut self, user: UserId, disabled: bool) -> Result<(), Refusal> {
        let event = Event::AccountDisabled(AccountDisabled { user: user.0, disabled });
        let mut events: Events<'static> = std::iter::once(event).collect();
        let online = self.state.user(user).into_iter().flat_map(|user| &user.devices).filter(|device| device.online);
        if disabled {
            events.extend(online.map(|device| decide::closed(user, device.id, Reason::Kicked)));
        }
        self.news_of(user);
        self.happen(&events, Room::Ordinary)?;
        if disabled {
            self.kick(user, Code::Disabled, |_| true);
        }
        Ok(())
    }

    /// Sets a password, hashed already, and signs out all devices but `kept`.
    pub(super) fn change_secret(&mut self, user: UserId, secret: &str, kept: Option<DeviceId>) -> Result<(), Refusal> {
        let event = Event::SecretChanged(SecretChanged { user: user.0, secret: secret.to_owned() });
        let events = std::iter::once(event).collect();
        self.sign_out_devices(user, events, Code::SignedOut, |id| Some(id) != kept)
    }

    /// Signs devices out, in one record with what else happens.
    fn sign_out_devices(
        &mut self,
        user: UserId,
        mut events: Events<'static>,
        code: Code,
        is_meant: impl Fn(DeviceId) -> bool,
    ) -> Result<(), Refusal> {
        let devices = self.state.user(user).into_iter().flat_map(|user| &user.devices);
        let meant = devices.filter(|device| is_meant(device.id));
        events.extend(meant.flat_map(|device| sign_out(user, device, Reason::Kicked)));
        if events.is_empty() {
            return Err(Refusal::of(Code::NotFound).field("device"));
        }
        self.news_of(user);
        self.happen(&events, Room::Ordinary)?;
        self.kick(user, code, is_meant);
        Ok(())
    }

    /// Deletes an account. Whoever had it as a contact has an entry of it, so its devices are told first, and the answer comes behind.
    fn delete(&mut self, slot: &InboundSlot, user: UserId) -> Result<(), Refusal> {
        self.disable(user, true)?;
        let account = self.state.account(user).ok_or(Refusal::of(Code::NotFound).field("who"))?;
        let left = |group: &crate::ids::GroupId| {
            let heir = self.state.group(*group).and_then(|group| group.heir(user));
            Left { group: group.0, heir: heir.unwrap_or_default().0 }
        };
        let left = account.groups.iter().map(left).collect();
        let entry = LogEntry { from: user.0, content: REMOVED, ..LogEntry::default() };
        let gone = admin::User { user: user.0, ..admin::User::default() };
        let body = AnswerBody::Operated(Parcel::of(Body::User(gone)));
        let answer = Answer { connection: slot.connection, request: slot.request, body };
        let events = [Event::AccountDeleted(entry, left)];
        let act = Act { events: &events, time: self.clock, room: Room::Ordinary, answered: None };
        self.publisher.record(&mut self.state, &self.sessions, act, |_| Some(answer))
    }

    fn import_contacts(&mut self, import: &admin::ImportContacts) -> Result<admin::Imported, Refusal> {
        if import.friends.len() > IMPORTED {
            return Err(Refusal::of(Code::TooLarge).field("friends"));
        }
        let mut made = Vec::with_capacity(import.friends.len());
        for friends in &import.friends {
            let imported = self.import_list(friends);
            made.push(match imported {
                Ok(user) => admin::Made { user: user.0, ..admin::Made::default() },
                Err(refusal) => admin::Made { code: refusal.code as u32, ..admin::Made::default() },
            });
            if matches!(imported, Err(Refusal { code: Code::Busy | Code::DiskFull, .. })) {
                break;
            }
        }
        Ok(admin::Imported { made })
    }

    fn import_list(&mut self, friends: &admin::Friends) -> Result<UserId, Refusal> {
        let not_found = Refusal::of(Code::NotFound).field("handle");
        let user = self.state.find(&friends.handle).ok_or(not_found)?;
        let mut contacts = BTreeSet::new();
        for handle in &friends.contacts {
            let other = self.state.find(handle).ok_or(Refusal::of(Code::NotFound).field("contacts"))?;
            if other == user {
                return Err(Refusal::of(Code::Invalid).field("contacts"));
            }
            contacts.insert(other.0);
        }
        // whom the user has already is nothing new: an import can be done again
        let list = self.state.user(user).map(|user| &user.contacts);
        contacts.retain(|other| !list.zip(place(UserId(*other))).is_some_and(|(list, other)| list.has(other)));
        if contacts.is_empty() {
            return Ok(user);
        }
        let known = list.map_or(0, |list| list.counts().accepted as usize);
        if known + contacts.len() > self.limits.contacts {
            return Err(Refusal::of(Code::Full).field("contacts"));
        }
        let entry = LogEntry { from: user.0, content: MANY, ..LogEntry::default() };
        self.happen(&[Event::ContactsImported(entry, contacts.into_iter().collect())], Room::Ordinary)?;
        Ok(user)
    }
}

impl State {
    fn who(&self, who: Option<&admin::Who>) -> Result<UserId, Refusal> {
        let user = who.and_then(|who| if who.user == 0 { self.find(&who.handle) } else { Some(UserId(who.user)) });
        user.filter(|user| self.account(*user).is_some()).ok_or(Refusal::of(Code::NotFound).field("who"))
    }

    fn users_behind(&self, list: &admin::List) -> admin::Users {
        let most = if list.limit == 0 { PAGE } else { PAGE.min(list.limit as usize) };
        let mut next = place(UserId(list.after)).unwrap_or(0) + 1;
        let mut users = Vec::new();
        while users.len() < most && (next as usize) <= self.users.len() {
            let user = UserId::nth(next.into());
            if self.account(user).is_some() {
                users.push(self.shown(user, false));
            }
            next += 1;
        }
        let more = (next as usize) <= self.users.len();
        admin::Users { users, next: if more { UserId::nth(u64::from(next) - 1).0 } else { 0 } }
    }

    fn shown(&self, id: UserId, whole: bool) -> admin::User {
        // whoever was just deleted is shown by the number alone
        let Some(user) = self.account(id) else { return admin::User { user: id.0, ..admin::User::default() } };
        let about =
            |text: fn(&About) -> &str| user.about.as_deref().map_or(String::new(), |about| text(about).to_owned());
        admin::User {
            user: id.0,
            handle: user.handle.to_string(),
            name: user.name.to_string(),
            avatar: about(|about| &about.avatar),
            status: about(|about| &about.status),
            disabled: user.standing == Standing::Disabled,
            password: !user.secret.is_empty(),
            registered: user.registered.0,
            // devices know of times at which nobody saw the user, and users of devices that are gone
            last_seen: user.devices.iter().map(|device| device.last_seen).fold(user.seen.last, Time::max).0,
            online: user.seen.open > 0,
            contacts: user.contacts.counts().accepted,
            version: self.head(id).0,
            devices: if whole { devices(user) } else { Vec::new() },
            chosen: user.seen.chosen.into(),
        }
    }

    fn contacts_behind(&self, list: &admin::ListContacts) -> Result<admin::Contacts, Refusal> {
        let user = self.who(list.who.as_ref())?;
        let Some(user) = self.user(user) else { return Ok(admin::Contacts::default()) };
        let most = if list.limit == 0 { PAGE } else { PAGE.min(list.limit as usize) };
        let mut behind = user.contacts.behind(place(UserId(list.after)).unwrap_or(0)).peekable();
        let mut contacts = Vec::new();
        while let Some((id, tie)) = behind.next_if(|_| contacts.len() < most) {
            let other = UserId::nth(id.into());
            contacts.push(admin::Contact {
                user: other.0,
                handle: self.user(other).map_or(String::new(), |other| other.handle.to_string()),
                state: tie.state as u32,
                asked_by_them: tie.asked_by_them,
                remark: user.contacts.note(id).map_or(String::new(), |note| note.remark.clone()),
                version: tie.version.0,
                blocked: tie.blocked,
            });
        }
        let next = behind.peek().and(contacts.last()).map_or(0, |last| last.user);
        Ok(admin::Contacts { contacts, next })
    }
}

fn devices(user: &User) -> Vec<admin::Device> {
    let device = |device: &super::users::Device| admin::Device {
        device: device.id.0.into(),
        name: device.name.to_string(),
        kind: device.kind.into(),
        last_seen: device.last_seen.0,
        online: device.online,
        signed_in: device.signed_in.0,
    };
    user.devices.iter().map(device).collect()
}
