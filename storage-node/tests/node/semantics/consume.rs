//! Receives and what readers do with deliveries.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::admin::{AdminApi, ReleaseRequest};
use firn_protocol::api::storage::{
    AckStatus, Delivery, ReceiveRequest, StorageApi, TopicSpec, VisibilityAnswer, VisibilityRequest,
};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset, TopicId, TopicKey};
use firn_protocol::receipt::Receipt;

use super::model::{Checked, Key, MEMBER_KEPT_MS, ensure, lease_of};
use super::ops::{QUEUES, READERS, TOPICS, release};
use super::readers::{FRESH, Last, State};
use super::{Handle, System};
use crate::harness::{BROKERS, context, queue_key};

/// How much is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) broker: usize,
    pub(super) reader: usize,
    pub(super) topic: usize,
    pub(super) max: usize,
    pub(super) run_max: usize,
    pub(super) invisible_ms: u64,
}

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

    fn pick(&self, pick: usize) -> Option<Handle> {
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

    pub(super) fn fail(&mut self, pick: usize) -> Checked {
        let Some(handle) = self.pick(pick) else {
            return Ok(());
        };
        let (broker, reader, key, now) = (handle.broker, handle.reader, handle.key, self.now());
        let lease = lease_of(&handle.receipt);
        let kind = READERS[reader];
        let request = VisibilityRequest {
            broker: BROKERS[broker],
            group: firn_protocol::api::storage::GroupSpec {
                id: GroupId(kind.group),
                ..kind.spec()
            },
            receipt: handle.receipt,
            invisible_ms: 0,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.change_visibility(&context(1), request));
        let answer = answer.map_err(|error| format!("L1: fail: {error}"))?;
        let model = &mut self.models[broker];
        let state = model.state(reader, key);
        let (held, is_sure) = match state {
            State::Leased {
                attempt,
                lease: holder,
                is_durable,
                ..
            } if holder == lease => {
                let last = Last {
                    lease,
                    attempt,
                    is_unnoticed: false,
                    is_durable,
                    is_lost: false,
                };
                (Some(last), true)
            }
            State::Open {
                last: Some(last), ..
            }
            | State::Over(last)
                if last.lease == lease && last.is_unnoticed =>
            {
                (Some(last), false)
            }
            State::Leased { .. }
            | State::Open { .. }
            | State::Over(_)
            | State::Parked { .. }
            | State::Acked(_)
            | State::Dead { .. }
            | State::Purged => (None, false),
        };
        match (answer, held) {
            (
                VisibilityAnswer::Changed {
                    invisible_until, ..
                },
                Some(last),
            ) => {
                let next = model.fail(reader, key, last, now);
                model.durable();
                ensure!(
                    next.is_none_or(|next| next == invisible_until.0),
                    "R15: {key:?} comes again at {invisible_until:?}, not {next:?}"
                );
            }
            (VisibilityAnswer::Refused(status), _) if !is_sure => {
                let allowed = model.judge(reader, key, &handle.receipt, now);
                let is_gone = kind.member.is_some() && status == AckStatus::Invalid;
                let is_right = status == AckStatus::LeaseExpired || allowed.contains(&status);
                ensure!(
                    status != AckStatus::Ok && (is_right || is_gone),
                    "R6: refused with {status:?}, not {allowed:?}: {state:?}"
                );
            }
            (answer, _) => {
                return Err(format!(
                    "R6: failure of {handle:?} is {answer:?}: {state:?}"
                ));
            }
        }
        Ok(())
    }

    /// Lets a parked record go, or tries it with one that is none.
    pub(super) fn release(&mut self, broker: usize, pick: usize, how: u8) -> Checked {
        let reader = 2;
        let model = &mut self.models[broker];
        let states = &model.reader(reader).states;
        let parked = states.iter().filter_map(|(key, state)| match state {
            State::Parked { attempt, .. } => Some((*key, Some(*attempt))),
            _ => None,
        });
        let parked: Vec<_> = parked.collect();
        let (key, attempt) = match parked.len().checked_sub(1 + pick) {
            Some(at) => parked[at],
            None => ((TOPICS[0], 0, pick as u64), None),
        };
        let state = model.state(reader, key);
        let is_unknown = matches!(state, State::Over(_) | State::Open { .. }) && state != FRESH;
        let how = release(how);
        let request = ReleaseRequest {
            broker: BROKERS[broker],
            group: GroupId(READERS[reader].group),
            queue: queue_key(key.0, key.1),
            offset: Offset(key.2),
            how,
        };
        if is_unknown || matches!(state, State::Parked { .. }) && attempt.is_none() {
            return Ok(());
        }
        let node = self.bench.node().clone();
        let answer = self.wait(node.release(&context(1), request));
        let model = &mut self.models[broker];
        let Some(attempt) = attempt else {
            let code = answer.err().map(|error| error.code);
            ensure!(
                code == Some(ErrorCode::NotFound),
                "R5: {key:?} is {state:?}, its release {code:?}"
            );
            return Ok(());
        };
        answer.map_err(|error| format!("R5: release of {key:?}: {error}"))?;
        model.durable();
        let state = match how {
            firn_protocol::api::admin::Release::Retry => FRESH,
            firn_protocol::api::admin::Release::Skip => State::Acked(None),
            firn_protocol::api::admin::Release::DeadLetter => State::Dead {
                attempt,
                is_listed: false,
            },
        };
        model.set(reader, key, state);
        Ok(())
    }
}
