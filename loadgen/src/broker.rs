//! Where ringdove's program is, whether somebody has said it or not.

use std::path::{Path, PathBuf};

/// Where cargo leaves it, seen from the root of the repository.
const BUILT: &str = "target/release/ringdove";

/// ringdove's program, which may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broker {
    /// Here, as somebody has said.
    At(PathBuf),
    /// Beside loadgen's own program; else where cargo leaves it.
    Nearby {
        /// Beside loadgen's; `None`: it is not known where that is.
        beside: Option<PathBuf>,
        /// Where cargo leaves it.
        built: PathBuf,
    },
}

impl Broker {
    /// The one of this path, or one nearby.
    pub fn new(said: Option<PathBuf>) -> Self {
        let beside = || std::env::current_exe().ok().map(|own| own.with_file_name("ringdove"));
        said.map_or_else(|| Self::Nearby { beside: beside(), built: BUILT.into() }, Self::At)
    }

    /// The program.
    ///
    /// # Errors
    /// There is none: where it was looked for, and what helps.
    pub fn program(&self) -> Result<&Path, String> {
        let places: Vec<&Path> = match self {
            Self::At(path) => vec![path],
            Self::Nearby { beside, built } => beside.iter().chain([built]).map(PathBuf::as_path).collect(),
        };
        places.iter().find(|path| path.is_file()).copied().ok_or_else(|| {
            let places: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
            let help = match self {
                Self::At(_) => "say another --broker",
                Self::Nearby { .. } => "build it with `cargo build --release --workspace`, or say --broker PATH",
            };
            format!("there is no ringdove at {}: {help}", places.join(", nor at "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_loadgen_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let (beside, built) = (folder.path().join("beside"), folder.path().join("built"));
        let broker = Broker::Nearby { beside: Some(beside.clone()), built: built.clone() };
        let why = broker.program().unwrap_err();
        let both = format!("there is no ringdove at {}, nor at {}: ", beside.display(), built.display());
        assert!(why.starts_with(&both) && why.contains("`cargo build --release --workspace`"), "{why}");
        std::fs::write(&built, "").unwrap();
        assert_eq!(broker.program(), Ok(&*built));
        std::fs::write(&beside, "").unwrap();
        assert_eq!(broker.program(), Ok(&*beside));
        let own = Broker::Nearby { beside: None, built: built.clone() };
        assert_eq!(own.program(), Ok(&*built));
    }

    #[test]
    fn what_somebody_says_is_not_looked_for_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::new(Some(folder.path().join("mine")));
        let why = broker.program().unwrap_err();
        assert!(why.ends_with("mine: say another --broker"), "{why}");
        std::fs::write(folder.path().join("mine"), "").unwrap();
        assert_eq!(broker.program(), Ok(&*folder.path().join("mine")));
    }

    #[test]
    fn the_one_nearby_lies_beside_this_program() {
        let own = std::env::current_exe().unwrap();
        let Broker::Nearby { beside, built } = Broker::new(None) else { panic!("nobody has said where") };
        assert_eq!(beside.as_deref(), Some(&*own.parent().unwrap().join("ringdove")));
        assert_eq!(built, Path::new("target/release/ringdove"));
    }
}
