//! Numeric identities. Stored keys, handles and cursors carry these, never
//! names, and no number is ever given out twice (RULES 9).

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A tenant; the number is chosen by the operator (SEED_SPEC section 1).
    TenantId(u64)
);
number!(
    /// An instance. The public id of 32 hex digits is an attribute of the
    /// instance ([`crate::catalogue::Instance::uid`]).
    InstanceId(u64)
);
number!(
    /// A virtual broker, unique in the deployment.
    BrokerId(u32)
);
number!(
    /// A topic, unique in the deployment.
    TopicId(u64)
);
number!(
    /// A consumer group, unique in the deployment.
    GroupId(u64)
);
number!(
    /// A queue of one topic on one broker, from 0.
    QueueId(u16)
);
number!(
    /// Place of a record in its queue: dense, from 0.
    Offset(u64)
);
number!(
    /// Place of a record in its broker, the low half of an `offsetMessageId` (RULES 14).
    Position(u64)
);
number!(
    /// Rises each time a broker is opened by an owner; tells leases of before apart (RULES 2).
    Generation(u32)
);

impl Offset {
    #[must_use]
    pub fn plus(self, n: u64) -> Self {
        Self(self.0 + n)
    }
}

/// What stands for a producer's `dedupId` of a topic: 128 bits of a hash, so that
/// nobody finds two ids that share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UniqueId(pub [u8; 16]);

impl UniqueId {
    #[must_use]
    pub fn of(topic: TopicId, dedup_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&topic.0.to_be_bytes());
        hasher.update(dedup_id.as_bytes());
        let hash = hasher.finalize();
        Self(std::array::from_fn(|i| hash.as_bytes()[i]))
    }
}

/// What stands for an attempt id, by which a member asks again for an answer that it
/// may have missed (RULES 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId(pub [u8; 16]);

impl AttemptId {
    #[must_use]
    pub fn of(text: &str) -> Self {
        let hash = blake3::hash(text.as_bytes());
        Self(std::array::from_fn(|i| hash.as_bytes()[i]))
    }
}

/// Numbers of groups of the catalogue lie below, those of members above.
const MEMBER: u64 = 1 << 63;

impl GroupId {
    /// A member of a broadcast, which has a progress of its own like a group. Two
    /// names that share a number are told apart where the progress is kept.
    #[must_use]
    pub fn member(self, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.to_be_bytes());
        hasher.update(name.as_bytes());
        let hash = hasher.finalize();
        let number = u64::from_be_bytes(std::array::from_fn(|i| hash.as_bytes()[i]));
        Self(number | MEMBER)
    }

    /// Whether it is a member's number.
    #[must_use]
    pub fn is_member(self) -> bool {
        self.0 & MEMBER != 0
    }
}

/// A topic as the storage node knows it: users' topics, and the two topics
/// that every group has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TopicKey {
    /// A topic of the catalogue.
    User(TopicId),
    /// `%RETRY%<group>`: copies waiting for redelivery (SEED_SPEC 2.3).
    Retry(GroupId),
    /// `%DLQ%<group>`: dead letters (SEED_SPEC 2.3).
    DeadLetter(GroupId),
    /// Internal: bodies of scheduled retries until they are due (RULES 17).
    Waiting,
}

impl TopicKey {
    /// Number of the kind in stored bytes; never reassigned.
    #[must_use]
    pub fn kind(self) -> u8 {
        match self {
            Self::User(_) => 0,
            Self::Retry(_) => 1,
            Self::DeadLetter(_) => 2,
            Self::Waiting => 3,
        }
    }

    /// Number within the kind.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::User(id) => id.0,
            Self::Retry(id) | Self::DeadLetter(id) => id.0,
            Self::Waiting => 0,
        }
    }

    /// The inverse of [`Self::kind`] and [`Self::number`]; `None` for an unknown kind.
    #[must_use]
    pub fn from_parts(kind: u8, number: u64) -> Option<Self> {
        match kind {
            0 => Some(Self::User(TopicId(number))),
            1 => Some(Self::Retry(GroupId(number))),
            2 => Some(Self::DeadLetter(GroupId(number))),
            3 => Some(Self::Waiting),
            _ => None,
        }
    }
}

/// One queue of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueKey {
    pub topic: TopicKey,
    pub queue: QueueId,
}

impl fmt::Display for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.topic, self.queue)
    }
}

impl BrokerId {
    /// The broker's address as shown in `storeHost` and in message ids: an
    /// address of 10.0.0.0/8 and a port, not a socket (RULES 14).
    #[must_use]
    pub fn address(self) -> (u32, u16) {
        let host = 0x0A00_0000 | (self.0 & 0x00FF_FFFF);
        let port = 10_911 + u16::from((self.0 >> 24) as u8);
        (host, port)
    }

    /// The broker of an address; `None` for one that no broker can have.
    #[must_use]
    pub fn from_address(host: u32, port: u32) -> Option<Self> {
        if host >> 24 != 0x0A || !(10_911..=10_911 + 255).contains(&port) {
            return None;
        }
        Some(Self(((port - 10_911) << 24) | (host & 0x00FF_FFFF)))
    }

    /// `storeHost` as text, `10.0.0.1:10911`.
    #[must_use]
    pub fn store_host(self) -> String {
        let (host, port) = self.address();
        format!("{}:{port}", std::net::Ipv4Addr::from(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_addresses_round_trip() {
        for id in [0, 1, 0x00FF_FFFF, 0x0100_0000, u32::MAX] {
            let (host, port) = BrokerId(id).address();
            assert_eq!(
                BrokerId::from_address(host, port.into()),
                Some(BrokerId(id))
            );
        }
        assert_eq!(BrokerId::from_address(0x0B00_0000, 10_911), None);
        assert_eq!(BrokerId::from_address(0x0A00_0000, 80), None);
    }
}
