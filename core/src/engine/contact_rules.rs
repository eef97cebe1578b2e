//! Who may become what to whom. It reads state and changes nothing.

use super::contacts::{self, Tie, place};
use super::decide::{Asker, Decided, Limits, known, recipient};
use super::event::Event;
use super::state::{State, fingerprint};
use super::users::User;
use crate::ids::{Key, Time, UserId};
use crate::rings::To;
use crate::wire::log::Act;
use crate::wire::names::is_line;
use crate::wire::record::LogEntry;
use crate::wire::v1::{Contact, ContactChange};
use crate::wire::{Code, Refusal};

/// Longest greeting and remark, in bytes.
const LINE: usize = 256;
/// Tags of a contact at most, and the bytes of each.
const TAGS: usize = 16;
const TAG: usize = 64;

/// An entry's content that says ACCEPTED: what a request becomes that crosses another.
const ACCEPTED: &[u8] = &[0x8a, 0x01, 0x02, 0x08, Contact::Accepted as u8];
/// ... and REMOVED: what the contacts of an account hear when it is deleted.
pub(super) const REMOVED: &[u8] = &[0x8a, 0x01, 0x02, 0x08, Contact::Removed as u8];
/// ... and nothing but that contacts changed.
pub(super) const MANY: &[u8] = &[0x8a, 0x01, 0x00];

/// A contact's change. Refused in this order: the recipient, the key, the texts, what both are to each other, the caps.
pub(super) fn change_contact<'a>(
    state: &State,
    limits: &Limits,
    (asker, key): (Asker, Key),
    to: To,
    body: &'a [u8],
    now: Time,
) -> Result<Decided<'a>, Refusal> {
    let (user, _, content) = recipient(state, asker.user, to, body)?;
    if user == asker.user || user == UserId(0) {
        return Err(Refusal::of(Code::Invalid).field("user"));
    }
    let change = contacts::change_of(content).ok_or(Refusal::of(Code::Invalid).field("contact_change"))?;
    let asks = change.state() == Contact::Requested;
    match known(state, asker, key, || fingerprint(user.0, 0, content)) {
        Ok(Some(sent)) => return Ok(Decided::Again(sent)),
        Ok(None) => {}
        // a request that had become an acceptance is asked again as what it was
        Err(refusal) => match known(state, asker, key, || fingerprint(user.0, 0, ACCEPTED)) {
            Ok(Some(sent)) if asks => return Ok(Decided::Again(sent)),
            _ => return Err(refusal),
        },
    }
    check_texts(&change)?;
    let (Some(me), Some(other)) = (state.account(asker.user), state.account(user)) else {
        return Err(Refusal::of(Code::NotFound).field("user"));
    };
    let act = Pair { me, other, place: place(user), mine: place(asker.user) }.act(limits, &change, now)?;
    let entry = LogEntry {
        from: asker.user.0,
        device: asker.device.0,
        key: key.0,
        user: user.0,
        content: if asks && act == Act::Accept { ACCEPTED } else { content },
        ..LogEntry::default()
    };
    Ok(Decided::Happens(Event::ContactChanged(entry, act)))
}

/// Whether `from` may write to `to`.
pub(super) fn may_write(state: &State, limits: &Limits, from: UserId, to: UserId) -> Result<(), Refusal> {
    let Some(recipient) = state.user(to).filter(|_| from != to) else { return Ok(()) };
    // most block nobody
    if recipient.contacts.counts().blocked == 0 && !limits.contacts_only {
        return Ok(());
    }
    let Some(from) = place(from) else { return Ok(()) };
    if recipient.contacts.blocks(from) {
        return Err(Refusal::of(Code::Blocked).field("user"));
    }
    if limits.contacts_only && !recipient.contacts.has(from) {
        return Err(Refusal::of(Code::NotContact).field("user"));
    }
    Ok(())
}

/// Two people, as one of them sees them.
struct Pair<'a> {
    me: &'a User,
    other: &'a User,
    /// The other one's place in my list, and mine in theirs.
    place: Option<u32>,
    mine: Option<u32>,
}

impl Pair<'_> {
    fn act(&self, limits: &Limits, change: &ContactChange, now: Time) -> Result<Act, Refusal> {
        let tie = self.place.and_then(|place| self.me.contacts.get(place));
        let state = tie.map_or(Contact::None, |tie| tie.state);
        let asked_by_them = tie.is_some_and(|tie| tie.asked_by_them);
        let blocked = tie.is_some_and(|tie| tie.blocked);
        let only =
            |right: bool, act: Act| if right { Ok(act) } else { Err(Refusal::of(Code::NotFound).field("state")) };
        match change.state() {
            Contact::Requested if blocked => Err(Refusal::of(Code::Invalid).field("state")),
            Contact::Requested if self.is_wanted() => self.accept(limits),
            Contact::Requested if state == Contact::Requested || self.is_mutual() => {
                Err(Refusal::of(Code::Exists).field("state"))
            }
            Contact::Requested => self.request(limits, now),
            Contact::Accepted if self.is_wanted() => self.accept(limits),
            Contact::Accepted => Err(Refusal::of(Code::NotFound).field("state")),
            Contact::Declined => only(state == Contact::Requested && asked_by_them, Act::Decline),
            Contact::Withdrawn => only(state == Contact::Requested && !asked_by_them, Act::Withdraw),
            Contact::Removed => only(state == Contact::Accepted, Act::Remove),
            Contact::Blocked if blocked => Err(Refusal::of(Code::Exists).field("state")),
            // a list of blocked people is bounded like one of contacts
            Contact::Blocked if self.me.contacts.counts().blocked as usize >= limits.contacts => Err(full()),
            Contact::Blocked => Ok(Act::Block),
            Contact::None if change.remark.is_empty() && change.tags.is_empty() && blocked => Ok(Act::Unblock),
            Contact::None => only(state == Contact::Accepted || blocked, Act::Annotate),
        }
    }

    fn theirs(&self) -> Option<Tie> {
        self.mine.and_then(|mine| self.other.contacts.get(mine))
    }

    /// We are not contacts, but the other one has asked me, or has me already: an import may have given only one of us the other. Their list
    /// says so, for mine may have been imported since.
    fn is_wanted(&self) -> bool {
        let asked = |tie: Tie| tie.state == Contact::Requested && !tie.asked_by_them;
        !self.is_mutual() && self.theirs().is_some_and(|tie| asked(tie) || tie.is_accepted())
    }

    fn is_mutual(&self) -> bool {
        let mine = self.place.and_then(|place| self.me.contacts.get(place));
        mine.is_some_and(Tie::is_accepted) && self.theirs().is_some_and(Tie::is_accepted)
    }

    fn request(&self, limits: &Limits, now: Time) -> Result<Act, Refusal> {
        if self.mine.is_some_and(|mine| self.other.contacts.blocks(mine)) {
            return Err(Refusal::of(Code::Blocked).field("user"));
        }
        let (mine, theirs) = (self.me.contacts.counts(), self.other.contacts.counts());
        let waits = |count: u32| count as usize >= limits.requests;
        if waits(mine.asked) || waits(theirs.asking) || mine.accepted as usize >= limits.contacts {
            return Err(full());
        }
        let (today, left_ms) = self.me.asks.today(now);
        if usize::from(today) >= limits.requests_a_day {
            return Err(Refusal::of(Code::TooMany).retry(u32::try_from(left_ms).unwrap_or(u32::MAX)));
        }
        Ok(Act::Request)
    }

    fn accept(&self, limits: &Limits) -> Result<Act, Refusal> {
        let is_full = |user: &User| user.contacts.counts().accepted as usize >= limits.contacts;
        if is_full(self.me) || is_full(self.other) { Err(full()) } else { Ok(Act::Accept) }
    }
}

fn full() -> Refusal {
    Refusal::of(Code::Full).field("user")
}

/// A greeting goes with a request, remark and tags go alone: they are nobody else's business.
fn check_texts(change: &ContactChange) -> Result<(), Refusal> {
    let invalid = |field| Err(Refusal::of(Code::Invalid).field(field));
    let large = |field| Err(Refusal::of(Code::TooLarge).field(field));
    if !change.greeting.is_empty() && change.state() != Contact::Requested {
        return invalid("greeting");
    }
    if change.state() != Contact::None && (!change.remark.is_empty() || !change.tags.is_empty()) {
        return invalid(if change.remark.is_empty() { "tags" } else { "remark" });
    }
    if Contact::try_from(change.state).is_err() {
        return invalid("state");
    }
    for (text, field) in [(&change.greeting, "greeting"), (&change.remark, "remark")] {
        if text.len() > LINE {
            return large(field);
        }
        if !is_line(text, LINE) {
            return invalid(field);
        }
    }
    if change.tags.len() > TAGS || change.tags.iter().any(|tag| tag.len() > TAG) {
        return large("tags");
    }
    if change.tags.iter().any(|tag| tag.is_empty() || !is_line(tag, TAG)) {
        return invalid("tags");
    }
    Ok(())
}
