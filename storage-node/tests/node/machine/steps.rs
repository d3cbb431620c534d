//! Each operation: called, its answer judged by the model, the model moved on.

use std::future::Future;

use bytes::Bytes;
use firn_protocol::api::storage::{
    AckStatus, AppendRequest, KeyQuery, ReceiveRequest, RedriveRequest, SeekRequest, SeekTarget,
    StorageApi, VisibilityAnswer, VisibilityRequest,
};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset, Position, QueueId, TopicId, TopicKey};
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::ops::{Op, QUEUES, Target, filter, tag};
use super::{Handle, MAX_RETRIES, System, look};
use crate::harness::{BROKERS, START_MS, context, message, queue_key};
use crate::model::{Key, State, lease_of};

impl System {
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn now(&self) -> u64 {
        self.bench.now()
    }

    /// Call before the model takes a step that nobody waits for.
    fn unsure(&mut self) {
        self.history.push(self.models.clone());
    }

    /// An answer was awaited: all that came before is durable.
    fn durable(&mut self) {
        self.history.clear();
    }

    pub(super) fn run(&mut self, op: &Op) {
        match op {
            Op::Append {
                broker,
                topic,
                queue,
                messages,
            } => self.append(*broker, *topic, *queue, messages),
            Op::Receive {
                broker,
                group,
                topic,
                max,
                invisible_ms,
                filter: index,
            } => {
                let (topic, group) = ((*topic, self.topics[*topic]), *group);
                self.receive(
                    *broker,
                    group,
                    topic.0,
                    *max,
                    *invisible_ms,
                    &filter(*index),
                );
            }
            Op::Ack(picks) => self.ack(picks),
            Op::Forge(pick, how) => self.forge(*pick, *how),
            Op::Renew(pick, ms) => self.change(*pick, *ms),
            Op::Fail(pick) => self.change(*pick, 0),
            Op::GiveBack(picks) => self.give_back(picks),
            Op::Advance(ms) => self.bench.advance(*ms),
            Op::AdvanceToNext { early } => self.advance_to_next(*early),
            Op::Seek {
                broker,
                group,
                topic,
                target,
                dry_run,
            } => self.seek(*broker, *group, *topic, target, *dry_run),
            Op::Redrive {
                broker,
                group,
                topic,
                named,
                max,
            } => self.redrive(*broker, *group, topic.map(|t| self.topics[t]), *named, *max),
            Op::Query {
                broker,
                topic,
                queue,
                offset,
                max,
                key,
            } => self.query(*broker, *topic, *queue, *offset, *max, *key),
            Op::Stranger => self.stranger(),
            Op::Restart { keep_stores } => {
                let work = self.bench.restart(*keep_stores);
                self.runtime.block_on(work);
                self.durable();
                self.forget_members();
            }
            Op::Crash { seed, keep_stores } => self.crash(*seed, *keep_stores),
            Op::DropTopic(slot) => self.drop_topic(*slot),
            Op::DropGroup(slot) => self.drop_group(*slot),
        }
    }

    fn append(&mut self, broker: usize, topic: usize, queue: u16, messages: &[(u8, u8)]) {
        let node = self.bench.node().clone();
        let topic = self.topics[topic];
        let contents: Vec<NewMessage> = messages
            .iter()
            .map(|&(tag_index, key)| {
                self.sent += 1;
                NewMessage {
                    keys: vec![format!("key {key}")],
                    body: Bytes::from(vec![self.sent as u8; (self.sent % 90) as usize]),
                    ..message(self.sent, tag(tag_index))
                }
            })
            .collect();
        let request = AppendRequest {
            broker: BROKERS[broker],
            queue: queue_key(topic, queue),
            messages: contents.clone(),
        };
        let answer = self.wait(node.append(&context(1), request)).expect("sent");
        let (now, model) = (self.now(), &mut self.models[broker]);
        assert_eq!(
            answer.offset.0,
            model.end(topic, queue),
            "R3: offsets are dense"
        );
        assert_eq!(answer.stored_at, Timestamp(now));
        let last = self.positions[broker].replace(answer.position.0 + contents.len() as u64 - 1);
        assert!(
            last.is_none_or(|last| last < answer.position.0),
            "positions rise"
        );
        let records = model.queues.entry((topic, queue)).or_default();
        for (at, content) in contents.into_iter().enumerate() {
            records.push(crate::model::Record {
                id: answer.message_ids[at],
                position: answer.position.0 + at as u64,
                stored_at: now,
                content,
            });
        }
        self.durable();
    }

    /// What is due on a broker happens at the next receive.
    fn settle(&mut self, broker: usize) {
        let now = self.now();
        while let Some(due) = self.models[broker].due().first().copied() {
            if due.at > now {
                break;
            }
            self.unsure();
            self.models[broker].settle(due);
        }
    }

    pub(super) fn receive(
        &mut self,
        broker: usize,
        group: usize,
        slot: usize,
        max: usize,
        invisible_ms: u64,
        filter: &Filter,
    ) -> Vec<Handle> {
        let (topic, spec) = (self.topics[slot], self.group_spec(group));
        let (now, group) = (self.now(), spec.id.0);
        self.settle(broker);
        self.unsure();
        let model = &mut self.models[broker];
        model.subscribe(group, spec.max_retries, topic, QUEUES[slot]);
        let is_known = model.note_filter(group, topic, filter, now);
        if !is_known {
            // Nothing is handed out before the subscription is durable.
            self.durable();
        }
        self.unsure();
        let request = ReceiveRequest {
            broker: BROKERS[broker],
            group: spec,
            topic: self.topic_spec(slot),
            max,
            invisible_ms,
            filter: filter.clone(),
            member: "member".to_owned(),
        };
        let node = self.bench.node().clone();
        let ctx = context(1);
        let first = self.wait(node.receive(&ctx, request.clone()));
        let mut found = first.expect("received").deliveries;
        if found.is_empty() && self.must_find(broker, group, topic, filter) {
            // Copies made just now are shown once they are durable.
            self.models[broker].filter_out(group, topic, now, true);
            self.look();
            self.unsure();
            let again = self.wait(node.receive(&ctx, request));
            found = again.expect("received").deliveries;
            assert!(
                !found.is_empty() || !self.must_find(broker, group, topic, filter),
                "R1: nothing is handed out of {:?}",
                self.models[broker].groups[&group].topics[&topic]
            );
        }
        assert!(found.len() <= max);
        let mut handles = Vec::new();
        for delivery in &found {
            let (message, receipt) = (&delivery.message, delivery.receipt);
            assert_eq!(delivery.invisible_until.0, now + invisible_ms);
            assert!(filter.matches(message.content.tag.as_deref()), "R9");
            let deadline = delivery.invisible_until.0;
            let key = self.models[broker].deliver(group, topic, message, &receipt, deadline);
            let key = key.unwrap_or_else(|breach| panic!("{breach}: {message:?}"));
            handles.push(Handle {
                broker,
                group,
                key,
                receipt,
            });
        }
        self.models[broker].filter_out(group, topic, now, found.is_empty());
        self.handles.extend(handles.iter().cloned());
        handles
    }

    fn must_find(&self, broker: usize, group: u64, topic: u64, filter: &Filter) -> bool {
        let model = &self.models[broker];
        model.keys(topic).into_iter().any(|key| {
            let state = model.groups[&group].state(key);
            matches!(state, State::Open { maybe: false, .. }) && filter.matches(model.tag(key))
        })
    }

    fn pick(&self, pick: usize) -> Option<Handle> {
        let at = self.handles.len().checked_sub(1 + pick)?;
        Some(self.handles[at].clone())
    }

    /// Picked handles that belong to the group and broker of the first.
    fn pick_all(&self, picks: &[usize]) -> Vec<Handle> {
        let mut handles: Vec<Handle> = picks.iter().filter_map(|&p| self.pick(p)).collect();
        if let Some(first) = handles.first().cloned() {
            handles.retain(|h| (h.broker, h.group) == (first.broker, first.group));
        }
        handles
    }

    fn ack(&mut self, picks: &[usize]) {
        let handles = self.pick_all(picks);
        self.ack_handles(&handles);
    }

    pub(super) fn ack_handles(&mut self, handles: &[Handle]) {
        let Some(first) = handles.first() else { return };
        let (broker, group) = (first.broker, first.group);
        let receipts: Vec<Receipt> = handles.iter().map(|h| h.receipt).collect();
        let node = self.bench.node().clone();
        let ctx = context(1);
        let answer = node.ack(&ctx, BROKERS[broker], GroupId(group), receipts);
        let answer = self.runtime.block_on(answer).expect("acked");
        // Handles of one request count together: what one of them finishes is
        // acked already for the others.
        let model = &mut self.models[broker];
        let before = model.clone();
        for (handle, status) in handles.iter().zip(&answer) {
            if *status == AckStatus::Ok {
                let allowed = model.judge(group, handle.key, &handle.receipt);
                assert!(
                    allowed.contains(status),
                    "{handle:?} is acked, not {allowed:?}"
                );
                let by = Some(lease_of(&handle.receipt));
                let group = model.groups.get_mut(&group).expect("known");
                group.set(handle.key, State::Finished { by });
            }
        }
        for (handle, status) in handles.iter().zip(&answer) {
            let mut allowed = before.judge(group, handle.key, &handle.receipt);
            if before.groups.contains_key(&group) {
                allowed.extend(model.judge(group, handle.key, &handle.receipt));
            }
            assert!(
                allowed.contains(status),
                "ack of {handle:?} is {status:?}, not one of {allowed:?}: {:?}",
                model
                    .groups
                    .get(&group)
                    .map(|g| g.topics.get(&handle.key.0)),
            );
        }
        // What changes nothing waits for its own broker only.
        if answer.contains(&AckStatus::Ok) {
            self.durable();
        }
    }

    /// Whether a handle is that of the lease that holds its record.
    fn holds(&self, handle: &Handle) -> bool {
        let model = &self.models[handle.broker];
        let Some(group) = model.groups.get(&handle.group) else {
            return false;
        };
        let Some(topic) = group.topics.get(&handle.key.0) else {
            return false;
        };
        let lease = lease_of(&handle.receipt);
        topic.epoch == handle.receipt.epoch
            && matches!(group.state(handle.key), State::Leased { lease: l, .. } if l == lease)
    }

    fn forge(&mut self, pick: usize, how: u8) {
        let Some(handle) = self.pick(pick).filter(|handle| self.holds(handle)) else {
            return;
        };
        let mut receipt = handle.receipt;
        let mut group = handle.group;
        let mut expected = AckStatus::Invalid;
        match how {
            0 => (receipt.lease, expected) = (receipt.lease + 1, AckStatus::LeaseExpired),
            1 => {
                receipt.generation.0 += 1;
                expected = AckStatus::LeaseExpired;
            }
            2 => (receipt.epoch, expected) = (receipt.epoch + 1, AckStatus::LeaseExpired),
            3 => receipt.offset = Offset(1 << 40),
            4 => receipt.queue.queue = QueueId(77),
            5 => receipt.group = GroupId(group + 1),
            _ => group = self.groups[usize::from(self.groups[0] == group)],
        }
        let node = self.bench.node().clone();
        let (ctx, broker) = (context(1), BROKERS[handle.broker]);
        let answer = node.ack(&ctx, broker, GroupId(group), vec![receipt]);
        assert_eq!(
            self.wait(answer).expect("answered"),
            [expected],
            "forged: {how}"
        );
        if how < 6 {
            let request = VisibilityRequest {
                broker,
                group: self.spec_of(group),
                receipt,
                invisible_ms: 1000,
            };
            let answer = self
                .wait(node.change_visibility(&ctx, request))
                .expect("answered");
            assert_eq!(answer, VisibilityAnswer::Refused(expected), "forged: {how}");
        }
        let back = node.give_back(&ctx, broker, GroupId(group), vec![receipt]);
        self.wait(back).expect("answered");
        self.look();
    }

    /// A new deadline, or for 0 a failure.
    fn change(&mut self, pick: usize, ms: u64) {
        let Some(handle) = self.pick(pick) else {
            return;
        };
        let Handle {
            broker,
            group,
            key,
            receipt,
        } = handle;
        let request = VisibilityRequest {
            broker: BROKERS[broker],
            group: self.spec_of(group),
            receipt,
            invisible_ms: ms,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.change_visibility(&context(1), request));
        let answer = answer.expect("answered");
        let now = self.now();
        if !self.holds(&handle) {
            let allowed = self.models[broker].judge(group, key, &receipt);
            match answer {
                VisibilityAnswer::Refused(status) => assert!(
                    status != AckStatus::Ok
                        && (allowed.contains(&status) || allowed.contains(&AckStatus::Ok)),
                    "refused with {status:?}, not one of {allowed:?}"
                ),
                VisibilityAnswer::Changed { .. } => panic!("R6: {handle:?} holds nothing"),
            }
            return;
        }
        let model = &mut self.models[broker];
        let until = if ms == 0 {
            model.fail(group, key, now).unwrap_or(now)
        } else {
            let group = model.groups.get_mut(&group).expect("known");
            let mut state = group.state(key);
            if let State::Leased { deadline, .. } = &mut state {
                *deadline = now + ms;
            }
            group.set(key, state);
            now + ms
        };
        let invisible_until = Timestamp(until);
        let expected = VisibilityAnswer::Changed {
            receipt,
            invisible_until,
        };
        assert_eq!(answer, expected);
        self.durable();
    }

    fn give_back(&mut self, picks: &[usize]) {
        let handles = self.pick_all(picks);
        let Some(first) = handles.first().cloned() else {
            return;
        };
        let receipts = handles.iter().map(|h| h.receipt).collect();
        let node = self.bench.node().clone();
        let (group, ctx) = (GroupId(first.group), context(1));
        let back = node.give_back(&ctx, BROKERS[first.broker], group, receipts);
        self.runtime.block_on(back).expect("given back");
        self.unsure();
        for handle in handles {
            if !self.holds(&handle) {
                continue;
            }
            let group = self.models[handle.broker].groups.get_mut(&handle.group);
            let group = group.expect("known");
            if let State::Leased {
                attempt,
                copy,
                lease,
                ..
            } = group.state(handle.key)
            {
                let (last, maybe) = (Some(lease), false);
                let state = State::Open {
                    attempt,
                    copy,
                    last,
                    maybe,
                };
                group.set(handle.key, state);
            }
        }
    }

    fn advance_to_next(&mut self, early: bool) {
        let due = self.models.iter().flat_map(|model| model.due());
        let next = due.map(|due| due.at).filter(|&at| at > self.now()).min();
        if let Some(at) = next {
            self.bench.advance(at - self.now() - u64::from(early));
        }
    }

    fn seek(&mut self, broker: usize, group: usize, slot: usize, target: &Target, dry: bool) {
        let (topic, spec) = (self.topics[slot], self.group_spec(group));
        let group = spec.id.0;
        let request = SeekRequest {
            broker: BROKERS[broker],
            group: spec,
            topic: self.topic_spec(slot),
            target: match target {
                Target::Earliest => SeekTarget::Earliest,
                Target::Latest => SeekTarget::Latest,
                Target::Time(ms) => SeekTarget::Time(Timestamp(START_MS + ms)),
                Target::Offsets(all) => {
                    SeekTarget::Offsets(all.iter().map(|&(q, o)| (QueueId(q), Offset(o))).collect())
                }
            },
            dry_run: dry,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.seek(&context(1), request));
        let model = &mut self.models[broker];
        model.subscribe(group, spec.max_retries, topic, QUEUES[slot]);
        let starts = match target_starts(model, topic, QUEUES[slot], target) {
            Some(starts) => starts,
            None => {
                assert_eq!(answer.expect_err("no such queue").code, ErrorCode::NotFound);
                self.look();
                return;
            }
        };
        let expected: Vec<_> = starts
            .iter()
            .map(|&(queue, at)| {
                let committed = model.committed(&model.groups[&group], topic, queue);
                [u64::from(queue), model.end(topic, queue), committed, at, at]
            })
            .collect();
        let rows: Vec<_> = answer
            .expect("sought")
            .iter()
            .map(|row| {
                [
                    u64::from(row.queue.0),
                    row.broker_offset.0,
                    row.consumer_offset.0,
                    row.timestamp_offset.0,
                    row.rollback_offset.0,
                ]
            })
            .collect();
        // What a filter may have finished shows in the committed offset only.
        let but_committed = |rows: &[[u64; 5]]| {
            rows.iter()
                .map(|r| [r[0], r[1], r[3], r[4]])
                .collect::<Vec<_>>()
        };
        assert_eq!(but_committed(&rows), but_committed(&expected));
        if !dry && !starts.is_empty() {
            self.durable();
            self.models[broker].seek(group, topic, &starts);
            self.committed
                .retain(|key, _| (key.0, key.1, key.2) != (broker, group, topic));
        }
    }

    fn redrive(&mut self, broker: usize, group: usize, topic: Option<u64>, named: bool, max: u64) {
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
            max,
        };
        let node = self.bench.node().clone();
        let sent = self
            .wait(node.redrive(&context(1), request))
            .expect("redriven");
        assert_eq!(sent, letters.len() as u64, "redriven");
        for letter in letters {
            self.models[broker].redrive(spec.id.0, letter);
        }
        self.durable();
    }

    fn query(&mut self, broker: usize, slot: usize, queue: u16, offset: u64, max: usize, key: u8) {
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

    fn query_index(
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
    fn stranger(&mut self) {
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
    fn forget_members(&mut self) {
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
    fn crash(&mut self, seed: u64, keep_stores: bool) {
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
                        let last = Some(*lease);
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
        self.forget_members();
    }

    fn drop_topic(&mut self, slot: usize) {
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

    fn drop_group(&mut self, slot: usize) {
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

    fn observe(&self) -> Vec<(usize, u64, look::Seen)> {
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
    fn due_is_elsewhere(&self, broker: usize, group: usize, slot: usize) -> bool {
        let state = &self.models[broker].groups[&self.groups[group]];
        !state.touched().any(|(key, state)| {
            key.0 == self.topics[slot] && (state.is_leased() || state.is_waiting())
        })
    }

    fn is_drained(&self, broker: usize, slot: usize) {
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

/// Where each queue is to start; `None` if one is named that is not there.
fn target_starts(
    model: &crate::model::BrokerModel,
    topic: u64,
    queues: u16,
    target: &Target,
) -> Option<Vec<(u16, u64)>> {
    let mut starts = Vec::new();
    for queue in 0..queues {
        let end = model.end(topic, queue);
        let at = match target {
            Target::Earliest => 0,
            Target::Latest => end,
            Target::Time(ms) => (0..end)
                .find(|&o| model.record((topic, queue, o)).stored_at >= START_MS + ms)
                .unwrap_or(end),
            Target::Offsets(all) => match all.iter().find(|(id, _)| *id == queue) {
                Some((_, offset)) => (*offset).min(end),
                None => continue,
            },
        };
        starts.push((queue, at));
    }
    if let Target::Offsets(all) = target
        && all.iter().any(|(queue, _)| *queue >= queues)
    {
        return None;
    }
    Some(starts)
}

const _: () = assert!(MAX_RETRIES.len() == 2);
