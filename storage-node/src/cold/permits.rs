//! Who may fetch ahead: a bound of requests on their way for all, and within it
//! a share for each instance, so that one that catches up leaves some to others.

use std::sync::Arc;

use firn_protocol::ids::InstanceId;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// An instance has at most so many times what it leaves free: one alone three
/// quarters of all, and each of many an equal part.
const SHARE: usize = 3;

/// The permits; clones share them.
#[derive(Clone)]
pub(super) struct Permits(Arc<Mutex<State>>);

struct State {
    free: usize,
    own: FxHashMap<Option<InstanceId>, usize>,
}

/// A request that may be made. Given back when dropped.
pub(super) struct Permit {
    permits: Permits,
    instance: Option<InstanceId>,
}

impl Permits {
    pub(super) fn new(at_once: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: at_once,
            own: FxHashMap::default(),
        })))
    }

    /// A permit, if there is one left for the instance. Nobody waits for one: who
    /// gets none goes on without what would have been fetched ahead.
    pub(super) fn take(&self, instance: Option<InstanceId>) -> Option<Permit> {
        let mut state = self.0.lock();
        let own = state.own.get(&instance).copied().unwrap_or(0);
        if own >= SHARE * state.free {
            return None;
        }
        state.free -= 1;
        state.own.insert(instance, own + 1);
        Some(Permit {
            permits: self.clone(),
            instance,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.permits.0.lock();
        state.free += 1;
        if let Some(own) = state.own.get_mut(&self.instance) {
            *own -= 1;
            if *own == 0 {
                state.own.remove(&self.instance);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(permits: &Permits, instance: u64) -> Vec<Permit> {
        let taken = std::iter::from_fn(|| permits.take(Some(InstanceId(instance))));
        taken.take(100).collect()
    }

    #[test]
    fn one_instance_leaves_some_to_others_and_gets_them_back() {
        let permits = Permits::new(8);
        let mut first = take_all(&permits, 1);
        assert_eq!(first.len(), 6);
        let second = take_all(&permits, 2);
        assert_eq!(second.len(), 2);
        assert!(take_all(&permits, 3).is_empty(), "never more than all");
        // What comes free goes to who has less.
        first.pop();
        assert!(permits.take(Some(InstanceId(1))).is_none());
        assert_eq!(take_all(&permits, 3).len(), 1);
        drop((first, second));
        assert_eq!(take_all(&permits, 1).len(), 6, "all are back");
    }

    #[test]
    fn a_single_permit_can_be_had() {
        let permits = Permits::new(1);
        let only = permits.take(None);
        assert!(only.is_some() && permits.take(None).is_none());
        drop(only);
        assert!(permits.take(None).is_some());
        assert!(Permits::new(0).take(None).is_none());
    }
}
