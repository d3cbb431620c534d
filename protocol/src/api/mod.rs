//! The traits at which services meet. Each has the real service as one
//! implementation; callers cannot tell whether it runs in their process.

pub mod hold;
pub mod parked;
pub mod storage;
pub mod tenant;
