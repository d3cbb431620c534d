//! Hashes of keys and message ids as the hot index holds them. The reader of a
//! hit compares the full text, so a collision costs a read and nothing else.
//!
//! Both keys of SipHash are part of the stored format: to change them is a new
//! version of index records. Keys and ids have one each, so that a key which
//! spells an id is never taken for it.

use firn_protocol::message::MessageId;
use siphasher::sip::SipHasher24;

const KEY_DOMAIN: [u8; 16] = *b"firn-hot-key-1\0\0";
const ID_DOMAIN: [u8; 16] = *b"firn-hot-id-1\0\0\0";

/// Hash of a message key.
#[must_use]
pub fn key_hash(key: &str) -> u64 {
    SipHasher24::new_with_key(&KEY_DOMAIN).hash(key.as_bytes())
}

/// Hash of a message id.
#[must_use]
pub fn id_hash(id: &MessageId) -> u64 {
    SipHasher24::new_with_key(&ID_DOMAIN).hash(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored for ever: hashes of version 1.
    #[test]
    fn golden_hashes_of_version_1() {
        let id = MessageId::from_bytes(b"0123456789abcdef").expect("16 bytes");
        assert_eq!(key_hash("order-1"), 0x3ceb_c210_e816_10b2);
        assert_eq!(id_hash(&id), 0x4c72_1f83_8052_8aba);
        assert_ne!(key_hash("0123456789abcdef"), id_hash(&id));
    }
}
