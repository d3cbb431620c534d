//! What lies in one stage behind the sends, and of whom.

use firn_protocol::ids::InstanceId;
use rustc_hash::FxHashMap;

/// An instance with less than this part of the window always finds room, as long
/// as not too many do.
const SPARED_PART: u64 = 32;
/// Beyond so many windows nobody finds room.
const WINDOWS_MAX: u64 = 2;

/// Bytes in a stage. What is taken comes from one request at a time, so that a
/// stage holds its bound and one request more.
#[derive(Debug)]
pub struct Stage {
    window: u64,
    bytes: u64,
    own: FxHashMap<InstanceId, u64>,
}

impl Stage {
    /// A stage in which sends wait once it holds a window.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            window: window.max(1),
            bytes: 0,
            own: FxHashMap::default(),
        }
    }

    /// What was put in and has not left.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The part of it that is an instance's.
    #[must_use]
    pub fn own(&self, instance: InstanceId) -> u64 {
        self.own.get(&instance).copied().unwrap_or(0)
    }

    /// Whether a request of an instance finds room in a stage that holds `held`
    /// bytes: anybody's while that is less than the window, and beyond that one
    /// of those who have little in it.
    #[must_use]
    pub fn has_room(&self, instance: InstanceId, bytes: u64, held: u64) -> bool {
        if held < self.window {
            return true;
        }
        let own = self.own(instance);
        let has_little = own == 0 || own.saturating_add(bytes) <= self.window / SPARED_PART;
        has_little && held < self.window.saturating_mul(WINDOWS_MAX)
    }

    pub fn put(&mut self, instance: InstanceId, bytes: u64) {
        self.bytes += bytes;
        *self.own.entry(instance).or_default() += bytes;
    }

    /// What is not there cannot leave.
    pub fn take(&mut self, instance: InstanceId, bytes: u64) {
        let Some(own) = self.own.get_mut(&instance) else {
            return;
        };
        let taken = bytes.min(*own);
        *own -= taken;
        self.bytes -= taken;
        if *own == 0 {
            self.own.remove(&instance);
        }
    }

    pub fn clear(&mut self) {
        self.bytes = 0;
        self.own.clear();
    }
}
