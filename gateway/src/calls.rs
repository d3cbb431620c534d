//! Counts the calls that were answered, for the bill: what storage nodes cannot see.
//! Counts become events that are handed out until somebody has kept them. What was
//! not kept when the process dies is lost: calls are few against what they carry.

use firn_protocol::api::billing::CallsEvent;
use firn_protocol::{InstanceId, Timestamp};
use firn_runtime::random;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

const HOUR_MS: u64 = 3_600_000;

/// Calls of one gateway's life.
pub struct Calls {
    source: [u8; 16],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By instance and hour since 1970.
    counts: FxHashMap<(InstanceId, u64), u64>,
    /// Handed out, and not known to be kept.
    pending: Option<CallsEvent>,
    /// Events so far.
    number: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            source: random::bytes(),
            state: Mutex::default(),
        }
    }
}

impl Calls {
    pub(crate) fn count(&self, instance: InstanceId, now: Timestamp) {
        let mut state = self.state.lock();
        *state.counts.entry((instance, now.0 / HOUR_MS)).or_default() += 1;
    }

    /// What is to be kept next, if there is anything: the same until [`Self::taken`].
    #[must_use]
    pub fn next(&self) -> Option<CallsEvent> {
        let mut state = self.state.lock();
        if state.pending.is_none() && !state.counts.is_empty() {
            state.number += 1;
            let counts = state.counts.drain();
            let mut rows: Vec<_> = counts
                .map(|((instance, hour), calls)| (instance, Timestamp(hour * HOUR_MS), calls))
                .collect();
            rows.sort_unstable();
            state.pending = Some(CallsEvent {
                source: self.source,
                number: state.number,
                rows,
            });
        }
        state.pending.clone()
    }

    /// Notes that an event is kept.
    pub fn taken(&self, number: u64) {
        let mut state = self.state.lock();
        if state
            .pending
            .as_ref()
            .is_some_and(|event| event.number == number)
        {
            state.pending = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_handed_out_until_it_is_kept() {
        let calls = Calls::default();
        assert_eq!(calls.next(), None);
        let at = Timestamp(5 * HOUR_MS + 7);
        for instance in [2, 1, 2] {
            calls.count(InstanceId(instance), at);
        }
        let first = calls.next().unwrap();
        let hour = Timestamp(5 * HOUR_MS);
        assert_eq!(
            first.rows,
            [(InstanceId(1), hour, 1), (InstanceId(2), hour, 2)]
        );
        calls.count(InstanceId(1), at);
        assert_eq!(calls.next().as_ref(), Some(&first));
        calls.taken(first.number + 1);
        assert_eq!(calls.next().as_ref(), Some(&first));
        calls.taken(first.number);
        let second = calls.next().unwrap();
        assert_eq!(
            (second.number, second.source),
            (first.number + 1, first.source)
        );
        assert_eq!(second.rows, [(InstanceId(1), hour, 1)]);
        calls.taken(second.number);
        assert_eq!(calls.next(), None);
        assert_ne!(Calls::default().source, first.source);
    }
}
