//! `ringdove stats recount`: who was online, counted from the journal's events alone, and whether the broker says the same.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;

use indicatif::HumanCount;
use ringdove_core::ids::Position;
use ringdove_core::wire::admin::Figures;
use ringdove_core::wire::log::{Reason, event::Event};
use ringdove_persistence::{Visited, journal_uuid, visit};
use serde_json::{Value, json};

use super::door::{Door, Failure};
use super::paper::{Paper, Table, pair, time};
use crate::terminal::progress_bar;

/// Sessions and users at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    sessions: i64,
    users: i64,
}

/// The most there ever were, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Most {
    count: i64,
    at: u64,
}

/// What the events add up to. It knows nothing of accounts or devices: whatever begins counts one, whatever ends takes one away.
#[derive(Debug, Default)]
struct Tally {
    now: Count,
    /// Open sessions of each user who has any.
    of_user: HashMap<u64, i64>,
    /// How many sessions began and ended for each reason.
    reasons: BTreeMap<&'static str, (u64, u64)>,
    most_sessions: Most,
    most_users: Most,
    /// Ends without a begin, and restarts that closed another number than was open: the journal contradicts itself.
    contradictions: u64,
}

impl Tally {
    fn event(&mut self, at: u64, event: &Event) {
        match event {
            Event::SessionOpened(opened) => {
                self.reasons.entry(name(opened.reason())).or_default().0 += 1;
                self.change(opened.user, 1);
            }
            Event::SessionClosed(closed) => {
                self.reasons.entry(name(closed.reason())).or_default().1 += 1;
                self.change(closed.user, -1);
            }
            Event::SessionsClosed(closed) => {
                let open = self.now.sessions;
                self.reasons.entry("restart").or_default().1 += u64::try_from(open).unwrap_or(0);
                self.contradictions += u64::from(i64::try_from(closed.sessions) != Ok(open));
                self.of_user.clear();
                self.now = Count::default();
            }
            _ => return,
        }
        for (most, now) in [(&mut self.most_sessions, self.now.sessions), (&mut self.most_users, self.now.users)] {
            if now > most.count {
                *most = Most { count: now, at };
            }
        }
    }

    fn change(&mut self, user: u64, by: i64) {
        self.now.sessions += by;
        let open = self.of_user.entry(user).or_default();
        let before = *open;
        *open += by;
        self.contradictions += u64::from(*open < 0);
        self.now.users += i64::from(*open > 0) - i64::from(before > 0);
        if *open == 0 {
            self.of_user.remove(&user);
        }
    }
}

/// As it is told to people.
fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "unknown",
        Reason::Login => "login",
        Reason::Resumed => "resumed",
        Reason::Logout => "logout",
        Reason::Dropped => "dropped",
        Reason::Kicked => "kicked",
        Reason::Replaced => "replaced",
    }
}

/// Recounts, up to where the broker's figures hold if one runs.
///
/// # Errors
/// The journal cannot be read, or the broker says something else.
pub(super) fn run(data: &Path, as_json: bool) -> Result<(), String> {
    let live = match Door::open(data) {
        Ok(mut door) => Some(door.figures()?),
        Err(Failure::Absent(_)) => None,
        Err(failure) => return Err(failure.into()),
    };
    let (tally, visited) = count(data, live.as_ref())?;
    let verdict = live.as_ref().map(|live| compare(&tally, live));
    let mut paper = Paper::new();
    if as_json {
        paper.line(&to_json(&tally, &visited, live.as_ref()).to_string());
    } else {
        show(&mut paper, &tally, &visited);
        match &verdict {
            Some(Ok(())) => pair(&mut paper, "broker", "agrees"),
            Some(Err(_)) => pair(&mut paper, "broker", "disagrees"),
            None => pair(&mut paper, "broker", "none runs, so there is nothing to compare with"),
        }
        if live.is_none() && tally.now.sessions > 0 {
            paper.line("What is open now ends with the next start.");
        }
    }
    paper.finish()?;
    if tally.contradictions > 0 {
        let why = if visited.redacted > 0 { "records were redacted, which may be why" } else { "this is a bug" };
        return Err(format!("the journal contradicts itself {} times: {why}", tally.contradictions));
    }
    verdict.unwrap_or(Ok(()))
}

fn count(data: &Path, live: Option<&Figures>) -> Result<(Tally, Visited), String> {
    let no_journal = || {
        let data = data.display();
        format!("the broker on {data} writes no journal (level memory): there is nothing to count from")
    };
    // an older one may lie in its folder
    if live.is_some_and(|live| journal_uuid(data).ok().as_ref() != Some(&live.journal)) {
        return Err(no_journal());
    }
    let mut tally = Tally::default();
    let bar = progress_bar("reading the journal {bar:30} {pos}/{len} segments, {eta} left");
    let limit = live.map_or(Position(u64::MAX), |live| Position(live.at));
    let visited = visit(
        data,
        limit,
        |head, event| tally.event(head.time.0, event),
        |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        },
    );
    bar.finish_and_clear();
    visited.map(|visited| (tally, visited)).map_err(|error| error.to_string())
}

fn compare(tally: &Tally, live: &Figures) -> Result<(), String> {
    let Count { sessions, users } = tally.now;
    if (i64::try_from(live.sessions), i64::try_from(live.online)) == (Ok(sessions), Ok(users)) {
        return Ok(());
    }
    Err(format!(
        "the broker counts {} sessions of {} users at position {}, but the journal {sessions} of {users}: this is a bug",
        live.sessions, live.online, live.at
    ))
}

fn show(paper: &mut Paper, tally: &Tally, visited: &Visited) {
    let cell = |count: u64| if count == 0 { String::new() } else { HumanCount(count).to_string() };
    let row = |name: &str, opened, closed| [name.to_owned(), cell(opened), cell(closed)];
    let mut rows = vec![["reason", "opened", "closed"].map(str::to_owned)];
    rows.extend(tally.reasons.iter().map(|(name, (opened, closed))| row(name, *opened, *closed)));
    let total = tally.reasons.values().fold((0, 0), |sum, reason| (sum.0 + reason.0, sum.1 + reason.1));
    rows.push(row("all", total.0, total.1));
    Table::new(&[1, 2]).print(paper, &rows);
    paper.line("");
    let most = |most: Most| match most.at {
        0 => "0".to_owned(),
        at => format!("{}, {}", most.count, time(at)),
    };
    pair(paper, "sessions", &tally.now.sessions.to_string());
    pair(paper, "online", &tally.now.users.to_string());
    pair(paper, "most sessions", &most(tally.most_sessions));
    pair(paper, "most online", &most(tally.most_users));
    let read = format!("{} records, up to position {}", HumanCount(visited.records), visited.end.0);
    let redacted = if visited.redacted > 0 { format!(", {} redacted", visited.redacted) } else { String::new() };
    pair(paper, "read", &format!("{read}{redacted}"));
}

fn to_json(tally: &Tally, visited: &Visited, live: Option<&Figures>) -> Value {
    let reasons = |place: fn(&(u64, u64)) -> u64| -> Value {
        let counted = tally.reasons.iter().map(|(name, counts)| ((*name).to_owned(), place(counts)));
        counted.filter(|(_, count)| *count > 0).map(|(name, count)| (name, json!(count))).collect()
    };
    json!({
        "opened": reasons(|counts| counts.0),
        "closed": reasons(|counts| counts.1),
        "sessions": tally.now.sessions,
        "online": tally.now.users,
        "mostSessions": {"count": tally.most_sessions.count, "time": tally.most_sessions.at},
        "mostOnline": {"count": tally.most_users.count, "time": tally.most_users.at},
        "records": visited.records,
        "redacted": visited.redacted,
        "at": visited.end.0,
        "broker": live.map(|live| json!({"sessions": live.sessions, "online": live.online, "at": live.at})),
        "agrees": live.map(|live| compare(tally, live).is_ok()),
    })
}

#[cfg(test)]
mod tests {
    use ringdove_core::wire::log::{SessionClosed, SessionOpened, SessionsClosed};

    use super::*;

    fn opened(user: u64, device: u32) -> Event {
        Event::SessionOpened(SessionOpened { user, device, reason: Reason::Login.into() })
    }

    fn closed(user: u64, device: u32) -> Event {
        Event::SessionClosed(SessionClosed { user, device, reason: Reason::Kicked.into() })
    }

    fn tally(events: &[Event]) -> Tally {
        let mut tally = Tally::default();
        events.iter().zip(1..).for_each(|(event, at)| tally.event(at, event));
        tally
    }

    #[test]
    fn events_add_up() {
        let tally = tally(&[opened(1, 1), opened(1, 2), opened(2, 1), closed(1, 1), closed(2, 1)]);
        assert_eq!(tally.now, Count { sessions: 1, users: 1 });
        assert_eq!((tally.most_sessions, tally.most_users), (Most { count: 3, at: 3 }, Most { count: 2, at: 3 }));
        assert_eq!(tally.reasons, BTreeMap::from([("kicked", (0, 2)), ("login", (3, 0))]));
        assert_eq!(tally.contradictions, 0);
    }

    #[test]
    fn a_restart_closes_all_and_must_know_how_many() {
        let restart = |sessions| Event::SessionsClosed(SessionsClosed { at: 1, sessions });
        let tallied = tally(&[opened(1, 1), opened(2, 1), restart(2), opened(2, 1)]);
        assert_eq!((tallied.now, tallied.contradictions), (Count { sessions: 1, users: 1 }, 0));
        assert_eq!(tallied.reasons["restart"], (0, 2));
        assert_eq!(tally(&[opened(1, 1), restart(2)]).contradictions, 1);
    }

    #[test]
    fn an_end_without_a_begin_is_a_contradiction_and_counts() {
        let tally = tally(&[opened(1, 1), closed(1, 1), closed(1, 1)]);
        assert_eq!((tally.now, tally.contradictions), (Count { sessions: -1, users: 0 }, 1));
        let live = Figures::default();
        assert!(compare(&tally, &live).unwrap_err().contains("-1"));
    }
}
