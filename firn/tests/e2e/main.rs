//! Tests of the `firn` binary from outside.

mod admin;
mod cli;
mod consume;
mod held;
mod history;
mod http;
mod input;
mod inspect;
mod isolation;
mod kept;
mod kill;
mod machine;
mod order;
mod process;
mod restore;
mod semantics;
mod sim;
mod stack;
mod stub;
