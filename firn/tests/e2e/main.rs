//! Tests of the `firn` binary from outside.

mod cli;
mod consume;
mod history;
mod http;
mod kill;
mod process;
mod stack;
mod stub;
