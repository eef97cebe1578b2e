//! The daemon: reads the command line, and does what it says.
#![forbid(unsafe_code)]

mod chat;
mod command_line;
mod compose;
mod config;
mod journal_commands;
mod jwt_keys;
mod lock;
mod logging;
mod open_files;
mod operators;
mod projecting;
mod serve;
mod signals;
mod sql_commands;
mod terminal;
mod threads;

use std::process::ExitCode;

use clap::Parser;
use command_line::{Command, CommandLine, ConfigCommand, Settings, SqlCommand};
use config::Loaded;
use terminal::{say, tell};

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let result = match line.command {
        None => configuration(line.settings).and_then(|loaded| serve::serve(&loaded.config)),
        Some(Command::Serve(settings)) => configuration(settings).and_then(|loaded| serve::serve(&loaded.config)),
        Some(Command::Config(ConfigCommand::Check(settings))) => {
            configuration(settings).map(|_| say!("the configuration is right"))
        }
        Some(Command::Config(ConfigCommand::Print(settings))) => {
            configuration(settings).map(|loaded| say!("{}", loaded.print().trim_end()))
        }
        Some(Command::Chat(options)) => chat::run(&options),
        Some(Command::Log(command)) => journal_commands::run(command),
        Some(Command::Sql(SqlCommand::Rebuild(settings))) => {
            configuration(settings).and_then(|loaded| sql_commands::rebuild_tables(&loaded.config))
        }
        Some(Command::Sql(SqlCommand::Verify(settings))) => {
            configuration(settings).and_then(|loaded| sql_commands::verify_tables(&loaded.config))
        }
        Some(Command::User(command)) => operators::user(command),
        Some(Command::Contact(command)) => operators::contact(command),
        Some(Command::Stats(options)) => operators::stats(options),
        Some(Command::Import(command)) => operators::import(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            why.lines().for_each(|line| tell!("ringdove: {line}"));
            ExitCode::FAILURE
        }
    }
}

fn configuration(settings: Settings) -> Result<Loaded, String> {
    let file = settings.config.clone();
    // a variable whose name or value is not UTF-8 can be none of ours
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config::load(file.as_deref(), variables, settings.flags())
}
