//! Tests of the `firn` binary from outside.

mod admin;
mod cli;
mod consume;
mod history;
mod http;
mod input;
mod inspect;
mod isolation;
mod kill;
mod machine;
mod process;
mod restore;
mod semantics;
mod stack;
mod stub;
