//! The tables as they have to be: the state's rows, in the columns that are compared.

use ringdove_core::engine::State;
use ringdove_core::ids::{DeviceId, UserId};
use ringdove_core::wire::v1::{Kind as DeviceKind, Role};

use super::steps::Kind::{self, Bytes, Flag, Number, Text};
use super::steps::Value;

/// Values of one row, in the order of the columns.
pub(super) type Line = Vec<Value>;

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The columns that follow from the state. Times of changes do not: the state keeps versions in their place.
    pub(super) columns: &'static [(&'static str, Kind)],
    /// So many of the first ones are the key, by which it is read.
    pub(super) key: usize,
    pub(super) expected: fn(&State) -> Box<dyn Iterator<Item = Line> + '_>,
}

/// All that have rows which follow from the state.
pub(super) const TABLES: [Table; 5] = [
    Table {
        name: "accounts",
        columns: &[
            ("user_id", Number),
            ("handle", Text),
            ("name", Text),
            ("avatar", Text),
            ("status", Text),
            ("secret", Text),
            ("disabled", Flag),
            ("registered_ms", Number),
        ],
        key: 1,
        expected: |state| {
            Box::new(state.account_rows().map(|row| {
                let texts = [row.handle, row.name, row.avatar, row.status, row.secret].map(Value::from);
                let mut line = vec![row.user.0.into()];
                line.extend(texts);
                line.extend([row.disabled.into(), row.registered.0.into()]);
                line
            }))
        },
    },
    Table {
        name: "devices",
        columns: &[
            ("user_id", Number),
            ("device", Number),
            ("name", Text),
            ("kind", Text),
            ("token_sha256", Bytes),
            ("signed_in_ms", Number),
            ("last_seen_ms", Number),
            ("online", Flag),
        ],
        key: 2,
        expected: |state| {
            Box::new(state.device_rows().map(|row| {
                let DeviceId(device) = row.device;
                vec![
                    row.user.0.into(),
                    u64::from(device).into(),
                    row.name.into(),
                    DeviceKind::try_from(i32::from(row.kind)).unwrap_or_default().as_str_name().into(),
                    Value::Bytes(row.token.to_vec()),
                    row.signed_in.0.into(),
                    row.last_seen.0.into(),
                    row.online.into(),
                ]
            }))
        },
    },
    Table {
        name: "contacts",
        columns: &[
            ("user_id", Number),
            ("contact_id", Number),
            ("state", Text),
            ("asked_by_them", Flag),
            ("blocked", Flag),
            ("greeting", Text),
            ("remark", Text),
            ("tags", Text),
        ],
        key: 2,
        expected: |state| {
            Box::new(state.contact_rows().map(|row| {
                let UserId(contact) = row.contact;
                vec![
                    row.user.0.into(),
                    contact.into(),
                    row.state.as_str_name().into(),
                    row.asked_by_them.into(),
                    row.blocked.into(),
                    row.greeting.into(),
                    row.remark.into(),
                    (&*tags(row.tags)).into(),
                ]
            }))
        },
    },
    Table {
        name: "groups",
        columns: &[("group_id", Number), ("name", Text), ("announcement", Text), ("avatar", Text)],
        key: 1,
        expected: |state| {
            Box::new(
                state
                    .group_rows()
                    .map(|row| vec![row.group.0.into(), row.name.into(), row.announcement.into(), row.avatar.into()]),
            )
        },
    },
    Table {
        name: "memberships",
        columns: &[
            ("group_id", Number),
            ("user_id", Number),
            ("role", Text),
            ("nickname", Text),
            ("muted_until_ms", Number),
        ],
        key: 2,
        expected: |state| {
            Box::new(state.membership_rows().map(|row| {
                vec![
                    row.group.0.into(),
                    row.user.0.into(),
                    Role::try_from(row.role).unwrap_or_default().as_str_name().into(),
                    row.nickname.into(),
                    row.muted_until.into(),
                ]
            }))
        },
    },
];

impl Table {
    /// Reads it, by its key.
    pub(super) fn query(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("SELECT {} FROM {} ORDER BY {}", names.join(", "), self.name, names[..self.key].join(", "))
    }
}

/// A list of texts, as its column has it.
pub(super) fn tags(tags: &[String]) -> String {
    serde_json::json!(tags).to_string()
}
