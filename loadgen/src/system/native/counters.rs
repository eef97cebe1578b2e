//! What a running ringdove counts: its figures, the inboxes of all users, and the sessions that its journal tells of.

use std::path::Path;
use std::process::{Command, Stdio};

use super::accounts::Door;
use super::wire::admin::admin_answer::Body;
use super::wire::admin::admin_frame::Request;
use super::wire::admin::{Figures, List, Stats};
use crate::system::Counted;

/// Users in one answer, as the schema says.
const PAGE: u32 = 256;

/// Everything that is counted by now. Sessions that began and ended are counted only with ringdove's program (`broker`), and where the server keeps a
/// journal.
///
/// # Errors
/// Nobody answers at the door, or the journal contradicts what is answered there.
pub fn counted(door: &Path, broker: Option<&Path>) -> Result<Counted, String> {
    let mut counted = figures(door)?;
    counted.insert("entries in inboxes", entries(door)?);
    if let (Some(broker), Some(data)) = (broker, door.parent())
        && let Some((begun, ended)) = sessions(broker, data)?
    {
        counted.extend([("sessions begun", begun), ("sessions ended", ended)]);
    }
    Ok(counted)
}

fn figures(door: &Path) -> Result<Counted, String> {
    let figures = ask(door)?;
    Ok(Counted::from([
        ("accounts", figures.accounts),
        ("groups", figures.groups),
        ("online", figures.online),
        ("sessions", figures.sessions),
        ("connections", figures.connections),
        ("epoch", figures.epoch.into()),
    ]))
}

fn ask(door: &Path) -> Result<Figures, String> {
    match Door::open(door)?.ask(Request::Stats(Stats {}))? {
        Some(Body::Figures(figures)) => Ok(figures),
        other => Err(format!("the question for figures was answered with {other:?}")),
    }
}

/// Whether all that may have been answered so far is on disk. At level disk it always is; at others hardly ever, while there is something to write.
///
/// # Errors
/// Nobody answers at the door.
pub fn is_on_disk(door: &Path) -> Result<bool, String> {
    ask(door).map(|figures| figures.released <= figures.synced)
}

/// The entries of all inboxes: a user's version counts them without a gap.
fn entries(door: &Path) -> Result<u64, String> {
    let mut door = Door::open(door)?;
    let (mut entries, mut after) = (0, 0);
    loop {
        match door.ask(Request::List(List { after, limit: PAGE }))? {
            Some(Body::Users(users)) => {
                entries += users.users.iter().map(|user| user.version).sum::<u64>();
                if users.next == 0 {
                    return Ok(entries);
                }
                after = users.next;
            }
            other => return Err(format!("the question for users was answered with {other:?}")),
        }
    }
}

/// Sessions that began and ended, for whatever reason; `None`: there is no journal to count them from.
fn sessions(broker: &Path, data: &Path) -> Result<Option<(u64, u64)>, String> {
    let mut command = Command::new(broker);
    command.args(["stats", "recount", "--json", "--data"]).arg(data).stdin(Stdio::null());
    let said = command.output().map_err(|error| format!("{}: {error}", broker.display()))?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() {
        let is_in_memory = complaint.contains("writes no journal");
        return if is_in_memory { Ok(None) } else { Err(format!("recounting the journal: {}", complaint.trim())) };
    }
    let recount: serde_json::Value = serde_json::from_slice(&said.stdout).map_err(|error| error.to_string())?;
    let sum = |name: &str| {
        let reasons = recount[name].as_object().ok_or_else(|| format!("a recount without {name}"))?;
        Ok::<u64, String>(reasons.values().filter_map(serde_json::Value::as_u64).sum())
    };
    Ok(Some((sum("opened")?, sum("closed")?)))
}
