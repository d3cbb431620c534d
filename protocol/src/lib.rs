//! What Firn's services say to each other.
//!
//! Owns the domain vocabulary: ids, limits, names, messages, receipts, the one
//! error vocabulary and the service traits. Promises that a value of one of
//! these types has been validated when it was built. Leaves transport (HTTP,
//! gRPC) to the edges and stored bytes to the storage node.

pub mod api;
pub mod catalogue;
pub mod client;
pub mod context;
pub mod error;
pub mod filter;
pub mod ids;
pub mod limits;
pub mod message;
pub mod names;
pub mod receipt;
pub mod routing;
pub mod time;
pub mod zone;

pub use context::{Caller, RequestContext};
pub use error::{ApiError, ApiResult, ErrorCode};
pub use ids::{
    AttemptId, BrokerId, Generation, GroupId, InstanceId, Offset, Position, QueueId, QueueKey,
    TenantId, TopicId, TopicKey, UniqueId,
};
pub use time::Timestamp;
