//! The messages of the protocol, made of `proto/` at build time.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::wildcard_enum_match_arm,
    reason = "generated"
)]

tonic::include_proto!("apache.rocketmq.v2");
