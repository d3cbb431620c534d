//! The command line as a whole. Owns the list of commands; what each does is
//! in `standalone`, `restore`, `verify`, `client` and `inspect`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::client::Verb;
use crate::inspect::Inspect;
use crate::restore::Restore;
use crate::rotate::RotateMasterKey;
use crate::settings::Flags;
use crate::verify::Verify;

/// Firn: multi-tenant messaging with RocketMQ's semantics.
#[derive(Parser)]
#[command(name = "firn", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the whole service in this process, in the foreground.
    Standalone(Flags),
    Restore(Restore),
    Verify(Verify),
    RotateMasterKey(RotateMasterKey),
    #[command(flatten)]
    Client(Box<Verb>),
    Inspect(Inspect),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: firn completions bash > /etc/bash_completion.d/firn")]
    Completions {
        shell: Shell,
    },
}

/// Prints the completion script of `shell`.
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "firn", &mut script);
    // A reader that has closed its end has seen what it wanted.
    let _ = std::io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
