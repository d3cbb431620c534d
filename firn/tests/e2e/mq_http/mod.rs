//! Aliyun's MQ protocol, byte by byte as its client libraries need it.

pub(crate) mod client;
mod fields;
mod halves;
mod order;
mod refusals;
