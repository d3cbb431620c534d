//! The protocol of RocketMQ 5 clients, call by call and field by field.

mod bad_input;
pub(crate) mod client;
mod consume;
mod messages;
mod rights;
mod rules;
mod telemetry;
mod transactions;
