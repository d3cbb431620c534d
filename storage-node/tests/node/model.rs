//! What a broker promises, as plain data in the most obvious form: for every
//! group and record one state. Shares nothing with the implementation but the
//! words of the protocol.

use std::collections::BTreeMap;

use firn_protocol::api::storage::AckStatus;
use firn_protocol::filter::Filter;
use firn_protocol::limits::{FILTER_LIVE_MS, RETRY_PAUSES_SECS};
use firn_protocol::message::{ConsumeStatus, Message, MessageId, NewMessage};
use firn_protocol::receipt::Receipt;

/// A record within its broker: topic, queue, offset.
pub(crate) type Key = (u64, u16, u64);

/// Lease number and generation.
pub(crate) type Lease = (u64, u32);

pub(crate) fn lease_of(receipt: &Receipt) -> Lease {
    (receipt.lease, receipt.generation.0)
}

/// Whether one delivery of a record came before another.
pub(crate) fn is_older(one: Lease, other: Lease) -> bool {
    (one.1, one.0) < (other.1, other.0)
}

/// Who had a record last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Last {
    pub(crate) lease: Lease,
    /// A crash may have taken it; then an earlier one counts.
    pub(crate) is_lost: bool,
}

impl Last {
    pub(crate) fn known(lease: Lease) -> Option<Self> {
        let is_lost = false;
        Some(Self { lease, is_lost })
    }

    pub(crate) fn lost(lease: Lease) -> Option<Self> {
        let is_lost = true;
        Some(Self { lease, is_lost })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Open {
        attempt: u32,
        /// Offset in `%RETRY%`, once it has been redelivered.
        copy: Option<u64>,
        /// Who had it last.
        last: Option<Last>,
        /// Nobody wants it, so a receive may have finished it.
        maybe: bool,
    },
    Leased {
        attempt: u32,
        copy: Option<u64>,
        deadline: u64,
        lease: Lease,
    },
    Waiting {
        /// Of the next delivery.
        attempt: u32,
        slot: u64,
        due: u64,
    },
    Finished {
        by: Option<Lease>,
    },
    Dead,
}

impl State {
    /// Not finished, and still in its own queue.
    pub(crate) fn is_open_at_origin(&self) -> bool {
        matches!(
            self,
            Self::Open { copy: None, .. } | Self::Leased { copy: None, .. }
        )
    }

    /// Its live copy in `%RETRY%`.
    pub(crate) fn copy(&self) -> Option<u64> {
        match self {
            Self::Open { copy, .. } | Self::Leased { copy, .. } => *copy,
            Self::Waiting { .. } | Self::Finished { .. } | Self::Dead => None,
        }
    }

    pub(crate) fn lease(&self) -> Option<Lease> {
        match self {
            Self::Leased { lease, .. } => Some(*lease),
            Self::Open { .. } | Self::Waiting { .. } | Self::Finished { .. } | Self::Dead => None,
        }
    }

    /// With another deadline, if it is leased.
    pub(crate) fn renewed(mut self, until: u64) -> Self {
        if let Self::Leased { deadline, .. } = &mut self {
            *deadline = until;
        }
        self
    }

    pub(crate) fn is_leased(&self) -> bool {
        matches!(self, Self::Leased { .. })
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    pub(crate) fn status(&self) -> ConsumeStatus {
        match self {
            Self::Open { .. } | Self::Waiting { .. } => ConsumeStatus::ToConsume,
            Self::Leased { .. } => ConsumeStatus::Consuming,
            Self::Finished { .. } | Self::Dead => ConsumeStatus::Consumed,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: MessageId,
    pub(crate) position: u64,
    pub(crate) stored_at: u64,
    pub(crate) content: NewMessage,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct BrokerModel {
    pub(crate) queues: BTreeMap<(u64, u16), Vec<Record>>,
    pub(crate) groups: BTreeMap<u64, GroupModel>,
    slots: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct GroupModel {
    pub(crate) max_retries: u32,
    pub(crate) topics: BTreeMap<u64, TopicModel>,
    /// Records that `%RETRY%` has ever had.
    pub(crate) retry_end: u64,
    /// Dead letters in order: the original, and whether it was sent back.
    pub(crate) letters: Vec<(Key, bool)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct TopicModel {
    pub(crate) epoch: u32,
    pub(crate) filters: BTreeMap<Filter, Seen>,
    pub(crate) queues: BTreeMap<u16, QueueModel>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct QueueModel {
    pub(crate) start: u64,
    pub(crate) states: BTreeMap<u64, State>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The last call of a member with this filter.
    pub(crate) call: u64,
    /// Since when the node counts: later than the call after a restart or seek,
    /// from the next receive on.
    pub(crate) since: Option<u64>,
}

impl QueueModel {
    pub(crate) fn state(&self, offset: u64) -> State {
        let default = if offset < self.start {
            State::Finished { by: None }
        } else {
            State::Open {
                attempt: 1,
                copy: None,
                last: None,
                maybe: false,
            }
        };
        self.states.get(&offset).cloned().unwrap_or(default)
    }
}

impl GroupModel {
    pub(crate) fn state(&self, key: Key) -> State {
        self.topics[&key.0].queues[&key.1].state(key.2)
    }

    pub(crate) fn set(&mut self, key: Key, state: State) {
        let queue = self.topics.get_mut(&key.0).expect("subscribed");
        let queue = queue.queues.get_mut(&key.1).expect("subscribed");
        queue.states.insert(key.2, state);
    }

    /// Every record that has been touched.
    pub(crate) fn touched(&self) -> impl Iterator<Item = (Key, &State)> {
        self.topics.iter().flat_map(|(&topic, model)| {
            model.queues.iter().flat_map(move |(&queue, model)| {
                let states = model.states.iter();
                states.map(move |(&offset, state)| ((topic, queue, offset), state))
            })
        })
    }

    fn fail(&mut self, key: Key, attempt: u32) -> bool {
        let is_dead = attempt > self.max_retries;
        if is_dead {
            self.letters.push((key, false));
            self.set(key, State::Dead);
        }
        is_dead
    }

    fn send_to_retry(&mut self, key: Key, attempt: u32, last: Option<Last>) {
        let state = State::Open {
            attempt,
            copy: Some(self.retry_end),
            last,
            maybe: false,
        };
        self.retry_end += 1;
        self.set(key, state);
    }
}

/// Something that happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at: u64,
    pub(crate) group: u64,
    /// Leases of originals, then of copies, then what waits.
    kind: u8,
    place: (u64, u16, u64),
    key: Key,
}

impl BrokerModel {
    pub(crate) fn end(&self, topic: u64, queue: u16) -> u64 {
        self.queues.get(&(topic, queue)).map_or(0, Vec::len) as u64
    }

    pub(crate) fn record(&self, key: Key) -> &Record {
        &self.queues[&(key.0, key.1)][key.2 as usize]
    }

    pub(crate) fn content(&self, key: Key) -> &NewMessage {
        &self.record(key).content
    }

    pub(crate) fn keys(&self, topic: u64) -> Vec<Key> {
        let queues = self.queues.range((topic, 0)..=(topic, u16::MAX));
        queues
            .flat_map(|(&(topic, queue), records)| {
                (0..records.len() as u64).map(move |offset| (topic, queue, offset))
            })
            .collect()
    }

    /// A group takes up a topic from its beginning.
    pub(crate) fn subscribe(&mut self, group: u64, max_retries: u32, topic: u64, queues: u16) {
        let group = self.groups.entry(group).or_default();
        group.max_retries = max_retries;
        let topic = group.topics.entry(topic).or_default();
        for queue in 0..queues {
            topic.queues.entry(queue).or_default();
        }
    }

    /// What is or will be due, in order of time.
    pub(crate) fn due(&self) -> Vec<Due> {
        let mut due = Vec::new();
        for (&group, model) in &self.groups {
            for (key, state) in model.touched() {
                let (at, kind, place) = match *state {
                    State::Leased {
                        deadline,
                        copy: None,
                        ..
                    } => (deadline, 0, key),
                    State::Leased {
                        deadline,
                        copy: Some(offset),
                        ..
                    } => (deadline, 1, (0, 0, offset)),
                    State::Waiting { due, slot, .. } => (due, 2, (0, 0, slot)),
                    State::Open { .. } | State::Finished { .. } | State::Dead => continue,
                };
                due.push(Due {
                    at,
                    group,
                    kind,
                    place,
                    key,
                });
            }
        }
        due.sort();
        due
    }

    /// A lease passes, or a pause is over.
    pub(crate) fn settle(&mut self, due: Due) {
        let group = self.groups.get_mut(&due.group).expect("known");
        match group.state(due.key) {
            State::Leased { attempt, lease, .. } => {
                if !group.fail(due.key, attempt) {
                    group.send_to_retry(due.key, attempt + 1, Last::known(lease));
                }
            }
            State::Waiting { attempt, .. } => group.send_to_retry(due.key, attempt, None),
            State::Open { .. } | State::Finished { .. } | State::Dead => unreachable!(),
        }
    }

    /// The member says that it failed; when it comes again, if it does.
    pub(crate) fn fail(&mut self, group: u64, key: Key, now: u64) -> Option<u64> {
        let slot = self.slots;
        let group = self.groups.get_mut(&group).expect("known");
        let State::Leased { attempt, .. } = group.state(key) else {
            unreachable!("only leases fail");
        };
        if group.fail(key, attempt) {
            return None;
        }
        self.slots += 1;
        let row = (attempt as usize - 1).min(RETRY_PAUSES_SECS.len() - 1);
        let due = now + RETRY_PAUSES_SECS[row] * 1000;
        let attempt = attempt + 1;
        group.set(key, State::Waiting { attempt, slot, due });
        Some(due)
    }

    /// A member with a filter calls, and idle filters are let go; whether it was known.
    pub(crate) fn note_filter(
        &mut self,
        group: u64,
        topic: u64,
        filter: &Filter,
        now: u64,
    ) -> bool {
        let group = self.groups.get_mut(&group).expect("known");
        let topic = group.topics.get_mut(&topic).expect("known");
        let seen = Seen {
            call: now,
            since: Some(now),
        };
        let is_known = topic.filters.insert(filter.clone(), seen).is_some();
        for seen in topic.filters.values_mut() {
            seen.since.get_or_insert(now);
        }
        topic
            .filters
            .retain(|_, seen| now - seen.since.unwrap_or(now) <= FILTER_LIVE_MS);
        is_known
    }

    /// A receive with `filter` has looked: what it may and what it must have finished.
    pub(crate) fn filter_out(&mut self, group: u64, topic: u64, now: u64, found_nothing: bool) {
        let keys = self.keys(topic);
        for key in keys {
            let content = self.content(key).clone();
            let group = self.groups.get_mut(&group).expect("known");
            let State::Open {
                attempt,
                copy,
                last,
                maybe,
            } = group.state(key)
            else {
                continue;
            };
            let filters = &group.topics[&topic].filters;
            let by_rule = filters
                .iter()
                .any(|(f, seen)| now - seen.call <= FILTER_LIVE_MS && f.matches(&content));
            let by_node = filters.keys().any(|filter| filter.matches(&content));
            if found_nothing && !by_node && copy.is_none() {
                group.set(key, State::Finished { by: None });
            } else if !by_rule && !maybe {
                let maybe = true;
                let state = State::Open {
                    attempt,
                    copy,
                    last,
                    maybe,
                };
                group.set(key, state);
            }
        }
    }

    /// A delivery, judged; the record's key.
    pub(crate) fn deliver(
        &mut self,
        group: u64,
        topic: u64,
        message: &Message,
        receipt: &Receipt,
        deadline: u64,
    ) -> Result<Key, String> {
        let retry = message.queue.topic == firn_protocol::TopicKey::Retry(receipt.group);
        let key = match message.origin {
            Some(origin) if retry => (origin.topic.number(), origin.queue.0, origin.offset.0),
            None => (topic, message.queue.queue.0, message.offset.0),
            Some(_) => return Err("a copy outside of its retry queue".to_owned()),
        };
        if key.0 != topic || key.2 >= self.end(key.0, key.1) {
            return Err(format!("R2: {key:?} was never sent"));
        }
        self.compare(key, message)?;
        let group = self.groups.get_mut(&group).expect("known");
        let state = group.state(key);
        let State::Open { attempt, copy, .. } = state else {
            return Err(format!("R6/R7/R15: delivered while {state:?}"));
        };
        let place = copy.map_or(key.2, |copy| copy);
        if message.attempt != attempt || retry != copy.is_some() || message.offset.0 != place {
            return Err(format!(
                "R15: attempt or place is wrong, expected {state:?}"
            ));
        }
        let lease = lease_of(receipt);
        group.set(
            key,
            State::Leased {
                attempt,
                copy,
                deadline,
                lease,
            },
        );
        Ok(key)
    }

    /// Whether a stored message is what was sent.
    pub(crate) fn compare(&self, key: Key, message: &Message) -> Result<(), String> {
        let record = self.record(key);
        let mut content = record.content.clone();
        content.message_id = Some(record.id);
        let same = message.message_id == record.id && message.content == content;
        let place = match message.origin {
            None => {
                (message.position.0, message.stored_at.0) == (record.position, record.stored_at)
            }
            Some(origin) => {
                (origin.position.0, origin.stored_at.0) == (record.position, record.stored_at)
            }
        };
        if same && place {
            Ok(())
        } else {
            Err(format!(
                "R2: {key:?} is altered: {message:?}, sent {record:?}"
            ))
        }
    }

    /// What an ack may answer.
    pub(crate) fn judge(&self, group: u64, key: Key, receipt: &Receipt) -> Vec<AckStatus> {
        use AckStatus::{AlreadyAcked, Invalid, LeaseExpired, Ok};
        let Some(group) = self.groups.get(&group) else {
            return vec![Invalid];
        };
        let Some(topic) = group.topics.get(&key.0) else {
            return vec![Invalid];
        };
        if topic.epoch != receipt.epoch {
            return vec![LeaseExpired];
        }
        let lease = lease_of(receipt);
        match group.state(key) {
            State::Leased { lease: holder, .. } if holder == lease => vec![Ok],
            State::Leased { .. } | State::Waiting { .. } => vec![LeaseExpired],
            State::Open {
                last: Some(last),
                maybe: false,
                ..
            } if last.lease == lease => vec![Ok],
            State::Open {
                last: Some(last),
                maybe: false,
                ..
            } if !last.is_lost && is_older(lease, last.lease) => vec![LeaseExpired],
            State::Open { maybe: false, .. } => vec![Ok, LeaseExpired],
            State::Open { .. } => vec![Ok, LeaseExpired, AlreadyAcked],
            State::Finished { by } if by == Some(lease) => vec![AlreadyAcked],
            State::Finished { .. } | State::Dead => vec![AlreadyAcked, LeaseExpired],
        }
    }

    /// Starts over: retries of the topic are dropped, queues in `starts` begin anew.
    pub(crate) fn seek(&mut self, group: u64, topic: u64, starts: &[(u16, u64)]) {
        let group = self.groups.get_mut(&group).expect("known");
        let gone: Vec<Key> = group
            .touched()
            .filter(|(key, state)| key.0 == topic && (state.copy().is_some() || state.is_waiting()))
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            group.set(key, State::Finished { by: None });
        }
        let topic = group.topics.get_mut(&topic).expect("known");
        topic.epoch += 1;
        for seen in topic.filters.values_mut() {
            seen.since = None;
        }
        for &(queue, start) in starts {
            let states = BTreeMap::new();
            topic.queues.insert(queue, QueueModel { start, states });
        }
    }

    /// A dead letter goes back to its group.
    pub(crate) fn redrive(&mut self, group: u64, letter: usize) {
        let group = self.groups.get_mut(&group).expect("known");
        group.letters[letter].1 = true;
        let key = group.letters[letter].0;
        group.send_to_retry(key, 1, None);
    }

    pub(crate) fn drop_topic(&mut self, topic: u64) {
        self.queues.retain(|key, _| key.0 != topic);
        for group in self.groups.values_mut() {
            group.topics.remove(&topic);
        }
    }

    /// The lowest offset of a queue that a group has not finished there.
    pub(crate) fn committed(&self, group: &GroupModel, topic: u64, queue: u16) -> u64 {
        let model = &group.topics[&topic].queues[&queue];
        let end = self.end(topic, queue).max(model.start);
        (model.start..end)
            .find(|&offset| model.state(offset).is_open_at_origin())
            .unwrap_or(end)
    }
}
