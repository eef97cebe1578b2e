//! What can be typed behind `ringdove user`, `contact`, `stats` and `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ringdove_core::wire::names::is_handle;

use super::who::Who;
use crate::command_line::Folder;

/// What can be asked of accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; its password is asked for.
    Add {
        /// 3 to 64 of a-z 0-9 . _ -, beginning with a letter.
        #[arg(value_parser = handle)]
        handle: String,
        /// The name that others see.
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        folder: Folder,
    },
    /// List all accounts.
    List {
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        folder: Folder,
    },
    /// Show an account and its devices.
    Show {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        folder: Folder,
    },
    /// Keep an account from signing in; whoever is signed in is sent away.
    Disable {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        folder: Folder,
    },
    /// Let a disabled account back in.
    Enable {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        folder: Folder,
    },
    /// Set an account's password, which is asked for, and sign out all its devices.
    Passwd {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        folder: Folder,
    },
    /// Sign out an account's devices: their tokens are worth nothing any more.
    SignOut {
        #[command(flatten)]
        whom: Whom,
        /// Only this device; `user show` lists them.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        device: Option<u32>,
        #[command(flatten)]
        folder: Folder,
    },
    /// Delete an account. Its handle is not given again; what was written stays in the journal.
    Delete {
        #[command(flatten)]
        whom: Whom,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        folder: Folder,
    },
}

/// What can be asked of contacts.
#[derive(Debug, Subcommand)]
pub enum ContactCommand {
    /// List whom someone has in the list of contacts, and how they stand.
    List {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Figures, or where they come from.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StatsOptions {
    #[command(subcommand)]
    pub(super) command: Option<StatsCommand>,
    #[command(flatten)]
    pub(super) form: Form,
    #[command(flatten)]
    pub(super) folder: Folder,
}

/// What can be asked of figures.
#[derive(Debug, Subcommand)]
pub enum StatsCommand {
    /// Count who is online anew, from the journal, and compare with what a running broker says.
    Recount {
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        folder: Folder,
    },
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Make accounts: a line is {"handle":"ann","name":"Ann","secret":"$argon2id$...","token":true}; only the handle has to be there.
    Accounts {
        #[command(flatten)]
        source: Source,
        /// Give each account a device, and write its token here: a new file, JSON lines.
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,
        /// Pass over accounts that exist already.
        #[arg(long)]
        skip_existing: bool,
    },
    /// Give people contacts beside those they have: a line is {"handle":"ann","contacts":["bob","cyd"]}.
    Contacts {
        #[command(flatten)]
        source: Source,
    },
}

/// Where an import comes from, and what a wrong line does.
#[derive(Debug, Args)]
pub struct Source {
    /// JSON lines; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Report wrong and refused lines on standard error and go on, instead of stopping there.
    #[arg(long)]
    pub(super) skip_refused: bool,
    #[command(flatten)]
    pub(super) folder: Folder,
}

/// Whom.
#[derive(Debug, Args)]
pub struct Whom {
    /// A handle (bob, or @u512 if it looks like a number) or a number (u512 or 512).
    #[arg(value_name = "WHO")]
    pub(super) who: Who,
}

/// How it is printed.
#[derive(Debug, Args)]
pub struct Form {
    /// JSON, an object a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// Where a password comes from. Never from an argument: everyone on the machine can read those.
#[derive(Debug, Args)]
pub struct Password {
    /// Take the password from the first line of standard input.
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// No password: nobody signs in with one.
    #[arg(long, conflicts_with = "password_stdin")]
    pub(super) no_password: bool,
}

fn handle(typed: &str) -> Result<String, String> {
    let rule = "a handle has 3 to 64 of a-z 0-9 . _ -, and begins with a letter";
    is_handle(typed).then(|| typed.to_owned()).ok_or_else(|| rule.to_owned())
}
