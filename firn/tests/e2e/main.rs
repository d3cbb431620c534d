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
mod kill;
mod machine;
mod management;
mod order;
mod process;
mod restore;
mod semantics;
mod sim;
mod stack;
mod stub;
