//! Joins in memory beside the same questions asked of Postgres, on the same people, in turns.
//!
//! ```sh
//! cargo bench --bench joins -- --postgres postgres://postgres@127.0.0.1/chat
//! ```
//! It fills a schema `joins` of that database (some minutes, some GB), with ringdove's own migration and the indexes that help, and drops it
//! again. Both sides are asked about the same people, chosen at random, and their answers are compared before anything is timed.

use std::error::Error;
use std::time::Instant;

use clap::Parser;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use postgres::{Client, NoTls, Statement};
use prost::Message;
use ringdove_core::engine::State;
use ringdove_core::ids::{Epoch, GroupId, Position, Time, UserId};
use ringdove_core::record::RecordHead;
use ringdove_core::wire::log::event::Event as Arm;
use ringdove_core::wire::log::{
    AccountRegistered, ContactsImported, DeviceAdded, Event, GroupChanged, Record, SessionOpened,
};
use ringdove_core::wire::v1;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SCHEMA: &str = include_str!("../persistence/src/sql/migrations/V1__accounts_contacts_groups.sql");
/// Members of each group, neighbours all.
const MEMBERS: u64 = 500;
/// Everyone whose number is a multiple of this is online.
const ONLINE: u64 = 10;
/// Questions whose answers are compared.
const COMPARED: u64 = 200;
/// Questions of a round, asked again if there is time: too many to stay in a processor's caches.
const SUBJECTS: usize = 50_000;

#[derive(Parser)]
struct Options {
    /// The database, whose schema `joins` is replaced.
    #[arg(long)]
    postgres: String,
    /// How many people.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// How many contacts each has.
    #[arg(long, default_value_t = 200)]
    contacts: u64,
    /// How often each side is measured.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// What cargo says.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Everyone stands in a circle, and knows some of the people nearby: as many before as behind, up to five times as far as they are many.
struct Circle {
    users: u64,
    steps: Vec<u64>,
}

impl Circle {
    fn new(users: u64, contacts: u64) -> Self {
        let mut dice = Dice(7);
        let mut steps = Vec::new();
        while (steps.len() as u64) < contacts / 2 {
            let step = 1 + dice.below(contacts * 5 / 2);
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        Self { users, steps }
    }

    /// Contacts of the n-th, by their numbers from 1, growing.
    fn of(&self, nth: u64) -> Vec<u64> {
        let users = self.users;
        let there = self.steps.iter().flat_map(|step| [(nth - 1 + step) % users, (nth - 1 + users - step) % users]);
        let mut there: Vec<_> = there.map(|place| place + 1).collect();
        there.sort_unstable();
        there
    }

    /// Members of the n-th group, from 1: a stretch of the circle.
    fn members(nth: u64) -> impl Iterator<Item = u64> {
        (nth - 1) * MEMBERS + 1..=nth * MEMBERS
    }
}

/// The engine's state, from a log.
fn remember(circle: &Circle) -> Outcome<State> {
    let mut state = State::new(1, 0);
    let mut position = 0;
    let mut happen = |events: Vec<Arm>| {
        position += 64;
        let head = RecordHead { position: Position(position), epoch: Epoch(1), time: Time(1) };
        let events = events.into_iter().map(|event| Event { event: Some(event) }).collect();
        state.replay(head, &Record { events }.encode_to_vec())
    };
    for nth in 1..=circle.users {
        let user = UserId::nth(nth).0;
        let handle = format!("user{nth}");
        happen(vec![Arm::AccountRegistered(AccountRegistered { user, handle, ..AccountRegistered::default() })])?;
        if nth % ONLINE == 0 {
            let token = vec![0; 24].into_iter().chain(nth.to_le_bytes()).collect();
            let added = DeviceAdded { user, device: 1, token, ..DeviceAdded::default() };
            let opened = SessionOpened { user, device: 1, reason: 1 };
            happen(vec![Arm::DeviceAdded(added), Arm::SessionOpened(opened)])?;
        }
    }
    for nth in 1..=circle.users {
        let contacts = circle.of(nth).into_iter().map(|other| UserId::nth(other).0).collect();
        let content = vec![0x8a, 0x01, 0x00];
        happen(vec![Arm::ContactsImported(ContactsImported { from: UserId::nth(nth).0, content, contacts })])?;
    }
    for nth in 1..=circle.users / MEMBERS {
        let mut people = Circle::members(nth).map(UserId::nth);
        let from = people.next().unwrap_or_default().0;
        let set = people.map(|user| v1::Member { user: user.0, ..v1::Member::default() }).collect();
        let change = v1::GroupChange { create: true, set, ..v1::GroupChange::default() };
        let content = v1::Entry { group_change: Some(change), ..v1::Entry::default() }.encode_to_vec();
        let group = GroupId::nth(nth).0;
        happen(vec![Arm::GroupChanged(GroupChanged { from, group, ordinal: 1, content, ..GroupChanged::default() })])?;
    }
    Ok(state)
}

/// The same people in tables, as ringdove keeps them, and in the form in which Postgres intersects fastest.
fn write_down(client: &mut Client, circle: &Circle) -> Outcome<()> {
    client.batch_execute(&format!(
        "DROP SCHEMA IF EXISTS joins CASCADE; CREATE SCHEMA joins; SET search_path = joins; {SCHEMA}"
    ))?;
    client.batch_execute("CREATE TABLE contact_sets (user_id BIGINT PRIMARY KEY, ids INT[] NOT NULL)")?;
    let id = |nth: u64| UserId::nth(nth).0 as i64;
    let sink = "COPY contacts (user_id, contact_id, state, changed_ms) FROM STDIN BINARY";
    let mut out = BinaryCopyInWriter::new(client.copy_in(sink)?, &[Type::INT8, Type::INT8, Type::TEXT, Type::INT8]);
    for nth in 1..=circle.users {
        for other in circle.of(nth) {
            out.write(&[&id(nth), &id(other), &"ACCEPTED", &1_i64])?;
        }
    }
    out.finish()?;
    let sink = "COPY contact_sets (user_id, ids) FROM STDIN BINARY";
    let mut out = BinaryCopyInWriter::new(client.copy_in(sink)?, &[Type::INT8, Type::INT4_ARRAY]);
    for nth in 1..=circle.users {
        let ids: Vec<i32> = circle.of(nth).into_iter().map(|other| other as i32).collect();
        out.write(&[&id(nth), &ids])?;
    }
    out.finish()?;
    let sink = "COPY devices (user_id, device, name, kind, token_sha256, signed_in_ms, last_seen_ms, online) FROM STDIN BINARY";
    let types = [Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::BYTEA, Type::INT8, Type::INT8, Type::BOOL];
    let mut out = BinaryCopyInWriter::new(client.copy_in(sink)?, &types);
    for nth in 1..=circle.users {
        let token = nth.to_le_bytes();
        out.write(&[&id(nth), &1_i64, &"", &"PHONE", &&token[..], &1_i64, &1_i64, &(nth % ONLINE == 0)])?;
    }
    out.finish()?;
    let sink = "COPY memberships (group_id, user_id, role, nickname, muted_until_ms, joined_ms) FROM STDIN BINARY";
    let types = [Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8];
    let mut out = BinaryCopyInWriter::new(client.copy_in(sink)?, &types);
    for nth in 1..=circle.users / MEMBERS {
        for member in Circle::members(nth) {
            out.write(&[&(GroupId::nth(nth).0 as i64), &id(member), &"MEMBER", &"", &0_i64, &1_i64])?;
        }
    }
    out.finish()?;
    client.batch_execute(
        "CREATE INDEX contacts_accepted ON contacts (user_id, contact_id) WHERE state = 'ACCEPTED';
         CREATE INDEX devices_online ON devices (user_id) WHERE online;
         CREATE EXTENSION IF NOT EXISTS intarray SCHEMA public",
    )?;
    client.batch_execute("SET search_path = joins, public")?;
    for table in ["contacts", "contact_sets", "devices", "memberships"] {
        // index-only scans want to know which pages all can see
        client.batch_execute(&format!("VACUUM ANALYZE {table}"))?;
    }
    Ok(())
}

/// A question, and the ways to ask it in SQL.
struct Question {
    name: &'static str,
    ways: &'static [(&'static str, &'static str)],
}

const QUESTIONS: [Question; 3] = [
    Question {
        name: "mutual contacts of two users",
        ways: &[
            (
                "join",
                "SELECT a.contact_id FROM contacts a JOIN contacts b ON b.contact_id = a.contact_id
                 WHERE a.user_id = $1 AND b.user_id = $2 AND a.state = 'ACCEPTED' AND b.state = 'ACCEPTED'",
            ),
            (
                "intersect",
                "SELECT contact_id FROM contacts WHERE user_id = $1 AND state = 'ACCEPTED'
                 INTERSECT SELECT contact_id FROM contacts WHERE user_id = $2 AND state = 'ACCEPTED'",
            ),
            (
                "in",
                "SELECT contact_id FROM contacts WHERE user_id = $1 AND state = 'ACCEPTED'
                 AND contact_id IN (SELECT contact_id FROM contacts WHERE user_id = $2 AND state = 'ACCEPTED')",
            ),
            (
                "arrays (intarray)",
                "SELECT unnest(a.ids & b.ids)::bigint * 256 FROM contact_sets a, contact_sets b WHERE a.user_id = $1 AND b.user_id = $2",
            ),
        ],
    },
    Question {
        name: "contacts online now",
        ways: &[
            (
                "join",
                "SELECT a.contact_id FROM contacts a JOIN devices d ON d.user_id = a.contact_id AND d.online
                 WHERE a.user_id = $1 AND a.state = 'ACCEPTED' AND $2::bigint > 0",
            ),
            (
                "exists",
                "SELECT contact_id FROM contacts a WHERE user_id = $1 AND state = 'ACCEPTED' AND $2::bigint > 0
                 AND EXISTS (SELECT 1 FROM devices d WHERE d.user_id = a.contact_id AND d.online)",
            ),
        ],
    },
    Question {
        name: "members of a group whom I know",
        ways: &[
            (
                "join",
                "SELECT m.user_id FROM memberships m JOIN contacts a ON a.contact_id = m.user_id
                 WHERE a.user_id = $1 AND m.group_id = $2 AND a.state = 'ACCEPTED'",
            ),
            (
                "in",
                "SELECT contact_id FROM contacts WHERE user_id = $1 AND state = 'ACCEPTED'
                 AND contact_id IN (SELECT user_id FROM memberships WHERE group_id = $2)",
            ),
        ],
    },
];

/// Who asks, and about what: another user, nothing, or a group.
fn subject(circle: &Circle, question: usize, dice: &mut Dice) -> (u64, u64) {
    let groups = circle.users / MEMBERS;
    let user = 1 + dice.below(groups * MEMBERS);
    match question {
        0 => {
            let contacts = circle.of(user);
            (user, contacts[dice.below(contacts.len() as u64) as usize])
        }
        1 => (user, 1),
        _ => (user, 1 + (user - 1) / MEMBERS),
    }
}

fn ask_memory(state: &State, question: usize, (user, other): (u64, u64), found: &mut Vec<u32>) {
    found.clear();
    match question {
        0 => state.mutual(UserId::nth(user), UserId::nth(other), found),
        1 => state.contacts_online(UserId::nth(user), found),
        _ => drop(state.known(UserId::nth(user), GroupId::nth(other), found)),
    }
}

fn ask_sql(client: &mut Client, way: &Statement, (user, other): (u64, u64)) -> Outcome<Vec<i64>> {
    let (user, other) = ((user << 8) as i64, (other << 8) as i64);
    let parameters: [&(dyn ToSql + Sync); 2] = [&user, &other];
    Ok(client.query(way, &parameters)?.iter().map(|row| row.get(0)).collect())
}

/// Microseconds a question, over as many of these as fit into a moment, from the first on.
fn microseconds(subjects: &[(u64, u64)], mut ask: impl FnMut((u64, u64)) -> Outcome<()>) -> Outcome<f64> {
    let begin = Instant::now();
    let mut asked = 0_u32;
    for portion in subjects.chunks(16).cycle() {
        for subject in portion {
            ask(*subject)?;
            asked += 1;
        }
        if begin.elapsed().as_millis() > 300 {
            break;
        }
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(asked))
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn main() -> Outcome<()> {
    let options = Options::parse();
    let circle = Circle::new(options.users, options.contacts);
    let mut client = Client::connect(&options.postgres, NoTls)?;
    eprintln!("{} people with {} contacts each: in memory ...", circle.users, 2 * circle.steps.len());
    let state = remember(&circle)?;
    eprintln!("... and in tables ...");
    write_down(&mut client, &circle)?;
    let version: String = client.query_one("SHOW server_version", &[])?.get(0);
    println!("microseconds a question, median (least to most) of {} rounds; Postgres {version}", options.rounds);
    for (nth, question) in QUESTIONS.iter().enumerate() {
        let prepared = question.ways.iter().map(|(_, sql)| client.prepare(sql)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        let mut dice = Dice(nth as u64);
        let mut answers = 0;
        for _ in 0..COMPARED {
            let subject = subject(&circle, nth, &mut dice);
            ask_memory(&state, nth, subject, &mut found);
            let here: Vec<i64> = found.iter().map(|id| i64::from(*id) << 8).collect();
            answers += here.len();
            for way in &prepared {
                let mut there = ask_sql(&mut client, way, subject)?;
                there.sort_unstable();
                assert_eq!(there, here, "{}: {subject:?}", question.name);
            }
        }
        let mut memory = Vec::new();
        let mut sql = vec![Vec::new(); prepared.len()];
        for _ in 0..options.rounds {
            let subjects: Vec<_> = (0..SUBJECTS).map(|_| subject(&circle, nth, &mut dice)).collect();
            memory.push(microseconds(&subjects, |subject| {
                ask_memory(&state, nth, subject, &mut found);
                std::hint::black_box(&found);
                Ok(())
            })?);
            for (way, times) in prepared.iter().zip(&mut sql) {
                times.push(microseconds(&subjects, |subject| ask_sql(&mut client, way, subject).map(drop))?);
            }
        }
        println!("\n{} ({:.1} found on average, the same by all)", question.name, answers as f64 / COMPARED as f64);
        let (middle, least, most) = median(memory.clone());
        println!("  {:<20} {middle:>9.2} ({least:.2} to {most:.2})", "in memory");
        for ((name, _), times) in question.ways.iter().zip(&sql) {
            let (middle, least, most) = median(times.clone());
            let (ratio, lowest, highest) =
                median(times.iter().zip(&memory).map(|(sql, memory)| sql / memory).collect());
            println!(
                "  {name:<20} {middle:>9.2} ({least:.2} to {most:.2})   {ratio:.0} times as long ({lowest:.0} to {highest:.0})"
            );
        }
    }
    client.batch_execute("DROP SCHEMA joins CASCADE")?;
    Ok(())
}
