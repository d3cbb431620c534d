//! Operations that look without changing, and what befalls the node: crashes,
//! lost members, dropped topics and groups; and how a case ends.

use firn_protocol::api::storage::{AppendRequest, KeyQuery, RedriveRequest, StorageApi};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset, Position, TopicId, TopicKey};
use firn_protocol::time::Timestamp;

use super::{System, look};
use crate::harness::{BROKERS, START_MS, context, message, queue_key};
use crate::model::{Key, State};

impl System {
    pub(super) fn redrive(
        &mut self,
        broker: usize,
        group: usize,
        topic: Option<u64>,
        named: bool,
        max: u64,
    ) {
        let spec = self.group_spec(group);
        self.look();
        let Some(state) = self.models[broker].groups.get(&spec.id.0) else {
            return;
        };
        let wanted = |&(key, sent): &(Key, bool)| {
            (named || !sent)
                && topic.is_none_or(|topic| topic == key.0)
                && state.topics.contains_key(&key.0)
        };
        let mut letters: Vec<usize> = (0..state.letters.len())
            .filter(|&at| wanted(&state.letters[at]))
            .collect();
        let keys: Vec<Key> = letters.iter().map(|&at| state.letters[at].0).collect();
        let is_single = |key: &Key| keys.iter().filter(|k| *k == key).count() == 1;
        // Two living copies of one record are more than the model can tell apart.
        if !keys
            .iter()
            .all(|key| is_single(key) && state.state(*key) == State::Dead)
        {
            return;
        }
        let message_ids = named.then(|| {
            letters.truncate(1);
            let ids = letters.iter().map(|&at| state.letters[at].0);
            ids.map(|key| self.models[broker].record(key).id).collect()
        });
        letters.truncate(max as usize);
        let request = RedriveRequest {
            broker: BROKERS[broker],
            group: spec,
            topic: topic.map(|topic| TopicKey::User(TopicId(topic))),
            message_ids,
            to_topic: false,
            from: Offset(0),
            max,
        };
        let node = self.bench.node().clone();
        let sent = self
            .wait(node.redrive(&context(1), request))
            .expect("redriven");
        assert_eq!(sent.sent, letters.len() as u64, "redriven");
        for letter in letters {
            self.models[broker].redrive(spec.id.0, letter);
        }
        self.durable();
    }

    pub(super) fn query(
        &mut self,
        broker: usize,
        slot: usize,
        queue: u16,
        offset: u64,
        max: usize,
        key: u8,
    ) {
        let (node, ctx, id) = (self.bench.node().clone(), context(1), BROKERS[broker]);
        let topic = self.topics[slot];
        let (model, place) = (&self.models[broker], queue_key(topic, queue));
        let records = model
            .queues
            .get(&(topic, queue))
            .map_or(&[][..], Vec::as_slice);
        let found = self
            .wait(node.read(&ctx, id, place, Offset(offset), max))
            .expect("read");
        let count = records.len().saturating_sub(offset as usize).min(max);
        assert_eq!(found.len(), count, "R1: read from {offset}");
        for (at, message) in found.iter().enumerate() {
            assert_eq!(
                (message.offset.0, message.queue),
                (offset + at as u64, place)
            );
            assert_eq!((message.attempt, message.origin), (1, None));
            model
                .compare((topic, queue, message.offset.0), message)
                .expect("equal");
        }
        let time = START_MS + offset * 20_000;
        let at = self
            .wait(node.offset_at(&ctx, id, place, Timestamp(time)))
            .expect("found");
        let expected = records
            .iter()
            .filter(|record| record.stored_at < time)
            .count();
        assert_eq!(at.0, expected as u64, "offset at a time");
        if max == 0 {
            self.query_index(
                broker,
                topic,
                key,
                &records.iter().map(|r| r.id).collect::<Vec<_>>(),
            );
        }
    }

    pub(super) fn query_index(
        &self,
        broker: usize,
        topic: u64,
        key: u8,
        ids: &[firn_protocol::message::MessageId],
    ) {
        let (node, ctx, id) = (self.bench.node().clone(), context(1), BROKERS[broker]);
        let model = &self.models[broker];
        let in_topic = Some(TopicKey::User(TopicId(topic)));
        let text = format!("key {key}");
        let query = KeyQuery::Key(text.clone());
        let page = self
            .wait(node.by_key(&ctx, id, in_topic, query, 0, 1000))
            .expect("found");
        let found: Vec<u64> = page.messages.iter().map(|m| m.position.0).collect();
        let mut expected: Vec<u64> = model
            .keys(topic)
            .into_iter()
            .map(|key| model.record(key))
            .filter(|record| record.content.keys.contains(&text))
            .map(|record| record.position)
            .collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "by key");
        let Some(&message_id) = ids.first() else {
            return;
        };
        let query = KeyQuery::MessageId(message_id);
        let page = self
            .wait(node.by_key(&ctx, id, in_topic, query, 0, 10))
            .expect("found");
        assert_eq!(page.messages.len(), 1, "by id");
        let position = page.messages[0].position;
        let message = self
            .wait(node.by_position(&ctx, id, position))
            .expect("found");
        assert_eq!(message.as_ref(), page.messages.first());
        let nothing = self.wait(node.by_position(&ctx, id, Position(1 << 50)));
        assert_eq!(nothing.expect("answered"), None);
    }

    /// Another instance asks for our broker.
    pub(super) fn stranger(&mut self) {
        let (node, ctx) = (self.bench.node().clone(), context(2));
        for id in BROKERS {
            let place = queue_key(self.topics[0], 0);
            let read = self.wait(node.read(&ctx, id, place, Offset(0), 1));
            assert_eq!(read.expect_err("R12").code, ErrorCode::NotFound);
            let request = AppendRequest {
                broker: id,
                queue: place,
                messages: vec![message(0, None)],
            };
            let sent = self.wait(node.append(&ctx, request));
            assert_eq!(sent.expect_err("R12").code, ErrorCode::NotFound);
            let lag = self.wait(node.lag(&ctx, id, GroupId(self.groups[0])));
            assert_eq!(lag.expect_err("R12").code, ErrorCode::NotFound);
        }
    }

    /// A new life of the node counts filters from its first receive on.
    pub(super) fn forget_members(&mut self) {
        for model in &mut self.models {
            for group in model.groups.values_mut() {
                for topic in group.topics.values_mut() {
                    for seen in topic.filters.values_mut() {
                        seen.since = None;
                    }
                }
            }
        }
    }

    /// All that was answered holds; of the rest, a suffix may be gone.
    pub(super) fn crash(&mut self, seed: u64, keep_stores: bool) {
        let work = self.bench.crash(seed, keep_stores);
        self.runtime.block_on(work);
        let before = self.models.clone();
        let mut candidates = std::mem::take(&mut self.history);
        candidates.push(before.clone());
        let mut problems = Vec::new();
        let seen = self.observe();
        let fits = candidates.iter().rev().find_map(|candidate| {
            let mut models = candidate.clone();
            for (broker, group, seen) in &seen {
                if let Err(problem) = look::fit(&mut models[*broker], *group, seen) {
                    problems.push(problem);
                    return None;
                }
            }
            Some(models)
        });
        self.models = fits.unwrap_or_else(|| {
            panic!(
                "R1: no state before the crash explains this:\n{}",
                problems.join("\n")
            )
        });
        self.lose_leases(&candidates, &before);
        self.tell_leases_apart(&candidates);
        self.forget_members();
    }

    pub(super) fn drop_topic(&mut self, slot: usize) {
        let (node, ctx, topic) = (self.bench.node().clone(), context(1), self.topics[slot]);
        for (broker, id) in BROKERS.into_iter().enumerate() {
            let gone = node.drop_topic(&ctx, id, TopicKey::User(TopicId(topic)));
            self.wait(gone).expect("dropped");
            self.models[broker].drop_topic(topic);
            let read = node.read(&ctx, id, queue_key(topic, 0), Offset(0), 1);
            assert_eq!(self.wait(read).expect("read"), []);
        }
        self.topics[slot] = self.next_id;
        self.next_id += 1;
        self.durable();
    }

    pub(super) fn drop_group(&mut self, slot: usize) {
        let (node, ctx, group) = (self.bench.node().clone(), context(1), self.groups[slot]);
        for (broker, id) in BROKERS.into_iter().enumerate() {
            let gone = node.drop_group(&ctx, id, GroupId(group));
            self.wait(gone).expect("dropped");
            self.models[broker].groups.remove(&group);
            let lag = self.wait(node.lag(&ctx, id, GroupId(group)));
            assert_eq!(lag.expect("lag"), []);
        }
        // The number of redeliveries follows from the id.
        self.next_id += self.next_id % 2;
        self.groups[slot] = self.next_id + slot as u64;
        self.next_id += 2;
        self.durable();
    }

    pub(super) fn observe(&self) -> Vec<(usize, u64, look::Seen)> {
        let mut all = Vec::new();
        for broker in 0..2 {
            let model = &self.models[broker];
            let keys: Vec<Key> = self.topics.iter().flat_map(|&t| model.keys(t)).collect();
            for group in self.groups {
                let node = self.bench.node();
                let seen = self.wait(look::observe(node, broker, group, &keys));
                all.push((broker, group, seen));
            }
        }
        all
    }

    /// Everything that can be seen agrees with the model.
    pub(super) fn look(&mut self) {
        for (broker, group, seen) in self.observe() {
            let model = &mut self.models[broker];
            if let Err(problem) = look::fit(model, group, &seen) {
                panic!("broker {broker}: {problem}");
            }
        }
        self.durable();
        let mut now = std::collections::BTreeMap::new();
        for (broker, model) in self.models.iter().enumerate() {
            for (&group, state) in &model.groups {
                for (&topic, progress) in &state.topics {
                    for &queue in progress.queues.keys() {
                        let committed = model.committed(state, topic, queue);
                        now.insert((broker, group, topic, queue), committed);
                    }
                }
            }
        }
        for (place, before) in &self.committed {
            let after = now.get(place).copied().unwrap_or(u64::MAX);
            assert!(after >= *before, "R4: {place:?} went back to {after}");
        }
        self.committed = now;
    }

    /// Every group gets all that is left, or has it among its dead letters.
    pub(super) fn drain(&mut self) {
        self.look();
        for broker in 0..2 {
            for (group, slot) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                for _ in 0..1000 {
                    let handles = self.receive(broker, group, slot, 256, 30_000, &Filter::All);
                    if handles.is_empty() {
                        let due = self.models[broker].due();
                        let mine = |d: &&crate::model::Due| d.group == self.groups[group];
                        let Some(next) = due.iter().find(mine) else {
                            break;
                        };
                        let ms = next.at.saturating_sub(self.now());
                        self.bench.advance(ms);
                        if self.due_is_elsewhere(broker, group, slot) {
                            break;
                        }
                    }
                    self.ack_handles(&handles);
                }
            }
            for slot in 0..2 {
                self.is_drained(broker, slot);
            }
        }
        self.look();
        let work = self.bench.close();
        self.runtime.block_on(work);
        self.bench.check_snapshots();
    }

    /// What is left of the group waits under another topic.
    pub(super) fn due_is_elsewhere(&self, broker: usize, group: usize, slot: usize) -> bool {
        let state = &self.models[broker].groups[&self.groups[group]];
        !state.touched().any(|(key, state)| {
            key.0 == self.topics[slot] && (state.is_leased() || state.is_waiting())
        })
    }

    pub(super) fn is_drained(&self, broker: usize, slot: usize) {
        let model = &self.models[broker];
        for group in self.groups {
            for key in model.keys(self.topics[slot]) {
                let state = model.groups[&group].state(key);
                assert!(
                    matches!(state, State::Finished { .. } | State::Dead),
                    "R1: {key:?} is left {state:?}"
                );
            }
        }
    }
}
