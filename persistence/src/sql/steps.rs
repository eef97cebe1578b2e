//! The statements that change tables, once for both databases: each takes any number of rows.
//!
//! `{rows}` stands for a subquery that yields the rows: one row of parameters on SQLite, where a statement runs once for each row, and arrays
//! that are unnested on Postgres, where it runs once for all of them.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Flag,
    Bytes,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The column stays as it is.
    Null,
    Number(i64),
    Text(String),
    /// A text that is one of a few.
    Word(&'static str),
    Flag(bool),
    Bytes(Vec<u8>),
}

impl From<u64> for Value {
    /// Ids and times are below 2^53, positions below 2^45.
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Value {
    /// Postgres has no text with a zero in it, and one of them must not stop all that comes behind it.
    fn from(text: &str) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() })
    }
}

impl<V: Into<Self>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What happens to rows. Of several steps on one row the later one in this list runs later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    AccountMade,
    AccountChanged,
    DeviceAdded,
    DeviceSeen,
    DeviceGone,
    /// Nobody is connected any more.
    NobodySeen,
    ContactsAdded,
    ContactChanged,
    GroupSet,
    MemberSet,
    MemberGone,
    MemberInherits,
    GroupDissolved,
    AccountGone,
}

/// One step's statements and the columns of their rows.
pub(super) struct Statements {
    pub(super) step: Step,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// Run one after the other, each over all rows.
    pub(super) sql: &'static [&'static str],
    /// Table and columns into which the rows can be copied as they are, as long as the table has no row of the users they begin with.
    pub(super) copied: Option<(&'static str, &'static str)>,
}

use Kind::{Bytes, Flag, Number, Text};

/// All steps, in their order.
pub(super) const STEPS: &[Statements] = &[
    Statements {
        step: Step::AccountMade,
        columns: &[("user_id", Number), ("handle", Text), ("name", Text), ("secret", Text), ("at", Number)],
        sql: &["INSERT INTO accounts (user_id, handle, name, secret, registered_ms)
                SELECT user_id, handle, name, secret, at FROM ({rows}) AS r"],
        copied: Some(("accounts", "user_id, handle, name, secret, registered_ms")),
    },
    Statements {
        step: Step::AccountChanged,
        columns: &[
            ("user_id", Number),
            ("name", Text),
            ("avatar", Text),
            ("status", Text),
            ("secret", Text),
            ("disabled", Flag),
        ],
        sql: &[
            "UPDATE accounts SET name = COALESCE(r.name, accounts.name), avatar = COALESCE(r.avatar, accounts.avatar),
                    status = COALESCE(r.status, accounts.status), secret = COALESCE(r.secret, accounts.secret),
                    disabled = COALESCE(r.disabled, accounts.disabled)
                FROM ({rows}) AS r WHERE accounts.user_id = r.user_id",
        ],
        copied: None,
    },
    Statements {
        step: Step::DeviceAdded,
        columns: &[
            ("user_id", Number),
            ("device", Number),
            ("name", Text),
            ("kind", Text),
            ("token", Bytes),
            ("at", Number),
            ("seen", Number),
        ],
        // one that is known has a new token
        sql: &["INSERT INTO devices (user_id, device, name, kind, token_sha256, signed_in_ms, last_seen_ms)
                SELECT user_id, device, name, kind, token, at, seen FROM ({rows}) AS r WHERE TRUE
                ON CONFLICT (user_id, device) DO UPDATE SET token_sha256 = excluded.token_sha256,
                    signed_in_ms = excluded.signed_in_ms"],
        copied: Some(("devices", "user_id, device, name, kind, token_sha256, signed_in_ms, last_seen_ms")),
    },
    Statements {
        step: Step::DeviceSeen,
        columns: &[("user_id", Number), ("device", Number), ("online", Flag), ("at", Number)],
        sql: &["UPDATE devices SET online = r.online, last_seen_ms = r.at
                FROM ({rows}) AS r WHERE devices.user_id = r.user_id AND devices.device = r.device"],
        copied: None,
    },
    Statements {
        step: Step::DeviceGone,
        columns: &[("user_id", Number), ("device", Number)],
        sql: &["DELETE FROM devices WHERE (user_id, device) IN (SELECT user_id, device FROM ({rows}) AS r)"],
        copied: None,
    },
    Statements {
        step: Step::NobodySeen,
        columns: &[("at", Number)],
        sql: &["UPDATE devices SET online = FALSE, last_seen_ms = r.at FROM ({rows}) AS r WHERE devices.online"],
        copied: None,
    },
    Statements {
        step: Step::ContactsAdded,
        columns: &[("user_id", Number), ("contact_id", Number), ("state", Text), ("at", Number)],
        sql: &["INSERT INTO contacts (user_id, contact_id, state, changed_ms)
                SELECT user_id, contact_id, state, at FROM ({rows}) AS r WHERE TRUE
                ON CONFLICT (user_id, contact_id) DO UPDATE SET state = excluded.state, asked_by_them = FALSE,
                    changed_ms = excluded.changed_ms"],
        copied: Some(("contacts", "user_id, contact_id, state, changed_ms")),
    },
    Statements {
        step: Step::ContactChanged,
        columns: &[
            ("user_id", Number),
            ("contact_id", Number),
            ("state", Text),
            ("asked_by_them", Flag),
            ("blocked", Flag),
            ("greeting", Text),
            ("remark", Text),
            ("tags", Text),
            ("at", Number),
        ],
        sql: &[
            "INSERT INTO contacts (user_id, contact_id, state, changed_ms)
             SELECT user_id, contact_id, 'NONE', at FROM ({rows}) AS r WHERE TRUE
             ON CONFLICT (user_id, contact_id) DO NOTHING",
            "UPDATE contacts SET state = COALESCE(r.state, contacts.state),
                 asked_by_them = COALESCE(r.asked_by_them, contacts.asked_by_them),
                 blocked = COALESCE(r.blocked, contacts.blocked), greeting = COALESCE(r.greeting, contacts.greeting),
                 remark = COALESCE(r.remark, contacts.remark), tags = COALESCE(r.tags, contacts.tags), changed_ms = r.at
             FROM ({rows}) AS r WHERE contacts.user_id = r.user_id AND contacts.contact_id = r.contact_id",
            "DELETE FROM contacts WHERE (user_id, contact_id) IN (SELECT user_id, contact_id FROM ({rows}) AS r)
                 AND NOT blocked AND state NOT IN ('REQUESTED', 'ACCEPTED')",
        ],
        copied: None,
    },
    Statements {
        step: Step::GroupSet,
        columns: &[("group_id", Number), ("name", Text), ("announcement", Text), ("avatar", Text), ("at", Number)],
        sql: &["INSERT INTO groups (group_id, name, announcement, avatar, created_ms, changed_ms)
                SELECT group_id, name, announcement, avatar, at, at FROM ({rows}) AS r WHERE TRUE
                ON CONFLICT (group_id) DO UPDATE SET name = COALESCE(excluded.name, groups.name),
                    announcement = COALESCE(excluded.announcement, groups.announcement),
                    avatar = COALESCE(excluded.avatar, groups.avatar), changed_ms = excluded.changed_ms"],
        copied: None,
    },
    Statements {
        step: Step::MemberSet,
        columns: &[
            ("group_id", Number),
            ("user_id", Number),
            ("role", Text),
            ("nickname", Text),
            ("muted_until", Number),
            ("at", Number),
        ],
        // whoever owns the group goes on owning it
        sql: &["INSERT INTO memberships (group_id, user_id, role, nickname, muted_until_ms, joined_ms)
                SELECT group_id, user_id, role, nickname, muted_until, at FROM ({rows}) AS r WHERE TRUE
                ON CONFLICT (group_id, user_id) DO UPDATE SET nickname = excluded.nickname,
                    role = CASE WHEN memberships.role = 'OWNER' THEN memberships.role ELSE excluded.role END,
                    muted_until_ms = CASE WHEN memberships.role = 'OWNER' THEN memberships.muted_until_ms
                        ELSE excluded.muted_until_ms END"],
        copied: None,
    },
    Statements {
        step: Step::MemberGone,
        columns: &[("group_id", Number), ("user_id", Number)],
        sql: &[
            "DELETE FROM memberships WHERE (group_id, user_id) IN (SELECT group_id, user_id FROM ({rows}) AS r)",
            "DELETE FROM groups WHERE group_id IN (SELECT group_id FROM ({rows}) AS r)
                 AND NOT EXISTS (SELECT 1 FROM memberships WHERE memberships.group_id = groups.group_id)",
        ],
        copied: None,
    },
    Statements {
        step: Step::MemberInherits,
        columns: &[("group_id", Number), ("user_id", Number)],
        sql: &["UPDATE memberships SET role = 'OWNER'
                FROM ({rows}) AS r WHERE memberships.group_id = r.group_id AND memberships.user_id = r.user_id"],
        copied: None,
    },
    Statements {
        step: Step::GroupDissolved,
        columns: &[("group_id", Number)],
        sql: &[
            "DELETE FROM memberships WHERE group_id IN (SELECT group_id FROM ({rows}) AS r)",
            "DELETE FROM groups WHERE group_id IN (SELECT group_id FROM ({rows}) AS r)",
        ],
        copied: None,
    },
    Statements {
        step: Step::AccountGone,
        columns: &[("user_id", Number), ("at", Number)],
        // in the lists of those in whose list it was; a block that lies over it stays
        sql: &[
            "UPDATE contacts SET state = 'REMOVED', asked_by_them = FALSE, greeting = '', remark = '', tags = '[]',
                 changed_ms = r.at
             FROM ({rows}) AS r, contacts AS own
             WHERE own.user_id = r.user_id AND own.state IN ('REQUESTED', 'ACCEPTED')
                 AND contacts.user_id = own.contact_id AND contacts.contact_id = r.user_id",
            "DELETE FROM contacts WHERE (user_id, contact_id) IN
                 (SELECT own.contact_id, own.user_id FROM ({rows}) AS r, contacts AS own WHERE own.user_id = r.user_id)
                 AND NOT blocked AND state = 'REMOVED'",
            "DELETE FROM contacts WHERE user_id IN (SELECT user_id FROM ({rows}) AS r)",
            "DELETE FROM devices WHERE user_id IN (SELECT user_id FROM ({rows}) AS r)",
            "DELETE FROM accounts WHERE user_id IN (SELECT user_id FROM ({rows}) AS r)",
        ],
        copied: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_stands_at_its_place() {
        for (place, statements) in STEPS.iter().enumerate() {
            assert_eq!(statements.step as usize, place, "{:?}", statements.step);
        }
        assert_eq!(STEPS.len(), Step::AccountGone as usize + 1);
    }
}
