//! Which leases a crash left. Whoever looks sees that a record is in somebody's hands,
//! not in whose, so the holders are asked.

use firn_protocol::api::storage::{StorageApi, VisibilityAnswer, VisibilityRequest};

use super::{Models, System};
use crate::harness::{BROKERS, context};
use crate::model::{Key, Last, State, lease_of};

/// The new deadline of a lease that was found.
const RENEWED_MS: u64 = 20_000;

impl System {
    /// What a crash may have taken and nobody sees: that filters are let go, and leases.
    pub(super) fn lose_leases(&mut self, candidates: &[Models], before: &Models) {
        for (broker, model) in self.models.iter_mut().enumerate() {
            for (group, state) in &mut model.groups {
                let known = candidates
                    .iter()
                    .filter_map(|c| c[broker].groups.get(group));
                for known in known {
                    for (topic, known) in &known.topics {
                        let topic = state.topics.get_mut(topic);
                        let Some(topic) = topic else { continue };
                        for (filter, seen) in &known.filters {
                            topic.filters.entry(filter.clone()).or_insert(*seen);
                        }
                    }
                }
                let touched: Vec<Key> = state.touched().map(|(key, _)| key).collect();
                for key in touched {
                    let mut open = state.state(key);
                    if let State::Open {
                        last: Some(last), ..
                    } = &mut open
                    {
                        last.is_lost = true;
                        state.set(key, open);
                    }
                }
                // A lost lease is honoured until the record is handed out again.
                let Some(former) = before[broker].groups.get(group) else {
                    continue;
                };
                for (key, former) in former.touched() {
                    if let State::Leased { lease, .. } = former
                        && let State::Open {
                            attempt,
                            copy,
                            maybe,
                            ..
                        } = state.state(key)
                    {
                        let last = Last::lost(*lease);
                        state.set(
                            key,
                            State::Open {
                                attempt,
                                copy,
                                last,
                                maybe,
                            },
                        );
                    }
                }
            }
        }
    }

    /// Of the leases that a record may have by what is known from before the crash,
    /// finds the one that it has. It is renewed by that.
    pub(super) fn tell_leases_apart(&mut self, candidates: &[Models]) {
        for broker in 0..self.models.len() {
            let groups: Vec<u64> = self.models[broker].groups.keys().copied().collect();
            for group in groups {
                let known = &self.models[broker].groups[&group];
                let leased = known.touched().filter(|(_, state)| state.is_leased());
                for key in leased.map(|(key, _)| key).collect::<Vec<_>>() {
                    let states = candidates.iter().rev().filter_map(|models| {
                        let state = models[broker].groups.get(&group)?.state(key);
                        state.is_leased().then_some(state)
                    });
                    let mut states: Vec<State> = states.collect();
                    states.dedup_by_key(|state| state.lease());
                    if states.len() > 1 {
                        let found = states.into_iter().find_map(|state| {
                            let until = self.renew(broker, group, key, &state)?;
                            Some(state.renewed(until))
                        });
                        let found = found.expect("R2: it is in nobody's hands");
                        let model = self.models[broker].groups.get_mut(&group);
                        model.expect("known").set(key, found);
                    }
                }
            }
        }
    }

    /// The new deadline, if the record has this lease.
    fn renew(&self, broker: usize, group: u64, key: Key, state: &State) -> Option<u64> {
        let mut handles = self.handles.iter();
        let handle = handles.find(|handle| {
            (handle.broker, handle.group, handle.key) == (broker, group, key)
                && Some(lease_of(&handle.receipt)) == state.lease()
        });
        let request = VisibilityRequest {
            broker: BROKERS[broker],
            group: self.spec_of(group),
            receipt: handle?.receipt,
            invisible_ms: RENEWED_MS,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.change_visibility(&context(1), request));
        match answer.expect("answered") {
            VisibilityAnswer::Changed {
                invisible_until, ..
            } => Some(invisible_until.0),
            VisibilityAnswer::Refused(_) => None,
        }
    }
}
