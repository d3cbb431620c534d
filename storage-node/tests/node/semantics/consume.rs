//! Receives and what readers do with deliveries.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::storage::{AckStatus, Delivery, ReceiveRequest, StorageApi, TopicSpec};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, TopicId, TopicKey};
use firn_protocol::receipt::Receipt;

use super::model::{Checked, Key, MEMBER_KEPT_MS, ensure, lease_of};
use super::ops::{Ask, QUEUES, READERS, TOPICS};
use super::readers::{FRESH, State};
use super::{Handle, System};
use crate::harness::{BROKERS, context};

impl System {
    /// What was handed out; all of it was judged.
    pub(super) fn receive(&mut self, ask: Ask) -> Checked<Vec<Handle>> {
        let (topic, now) = (TOPICS[ask.topic], self.now());
        let mut found = self.ask(ask)?;
        self.join(ask)?;
        let is_new = self.models[ask.broker]
            .reader(ask.reader)
            .topics
            .insert(topic);
        if found.is_empty() && self.must_find(ask, now) {
            // What was moved just now is shown once it is durable.
            self.settle(ask.broker)?;
            found = self.ask(ask)?;
            ensure!(
                !found.is_empty() || !self.must_find(ask, now),
                "R1: nothing is handed out by {ask:?}"
            );
        }
        let model = &mut self.models[ask.broker];
        let is_ordered = READERS[ask.reader].order.is_some();
        if is_ordered && !found.is_empty() || is_new {
            model.durable();
        }
        ensure!(found.len() <= ask.max, "more than {} came", ask.max);
        let mut handles = Vec::new();
        let (mut with, mut runs) = (BTreeSet::new(), BTreeMap::new());
        for delivery in &found {
            let key = self.judge_delivery(ask, delivery, &with)?;
            with.insert(key);
            let record = self.models[ask.broker].record(key);
            let run = runs.entry((key.1, record.and_then(|record| record.line.clone())));
            let run: &mut usize = run.or_default();
            *run += 1;
            ensure!(
                !is_ordered || *run <= ask.run_max,
                "R5: a run longer than {}",
                ask.run_max
            );
            handles.push(Handle {
                broker: ask.broker,
                reader: ask.reader,
                key,
                receipt: delivery.receipt,
            });
        }
        if is_ordered && !found.is_empty() {
            self.models[ask.broker].durable();
        }
        self.handles.extend(handles.iter().cloned());
        Ok(handles)
    }

    fn ask(&mut self, ask: Ask) -> Checked<Vec<Delivery>> {
        let kind = READERS[ask.reader];
        let request = ReceiveRequest {
            broker: BROKERS[ask.broker],
            group: kind.spec(),
            topic: TopicSpec {
                key: TopicKey::User(TopicId(TOPICS[ask.topic])),
                queues: QUEUES,
            },
            max: ask.max,
            invisible_ms: ask.invisible_ms,
            filter: Filter::All,
            member: kind.member.unwrap_or("member").to_owned(),
            run_max: ask.run_max,
            attempt: None,
        };
        let node = self.bench.node().clone();
        let received = self.wait(node.receive(&context(1), request));
        let received = received.map_err(|error| format!("L2: {ask:?}: {error}"))?;
        Ok(received.deliveries)
    }

    fn must_find(&mut self, ask: Ask, now: u64) -> bool {
        let model = &self.models[ask.broker];
        let delayed = model.delayed.iter();
        let mut due = delayed.filter(|one| {
            let is_waiting = one.fate == super::model::Fate::Waits;
            is_waiting && one.due <= now && one.to.0 == TOPICS[ask.topic]
        });
        // In an ordered group it may have to wait for others.
        let is_free = READERS[ask.reader].order.is_none() && due.next().is_some();
        is_free || model.must_find(ask.reader, TOPICS[ask.topic], now)
    }

    fn judge_delivery(
        &mut self,
        ask: Ask,
        delivery: &Delivery,
        with: &BTreeSet<Key>,
    ) -> Checked<Key> {
        let (message, now) = (&delivery.message, self.now());
        let kind = READERS[ask.reader];
        let key = match message.origin {
            Some(origin) => (origin.topic.number(), origin.queue.0, origin.offset.0),
            None => (
                message.queue.topic.number(),
                message.queue.queue.0,
                message.offset.0,
            ),
        };
        let is_copied = kind.order.is_none() && kind.member.is_none() && message.attempt > 1;
        ensure!(
            message.origin.is_some() == is_copied && key.0 == TOPICS[ask.topic],
            "R2: {ask:?} got {message:?}"
        );
        if self.models[ask.broker].record(key).is_none() {
            self.learn(ask.broker, (key.0, key.1), None)?;
        }
        let model = &mut self.models[ask.broker];
        let number = model.compare(message)?;
        let record = model.record(key).map(|record| record.number);
        ensure!(
            record == Some(number),
            "R3: {key:?} is {record:?}, delivered as {number}"
        );
        ensure!(
            delivery.invisible_until.0 == now + ask.invisible_ms,
            "R6: invisible until {:?}",
            delivery.invisible_until
        );
        if let Some(due) = message.content.deliver_at {
            ensure!(due.0 <= now, "R8: {number} came {} ms early", due.0 - now);
        }
        model.deliver(ask.reader, key, delivery, with, now)?;
        Ok(key)
    }

    /// A member that is new lets go of those that have done nothing for days.
    fn join(&mut self, ask: Ask) -> Checked {
        let (kind, now) = (READERS[ask.reader], self.now());
        if kind.member.is_none() {
            return Ok(());
        }
        if self.models[ask.broker].reader(ask.reader).topics.is_empty() {
            // What they could not consume became dead letters before.
            self.settle(ask.broker)?;
            self.learn_letters(ask.broker, kind.group)?;
            let model = &mut self.models[ask.broker];
            for (other, it) in READERS.iter().enumerate() {
                let known = model.reader(other);
                if other == ask.reader || it.group != kind.group || known.topics.is_empty() {
                    continue;
                }
                let seen = *known.seen.get_or_insert(now);
                if now - seen > MEMBER_KEPT_MS {
                    *known = super::readers::ReaderModel::default();
                }
            }
        }
        self.models[ask.broker].reader(ask.reader).seen = Some(now);
        Ok(())
    }

    pub(super) fn pick(&self, pick: usize) -> Option<Handle> {
        let at = self.handles.len().checked_sub(1 + pick)?;
        Some(self.handles[at].clone())
    }

    pub(super) fn ack(&mut self, picks: &[usize]) -> Checked {
        let mut handles: Vec<Handle> = Vec::new();
        for handle in picks.iter().filter_map(|&pick| self.pick(pick)) {
            let group = |handle: &Handle| (handle.broker, READERS[handle.reader].group);
            let place = |handle: &Handle| (handle.reader, handle.key);
            let is_with = handles
                .first()
                .is_none_or(|first| group(first) == group(&handle));
            if is_with && handles.iter().all(|other| place(other) != place(&handle)) {
                handles.push(handle);
            }
        }
        self.ack_handles(&handles)
    }

    pub(super) fn ack_handles(&mut self, handles: &[Handle]) -> Checked {
        let Some(first) = handles.first() else {
            return Ok(());
        };
        let (broker, now) = (first.broker, self.now());
        let group = GroupId(READERS[first.reader].group);
        let receipts: Vec<Receipt> = handles.iter().map(|handle| handle.receipt).collect();
        let node = self.bench.node().clone();
        let answer = self.wait(node.ack(&context(1), BROKERS[broker], group, receipts));
        let answer = answer.map_err(|error| format!("L1: ack: {error}"))?;
        let model = &mut self.models[broker];
        model.durable();
        for (handle, &status) in handles.iter().zip(&answer) {
            let lease = lease_of(&handle.receipt);
            let state = model.state(handle.reader, handle.key);
            let allowed = model.judge(handle.reader, handle.key, &handle.receipt, now);
            // A member that was let go is another one when it comes again.
            let is_gone = READERS[handle.reader].member.is_some() && state == FRESH;
            ensure!(
                allowed.contains(&status) || is_gone && status == AckStatus::Invalid,
                "R6: ack of {handle:?} is {status:?}, not {allowed:?}: {state:?}"
            );
            if status == AckStatus::Ok {
                let acked = State::Acked(Some(lease));
                model.set(handle.reader, handle.key, acked);
            }
        }
        Ok(())
    }
}
