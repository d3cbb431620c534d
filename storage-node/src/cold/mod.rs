//! The cold store: objects in S3, in a directory, or in memory.
//!
//! Owns everything about the object store: how it is opened and checked, how
//! objects are named, what makes up a broker there (its manifest), which
//! objects may go, and a cache of blocks for reading. Promises what RULES 6
//! asks of numbered objects also when answers get lost, and that a store in
//! trouble is asked less, not more. What is in a segment, a snapshot or a WAL
//! object is opaque here.
//!
//! Layers, from below: [`RealObjects`] (or [`FaultyObjects`] over it), counts,
//! retries, the bound for background work, [`ColdStore`].

pub mod ahead;
mod budget;
pub mod cache;
mod classify;
pub mod error;
mod faulty;
mod limited;
pub mod manifest;
mod metered;
pub mod metrics;
pub mod objects;
mod open;
pub mod paths;
mod permits;
mod probe;
mod real;
mod retrying;
mod store;
pub mod sweep;
#[cfg(test)]
mod tests;
mod upload;
pub mod wal;

pub use budget::BudgetSettings;
pub use error::{ColdError, Failure, Operation};
pub use faulty::{Chances, FaultyObjects};
pub use open::{ColdUrl, OpenError};
pub use probe::{ProbeError, probe};
pub use real::RealObjects;
pub use retrying::{Draw, RetrySettings};
pub use store::{ColdSettings, ColdStore, Created, Listed};
pub use upload::Upload;
