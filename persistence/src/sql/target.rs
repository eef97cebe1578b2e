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
    /// A Postgres, by its URL. Anything secret in it is not shown.
    Postgres(Box<::postgres::Config>),
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
                Ok(Self::Postgres(Box::new(config)))
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
            Self::Postgres(config) => {
                f.write_str("postgres://")?;
                if let Some(user) = config.get_user() {
                    match config.get_password() {
                        Some(_) => write!(f, "{user}:{MASKED}@")?,
                        None => write!(f, "{user}@")?,
                    }
                }
                let hosts = config.get_hosts().iter().map(|host| match host {
                    ::postgres::config::Host::Tcp(name) => name.clone(),
                    ::postgres::config::Host::Unix(path) => path.display().to_string(),
                });
                f.write_str(&hosts.collect::<Vec<_>>().join(","))?;
                if let [port, ..] = config.get_ports() {
                    write!(f, ":{port}")?;
                }
                write!(f, "/{}", config.get_dbname().unwrap_or_default())
            }
        }
    }
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
            Sql::Postgres(config) => Some(Self::Postgres(config.clone())),
        }
    }

    pub(super) fn open(&self) -> Result<Box<dyn Store>, SqlError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Sqlite::open(path)?),
            Self::Postgres(config) => Box::new(Postgres::open(config)?),
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
        let wrong = "postgres://dove:s3cret@db.example:notaport/chat".parse::<Sql>().unwrap_err();
        assert!(!wrong.contains("s3cret"), "{wrong}");
        for text in ["off", "sqlite"] {
            assert_eq!(text.parse::<Sql>().unwrap().to_string(), text);
        }
        assert!(sql.to_string().parse::<Sql>().unwrap_err().contains("masked"), "what was printed is no password");
        assert!("mysql://x".parse::<Sql>().is_err());
        assert!("postgres://x@h/d?sslmode=require".parse::<Sql>().unwrap_err().contains("sslmode"));
    }
}
