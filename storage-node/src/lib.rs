//! The storage node: write-ahead log, virtual brokers, hot store.

pub mod disk;
pub mod log;
