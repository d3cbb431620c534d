//! JSON of the guide, field by field (SEED_SPEC 5).

pub(super) mod bodies;
pub(super) mod cluster;
pub(super) mod group;
pub(super) mod message;
pub(super) mod parameters;
pub(super) mod progress;
pub(super) mod topic;
