//! Hashes of keys, message ids and tags. Each segment has a seed of its own, so
//! that nobody can choose keys that meet in one place of every segment. The
//! reader of a hit compares the full text: a collision costs a read.
//!
//! SipHash-2-4-128 under the seed, cut to 64 bits (32 for tags). Keys, ids and
//! tags have one domain each, so that a key that spells an id is not taken for it.

use firn_protocol::message::MessageId;
use siphasher::sip128::SipHasher24;

const KEY_DOMAIN: u8 = 1;
const ID_DOMAIN: u8 = 2;
const TAG_DOMAIN: u8 = 3;

/// Random bytes of one segment; they also make the bytes of each object unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

/// Hash of a key or of a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash(pub u64);

/// Hash of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagHash(pub u32);

impl Seed {
    /// Hash of a message key.
    #[must_use]
    pub fn key_hash(&self, key: &str) -> KeyHash {
        KeyHash(self.hash(KEY_DOMAIN, key.as_bytes()))
    }

    /// Hash of a message id.
    #[must_use]
    pub fn id_hash(&self, id: &MessageId) -> KeyHash {
        KeyHash(self.hash(ID_DOMAIN, id.as_bytes()))
    }

    /// Hash of a tag.
    #[must_use]
    pub fn tag_hash(&self, tag: &str) -> TagHash {
        TagHash(self.hash(TAG_DOMAIN, tag.as_bytes()) as u32)
    }

    fn hash(&self, domain: u8, bytes: &[u8]) -> u64 {
        let mut key = self.0;
        key[15] ^= domain;
        SipHasher24::new_with_key(&key).hash(bytes).as_u64().0
    }
}
