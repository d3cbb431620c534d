//! Consumption state: what each group has done with each queue. Pure state
//! machines; time and lease numbers come in as arguments.

pub mod dedup;
pub mod delay;
pub mod group;
pub mod in_place;
pub mod progress;
pub mod ranges;
pub mod transaction;
