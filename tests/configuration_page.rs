//! docs/configuration.md and the program agree: keys, variables, flags, defaults, ranges, examples. Looked at from the outside only, with
//! the binary that an operator has.

mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use broker::{done, refused, ringdove};
use tempfile::tempdir;

const PAGE: &str = include_str!("../docs/configuration.md");
/// It has an example of a file too, and names keys in its text.
const OPERATING: &str = include_str!("../docs/operating.md");
/// Variables that are no keys.
const OTHERS: [&str; 2] = ["RINGDOVE_CONFIG", "RINGDOVE_PASSWORD"];
/// Files whose names look like keys.
const FILES: [&str; 3] = ["journal.toml", "journal.toml.tmp", "tokens.jsonl"];

/// What the page says of a key.
#[derive(Debug)]
struct Row {
    variable: String,
    flag: Option<String>,
    default: String,
    range: String,
}

/// The text of a cell that has one word in backticks; `None`: it has none.
fn code(cell: &str) -> Option<String> {
    cell.split('`').nth(1).map(str::to_owned)
}

/// Every row of every table of keys, by key.
fn rows() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `") && line.contains("| `RINGDOVE_")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [key, variable, flag, default, range, _] = cells[..] else { panic!("no six cells: {line}") };
        let word = |cell: &str| code(cell).unwrap_or_else(|| panic!("{cell:?} names nothing: {line}"));
        let row = Row { variable: word(variable), flag: code(flag), default: word(default), range: range.to_owned() };
        assert!(rows.insert(word(key), row).is_none(), "twice: {line}");
    }
    rows
}

/// Every key that `config print` prints, with its value as it is typed.
fn printed(printed: &str) -> BTreeMap<String, String> {
    fn flatten(above: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            let name = format!("{above}{key}");
            match value {
                toml::Value::Table(inner) => flatten(&format!("{name}."), inner, into),
                toml::Value::String(text) => drop(into.insert(name, text.clone())),
                other => drop(into.insert(name, other.to_string())),
            }
        }
    }
    let mut values = BTreeMap::new();
    flatten("", &printed.parse().expect("TOML"), &mut values);
    values
}

/// The fenced blocks with these words behind the fence.
fn blocks(page: &str, words: &str) -> Vec<String> {
    let fence = format!("```{words}");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while lines.by_ref().any(|line| line == fence) {
        blocks.push(lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect());
    }
    blocks
}

fn words<'a>(page: &'a str, belongs: impl Fn(char) -> bool + 'a) -> impl Iterator<Item = &'a str> {
    page.split(move |letter| !belongs(letter))
        .map(|word| word.trim_end_matches(['.', '_']))
        .filter(|word| !word.is_empty())
}

#[test]
fn every_key_has_a_row_with_its_default_and_no_row_is_too_many() {
    let printed = printed(&done(&mut ringdove(["config", "print"])));
    assert!(printed.len() > 20, "{printed:?}");
    let documented: BTreeMap<String, String> = rows().into_iter().map(|(key, row)| (key, row.default)).collect();
    assert_eq!(documented, printed);
}

/// Each variable sets the key in whose row it stands, and takes the default as the page writes it.
#[test]
fn every_variable_sets_its_key() {
    let mut command = ringdove(["config", "print"]);
    for row in rows().values() {
        command.env(&row.variable, &row.default);
    }
    let said = done(&mut command);
    let mut table = String::new();
    let mut origins = BTreeMap::new();
    for line in said.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, rest)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let origin = rest.rsplit("  # ").next().unwrap().to_owned();
            origins.insert(format!("{table}{key}"), origin);
        }
    }
    let documented: BTreeMap<String, String> = rows().into_iter().map(|(key, row)| (key, row.variable)).collect();
    assert_eq!(origins, documented);
}

#[test]
fn every_flag_sets_its_key_and_none_is_left_out() {
    let mut documented = BTreeSet::from(["--config".to_owned(), "--help".to_owned()]);
    for (key, row) in rows() {
        let Some(flag) = row.flag else { continue };
        let said = done(&mut ringdove(["config", "print", &flag, &row.default]));
        let name = key.rsplit('.').next().unwrap();
        let set = |line: &str| line.starts_with(&format!("{name} = ")) && line.ends_with(&format!("  # {flag}"));
        assert!(said.lines().any(set), "{flag} in\n{said}");
        documented.insert(flag);
    }
    let help = done(&mut ringdove(["serve", "--help"]));
    let flags: BTreeSet<String> =
        help.split_whitespace().filter(|word| word.starts_with("--")).map(str::to_owned).collect();
    assert_eq!(flags, documented);
}

/// Whoever sets nonsense is told the range: it is the one that the page names.
#[test]
fn every_range_is_the_one_that_a_refusal_names() {
    for (key, row) in rows() {
        let named: Vec<&str> = row.range.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            continue;
        }
        let said = refused(ringdove(["config", "check"]).env(&row.variable, "?"));
        let (bounds, auto) = match row.range.contains("` to `") {
            true => (format!(" from {} to {}", named[0], named[1]), named.get(2)),
            false => (format!(" is none of {}", named.join(", ")), None),
        };
        let line = said.trim_end();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(line.contains(&bounds) && line.contains(&key), "{key}: {bounds:?} in {line}");
        assert_eq!(line.contains("\"auto\""), auto == Some(&"auto"), "{key}: {line}");
        // the ends are in it
        for end in named {
            let mut command = ringdove(["config", "check"]);
            // a text has to fit into the smallest frame
            done(command.env("RINGDOVE_LIMITS_TEXT", "1").env(&row.variable, end));
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_examples_do_what_the_page_says() {
    let folder = tempdir().unwrap();
    let (examples, others) = (blocks(PAGE, "toml"), blocks(OPERATING, "toml"));
    assert!(!examples.is_empty() && !others.is_empty());
    for example in examples.iter().chain(&others) {
        write(folder.path(), "ringdove.toml", example);
        let said = done(ringdove(["config", "check", "--config", "ringdove.toml"]).current_dir(&folder));
        assert!(PAGE.contains(&said), "{said}");
    }
    write(folder.path(), "ringdove.toml", &examples[0]);
    let mut command = ringdove(["config", "print", "--config", "ringdove.toml", "--listen", "127.0.0.1:7471"]);
    let said = done(command.current_dir(&folder).env("RINGDOVE_LIMITS_RATE", "5"));
    let [shown] = &blocks(PAGE, "text print")[..] else { panic!("no output of config print") };
    let shown: Vec<&str> = shown.lines().skip(1).filter(|line| *line != "...").collect();
    assert!(!shown.is_empty());
    for line in shown {
        assert!(said.lines().any(|said| said == line), "{line} in\n{said}");
    }
    // what is printed is a configuration file
    write(folder.path(), "printed.toml", &said);
    done(ringdove(["config", "check", "--config", "printed.toml"]).current_dir(&folder));
}

#[test]
fn the_wrong_example_is_refused_as_shown() {
    let folder = tempdir().unwrap();
    let ([wrong], [shown]) = (&blocks(PAGE, "toml wrong")[..], &blocks(PAGE, "text refused")[..]) else {
        panic!("one wrong file, one refusal")
    };
    write(folder.path(), "wrong.toml", wrong);
    let mut command = ringdove(["config", "check", "--config", "wrong.toml", "--reactors", "0"]);
    let said = refused(command.current_dir(&folder).env("RINGDOVE_LIMITS_RATES", "1"));
    let (_, shown) = shown.split_once('\n').unwrap();
    assert_eq!(said, *shown);
}

/// Also in the running text, and on the page for operators, no key and no variable is named that does not exist.
#[test]
fn nothing_is_named_that_does_not_exist() {
    let rows = rows();
    let variables: BTreeSet<&str> = rows.values().map(|row| &*row.variable).chain(OTHERS).collect();
    let tables: BTreeSet<&str> = rows.keys().filter_map(|key| key.split_once('.')).map(|(table, _)| table).collect();
    // what is shown as wrong is wrong
    let wrong = blocks(PAGE, "text refused").concat();
    let page = PAGE.replace(&wrong, "") + OPERATING;
    for word in words(&page, |letter| letter.is_ascii_alphanumeric() || letter == '_') {
        assert!(word == "RINGDOVE" || !word.starts_with("RINGDOVE_") || variables.contains(word), "{word}");
    }
    for word in words(&page, |letter| letter.is_ascii_alphanumeric() || "_.".contains(letter)) {
        let Some((table, _)) = word.split_once('.') else { continue };
        assert!(!tables.contains(table) || rows.contains_key(word) || FILES.contains(&word), "{word}");
    }
}
