//! The `firn` binary: decides which part of [`firn`] runs.

use std::process::ExitCode;

use clap::Parser as _;
use firn::cli::{Cli, Command};

/// Small things are allocated on one thread and freed on another all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Standalone(flags) => firn::standalone::main(&flags),
        Command::Restore(args) => firn::restore::main(&args),
        Command::Verify(args) => firn::verify::main(&args),
        Command::RotateMasterKey(args) => firn::rotate::main(&args),
        Command::Inspect(verb) => firn::inspect::main(&verb),
        Command::Completions { shell } => firn::cli::completions(shell),
        Command::Client(verb) => firn::client::main(&verb),
    }
}
