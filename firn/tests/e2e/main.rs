//! Tests of the `firn` binary from outside.

mod access;
mod admin;
mod billing;
mod catalogue;
mod cli;
mod connections;
mod consume;
mod files;
mod grpc;
mod held;
mod history;
mod http;
mod input;
mod inspect;
mod isolation;
mod kept;
mod kill;
mod lifecycle;
mod loss;
mod machine;
mod management;
mod mq_http;
mod order;
#[path = "../../../tenant-service/tests/support/postgres.rs"]
mod postgres;
mod process;
mod restore;
mod semantics;
mod shares;
mod sim;
mod stack;
mod stub;
