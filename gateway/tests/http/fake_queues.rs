//! What the storage in memory holds: one vector for each queue, and progress.

use std::collections::BTreeMap;

use firn_protocol::api::storage::*;
use firn_protocol::message::*;
use firn_protocol::receipt::Receipt;
use firn_protocol::*;

pub(crate) type QueueAt = (BrokerId, QueueKey);

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) queues: BTreeMap<QueueAt, Vec<Message>>,
    pub(crate) positions: BTreeMap<BrokerId, u64>,
    /// Next offset of a group on a queue.
    pub(crate) progress: BTreeMap<(GroupId, QueueAt), u64>,
    pub(crate) subscribed: Vec<(BrokerId, GroupId, TopicKey)>,
    pub(crate) leases: BTreeMap<u64, Receipt>,
    pub(crate) next_lease: u64,
    pub(crate) acked: Vec<Receipt>,
    pub(crate) given_back: Vec<Receipt>,
    pub(crate) dropped: Vec<String>,
    pub(crate) seen: u64,
}

impl Inner {
    pub(crate) fn append(
        &mut self,
        broker: BrokerId,
        queue: QueueKey,
        content: NewMessage,
        now: Timestamp,
    ) -> Message {
        let position = self.positions.entry(broker).or_insert(0);
        let at = Position(*position);
        *position += 1;
        let list = self.queues.entry((broker, queue)).or_default();
        let message = Message {
            message_id: content
                .message_id
                .unwrap_or_else(|| MessageId::server_made(broker, now, at)),
            broker,
            queue,
            offset: Offset(list.len() as u64),
            position: at,
            stored_at: now,
            attempt: 1,
            origin: None,
            target: None,
            content,
        };
        list.push(message.clone());
        self.seen += 1;
        message
    }

    /// The next messages of a topic, and of its retries if they came from it.
    pub(crate) fn take(&mut self, request: &ReceiveRequest) -> Vec<Message> {
        let mut taken = Vec::new();
        for ((broker, queue), list) in &self.queues {
            let own = queue.topic == request.topic.key;
            let retry = queue.topic == TopicKey::Retry(request.group.id);
            if *broker != request.broker || !(own || retry) {
                continue;
            }
            let next = self
                .progress
                .entry((request.group.id, (*broker, *queue)))
                .or_insert(0);
            while taken.len() < request.max && (*next as usize) < list.len() {
                let message = &list[*next as usize];
                *next += 1;
                let from_topic =
                    own || message.origin.is_some_and(|o| o.topic == request.topic.key);
                if from_topic && request.filter.matches(&message.content) {
                    taken.push(message.clone());
                }
            }
        }
        taken
    }
}
