//! One group on one broker: its progress on topics, its retries and what waits.

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, QueueId, QueueKey, TopicKey};
use firn_protocol::message::ConsumeStatus;
use firn_protocol::time::Timestamp;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::progress::{Delivery, Lease, QueueProgress, Standing};
use crate::broker::entry::Copy;

/// The one queue of every `%RETRY%` and `%DLQ%` topic on a broker.
pub const ONLY_QUEUE: QueueId = QueueId(0);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    pub version: u64,
    pub max_retries: u32,
    pub topics: BTreeMap<TopicKey, TopicProgress>,
    pub retry: RetryState,
    /// Dead letters that were sent back.
    pub redriven: RoaringTreemap,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicProgress {
    /// Rises with each seek; handles of before are void.
    pub epoch: u32,
    /// Filters that have, or lately had, a member.
    pub filters: BTreeSet<Filter>,
    pub queues: BTreeMap<QueueId, QueueProgress>,
    /// Originals whose copy is still on its way, and where the copy is.
    pub moved: BTreeMap<(QueueId, u64), Place>,
}

/// Where the newest copy of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    Waiting(u64),
    Retry(u64),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryState {
    /// Progress on `%RETRY%`; its open records are in `ready`.
    pub progress: QueueProgress,
    /// Copies not finished, by offset in `%RETRY%`.
    pub copies: BTreeMap<u64, Copy>,
    /// Copies to hand out, by topic of the original.
    pub ready: BTreeMap<TopicKey, BTreeSet<u64>>,
    /// Copies whose time has not come, by offset in the waiting queue.
    pub waiting: BTreeMap<u64, Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub due: Timestamp,
    pub copy: Copy,
    /// The delivery that failed (R6), as far as it is known. Stored like
    /// [`QueueProgress::returned`].
    #[serde(skip)]
    pub last: Option<Delivery>,
}

impl GroupState {
    /// The group's progress on a queue, a retry queue included.
    #[must_use]
    pub fn progress(&self, queue: QueueKey) -> Option<&QueueProgress> {
        match queue.topic {
            TopicKey::Retry(_) => Some(&self.retry.progress),
            TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => {
                self.topics.get(&queue.topic)?.queues.get(&queue.queue)
            }
        }
    }

    /// Its progress on every queue; `group` is its own id.
    pub fn each_progress(
        &self,
        group: GroupId,
    ) -> impl Iterator<Item = (QueueKey, &QueueProgress)> {
        let retry = QueueKey {
            topic: TopicKey::Retry(group),
            queue: ONLY_QUEUE,
        };
        let topics = self.topics.iter().flat_map(|(&topic, progress)| {
            let queues = progress.queues.iter();
            queues.map(move |(&queue, progress)| (QueueKey { topic, queue }, progress))
        });
        topics.chain(std::iter::once((retry, &self.retry.progress)))
    }

    pub fn progress_mut(&mut self, queue: QueueKey) -> Option<&mut QueueProgress> {
        match queue.topic {
            TopicKey::Retry(_) => Some(&mut self.retry.progress),
            TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => self
                .topics
                .get_mut(&queue.topic)?
                .queues
                .get_mut(&queue.queue),
        }
    }

    /// Whether a record may be handed out.
    #[must_use]
    pub fn is_open(&self, queue: QueueKey, offset: u64) -> bool {
        let is_known = match queue.topic {
            TopicKey::Retry(_) => self.retry.copies.contains_key(&offset),
            TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => true,
        };
        is_known
            && self
                .progress(queue)
                .is_some_and(|progress| progress.standing(offset) == Standing::Open)
    }

    /// Hands a record to a member.
    pub fn lease(&mut self, queue: QueueKey, offset: u64, lease: Lease) -> bool {
        if let TopicKey::Retry(_) = queue.topic {
            let Some(copy) = self.retry.copies.get(&offset) else {
                return false;
            };
            remove_ready(&mut self.retry.ready, copy.topic, offset);
        }
        let Some(progress) = self.progress_mut(queue) else {
            return false;
        };
        if progress.standing(offset) == Standing::Finished {
            return false;
        }
        progress.lease(offset, lease);
        true
    }

    /// Finishes a record and forgets its copy; the lease that it had.
    pub fn finish(&mut self, queue: QueueKey, offset: u64) -> Option<Lease> {
        if let TopicKey::Retry(_) = queue.topic
            && let Some(copy) = self.retry.copies.remove(&offset)
        {
            remove_ready(&mut self.retry.ready, copy.topic, offset);
            if let Some(topic) = self.topics.get_mut(&copy.topic) {
                topic.moved.remove(&(copy.queue, copy.offset));
            }
        }
        self.progress_mut(queue)?.finish(offset)
    }

    /// Takes a lease back; the lease, if there was one.
    pub fn give_back(&mut self, queue: QueueKey, offset: u64) -> Option<Lease> {
        let lease = self.progress_mut(queue)?.give_back(offset)?;
        if let TopicKey::Retry(_) = queue.topic
            && let Some(copy) = self.retry.copies.get(&offset)
        {
            self.retry
                .ready
                .entry(copy.topic)
                .or_default()
                .insert(offset);
        }
        Some(lease)
    }

    /// A copy is in `%RETRY%` at `offset`, to be handed out; `last` is the delivery
    /// that it comes of.
    pub fn add_ready(&mut self, offset: u64, copy: Copy, last: Option<Delivery>) {
        self.retry.copies.insert(offset, copy);
        if let Some(last) = last {
            self.retry.progress.set_returned(offset, last);
        }
        self.retry
            .ready
            .entry(copy.topic)
            .or_default()
            .insert(offset);
        self.move_to(copy, Place::Retry(offset));
    }

    /// A copy waits for its time at `offset` of the waiting queue.
    pub fn add_waiting(&mut self, offset: u64, waiting: Waiting) {
        self.retry.waiting.insert(offset, waiting);
        self.move_to(waiting.copy, Place::Waiting(offset));
    }

    /// The last deliveries of records that are not in anybody's hands, by queue;
    /// `group` is its own id.
    pub fn returned(&self, group: GroupId) -> impl Iterator<Item = (QueueKey, u64, Delivery)> {
        let open = self.each_progress(group);
        let open = open.flat_map(|(queue, progress)| {
            let returned = progress.returned();
            returned.map(move |(offset, last)| (queue, offset, last))
        });
        let waiting = self.retry.waiting.iter();
        let waiting =
            waiting.filter_map(|(&offset, waiting)| Some((WAITING_QUEUE, offset, waiting.last?)));
        open.chain(waiting)
    }

    /// As a snapshot of before has it.
    #[cfg(test)]
    pub fn forget_returned(&mut self) {
        let topics = self.topics.values_mut();
        for progress in topics.flat_map(|topic| topic.queues.values_mut()) {
            progress.forget_returned();
        }
        self.retry.progress.forget_returned();
        for waiting in self.retry.waiting.values_mut() {
            waiting.last = None;
        }
    }

    /// Sets what [`Self::returned`] told.
    pub fn set_returned(&mut self, queue: QueueKey, offset: u64, last: Delivery) {
        if queue == WAITING_QUEUE {
            if let Some(waiting) = self.retry.waiting.get_mut(&offset) {
                waiting.last = Some(last);
            }
        } else if let Some(progress) = self.progress_mut(queue) {
            progress.set_returned(offset, last);
        }
    }

    /// A copy waits no more; when it would have been due.
    pub fn forget_waiting(&mut self, offset: u64) -> Option<Timestamp> {
        let waiting = self.retry.waiting.remove(&offset)?;
        if let Some(topic) = self.topics.get_mut(&waiting.copy.topic) {
            topic
                .moved
                .remove(&(waiting.copy.queue, waiting.copy.offset));
        }
        Some(waiting.due)
    }

    fn move_to(&mut self, copy: Copy, place: Place) {
        if let Some(topic) = self.topics.get_mut(&copy.topic) {
            topic.moved.insert((copy.queue, copy.offset), place);
        }
    }

    /// Drops all retries of a topic: the leases and waits that end, for the due index.
    pub fn drop_retries_of(&mut self, group: GroupId, topic: TopicKey) -> Vec<Ended> {
        self.drop_copies(group, |copy| copy.topic == topic)
    }

    /// Drops the retries that are chosen; what ends, for the due index.
    pub fn drop_copies(&mut self, group: GroupId, goes: impl Fn(&Copy) -> bool) -> Vec<Ended> {
        let mut ended = Vec::new();
        let queue = QueueKey {
            topic: TopicKey::Retry(group),
            queue: ONLY_QUEUE,
        };
        let copies: Vec<u64> = self
            .retry
            .copies
            .iter()
            .filter(|(_, copy)| goes(copy))
            .map(|(&o, _)| o)
            .collect();
        for offset in copies {
            if let Some(lease) = self.finish(queue, offset) {
                ended.push(Ended {
                    deadline: lease.deadline,
                    queue,
                    offset,
                });
            }
        }
        let waiting = self.retry.waiting.iter();
        let waiting = waiting.filter(|(_, waiting)| goes(&waiting.copy));
        let waiting: Vec<u64> = waiting.map(|(&offset, _)| offset).collect();
        for offset in waiting {
            if let Some(deadline) = self.forget_waiting(offset) {
                ended.push(Ended {
                    deadline,
                    queue: WAITING_QUEUE,
                    offset,
                });
            }
        }
        ended
    }

    /// Records of a queue below `min` are gone; the leases that end. A retry
    /// queue must be the group's own.
    pub fn trim(&mut self, queue: QueueKey, min: u64) -> Vec<Ended> {
        let mut leases = Vec::new();
        if let TopicKey::Retry(_) = queue.topic {
            let copies = self.retry.copies.range(..min);
            let copies: Vec<u64> = copies.map(|(&offset, _)| offset).collect();
            for offset in copies {
                let lease = self.finish(queue, offset);
                leases.extend(lease.map(|lease| (offset, lease)));
            }
        }
        if let Some(progress) = self.progress_mut(queue) {
            leases.extend(progress.trim(min));
        }
        let ended = leases.into_iter().map(|(offset, lease)| Ended {
            deadline: lease.deadline,
            queue,
            offset,
        });
        ended.collect()
    }

    /// What the group has done with a record; an original counts by its newest copy.
    #[must_use]
    pub fn status(&self, group: GroupId, queue: QueueKey, offset: u64) -> ConsumeStatus {
        let place = self
            .topics
            .get(&queue.topic)
            .and_then(|topic| topic.moved.get(&(queue.queue, offset)));
        match place {
            Some(Place::Waiting(_)) => ConsumeStatus::ToConsume,
            Some(Place::Retry(copy)) => {
                let retry = QueueKey {
                    topic: TopicKey::Retry(group),
                    queue: ONLY_QUEUE,
                };
                self.standing_status(retry, *copy)
            }
            None => self.standing_status(queue, offset),
        }
    }

    fn standing_status(&self, queue: QueueKey, offset: u64) -> ConsumeStatus {
        match self
            .progress(queue)
            .map(|progress| progress.standing(offset))
        {
            Some(Standing::Finished) => ConsumeStatus::Consumed,
            Some(Standing::Leased(_)) => ConsumeStatus::Consuming,
            Some(Standing::Open) | None => ConsumeStatus::ToConsume,
        }
    }
}

/// The queue of bodies that wait for their time.
pub const WAITING_QUEUE: QueueKey = QueueKey {
    topic: TopicKey::Waiting,
    queue: ONLY_QUEUE,
};

/// A lease or wait that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub deadline: Timestamp,
    pub queue: QueueKey,
    pub offset: u64,
}

fn remove_ready(ready: &mut BTreeMap<TopicKey, BTreeSet<u64>>, topic: TopicKey, offset: u64) {
    if let Some(offsets) = ready.get_mut(&topic) {
        offsets.remove(&offset);
        if offsets.is_empty() {
            ready.remove(&topic);
        }
    }
}
