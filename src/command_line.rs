//! What can be typed behind `ringdove`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::chat::ChatOptions;
use crate::config::Flag;
use crate::operators::{ContactCommand, ImportCommand, StatsOptions, UserCommand};

/// A chat back end in one binary.
#[derive(Debug, Parser)]
#[command(name = "ringdove", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a command it serves. Every setting can also stand in a TOML file or in RINGDOVE_* variables: \
                        see `ringdove config print`."
)]
pub struct CommandLine {
    /// What to do; without one: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings for serve.
    #[command(flatten)]
    pub settings: Settings,
}

/// What ringdove can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the broker.
    Serve(Settings),
    /// Talk from a terminal.
    Chat(ChatOptions),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the journal, or cut it.
    #[command(subcommand)]
    Log(LogCommand),
    /// See to accounts, of a running broker.
    #[command(subcommand)]
    User(UserCommand),
    /// Look at people's contacts, of a running broker.
    #[command(subcommand)]
    Contact(ContactCommand),
    /// How many there are of everything, in a running broker.
    Stats(StatsOptions),
    /// Bring accounts and contacts into a running broker, in bulk.
    #[command(subcommand)]
    Import(ImportCommand),
    /// See to the tables in SQL.
    #[command(subcommand)]
    Sql(SqlCommand),
}

/// What can be asked of the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether it is right; everything wrong is named with its place.
    Check(Settings),
    /// Print it as TOML, with where each value comes from.
    Print(Settings),
}

/// What can be asked of a journal.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Read all of it and say whether it is whole; also beside a running broker.
    Verify(Folder),
    /// Print it as JSON lines, credentials masked; also beside a running broker.
    Dump {
        /// Where it is.
        #[command(flatten)]
        folder: Folder,
        /// Begin at this position.
        #[arg(long, default_value_t = 0, value_name = "POSITION")]
        from: u64,
    },
    /// Give up everything from a position on; the next start opens a new epoch. No broker may run on the folder.
    Repair {
        /// Where it is.
        #[command(flatten)]
        folder: Folder,
        /// The first position that is given up.
        #[arg(long, value_name = "POSITION")]
        cut: u64,
    },
}

/// What can be done with the tables.
#[derive(Debug, Subcommand)]
pub enum SqlCommand {
    /// Empty the tables and make them anew from the journal. No broker may run on the data folder.
    Rebuild(Settings),
    /// Hold every row against what the journal says; also beside a running broker.
    Verify(Settings),
}

/// Which data folder.
#[derive(Debug, Args)]
pub struct Folder {
    /// The data folder.
    #[arg(long, value_name = "DIR", env = "RINGDOVE_DATA", default_value = "./ringdove-data")]
    pub data: PathBuf,
}

/// The most wanted settings as flags; the others are set in the file or by variables.
#[derive(Debug, Default, Args)]
pub struct Settings {
    /// A TOML file.
    #[arg(long, value_name = "FILE", env = "RINGDOVE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address and port where clients come in [default: 127.0.0.1:7400].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The data folder [default: ./ringdove-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// memory, process or disk: what an acknowledged message survives [default: process].
    #[arg(long, value_name = "LEVEL")]
    durability: Option<String>,
    /// sqlite, off, or the URL of a Postgres [default: sqlite].
    #[arg(long, value_name = "WHERE")]
    sql: Option<String>,
    /// auto, shared or dedicated [default: auto].
    #[arg(long, value_name = "HOW")]
    threads: Option<String>,
    /// Event loops [default: auto].
    #[arg(long, value_name = "N")]
    reactors: Option<String>,
    /// How long an idle hot thread spins before it sleeps [default: 50us].
    #[arg(long, value_name = "TIME")]
    idle: Option<String>,
    /// text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Settings {
    /// The flags that were given, as keys.
    pub fn flags(self) -> Vec<Flag> {
        let all = [
            ("listen", self.listen),
            ("data", self.data),
            ("durability", self.durability),
            ("sql", self.sql),
            ("threads", self.threads),
            ("reactors", self.reactors),
            ("idle", self.idle),
            ("log.format", self.log_format),
            ("log.level", self.log_level),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves_with_the_same_flags() {
        let plain = CommandLine::try_parse_from(["ringdove", "--listen", "a"]).unwrap();
        assert!(plain.command.is_none());
        assert_eq!(plain.settings.flags(), [("listen", "a".to_owned())]);
        let named = CommandLine::try_parse_from(["ringdove", "serve", "--log-format", "json"]).unwrap();
        let Some(Command::Serve(settings)) = named.command else { panic!() };
        assert_eq!(settings.flags(), [("log.format", "json".to_owned())]);
    }
}
