//! The traits at which services meet. Each has the real service as one
//! implementation; callers cannot tell whether it runs in their process.

pub mod admin;
pub mod billing;
pub mod hold;
pub mod shares;
pub mod storage;
pub mod tenant;
pub mod usage;
