//! `ringdove stats`: how many there are of everything, and how far the journal is.

use indicatif::HumanCount;
use ringdove_core::wire::admin::Figures;
use serde_json::{Value, json};

use super::commands::{StatsCommand, StatsOptions};
use super::door::Door;
use super::paper::{Paper, pair};
use super::recount;
use crate::terminal::printable;

/// Does it.
///
/// # Errors
/// No broker runs there, or a recount came to something else.
pub fn run(options: StatsOptions) -> Result<(), String> {
    if let Some(StatsCommand::Recount { form, folder }) = options.command {
        return recount::run(&folder.data, form.json);
    }
    let figures = Door::open(&options.folder.data)?.figures()?;
    let mut paper = Paper::new();
    if options.form.json {
        paper.line(&to_json(&figures).to_string());
    } else {
        pairs(&figures).iter().for_each(|(words, value)| pair(&mut paper, words, value));
    }
    paper.finish()
}

/// What is shown, in order.
fn pairs(figures: &Figures) -> Vec<(&'static str, String)> {
    let count = |count: u64| HumanCount(count).to_string();
    let mut pairs = vec![
        ("accounts", count(figures.accounts)),
        ("online", count(figures.online)),
        ("sessions", count(figures.sessions)),
        ("connections", count(figures.connections)),
        ("groups", count(figures.groups)),
        ("epoch", count(figures.epoch.into())),
        ("counted at", count(figures.at)),
        ("released", count(figures.released)),
        ("synced", behind(figures.synced, lag(figures))),
    ];
    let is_on = !figures.sql.starts_with("off");
    if is_on {
        pairs.push(("in sql", behind(figures.projected, figures.released.saturating_sub(figures.projected))));
    }
    pairs.push(("sql", printable(&figures.sql)));
    pairs.push(("server", printable(&figures.server)));
    pairs
}

/// Bytes that were told and are not on disk yet.
fn lag(figures: &Figures) -> u64 {
    figures.released.saturating_sub(figures.synced)
}

fn behind(position: u64, bytes: u64) -> String {
    let position = HumanCount(position);
    if bytes == 0 { position.to_string() } else { format!("{position}, {} bytes behind", HumanCount(bytes)) }
}

fn to_json(figures: &Figures) -> Value {
    json!({
        "accounts": figures.accounts,
        "online": figures.online,
        "sessions": figures.sessions,
        "connections": figures.connections,
        "groups": figures.groups,
        "epoch": figures.epoch,
        "at": figures.at,
        "released": figures.released,
        "synced": figures.synced,
        "lag": lag(figures),
        "projected": figures.projected,
        "sql": figures.sql,
        "server": figures.server,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(figures: &Figures, words: &str) -> Option<String> {
        pairs(figures).into_iter().find(|(found, _)| *found == words).map(|(_, value)| value)
    }

    #[test]
    fn what_lags_says_by_how_much_and_sql_only_shows_where_it_is() {
        let mut figures = Figures { released: 5_000, synced: 5_000, sql: "off".into(), ..Figures::default() };
        assert_eq!(shown(&figures, "synced").as_deref(), Some("5,000"));
        assert_eq!((shown(&figures, "sql").as_deref(), shown(&figures, "in sql")), (Some("off"), None));
        figures.synced = 1_000;
        figures.projected = 900;
        figures.sql = "behind\u{1b}[2J".into();
        assert_eq!(shown(&figures, "synced").as_deref(), Some("1,000, 4,000 bytes behind"));
        assert_eq!(shown(&figures, "in sql").as_deref(), Some("900, 4,100 bytes behind"));
        assert_eq!(shown(&figures, "sql").as_deref(), Some("behind\\u{1b}[2J"));
    }
}
