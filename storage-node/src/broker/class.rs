//! Of which durability class a broker's entries are (DESIGN 4).

use firn_protocol::catalogue::Durability;
use serde::{Deserialize, Serialize};

/// Where the class changed last, each way; 0 = never. A broker begins as `local`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassState {
    /// Sequence of the entry from which on it is of the class `object`.
    pub object_since: u64,
    /// Sequence of the entry from which on it is of the class `local` again.
    pub local_since: u64,
}

impl ClassState {
    #[must_use]
    pub fn durability(self) -> Durability {
        match self.is_object() {
            true => Durability::Object,
            false => Durability::Local,
        }
    }

    /// Whether entries ride in WAL objects.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.object_since > self.local_since
    }

    /// Whether object storage lacks what only a manifest can give it: the state
    /// before the first WAL object, or, of a broker that is `local` again, what
    /// its WAL objects have. `covered` is what the newest manifest covers.
    #[must_use]
    pub fn wants_manifest(self, covered: u64) -> bool {
        match self.is_object() {
            true => covered + 1 < self.object_since,
            false => covered < self.local_since,
        }
    }

    /// Whether WAL objects of before the class changed are needed.
    #[must_use]
    pub fn needs_old_wal(self, covered: u64) -> bool {
        !self.is_object() && covered < self.local_since
    }

    pub(super) fn change(&mut self, seq: u64, to: Durability) {
        match to {
            Durability::Object => self.object_since = seq,
            Durability::Local => self.local_since = seq,
        }
    }
}
