//! Where the tables are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::SqlError;
use super::postgres::{self, Postgres};
use super::sqlite::Sqlite;
use super::store::Store;

/// The name of the SQLite file in the data folder.
const FILE: &str = "ringdove.sqlite";

/// What stands in place of a password.
const MASKED: &str = "(masked)";

/// What an operator can choose.
#[derive(Clone, Debug)]
pub enum Sql {
    /// No tables.
    Off,
    /// A file in the data folder.
    Sqlite,
    /// A Postgres.
    Postgres(Box<Server>),
}

/// A Postgres, by its URL.
#[derive(Clone, Debug)]
pub struct Server {
    config: ::postgres::Config,
    /// The URL without its password.
    shown: String,
}

impl FromStr for Sql {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "sqlite" => Ok(Self::Sqlite),
            _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                // what it says of a wrong URL may repeat the password
                let config: ::postgres::Config = text.parse().map_err(|_| "this is no URL of a Postgres".to_owned())?;
                postgres::check(&config)?;
                if config.get_password() == Some(MASKED.as_bytes()) {
                    return Err("its password was masked when it was printed: put the real one in its place".into());
                }
                Ok(Self::Postgres(Box::new(Server { config, shown: masked(text) })))
            }
            _ => Err("it is none of sqlite, off, postgres://USER:PASSWORD@HOST:PORT/DATABASE".into()),
        }
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres(server) => f.write_str(&server.shown),
        }
    }
}

/// A URL with something else in place of its password, which stands behind the user's name or among the parameters.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASKED}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let behind = match behind.split_once('?') {
        Some((path, parameters)) => {
            let shown = parameters.split('&').map(|pair| match pair.split_once('=') {
                Some(("password", _)) => format!("password={MASKED}"),
                _ => pair.to_owned(),
            });
            format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
        }
        None => behind.to_owned(),
    };
    format!("{scheme}://{authority}{behind}")
}

/// A database that can be opened, again and again.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<::postgres::Config>),
}

impl Target {
    /// `None`: there are to be no tables.
    pub(super) fn of(sql: &Sql, data: &Path) -> Option<Self> {
        match sql {
            Sql::Off => None,
            Sql::Sqlite => Some(Self::Sqlite(data.join(FILE))),
            Sql::Postgres(server) => Some(Self::Postgres(Box::new(server.config.clone()))),
        }
    }

    /// Rows of one transaction that pay; the events of one record stay together. Postgres copies the faster the more there are; SQLite
    /// gains nothing by more, and they take memory.
    pub(super) const fn rows(&self) -> usize {
        match self {
            Self::Sqlite(_) => 1_024,
            Self::Postgres(_) => 32_768,
        }
    }

    /// To write what this journal says.
    pub(super) fn open(&self, journal: &str) -> Result<Box<dyn Store>, SqlError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Sqlite::open(path)?),
            Self::Postgres(config) => Box::new(Postgres::open(config, journal)?),
        })
    }

    pub(super) fn open_to_read(&self) -> Result<Box<dyn Store>, SqlError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Sqlite::open_to_read(path)?),
            Self::Postgres(config) => Box::new(Postgres::open_to_read(config)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let sql: Sql = "postgres://dove:s3cret@db.example:5433/chat".parse().unwrap();
        assert_eq!(sql.to_string(), "postgres://dove:(masked)@db.example:5433/chat");
        let sql: Sql = "postgres://dove@db.example/chat?password=s3cret&options=-csearch_path%3Dx".parse().unwrap();
        assert_eq!(sql.to_string(), "postgres://dove@db.example/chat?password=(masked)&options=-csearch_path%3Dx");
        let wrong = "postgres://dove:s3cret@db.example:notaport/chat".parse::<Sql>().unwrap_err();
        assert!(!wrong.contains("s3cret"), "{wrong}");
        for text in ["off", "sqlite", "postgres://dove@%2Fvar%2Frun/chat?connect_timeout=3"] {
            assert_eq!(text.parse::<Sql>().unwrap().to_string(), text);
        }
        assert!(sql.to_string().parse::<Sql>().unwrap_err().contains("masked"), "what was printed is no password");
        assert!("mysql://x".parse::<Sql>().is_err());
    }
}
