//! The storage node: virtual brokers over one write-ahead log, with a hot
//! store behind it. Owns every stored byte and the state machines; leaves
//! names, credentials and HTTP to the gateway.

pub mod broker;
pub mod cold;
pub mod config;
pub mod consume;
pub mod disk;
pub mod fair;
pub mod hot;
pub mod log;
pub mod metrics;
pub mod node;
pub mod record;
pub mod retention;
pub mod segment;
pub mod varint;
