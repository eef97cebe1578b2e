//! What records mean for the tables: rows for each step, gathered over many records.
//!
//! A portion holds at most one change of each row and step, and its steps run in the order of [`Step`]; whatever would have to run before
//! something that is in the portion already begins a new one. So most batches are a single portion with few statements, and none is wrong.

use hashbrown::HashMap;
use prost::Message;
use ringdove_core::engine::Unreadable;
use ringdove_core::ids::Time;
use ringdove_core::wire::log::event::Event;
use ringdove_core::wire::log::{self, Act, ContactChanged, GroupChanged};
use ringdove_core::wire::record::is_message;
use ringdove_core::wire::v1::{self, Contact, Kind, Role};

use super::steps::{STEPS, Step, Value};
use super::tables::tags;

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Changes {
    portions: Vec<Portion>,
    rows: usize,
}

/// Changes that run together.
#[derive(Debug)]
pub(super) struct Portion {
    /// For each step its rows, one value after the other.
    rows: Vec<Vec<Value>>,
    /// The last step on each row, and where its values begin.
    touched: HashMap<Row, (Step, usize)>,
    /// Nothing may be added any more.
    sealed: bool,
}

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Row {
    Account(u64),
    Device(u64, u32),
    Contact(u64, u64),
    Group(u64),
    Member(u64, u64),
    /// A step that concerns more rows than it names.
    Many,
}

impl Portion {
    fn new() -> Self {
        Self { rows: vec![Vec::new(); STEPS.len()], touched: HashMap::new(), sealed: false }
    }

    /// The steps that have something to do, with the values of their rows.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Step, &[Value])> {
        let steps = STEPS.iter().zip(&self.rows);
        steps.filter(|(_, values)| !values.is_empty()).map(|(statements, values)| (statements.step, &values[..]))
    }
}

/// Whether a later change of the same row may be laid over an earlier one.
const fn can_merge(step: Step) -> bool {
    matches!(step, Step::AccountChanged | Step::DeviceSeen | Step::GroupSet)
}

impl Changes {
    /// Rows that will be touched.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// In the order in which they run.
    pub(super) fn portions(&self) -> &[Portion] {
        &self.portions
    }

    pub(super) fn clear(&mut self) {
        self.portions.clear();
        self.rows = 0;
    }

    fn put<const N: usize>(&mut self, step: Step, row: Row, values: [Value; N]) {
        debug_assert_eq!(N, STEPS[step as usize].columns.len());
        let alone = row == Row::Many;
        let portion = self.portions.last_mut().filter(|portion| !portion.sealed);
        let portion = match portion.map(|portion| (portion.touched.get(&row).copied(), portion)) {
            Some((Some((before, at)), portion)) if before == step && can_merge(step) => {
                for (old, new) in portion.rows[step as usize][at..].iter_mut().zip(values) {
                    if new != Value::Null {
                        *old = new;
                    }
                }
                return;
            }
            Some((before, portion)) if !alone && before.is_none_or(|(before, _)| before < step) => portion,
            _ => {
                self.portions.push(Portion::new());
                let last = self.portions.len() - 1;
                &mut self.portions[last]
            }
        };
        let list = &mut portion.rows[step as usize];
        portion.touched.insert(row, (step, list.len()));
        list.extend(values);
        portion.sealed = alone;
        self.rows += 1;
    }

    /// Adds what a record's body says.
    ///
    /// # Errors
    /// The body is no record that this version can read.
    pub(super) fn take(&mut self, time: Time, body: &[u8]) -> Result<(), Unreadable> {
        // almost every record is a message
        if is_message(body) {
            return Ok(());
        }
        let record = log::Record::decode(body).map_err(|error| Unreadable(error.to_string()))?;
        for event in record.events {
            self.event(time, event.event.ok_or_else(|| Unreadable("an event of a newer version".into()))?);
        }
        Ok(())
    }

    fn event(&mut self, time: Time, event: Event) {
        let at = Value::from(time.0);
        match event {
            Event::AccountRegistered(log::AccountRegistered { user, handle, name, secret }) => {
                let values = [user.into(), (&*handle).into(), (&*name).into(), (&*secret).into(), at];
                self.put(Step::AccountMade, Row::Account(user), values);
            }
            Event::ProfileChanged(changed) => {
                let content = v1::Entry::decode(&*changed.content).unwrap_or_default();
                let v1::ProfileChange { name, avatar, status } = content.profile_change.unwrap_or_default();
                let [name, avatar, status] = [name, avatar, status].map(|text| Value::from(text.as_deref()));
                let values = [changed.from.into(), name, avatar, status, Value::Null, Value::Null];
                self.put(Step::AccountChanged, Row::Account(changed.from), values);
            }
            Event::SecretChanged(log::SecretChanged { user, secret }) => {
                let secret = Value::from(&*secret);
                let values = [user.into(), Value::Null, Value::Null, Value::Null, secret, Value::Null];
                self.put(Step::AccountChanged, Row::Account(user), values);
            }
            Event::AccountDisabled(log::AccountDisabled { user, disabled }) => {
                let values = [user.into(), Value::Null, Value::Null, Value::Null, Value::Null, disabled.into()];
                self.put(Step::AccountChanged, Row::Account(user), values);
            }
            Event::AccountDeleted(deleted) => self.account_deleted(at, &deleted),
            Event::DeviceAdded(log::DeviceAdded { user, device, token, name, kind }) => {
                let kind = Value::Word(Kind::try_from(kind as i32).unwrap_or_default().as_str_name());
                let values = [
                    user.into(),
                    u64::from(device).into(),
                    (&*name).into(),
                    kind,
                    Value::Bytes(token),
                    at,
                    Value::Number(0),
                ];
                self.put(Step::DeviceAdded, Row::Device(user, device), values);
            }
            Event::DeviceRemoved(log::DeviceRemoved { user, device }) => {
                self.put(Step::DeviceGone, Row::Device(user, device), [user.into(), u64::from(device).into()]);
            }
            Event::SessionOpened(opened) => self.seen(opened.user, opened.device, true, at),
            Event::SessionClosed(closed) => self.seen(closed.user, closed.device, false, at),
            Event::SessionsClosed(closed) => self.put(Step::NobodySeen, Row::Many, [closed.at.into()]),
            Event::ContactsImported(imported) => {
                for contact in imported.contacts {
                    let row = Row::Contact(imported.from, contact);
                    let state = Value::Word(Contact::Accepted.as_str_name());
                    self.put(Step::ContactsAdded, row, [imported.from.into(), contact.into(), state, at.clone()]);
                }
            }
            Event::ContactChanged(changed) => self.contact_changed(&at, &changed),
            Event::GroupChanged(changed) => self.group_changed(&at, &changed),
            // of no concern to the tables
            Event::MessageSent(_) | Event::CursorMoved(_) | Event::PresenceChosen(_) => {}
        }
    }

    fn seen(&mut self, user: u64, device: u32, online: bool, at: Value) {
        let values = [user.into(), u64::from(device).into(), online.into(), at];
        self.put(Step::DeviceSeen, Row::Device(user, device), values);
    }

    fn account_deleted(&mut self, at: Value, deleted: &log::AccountDeleted) {
        let user = deleted.from;
        for log::Left { group, heir } in &deleted.left {
            self.put(Step::MemberGone, Row::Member(*group, user), [(*group).into(), user.into()]);
            if *heir != 0 {
                self.put(Step::MemberInherits, Row::Member(*group, *heir), [(*group).into(), (*heir).into()]);
            }
        }
        self.put(Step::AccountGone, Row::Many, [user.into(), at]);
    }

    fn contact_changed(&mut self, at: &Value, changed: &ContactChanged) {
        let content = v1::Entry::decode(&*changed.content).unwrap_or_default();
        let change = content.contact_change.unwrap_or_default();
        let act = changed.act();
        let sides = [(changed.from, changed.user, false), (changed.user, changed.from, true)];
        let both = !matches!(act, Act::Block | Act::Unblock | Act::Annotate);
        for (owner, contact, passive) in sides.into_iter().take(if both { 2 } else { 1 }) {
            let mut side = Side::default();
            match act {
                Act::Request => side = Side::of(Contact::Requested, passive, &change.greeting),
                Act::Accept => side = Side::of(Contact::Accepted, false, ""),
                Act::Decline => side = Side::of(Contact::Declined, false, ""),
                Act::Withdraw => side = Side::of(Contact::Withdrawn, false, ""),
                Act::Remove => side = Side { noted: Some(("", &[])), ..Side::of(Contact::Removed, false, "") },
                Act::Block => side.blocked = Some(true),
                Act::Unblock => side.blocked = Some(false),
                Act::Annotate => side.noted = Some((&change.remark, &change.tags)),
                Act::None => {}
            }
            let tags = side.noted.map(|(_, list)| tags(list));
            let values = [
                owner.into(),
                contact.into(),
                side.state.map_or(Value::Null, |state| Value::Word(state.as_str_name())),
                side.asked_by_them.into(),
                side.blocked.into(),
                side.greeting.into(),
                side.noted.map(|(remark, _)| remark).into(),
                tags.as_deref().into(),
                at.clone(),
            ];
            self.put(Step::ContactChanged, Row::Contact(owner, contact), values);
        }
    }

    fn group_changed(&mut self, at: &Value, changed: &GroupChanged) {
        let content = v1::Entry::decode(&*changed.content).unwrap_or_default();
        let Some(change) = content.group_change else { return };
        let group = changed.group;
        let texts = [&change.name, &change.announcement, &change.avatar].map(|text| Value::from(text.as_deref()));
        let [name, announcement, avatar] = texts;
        self.put(Step::GroupSet, Row::Group(group), [group.into(), name, announcement, avatar, at.clone()]);
        let creator = v1::Member { user: changed.from, role: Role::Owner.into(), ..v1::Member::default() };
        for member in change.create.then_some(&creator).into_iter().chain(&change.set) {
            let values = [
                group.into(),
                member.user.into(),
                Value::Word(member.role().as_str_name()),
                (&*member.nickname).into(),
                member.muted_until.into(),
                at.clone(),
            ];
            self.put(Step::MemberSet, Row::Member(group, member.user), values);
        }
        for user in &change.remove {
            self.put(Step::MemberGone, Row::Member(group, *user), [group.into(), (*user).into()]);
        }
        if change.dissolve {
            self.put(Step::GroupDissolved, Row::Many, [group.into()]);
        }
    }
}

/// What an act does to one list's row; what is absent stays.
#[derive(Default)]
struct Side<'a> {
    state: Option<Contact>,
    asked_by_them: Option<bool>,
    blocked: Option<bool>,
    greeting: Option<&'a str>,
    /// Remark and tags.
    noted: Option<(&'a str, &'a [String])>,
}

impl<'a> Side<'a> {
    fn of(state: Contact, asked_by_them: bool, greeting: &'a str) -> Self {
        Self { state: Some(state), asked_by_them: Some(asked_by_them), greeting: Some(greeting), ..Self::default() }
    }
}
