//! Aliyun's MQ protocol, byte by byte as its client libraries need it.

mod client;
mod fields;
mod halves;
mod order;
mod refusals;
