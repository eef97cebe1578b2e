//! Reads the sources in their order of precedence, and says of every wrong key and value where it stands.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Config;
use super::keys::{KEYS, Key, defaults};

/// The prefix of variables.
const PREFIX: &str = "RINGDOVE_";
/// Variables with that prefix that are no keys: where the file is, and the password of `ringdove chat`.
const OTHERS: [&str; 2] = ["RINGDOVE_CONFIG", "RINGDOVE_PASSWORD"];
/// A configuration file is small; a larger one is something else.
const FILE_BYTES: u64 = 1 << 20;

/// A flag of the command line: the key that it sets, and its value.
pub type Flag = (&'static str, String);

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Origin {
    #[default]
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(key) => write!(f, "--{}", key.replace(['.', '_'], "-")),
        }
    }
}

/// A configuration, and where each value comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    origins: Vec<Origin>,
}

/// Reads `file`, `variables` and `flags`, each over the one before.
///
/// # Errors
/// Every unknown key and every bad value, a line each: where it stands, its name, what is wrong.
pub fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
    flags: Vec<Flag>,
) -> Result<Loaded, String> {
    let mut loaded = Loaded { config: defaults(), origins: vec![Origin::Default; KEYS.len()] };
    let mut wrong = Vec::new();
    if let Some(path) = file {
        loaded.read_file(path, &mut wrong);
    }
    loaded.read_variables(variables, &mut wrong);
    for (key, value) in flags {
        loaded.set(key, &value, Origin::Flag(key), &mut wrong);
    }
    loaded.check_together(&mut wrong);
    if wrong.is_empty() { Ok(loaded) } else { Err(wrong.join("\n")) }
}

impl Loaded {
    fn set(&mut self, name: &str, value: &str, origin: Origin, wrong: &mut Vec<String>) {
        let Some(place) = KEYS.iter().position(|key| key.name == name) else {
            wrong.push(format!("{origin}: unknown key {name:?}{}", suggestion(name, |key| key.name.to_owned())));
            return;
        };
        match (KEYS[place].set)(&mut self.config, value) {
            Ok(()) => self.origins[place] = origin,
            Err(why) => wrong.push(format!("{origin}: {name}: {why}")),
        }
    }

    fn read_file(&mut self, path: &Path, wrong: &mut Vec<String>) {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(why) => return wrong.push(format!("{}: {why}", path.display())),
        };
        match DeTable::parse(&text) {
            Ok(table) => self.read_table(path, &text, "", table.get_ref(), wrong),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(&text, &span));
                wrong.push(format!("{}:{line}: {}", path.display(), error.message()));
            }
        }
    }

    fn read_table(&mut self, path: &Path, text: &str, above: &str, table: &DeTable<'_>, wrong: &mut Vec<String>) {
        for (key, value) in table {
            let name = format!("{above}{}", key.get_ref());
            let origin = Origin::File { path: path.to_owned(), line: line_of(text, &key.span()) };
            let value = match value.get_ref() {
                DeValue::Table(inner) => {
                    let inside = format!("{name}.");
                    if KEYS.iter().any(|key| key.name.starts_with(&inside)) {
                        self.read_table(path, text, &inside, inner, wrong);
                    } else {
                        wrong.push(format!("{origin}: unknown table [{name}]"));
                    }
                    continue;
                }
                DeValue::String(value) => value.to_string(),
                DeValue::Integer(value) if value.radix() == 10 => value.as_str().to_owned(),
                DeValue::Boolean(value) => value.to_string(),
                _ => {
                    wrong.push(format!("{origin}: {name}: this is neither a text nor a decimal number"));
                    continue;
                }
            };
            self.set(&name, &value, origin, wrong);
        }
    }

    fn read_variables(&mut self, variables: impl Iterator<Item = (String, String)>, wrong: &mut Vec<String>) {
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || OTHERS.contains(&name.as_str()) {
                continue;
            }
            match KEYS.iter().find(|key| variable(key) == name) {
                Some(key) => self.set(key.name, &value, Origin::Variable(name), wrong),
                None => wrong.push(format!("{name}: unknown variable{}", suggestion(&name, variable))),
            }
        }
    }

    /// What no key can say alone.
    fn check_together(&self, wrong: &mut Vec<String>) {
        let limits = &self.config.limits;
        if limits.text >= limits.frame {
            let why = "a text has to fit into a frame";
            wrong.push(format!("limits.text: {} is not below limits.frame, {}: {why}", limits.text, limits.frame));
        }
        if self.config.jwt.hs256.is_some() && self.config.jwt.hs256_file.is_some() {
            wrong.push("jwt.hs256: set it or jwt.hs256_file, not both".to_owned());
        }
    }

    /// The configuration as TOML, with the origin of each value behind it.
    pub fn print(&self) -> String {
        let mut out = String::new();
        let mut table = "";
        for (key, origin) in KEYS.iter().zip(&self.origins) {
            let (inside, name) = key.name.split_once('.').unwrap_or(("", key.name));
            if inside != table {
                table = inside;
                let _ = write!(out, "\n[{table}]\n");
            }
            let _ = writeln!(out, "# {}\n{name} = {}  # {origin}", key.help, (key.show)(&self.config));
        }
        out
    }
}

fn variable(key: &Key) -> String {
    format!("{PREFIX}{}", key.name.replace('.', "_").to_uppercase())
}

fn suggestion(name: &str, known: impl Fn(&Key) -> String) -> String {
    let close = |known: &String| strsim::jaro_winkler(name, known);
    let best = KEYS.iter().map(known).max_by(|a, b| close(a).total_cmp(&close(b))).filter(|known| close(known) > 0.85);
    best.map(|best| format!("; did you mean {best}?")).unwrap_or_default()
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES {
        return Err(format!("{bytes} bytes are too many for a configuration file"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, variables: &[(&str, &str)], flags: Vec<Flag>) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        std::fs::write(&path, text).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let shown = format!("{}/", folder.path().display());
        load(Some(&path), variables, flags).map_err(|wrong| wrong.replace(&shown, ""))
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file = "listen = \"127.0.0.1:1\"\n[limits]\nrate = 5\nburst = 6\n";
        let loaded = with_file(
            file,
            &[("RINGDOVE_LISTEN", "127.0.0.1:2"), ("RINGDOVE_LIMITS_RATE", "7")],
            vec![("listen", "127.0.0.1:3".into())],
        )
        .unwrap();
        let config = &loaded.config;
        assert_eq!((config.listen.port(), config.limits.rate, config.limits.burst), (3, 7, 6));
        assert_eq!(config.limits.group, 500);
        let printed = loaded.print();
        for line in
            ["listen = \"127.0.0.1:3\"  # --listen", "rate = 7  # RINGDOVE_LIMITS_RATE", "group = 500  # default"]
        {
            assert!(printed.lines().any(|printed| printed == line), "{line} in\n{printed}");
        }
        assert!(printed.contains("r.toml:4"), "{printed}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let printed = with_file("", &[], Vec::new()).unwrap().print();
        let again = with_file(&printed, &[], Vec::new()).unwrap().print();
        let values = |text: &str| {
            let value = |line: &str| line.split("  # ").next().unwrap_or_default().to_owned();
            text.lines().filter(|line| !line.starts_with('#')).map(value).collect::<Vec<_>>()
        };
        assert_eq!(values(&printed), values(&again));
    }

    #[test]
    fn everything_wrong_is_named_with_its_place() {
        let file = "lisen = \"x\"\nidle = \"long\"\n[limits]\nrate = -1\nrates = 2\ngroup = 1.5\n[limit]\nrate = 1\n";
        let variables = [("RINGDOVE_LIMITS_RATES", "1"), ("RINGDOVE_DURABILITY", "paper"), ("RINGDOVE_PASSWORD", "x")];
        let wrong = with_file(file, &variables, vec![("listen", "here".into())]).unwrap_err();
        let expected = [
            "r.toml:1: unknown key \"lisen\"; did you mean listen?",
            "r.toml:2: idle: \"long\" is no time from 0s to 1s",
            "r.toml:4: limits.rate: \"-1\" is no whole number from 0 to 1000000",
            "r.toml:5: unknown key \"limits.rates\"; did you mean limits.rate?",
            "r.toml:6: limits.group: this is neither",
            "r.toml:7: unknown table [limit]",
            "RINGDOVE_LIMITS_RATES: unknown variable; did you mean RINGDOVE_LIMITS_RATE?",
            "RINGDOVE_DURABILITY: durability: \"paper\" is none of memory, process, disk",
            "--listen: listen: \"here\" is no address",
        ];
        for expected in expected {
            assert!(wrong.lines().any(|line| line.starts_with(expected)), "{expected} in\n{wrong}");
        }
        assert_eq!(wrong.lines().count(), expected.len(), "{wrong}");
    }

    #[test]
    fn broken_toml_is_named_with_its_line() {
        let wrong = with_file("idle = \"1us\"\nlisten = = 3\n", &[], Vec::new()).unwrap_err();
        assert!(wrong.starts_with("r.toml:2: "), "{wrong}");
        let twice = with_file("idle = \"1us\"\nidle = \"2us\"\n", &[], Vec::new()).unwrap_err();
        assert!(twice.starts_with("r.toml:2: "), "{twice}");
        assert!(
            load(Some(Path::new("/no/such.toml")), std::iter::empty(), Vec::new()).unwrap_err().contains("No such")
        );
    }

    #[test]
    fn a_text_has_to_fit_into_a_frame() {
        let wrong = with_file("[limits]\nframe = 4096\ntext = 5000\n", &[], Vec::new()).unwrap_err();
        assert!(wrong.contains("limits.text"), "{wrong}");
    }
}
