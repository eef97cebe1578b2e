//! The state's hash: equal for equal states, whichever way they came about. Windows are a cache and no part of it.

use sha2::{Digest, Sha256};

use super::state::State;
use super::users::User;
use crate::ids::Version;

struct Writer(Sha256);

impl Writer {
    fn number(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.update(value);
    }
}

impl State {
    /// SHA-256 over everything that the journal says.
    pub fn digest(&self) -> [u8; 32] {
        let mut out = Writer(Sha256::new());
        [self.sessions(), self.online(), self.deleted].into_iter().for_each(|value| out.number(value));
        out.number(self.users.len() as u64);
        for (user, inbox) in self.users.iter().zip(self.inboxes.iter()) {
            for text in [&user.handle, &user.name, &user.secret] {
                out.bytes(text.as_bytes());
            }
            self.account_into(&mut out, user, inbox.head());
            out.number(user.devices.len() as u64);
            for device in &user.devices {
                out.number(u64::from(device.id.0));
                out.bytes(&device.token);
                out.bytes(device.name.as_bytes());
                out.number(u64::from(device.kind));
                out.number(device.acked.0);
                out.number(u64::from(device.online));
                out.number(device.signed_in.0);
                out.number(device.last_seen.0);
                let (highest, forgotten) = device.keys.bounds();
                out.number(highest);
                out.number(forgotten);
                out.number(device.keys.iter().count() as u64);
                for sent in device.keys.iter() {
                    let place = [sent.key.0, sent.version.0, sent.ordinal.0, sent.time.0, sent.position.0];
                    place.into_iter().for_each(|value| out.number(value));
                    out.number(sent.fingerprint);
                    out.number(sent.made);
                }
            }
        }
        self.chats_into(&mut out);
        self.groups_into(&mut out);
        out.0.finalize().into()
    }

    fn account_into(&self, out: &mut Writer, user: &User, head: Version) {
        let about = user.about.as_deref();
        out.bytes(about.map_or("", |about| &about.avatar).as_bytes());
        out.bytes(about.map_or("", |about| &about.status).as_bytes());
        let (day, asks) = user.asks.numbers();
        let seen = user.seen;
        let numbers = [user.credential, user.devices_made, user.standing as u32, day, asks.into()];
        numbers.into_iter().for_each(|value| out.number(value.into()));
        out.number(u64::from(seen.chosen));
        let numbers = [head.0, user.registered.0, u64::from(seen.open), seen.since.0, seen.last.0];
        numbers.into_iter().for_each(|value| out.number(value));
        out.number(user.groups.len() as u64);
        user.groups.iter().for_each(|group| out.number(group.0));
        out.number(user.contacts.forgotten().0);
        for (id, tie, note) in user.contacts.all() {
            out.number(id.into());
            out.number(tie);
            for text in note.into_iter().flat_map(|note| [&note.greeting, &note.remark].into_iter().chain(&note.tags)) {
                out.bytes(text.as_bytes());
            }
        }
    }

    fn chats_into(&self, out: &mut Writer) {
        let mut chats: Vec<_> = self.chats.unordered().collect();
        chats.sort_unstable_by_key(|(pair, _)| **pair);
        out.number(chats.len() as u64);
        for ((one, other), chat) in chats {
            [*one, *other, chat.ordinal.0, chat.last.0].into_iter().for_each(|value| out.number(value));
        }
    }

    fn groups_into(&self, out: &mut Writer) {
        out.number(self.groups.len() as u64);
        for group in self.groups.iter() {
            out.number(group.chat.ordinal.0);
            out.number(group.chat.last.0);
            out.bytes(&prost::Message::encode_to_vec(&group.about));
            out.number(group.members.len() as u64);
            for member in &group.members {
                out.number(member.user.0);
                out.number(member.role as u64);
                out.bytes(member.nickname.as_bytes());
                out.number(member.muted_until);
            }
        }
    }
}
