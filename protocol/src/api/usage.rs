//! What tenants use, as storage nodes count it and the meter collects it (RULES 26).
//!
//! A node counts in its brokers' state, so that what is counted is what the log
//! says, also after a crash. Counts are cut into events, each of a range of the
//! broker's entries, and an event stays with the node until the meter has taken it:
//! whoever is interrupted does it again, and the event's key tells that it is the same.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::ApiResult;
use crate::ids::{BrokerId, Generation, GroupId, InstanceId, TenantId, TopicKey};
use crate::time::Timestamp;

/// Length of the slots in which usage is counted, in ms: the step of the curves of
/// SEED_SPEC 5.2.
pub const SLOT_MS: u64 = 120_000;

/// Bytes of one unit; every message is at least one (API.md, "Plans").
pub const UNIT_BYTES: u64 = 4096;

/// Messages, units and bytes. Signed: what never reached its member is taken back, at
/// times in a later event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub messages: i64,
    /// Of 4 KiB, rounded up for each message.
    pub units: i64,
    /// Body, keys, tag and the user's own properties.
    pub bytes: i64,
}

impl Counts {
    /// One message with so many bytes of content.
    #[must_use]
    pub fn message(bytes: u64) -> Self {
        Self {
            messages: 1,
            units: bytes.div_ceil(UNIT_BYTES).max(1) as i64,
            bytes: bytes as i64,
        }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            units: self.units + other.units,
            bytes: self.bytes + other.bytes,
        }
    }

    #[must_use]
    pub fn negative(self) -> Self {
        Self {
            messages: -self.messages,
            units: -self.units,
            bytes: -self.bytes,
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::plus)
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UsageKey {
    /// Slots of [`SLOT_MS`] since 1970.
    pub slot: u32,
    /// That it was sent to, or received from; retries under their original.
    pub topic: TopicKey,
    /// Who it was handed out to; `None` for what was sent.
    pub group: Option<GroupId>,
}

impl UsageKey {
    #[must_use]
    pub fn at(time: Timestamp, topic: TopicKey, group: Option<GroupId>) -> Self {
        Self {
            slot: (time.0 / SLOT_MS) as u32,
            topic,
            group,
        }
    }

    /// When the slot begins.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        Timestamp(u64::from(self.slot) * SLOT_MS)
    }
}

/// Names an event for ever: of two with one key, the one that goes further counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    pub broker: BrokerId,
    /// Of the first entry.
    pub generation: Generation,
    /// Sequence of the first entry.
    pub from: u64,
}

/// What a range of a broker's entries adds up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    pub tenant: TenantId,
    pub instance: InstanceId,
    pub key: EventKey,
    /// Sequence of the last entry.
    pub to: u64,
    pub rows: Vec<(UsageKey, Counts)>,
}

/// What a broker stores now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBytes {
    pub tenant: TenantId,
    pub instance: InstanceId,
    pub broker: BrokerId,
    /// Of records that are on the node alone.
    pub hot: u64,
    /// Of records in object storage, before compression.
    pub cold: u64,
}

#[async_trait]
pub trait UsageApi: Send + Sync + 'static {
    /// Events that nobody has taken, oldest first for each broker; all of what was counted
    /// before the call, unless it is more than fits one answer.
    async fn usage(&self) -> ApiResult<Vec<UsageEvent>>;

    /// Forgets events that the meter has kept. Not waited for: one that comes again is
    /// known by its key.
    async fn usage_taken(&self, events: &[EventKey]) -> ApiResult<()>;

    /// What every broker of the node stores.
    fn stored_bytes(&self) -> Vec<StoredBytes>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_at_least_one_unit() {
        let units = |bytes| Counts::message(bytes).units;
        let of = [0, 1, 4096, 4097, 8192, 524_288].map(units);
        assert_eq!(of, [1, 1, 1, 2, 2, 128]);
        let both: Counts = [Counts::message(10), Counts::message(5000).negative()]
            .into_iter()
            .sum();
        assert_eq!((both.messages, both.units, both.bytes), (0, -1, -4990));
    }
}
