//! Names of objects: the only place where they are built and taken apart.
//!
//! Numbers have a fixed width, so that the order of bytes is the order of
//! numbers, and stand for ids, never for names (RULES 9). What belongs to a
//! tenant is below tenant and instance; WAL objects hold entries of many and
//! are exempt. Reading a name back gives exactly what it was made of, or
//! nothing: a name that is not ours is left alone by everybody.

use std::fmt;

use firn_protocol::ids::{BrokerId, Generation, InstanceId, TenantId};
use serde::{Deserialize, Serialize};

use crate::hot::BrokerKey;

/// A number that is drawn once and never again: tells apart objects that two
/// owners, or two attempts, made for the same purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub u128);

impl Nonce {
    /// A new one.
    #[must_use]
    pub fn draw() -> Self {
        Self(u128::from_le_bytes(firn_runtime::random::bytes()))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A storage node, as its identity file says it: 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u128);

impl NodeId {
    /// From the 32 hex digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex(text).map(Self)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A segment within its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentName {
    /// Of the owner that made it.
    pub generation: Generation,
    /// Sequence of the first entry in it.
    pub first_sequence: u64,
    pub nonce: Nonce,
}

/// A state snapshot within its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StateName {
    /// Sequence of the last entry that it covers.
    pub sequence: u64,
    pub nonce: Nonce,
}

/// The name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    Segment(BrokerKey, SegmentName),
    Manifest(BrokerKey, u64),
    State(BrokerKey, StateName),
    /// Entries of all brokers of a node.
    Wal {
        node: NodeId,
        incarnation: u64,
        sequence: u64,
    },
    /// An export of the catalogue.
    Catalogue(u64),
    /// A part of the meter's books.
    Books(u64),
    /// What a start-up check leaves behind if it is interrupted.
    Probe(Nonce),
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Segment(broker, name) => write!(
                f,
                "{}/{:010}-{:020}-{}.seg",
                Prefix::Segments(broker),
                name.generation.0,
                name.first_sequence,
                name.nonce
            ),
            Self::Manifest(broker, number) => {
                write!(f, "{}/{number:020}", Prefix::Manifests(broker))
            }
            Self::State(broker, name) => write!(
                f,
                "{}/{:020}-{}",
                Prefix::States(broker),
                name.sequence,
                name.nonce
            ),
            Self::Wal {
                node,
                incarnation,
                sequence,
            } => write!(f, "{}/{sequence:020}", Prefix::Wal(node, incarnation)),
            Self::Catalogue(number) => write!(f, "{}/{number:020}", Prefix::Catalogue),
            Self::Books(number) => write!(f, "{}/{number:020}", Prefix::Books),
            Self::Probe(nonce) => write!(f, "{}/{nonce}", Prefix::Probes),
        }
    }
}

impl ObjectName {
    /// The inverse of its text; `None` for a name that is not ours.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let name = match parts.next()? {
            "wal" => Self::Wal {
                node: NodeId::parse(parts.next()?)?,
                incarnation: number(parts.next()?, 20)?,
                sequence: number(parts.next()?, 20)?,
            },
            "catalogue" => Self::Catalogue(number(parts.next()?, 20)?),
            "books" => Self::Books(number(parts.next()?, 20)?),
            "probe" => Self::Probe(Nonce(hex(parts.next()?)?)),
            tenant => {
                let broker = BrokerKey {
                    tenant: TenantId(lettered(tenant, 't', 20)?),
                    instance: InstanceId(lettered(parts.next()?, 'i', 20)?),
                    broker: BrokerId(lettered(parts.next()?, 'b', 10)?.try_into().ok()?),
                };
                of_broker(broker, parts.next()?, parts.next()?)?
            }
        };
        match parts.next() {
            None => Some(name),
            Some(_) => None,
        }
    }

    /// The broker that it belongs to, if it belongs to one.
    #[must_use]
    pub fn broker(&self) -> Option<BrokerKey> {
        match *self {
            Self::Segment(broker, _) | Self::Manifest(broker, _) | Self::State(broker, _) => {
                Some(broker)
            }
            Self::Wal { .. } | Self::Catalogue(_) | Self::Books(_) | Self::Probe(_) => None,
        }
    }
}

fn of_broker(broker: BrokerKey, folder: &str, file: &str) -> Option<ObjectName> {
    match folder {
        "segment" => {
            let mut fields = file.strip_suffix(".seg")?.splitn(3, '-');
            let name = SegmentName {
                generation: Generation(number(fields.next()?, 10)?.try_into().ok()?),
                first_sequence: number(fields.next()?, 20)?,
                nonce: Nonce(hex(fields.next()?)?),
            };
            Some(ObjectName::Segment(broker, name))
        }
        "manifest" => Some(ObjectName::Manifest(broker, number(file, 20)?)),
        "state" => {
            let (sequence, nonce) = file.split_once('-')?;
            let name = StateName {
                sequence: number(sequence, 20)?,
                nonce: Nonce(hex(nonce)?),
            };
            Some(ObjectName::State(broker, name))
        }
        _ => None,
    }
}

/// Where to look for objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// All there is.
    All,
    Tenant(TenantId),
    Instance(TenantId, InstanceId),
    Broker(BrokerKey),
    Segments(BrokerKey),
    Manifests(BrokerKey),
    States(BrokerKey),
    /// All WAL objects, of all nodes.
    Wals,
    /// Those of one node, of all its incarnations.
    WalsOf(NodeId),
    /// Those of one incarnation.
    Wal(NodeId, u64),
    Catalogue,
    Books,
    Probes,
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::All => Ok(()),
            Self::Tenant(tenant) => write!(f, "t{:020}", tenant.0),
            Self::Instance(tenant, instance) => {
                write!(f, "{}/i{:020}", Self::Tenant(tenant), instance.0)
            }
            Self::Broker(broker) => write!(
                f,
                "{}/b{:010}",
                Self::Instance(broker.tenant, broker.instance),
                broker.broker.0
            ),
            Self::Segments(broker) => write!(f, "{}/segment", Self::Broker(broker)),
            Self::Manifests(broker) => write!(f, "{}/manifest", Self::Broker(broker)),
            Self::States(broker) => write!(f, "{}/state", Self::Broker(broker)),
            Self::Wals => f.write_str("wal"),
            Self::WalsOf(node) => write!(f, "wal/{node}"),
            Self::Wal(node, incarnation) => write!(f, "wal/{node}/{incarnation:020}"),
            Self::Catalogue => f.write_str("catalogue"),
            Self::Books => f.write_str("books"),
            Self::Probes => f.write_str("probe"),
        }
    }
}

/// A decimal number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn lettered(text: &str, letter: char, digits: usize) -> Option<u64> {
    number(text.strip_prefix(letter)?, digits)
}

/// 32 small hex digits.
fn hex(text: &str) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = text.len() == 32 && text.bytes().all(is_hex);
    is_number.then(|| u128::from_str_radix(text, 16).ok())?
}
