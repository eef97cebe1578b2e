//! The shape of the code, held by a test: who may depend on whom, where unsafe code may stand, how long and how named a file is.
//!
//! ```text
//!  ringdove ──▶ io ───────────┐
//!     └───────▶ persistence ──┴──▶ core          loadgen ──▶ core/proto (the schema only)
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The crates, by the folder that holds them; the root package is the folder itself.
const CRATES: [&str; 5] = ["", "core", "io", "persistence", "loadgen"];
/// The one file that may hold unsafe code.
const ISLAND: &str = "persistence/src/journal/map.rs";
/// Lines that a source file has at most.
const LINES: usize = 800;
/// Names that say nothing about what is inside.
const VAGUE: [&str; 8] = ["utils", "util", "common", "helpers", "helper", "misc", "manager", "managers"];
/// Crates that reach sockets, files, clocks or other processes.
const WORLDLY: [&str; 9] = ["mio", "socket2", "polling", "tokio", "async-std", "smol", "rustix", "nix", "libc"];
/// Modules of the standard library that do the same.
const WORLDLY_MODULES: [&str; 7] =
    ["std::net", "std::fs", "std::os", "std::process", "std::thread", "SystemTime", "Instant"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The crates that a crate depends on, for its code, tests and build script alike, under the names that they were published with.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let workspace = manifest("");
    let shared = workspace["workspace"]["dependencies"].as_table().expect("a table");
    let own = manifest(folder);
    let targets = own.get("target").and_then(Value::as_table);
    let tables = std::iter::once(&own).chain(targets.into_iter().flat_map(Table::values).filter_map(Value::as_table));
    let mut found = BTreeSet::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let inherits = value.get("workspace").is_some();
                let said = if inherits { &shared[key] } else { value };
                found.insert(said.get("package").and_then(Value::as_str).unwrap_or(key).to_owned());
                // a folder tells the truth whatever the entry is called
                if let Some(path) = said.get("path").and_then(Value::as_str) {
                    let base = if inherits { root().to_owned() } else { root().join(folder) };
                    let target = fs::canonicalize(base.join(path)).expect("the folder of a dependency");
                    let name: Table =
                        fs::read_to_string(target.join("Cargo.toml")).expect("its manifest").parse().expect("TOML");
                    found.insert(name["package"]["name"].as_str().expect("its name").to_owned());
                }
            }
        }
    }
    found
}

/// The crates of this product that a crate depends on.
fn relatives(folder: &str) -> Vec<String> {
    dependencies(folder).into_iter().filter(|name| name.starts_with("ringdove")).collect()
}

/// All files and folders below a folder, without what is built or hidden.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "target" || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            below(&path, found);
        }
        found.push(path);
    }
}

/// A source file: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Every line with its number, without what stands behind `//`.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }

    /// Where a word stands in the code, as `path:line`.
    fn places_of(&self, word: &str) -> Vec<String> {
        self.code()
            .filter(|(_, line)| has_word(line, word))
            .map(|(number, _)| format!("{}:{number}", self.path))
            .collect()
    }
}

/// Whether the word stands in the line as a whole.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    line.match_indices(word).any(|(at, _)| {
        let (before, behind) = (&line.as_bytes()[..at], &line.as_bytes()[at + word.len()..]);
        !before.last().is_some_and(inside) && !behind.first().is_some_and(inside)
    })
}

/// The sources of one crate: all of its `src`, and its build script.
fn sources(folder: &str) -> Vec<Source> {
    let base = root().join(folder);
    let mut paths = vec![base.join("build.rs")];
    below(&base.join("src"), &mut paths);
    paths.retain(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "rs"));
    let read = |path: PathBuf| Source {
        path: path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned(),
        text: fs::read_to_string(&path).expect("UTF-8"),
    };
    paths.into_iter().map(read).collect()
}

fn all_sources() -> Vec<Source> {
    CRATES.into_iter().flat_map(sources).collect()
}

#[test]
fn every_crate_of_the_workspace_is_looked_at() {
    let workspace = manifest("");
    let members: BTreeSet<_> =
        workspace["workspace"]["members"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(members, CRATES.into_iter().filter(|folder| !folder.is_empty()).collect());
    for folder in CRATES {
        assert!(!sources(folder).is_empty(), "{folder:?} has sources");
    }
}

#[test]
fn core_knows_nobody() {
    assert_eq!(relatives("core"), [""; 0]);
    let worldly: Vec<_> = dependencies("core").into_iter().filter(|name| WORLDLY.contains(&name.as_str())).collect();
    assert_eq!(worldly, [""; 0], "core touches no socket, file or clock");
}

#[test]
fn core_touches_nothing_of_the_world() {
    let mut places = Vec::new();
    for source in sources("core").iter().filter(|source| source.path.starts_with("core/src")) {
        WORLDLY_MODULES.iter().for_each(|module| places.extend(source.places_of(module)));
    }
    assert_eq!(places, [""; 0], "no socket, file, clock or thread in core");
}

#[test]
fn io_and_persistence_do_not_know_each_other() {
    assert_eq!(relatives("io"), ["ringdove-core"]);
    assert_eq!(relatives("persistence"), ["ringdove-core"]);
}

#[test]
fn loadgen_knows_only_the_schema() {
    assert_eq!(relatives("loadgen"), [""; 0]);
    for source in sources("loadgen") {
        for name in ["ringdove_core", "ringdove_io", "ringdove_persistence", "ringdove"] {
            let uses: Vec<_> = source.code().filter(|(_, line)| line.contains(&format!("{name}::"))).collect();
            assert!(uses.is_empty(), "{} uses {name}: {uses:?}", source.path);
        }
        for (number, line) in source.code() {
            assert!(!line.contains("#[path"), "{}:{number} borrows a module", source.path);
            assert!(
                !line.contains("../core") || line.contains("../core/proto"),
                "{}:{number} reaches into core",
                source.path
            );
        }
    }
}

#[test]
fn unsafe_code_stands_on_one_island() {
    let (island, mainland): (Vec<_>, Vec<_>) = all_sources().into_iter().partition(|source| source.path == ISLAND);
    let strays: Vec<_> = mainland.iter().flat_map(|source| source.places_of("unsafe")).collect();
    assert_eq!(strays, [""; 0], "unsafe outside {ISLAND}");
    let [island] = &island[..] else { panic!("{ISLAND} is gone: then nothing may allow unsafe code") };
    let blocks = island.places_of("unsafe").len();
    let notes = island.text.matches("SAFETY:").count();
    assert!(blocks > 0 && notes >= blocks, "{blocks} unsafe, {notes} SAFETY notes");
}

#[test]
fn every_crate_root_forbids_unsafe_code() {
    let mut roots = 0;
    for source in all_sources() {
        let path = Path::new(&source.path);
        let name = path.file_name().unwrap_or_default();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let is_root = (folder == "src" && (name == "lib.rs" || name == "main.rs")) || folder == "bin";
        let line = |wanted: &str| source.code().filter(|(_, line)| line.trim() == wanted).count();
        if is_root {
            roots += 1;
            let wanted = if source.path == "persistence/src/lib.rs" {
                "#![deny(unsafe_code)]"
            } else {
                "#![forbid(unsafe_code)]"
            };
            assert_eq!(line(wanted), 1, "{} says {wanted}", source.path);
        }
        let allows = source.code().filter(|(_, line)| line.contains("allow(unsafe_code")).count();
        assert_eq!(allows, usize::from(source.path == ISLAND), "{} allows unsafe code", source.path);
    }
    assert!(roots >= CRATES.len(), "every crate has a root: {roots}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = all_sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert!(long.is_empty(), "over {LINES} lines: {long:?}");
}

#[test]
fn every_name_says_what_is_inside() {
    let mut paths = Vec::new();
    below(root(), &mut paths);
    paths.retain(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        VAGUE.contains(&stem.as_str())
    });
    assert!(paths.is_empty(), "name them by what they hold: {paths:?}");
}
