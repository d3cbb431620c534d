//! Tests of the `firn` binary from outside.

mod cli;
mod stub;
