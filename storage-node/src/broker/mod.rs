//! The virtual broker: a pure state machine over its entries, and its owner.

pub mod apply;
pub mod attempts;
pub mod class;
pub mod entry;
pub mod held;
pub mod in_place;
pub mod near;
pub mod order;
pub mod owner;
pub mod state;
pub mod tail;
pub mod tier;
pub mod trim;
pub mod unique;
pub mod usage;
pub mod waiters;
