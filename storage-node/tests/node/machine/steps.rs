//! Each operation: called, its answer judged by the model, the model moved on.

use std::future::Future;

use bytes::Bytes;
use firn_protocol::api::storage::{
    AckStatus, AppendRequest, ReceiveRequest, SeekRequest, SeekTarget, StorageApi,
    VisibilityAnswer, VisibilityRequest,
};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset, QueueId};
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::ops::{Op, QUEUES, Target, filter, tag};
use super::{Handle, MAX_RETRIES, System};
use crate::harness::{BROKERS, START_MS, context, message, queue_key};
use crate::model::{Last, State, lease_of};

impl System {
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(super) fn now(&self) -> u64 {
        self.bench.now()
    }

    /// Call before the model takes a step that nobody waits for.
    pub(super) fn unsure(&mut self) {
        self.history.push(self.models.clone());
    }

    /// An answer was awaited: all that came before is durable.
    pub(super) fn durable(&mut self) {
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

    pub(super) fn append(
        &mut self,
        broker: usize,
        topic: usize,
        queue: u16,
        messages: &[(u8, u8)],
    ) {
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
    pub(super) fn settle(&mut self, broker: usize) {
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
            run_max: 1,
            attempt: None,
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
            assert!(filter.matches(&message.content), "R9");
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

    pub(super) fn must_find(&self, broker: usize, group: u64, topic: u64, filter: &Filter) -> bool {
        let model = &self.models[broker];
        model.keys(topic).into_iter().any(|key| {
            let state = model.groups[&group].state(key);
            matches!(state, State::Open { maybe: false, .. }) && filter.matches(model.content(key))
        })
    }

    pub(super) fn pick(&self, pick: usize) -> Option<Handle> {
        let at = self.handles.len().checked_sub(1 + pick)?;
        Some(self.handles[at].clone())
    }

    /// Picked handles that belong to the group and broker of the first.
    pub(super) fn pick_all(&self, picks: &[usize]) -> Vec<Handle> {
        let mut handles: Vec<Handle> = picks.iter().filter_map(|&p| self.pick(p)).collect();
        if let Some(first) = handles.first().cloned() {
            handles.retain(|h| (h.broker, h.group) == (first.broker, first.group));
        }
        handles
    }

    pub(super) fn ack(&mut self, picks: &[usize]) {
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
    pub(super) fn holds(&self, handle: &Handle) -> bool {
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

    pub(super) fn forge(&mut self, pick: usize, how: u8) {
        let Some(handle) = self.pick(pick).filter(|handle| self.holds(handle)) else {
            return;
        };
        let mut receipt = handle.receipt;
        let mut group = handle.group;
        let mut expected = AckStatus::Invalid;
        match how {
            0 => {
                let Some(before) = receipt.lease.checked_sub(1) else {
                    return;
                };
                (receipt.lease, expected) = (before, AckStatus::LeaseExpired);
            }
            1 => {
                receipt.generation.0 -= 1;
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
    pub(super) fn change(&mut self, pick: usize, ms: u64) {
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

    pub(super) fn give_back(&mut self, picks: &[usize]) {
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
                let (last, maybe) = (Last::known(lease), false);
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

    pub(super) fn advance_to_next(&mut self, early: bool) {
        let due = self.models.iter().flat_map(|model| model.due());
        let next = due.map(|due| due.at).filter(|&at| at > self.now()).min();
        if let Some(at) = next {
            self.bench.advance(at - self.now() - u64::from(early));
        }
    }

    pub(super) fn seek(
        &mut self,
        broker: usize,
        group: usize,
        slot: usize,
        target: &Target,
        dry: bool,
    ) {
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
