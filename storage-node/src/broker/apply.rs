//! `apply`: the next state from a state and an entry. No I/O, no clock, no
//! randomness, so the same log gives the same state on every machine.

use std::collections::BTreeMap;

use firn_protocol::ids::{Generation, GroupId, QueueId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;

use super::entry::{Head, Receive, Subscribe, Transfer, TransferReason};
use super::state::{BrokerState, Due, QueueState, dead_letter_queue};
use super::usage::Metered;
use crate::consume::group::{Ended, GroupState, WAITING_QUEUE, Waiting};
use crate::consume::progress::{Lease, QueueProgress};
use crate::record::RunHeader;

/// An entry that does not fit the state: the log is damaged or the code is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("entry {found} follows entry {last}")]
    OutOfSequence { last: u64, found: u64 },
    #[error("run for {queue} starts at {found}, the queue ends at {end}")]
    OutOfPlace {
        queue: QueueKey,
        end: u64,
        found: u64,
    },
}

impl BrokerState {
    /// Applies the entry with sequence `seq`.
    ///
    /// # Errors
    /// When it is not the next one, or its run does not continue its queue; the
    /// state is then unchanged.
    pub fn apply(
        &mut self,
        seq: u64,
        generation: Generation,
        head: &Head,
        metered: Option<&Metered>,
        run: Option<&RunHeader>,
    ) -> Result<(), ApplyError> {
        if seq != self.seq + 1 {
            return Err(ApplyError::OutOfSequence {
                last: self.seq,
                found: seq,
            });
        }
        if let (Some(queue), Some(run)) = (head.new_run_queue(), run) {
            self.store(queue, run)?;
        }
        self.seq = seq;
        // Being carried is no change that would have to be written out.
        self.tier.is_changed |= !matches!(head, Head::Carry(_) | Head::Again { .. });
        // Carrying counts nothing, and a state that is read from it has not seen it.
        if !matches!(head, Head::Carry(_)) {
            self.usage.note(seq, generation, metered);
        }
        self.change(generation, head, run);
        Ok(())
    }

    /// Goes on behind a damaged range of the log: entries up to `seq` are lost.
    pub fn skip_to(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    /// Accepts that records between the queue's end and `offset` are lost; they
    /// keep their offsets (RULES 3: never silently cut).
    pub fn skip_records(&mut self, queue: QueueKey, offset: u64, position: u64) {
        let state = self.queues.entry(queue).or_default();
        state.end = state.end.max(offset);
        self.next_position = self.next_position.max(position);
    }

    fn store(&mut self, queue: QueueKey, run: &RunHeader) -> Result<(), ApplyError> {
        let end = self.queue(queue).end;
        if run.first_offset.0 != end || run.first_position.0 < self.next_position {
            return Err(ApplyError::OutOfPlace {
                queue,
                end,
                found: run.first_offset.0,
            });
        }
        let state = self.queues.entry(queue).or_default();
        state.end = run.end_offset().0;
        state.last_at = run.stored_at;
        self.next_position = run.first_position.0 + u64::from(run.count);
        self.last_time = self.last_time.max(run.stored_at);
        self.tier.note_waiting(run.run_bytes(), run.stored_at);
        Ok(())
    }

    fn change(&mut self, generation: Generation, head: &Head, run: Option<&RunHeader>) {
        match head {
            Head::Append { .. } | Head::Again { .. } => {}
            Head::Class(durability) => self.class.change(self.seq, *durability),
            Head::Trim(trim) => self.trim(trim),
            // The snapshot in it is this very state.
            Head::Carry(carry) => self.tier = carry.tier.clone(),
            Head::Subscribe(subscribe) => self.subscribe(subscribe),
            Head::Unsubscribe {
                group,
                topic,
                filter,
            } => {
                if let Some(topic) = self
                    .groups
                    .get_mut(group)
                    .and_then(|group| group.topics.get_mut(topic))
                {
                    topic.filters.remove(filter);
                }
            }
            Head::Receive(receive) => self.receive(generation, receive),
            Head::Ack { group, records } => self.ack(*group, records),
            Head::Renew {
                group,
                queue,
                offset,
                deadline,
            } => self.renew(*group, *queue, *offset, *deadline),
            Head::GiveBack { group, records } => self.give_back(*group, records),
            Head::Transfer(transfer) => {
                if let Some(run) = run {
                    self.transfer(transfer, run.first_offset.0);
                }
            }
            Head::Seek {
                time,
                group,
                topic,
                starts,
            } => {
                self.last_time = self.last_time.max(*time);
                self.seek(*group, *topic, starts);
            }
            Head::Shape { topic, version } => {
                let known = self.shapes.entry(*topic).or_default();
                *known = (*known).max(*version);
            }
            Head::DropTopic { topic } => self.drop_topic(*topic),
            Head::DropGroup { group } => {
                let members: Vec<GroupId> = self.members_of(*group).map(|(id, _)| id).collect();
                members
                    .into_iter()
                    .for_each(|member| self.drop_group(member));
                self.drop_group(*group);
            }
            Head::Held(held) => self.change_held(held, run),
            Head::InPlace(in_place) => self.change_in_place(in_place),
            Head::Unique(unique) => self.change_unique(unique, run),
            Head::Usage(usage) => self.usage.change(self.seq, usage),
            Head::Erase => *self = self.erased(),
        }
    }

    fn renew(&mut self, group: GroupId, queue: QueueKey, offset: u64, deadline: Timestamp) {
        let progress = self.progress_mut(group, queue);
        let Some(former) = progress.and_then(|p| p.renew(offset, deadline)) else {
            return;
        };
        let due = |at| Due {
            at,
            group,
            queue,
            offset,
        };
        self.due.remove(&due(former));
        self.due.insert(due(deadline));
    }

    fn drop_group(&mut self, group: GroupId) {
        self.groups.remove(&group);
        self.forget_in_place(group);
        for queue in [super::state::retry_queue(group), dead_letter_queue(group)] {
            self.queues.remove(&queue);
            self.tier.ends.remove(&queue);
        }
        self.due.retain(|due| due.group != group);
    }

    fn progress_mut(&mut self, group: GroupId, queue: QueueKey) -> Option<&mut QueueProgress> {
        self.groups.get_mut(&group)?.progress_mut(queue)
    }

    fn subscribe(&mut self, subscribe: &Subscribe) {
        let group = self.groups.entry(subscribe.group).or_default();
        if subscribe.version >= group.version {
            group.version = subscribe.version;
            group.max_retries = subscribe.max_retries;
        }
        let topic = group.topics.entry(subscribe.topic).or_default();
        for &(queue, start) in &subscribe.starts {
            let min = min_of(&self.queues, subscribe.topic, queue);
            topic
                .queues
                .entry(queue)
                .or_insert_with(|| QueueProgress::starting_at(start.max(min)));
        }
        topic.filters.extend(subscribe.filter.clone());
    }

    fn receive(&mut self, generation: Generation, receive: &Receive) {
        let mut number = self.next_lease;
        let group = receive.group;
        if let Some(state) = self.groups.get_mut(&group) {
            for part in &receive.parts {
                let queue = part.queue;
                for offset in part.leased.iter().flat_map(|&(start, end)| start..end) {
                    let lease = Lease {
                        deadline: receive.deadline,
                        number,
                        generation,
                    };
                    number += 1;
                    if state.lease(queue, offset, lease) {
                        self.due.insert(Due {
                            at: receive.deadline,
                            group,
                            queue,
                            offset,
                        });
                    }
                }
                for &(start, end) in &part.skipped {
                    skip(state, queue, start, end);
                }
            }
        }
        self.next_lease = number;
        if self.in_place.contains_key(&group) {
            for part in &receive.parts {
                let skipped = part.skipped.iter();
                for offset in skipped.flat_map(|&(start, end)| start..end) {
                    self.end_in_place(group, part.queue, offset);
                }
            }
        }
    }

    fn ack(&mut self, group: GroupId, records: &[(QueueKey, Vec<u64>)]) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        for (queue, offsets) in records {
            for &offset in offsets {
                if *queue == WAITING_QUEUE {
                    if let Some(at) = state.forget_waiting(offset) {
                        self.due.remove(&Due {
                            at,
                            group,
                            queue: WAITING_QUEUE,
                            offset,
                        });
                    }
                } else if let Some(lease) = state.finish(*queue, offset) {
                    self.due.remove(&Due {
                        at: lease.deadline,
                        group,
                        queue: *queue,
                        offset,
                    });
                }
            }
        }
        if self.in_place.contains_key(&group) {
            for (queue, offsets) in records {
                for &offset in offsets {
                    self.end_in_place(group, *queue, offset);
                }
            }
        }
    }

    pub(super) fn give_back(&mut self, group: GroupId, records: &[(QueueKey, Vec<u64>)]) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        for (queue, offsets) in records {
            for &offset in offsets {
                if let Some(lease) = state.give_back(*queue, offset) {
                    self.due.remove(&Due {
                        at: lease.deadline,
                        group,
                        queue: *queue,
                        offset,
                    });
                }
            }
        }
    }

    fn transfer(&mut self, transfer: &Transfer, to_offset: u64) {
        let group = transfer.group;
        if transfer.reason == TransferReason::Redriven {
            // A group of which only members of its broadcast consume is known here by
            // what it sent back.
            self.groups.entry(group).or_default();
        }
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let (queue, offset) = (transfer.from, transfer.from_offset);
        let mut last = None;
        match transfer.reason {
            TransferReason::Due => {
                if let Some(waiting) = state.retry.waiting.remove(&offset) {
                    last = waiting.last;
                    let due = Due {
                        at: waiting.due,
                        group,
                        queue: WAITING_QUEUE,
                        offset,
                    };
                    self.due.remove(&due);
                }
            }
            TransferReason::Redriven => {
                state.redriven.insert(offset);
            }
            TransferReason::Expired | TransferReason::Failed | TransferReason::Exhausted => {
                if let Some(lease) = state.finish(queue, offset) {
                    last = Some(lease.delivery());
                    self.due.remove(&Due {
                        at: lease.deadline,
                        group,
                        queue,
                        offset,
                    });
                }
            }
        }
        match transfer.to.topic {
            TopicKey::Retry(_) => state.add_ready(to_offset, transfer.copy, last),
            TopicKey::Waiting => {
                let at = transfer.due.unwrap_or_default();
                let waiting = Waiting {
                    due: at,
                    copy: transfer.copy,
                    last,
                };
                state.add_waiting(to_offset, waiting);
                self.due.insert(Due {
                    at,
                    group,
                    queue: WAITING_QUEUE,
                    offset: to_offset,
                });
            }
            // Nobody's copy: these topics are read like any other.
            TopicKey::DeadLetter(_) | TopicKey::User(_) => {}
        }
        if matches!(transfer.reason, TransferReason::Exhausted) {
            self.end_in_place(group, queue, offset);
        }
    }

    fn seek(&mut self, group: GroupId, topic: TopicKey, starts: &[(QueueId, u64)]) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let mut ended = state.drop_retries_of(group, topic);
        self.restart_in_place(group, topic);
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let Some(progress) = state.topics.get_mut(&topic) else {
            return;
        };
        progress.epoch += 1;
        progress.moved.clear();
        for &(queue, start) in starts {
            let start = start.max(min_of(&self.queues, topic, queue));
            let queue_progress = progress.queues.entry(queue).or_default();
            let queue = QueueKey { topic, queue };
            ended.extend(queue_progress.leases().map(|(offset, lease)| Ended {
                deadline: lease.deadline,
                queue,
                offset,
            }));
            queue_progress.reset(start);
        }
        self.forget_due(group, &ended);
    }

    fn drop_topic(&mut self, topic: TopicKey) {
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in groups {
            let Some(state) = self.groups.get_mut(&group) else {
                continue;
            };
            let ended = state.drop_retries_of(group, topic);
            state.topics.remove(&topic);
            self.forget_due(group, &ended);
            self.restart_in_place(group, topic);
        }
        self.delayed.drop_topic(topic, self.last_time);
        self.halves.drop_topic(topic);
        self.shapes.remove(&topic);
        self.dedup.forget(|first| first.queue.topic == topic);
        self.queues.retain(|queue, _| queue.topic != topic);
        self.tier.ends.retain(|queue, _| queue.topic != topic);
        self.due.retain(|due| due.queue.topic != topic);
    }

    pub(super) fn forget_due(&mut self, group: GroupId, ended: &[Ended]) {
        for &Ended {
            deadline,
            queue,
            offset,
        } in ended
        {
            self.due.remove(&Due {
                at: deadline,
                group,
                queue,
                offset,
            });
        }
    }
}

/// Where a queue begins. A start that was found before a trim is not below it.
fn min_of(queues: &BTreeMap<QueueKey, QueueState>, topic: TopicKey, queue: QueueId) -> u64 {
    let state = queues.get(&QueueKey { topic, queue });
    state.map_or(0, |state| state.min)
}

fn skip(state: &mut GroupState, queue: QueueKey, start: u64, end: u64) {
    match queue.topic {
        TopicKey::Retry(_) => {
            for offset in start..end {
                state.finish(queue, offset);
            }
        }
        TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => {
            if let Some(progress) = state.progress_mut(queue) {
                progress.skip(start..end);
            }
        }
    }
}
