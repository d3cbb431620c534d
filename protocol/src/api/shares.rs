//! How several gateways keep one limit together (DESIGN 6). Each holds a *part* of it
//! for a time and admits by that alone, so that no request waits for another service.
//! The tenant service promises that the parts of one limit that may be in force at the
//! same time are never more than the whole.
//!
//! A part is a fraction of the limit and no number of messages: a plan that changes
//! counts at every gateway at once.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::ApiResult;
use crate::ids::{GroupId, InstanceId, TopicKey};

/// A limit that gateways share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LimitKey {
    /// Messages a second of an instance.
    Instance(InstanceId),
    /// The same of a topic.
    Topic(InstanceId, TopicKey),
    /// The same of a group on a topic.
    GroupTopic(InstanceId, GroupId, TopicKey),
}

/// A part of something, in 65,536ths.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Part(u32);

impl Part {
    pub const NONE: Self = Self(0);
    pub const WHOLE: Self = Self(1 << 16);

    /// So many 65,536ths; what is more than the whole is the whole.
    #[must_use]
    pub const fn new(parts: u32) -> Self {
        if parts > Self::WHOLE.0 {
            return Self::WHOLE;
        }
        Self(parts)
    }

    /// The smallest part of `whole` that is at least `wanted`.
    #[must_use]
    pub fn of(wanted: u64, whole: u64) -> Self {
        if wanted >= whole {
            return Self::WHOLE;
        }
        let parts = (u128::from(wanted) << 16).div_ceil(u128::from(whole));
        Self::new(parts as u32)
    }

    #[must_use]
    pub const fn parts(self) -> u32 {
        self.0
    }

    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    /// What is left beside it.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(Self::WHOLE.0 - self.0)
    }

    /// This part of a number, rounded down.
    #[must_use]
    pub fn times(self, number: u64) -> u64 {
        ((u128::from(number) * u128::from(self.0)) >> 16) as u64
    }
}

/// A gateway's number, drawn anew at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayId(pub u128);

/// What a gateway does with one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareDemand {
    pub limit: LimitKey,
    /// What it may use now. True when it is sent; only an answer makes it more.
    pub held: Part,
    pub wanted: Part,
}

/// A gateway asks for its shares, about once a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareAsk {
    pub gateway: GatewayId,
    /// Rises with each call of the gateway: what was sent earlier and comes later counts
    /// for nothing.
    pub number: u64,
    /// Its [`ShareAnswer::base`] as it is now.
    pub base: Part,
    /// What it uses now of every limit that has no share of its own.
    pub every: Part,
    /// Each limit in use; what is missing is given back. `None` from a gateway that
    /// believes to be the only one.
    pub demands: Option<Vec<ShareDemand>>,
    /// How many connections of each instance are open here. Counted and not divided, as
    /// nobody can be told to close one.
    pub connections: Vec<(InstanceId, u32)>,
}

/// What a gateway may use, in place of all that it was told before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareAnswer {
    /// How long, from when the call was *sent*.
    pub valid_ms: u64,
    /// The part of each burst that is the gateway's own, with or without a share; and
    /// its part of each rate for as long as the service does not answer. All gateways'
    /// together are no more than the whole.
    pub base: Part,
    /// Of every limit without a share of its own: the whole for the only gateway.
    pub every: Part,
    /// For how long no other gateway could use any of it, so that bursts are unused.
    pub unused_ms: u64,
    /// Whether there are other gateways, so that limits in use are to be listed.
    pub is_shared: bool,
    /// Of the limits that were listed, in their order.
    pub shares: Vec<Part>,
    /// How many connections of the instances that were listed are open at other
    /// gateways, in their order.
    pub connections_elsewhere: Vec<u32>,
}

/// Divides limits among gateways.
#[async_trait]
pub trait SharesApi: Send + Sync {
    /// Renews and changes what a gateway may use. One call of a gateway at a time; it
    /// answers or fails within a second.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE` while what was divided before a restart is still in use;
    /// `CONFLICT` for a call that a later one has overtaken; `OVERLOADED` for more than
    /// [`crate::limits::GATEWAYS_MAX`] gateways. After each of them, and without an
    /// answer, the gateway keeps what it has for as long as it is valid.
    async fn shares(&self, ask: ShareAsk) -> ApiResult<ShareAnswer>;

    /// A gateway serves nobody any more: its shares are free at once.
    async fn leave(&self, gateway: GatewayId);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_numbers() {
        assert_eq!(Part::of(1, 2).parts(), 32_768);
        assert_eq!(Part::of(1, 3).parts(), 21_846, "rounded up");
        assert_eq!(Part::of(0, 3), Part::NONE);
        assert_eq!(Part::of(5, 3), Part::WHOLE);
        assert_eq!(Part::of(0, 0), Part::WHOLE, "of nothing, all");
        assert_eq!(Part::of(1, u64::MAX).parts(), 1);
        assert_eq!(Part::WHOLE.times(u64::MAX), u64::MAX);
        assert_eq!(Part::new(21_845).times(3), 0, "rounded down");
        assert_eq!(Part::of(2, 3).times(3), 2);
        assert_eq!(Part::new(u32::MAX), Part::WHOLE);
        assert_eq!(Part::of(1, 4).rest(), Part::of(3, 4));
    }
}
