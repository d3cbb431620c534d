//! The virtual broker: a pure state machine over its entries, and its owner.

pub mod apply;
pub mod entry;
pub mod state;
