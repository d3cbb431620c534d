//! JSON as the API shows it. Requests borrow from the body that they were
//! read from; answers borrow from what they describe.

pub(super) mod admin;
pub(super) mod audit;
pub(super) mod auth;
pub(super) mod billing;
pub(super) mod consume;
pub(super) mod error;
pub(super) mod import;
pub(super) mod message;
pub(super) mod paths;
pub(super) mod person;
pub(super) mod quota;
mod quoted;
pub(super) mod send;
pub(super) mod session;
pub(super) mod text;
pub(super) mod token;
pub(super) mod transaction;
pub(super) mod values;
pub(super) mod words;
