//! Aliyun's MQ protocol: XML over HTTP under `/topics/`, as its client libraries speak
//! it (docs/decisions/0027-mq-http.md). Owns that wire alone, that is signature,
//! documents, properties and codes: rights are those of `auth`, and what is done is
//! done by `ops`, as for the native API. Promises every client a document of its own
//! protocol, whatever was wrong.

mod ack;
mod client;
mod consume;
mod digest;
mod enter;
mod error;
mod properties;
mod publish;
mod query;
mod request;
mod response;
mod signature;
mod table;
mod transactions;

#[cfg(test)]
mod fuzz_tests;

pub(crate) use error::finish;
pub(crate) use table::{is_own, table};
