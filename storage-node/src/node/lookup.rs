//! Queries: by place, position, key and id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::storage::{KeyQuery, QueryPage};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{BrokerId, Offset, Position, QueueKey, TopicKey};
use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::message::{Message, MessageId};
use firn_runtime::tasks;

use super::StorageNode;
use super::delay::DelayedMessage;
use super::read::{ReadLimit, to_message};
use super::tier::ColdQuery;
use crate::broker::owner::Broker;
use crate::consume::delay::is_slot;
use crate::hot::hash::{id_hash, key_hash};
use crate::hot::{Hit, HotError, HotStore};

/// How long a query waits for the hot store to catch up with the log.
const FILL_WAIT: Duration = Duration::from_secs(10);

/// Records of one id that are looked at: an original and its copies.
const COPIES_MAX: usize = 64;

impl StorageNode {
    pub(super) async fn read_messages(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        offset: Offset,
        max: usize,
    ) -> Result<Vec<Message>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let min = broker.lock()?.state.queue(queue).min;
        if offset.0 < min {
            return Ok(Vec::new());
        }
        let limit = ReadLimit {
            records: max,
            bytes: ANSWER_BYTES_MAX,
        };
        let range = offset.0..offset.0.saturating_add(max as u64);
        let found = self.read_range(&broker, queue, range, limit).await?;
        found
            .records
            .iter()
            .map(|record| to_message(&broker, queue, record))
            .collect()
    }

    pub(super) async fn message_at(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        position: Position,
    ) -> Result<Option<Message>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        if position.0 >= broker.lock()?.state.next_position {
            return Ok(None);
        }
        self.filled(&broker).await?;
        let place = self
            .ask_hot(&broker, move |hot, key| hot.locate(key, position))
            .await?;
        let place = match place {
            Some(place) => Some(place),
            None => self.locate_cold(&broker, position).await?,
        };
        let Some((queue, offset)) = place else {
            return Ok(None);
        };
        if is_slot(queue) {
            let found = self.delayed_message(&broker, queue.queue, offset.0).await?;
            return match found {
                None => Ok(None),
                Some(DelayedMessage::Waits(message)) => Ok(Some(*message)),
                Some(DelayedMessage::Delivered(id)) => self.delivered(ctx, &broker, id).await,
            };
        }
        // Other bodies that wait for their time are nobody's messages yet.
        if queue.topic == TopicKey::Waiting {
            return Ok(None);
        }
        self.read_one(&broker, queue, offset.0).await
    }

    /// The record that a delayed message became.
    async fn delivered(
        &self,
        ctx: &RequestContext,
        broker: &Arc<Broker>,
        id: MessageId,
    ) -> Result<Option<Message>, ApiError> {
        let query = KeyQuery::MessageId(id);
        let found = self.find_messages(ctx, broker.key.broker, None, query, 0, COPIES_MAX);
        let mut found = found.await?.messages.into_iter();
        Ok(found.find(|message| message.origin.is_none() && message.target.is_none()))
    }

    pub(super) async fn find_messages(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: Option<TopicKey>,
        query: KeyQuery,
        from: u64,
        max: usize,
    ) -> Result<QueryPage, ApiError> {
        let broker = self.broker(ctx, broker)?;
        if broker.lock()?.state.next_position <= from {
            return Ok(QueryPage::default());
        }
        self.filled(&broker).await?;
        let mut page = QueryPage::default();
        let mut from = from;
        let mut bytes = 0;
        loop {
            let wanted = (max - page.messages.len()).max(1);
            let wanted = ColdQuery {
                topic,
                query: query.clone(),
                from: Position(from),
                max: wanted,
            };
            let (hits, searched_to) = self.hits(&broker, wanted).await?;
            for hit in hits {
                from = hit.position.0 + 1;
                let message = self.read_hit(&broker, &hit).await?;
                // Equal hashes are not equal keys (RULES 24).
                let Some(message) = message.filter(|message| is_match(message, &query)) else {
                    continue;
                };
                bytes += message.content_bytes();
                page.messages.push(message);
            }
            let Some(searched_to) = searched_to else {
                return Ok(page);
            };
            from = from.max(searched_to.0);
            if page.messages.len() >= max || bytes >= ANSWER_BYTES_MAX {
                page.next = Some(from);
                return Ok(page);
            }
        }
    }

    /// The message of a hit, if it is anybody's yet.
    async fn read_hit(&self, broker: &Arc<Broker>, hit: &Hit) -> Result<Option<Message>, ApiError> {
        let (queue, offset) = (hit.queue, hit.offset.0);
        if is_slot(queue) {
            let found = self.delayed_message(broker, queue.queue, offset).await?;
            return Ok(match found {
                Some(DelayedMessage::Waits(message)) => Some(*message),
                Some(DelayedMessage::Delivered(_)) | None => None,
            });
        }
        if queue.topic == TopicKey::Waiting {
            return Ok(None);
        }
        self.read_one(broker, queue, offset).await
    }

    /// Records that may match, from hot store and segments, in order of position,
    /// and up to where all were looked at; `None` if there are no more.
    async fn hits(
        &self,
        broker: &Arc<Broker>,
        wanted: ColdQuery,
    ) -> Result<(Vec<Hit>, Option<Position>), ApiError> {
        let (topic, from, max) = (wanted.topic, wanted.from, wanted.max);
        let hash = match &wanted.query {
            KeyQuery::Key(key) => key_hash(key),
            KeyQuery::MessageId(id) => id_hash(id),
        };
        // In this order: what leaves the hot store meanwhile is in a segment.
        let hot = self
            .ask_hot(broker, move |hot, key| {
                hot.find(key, topic, hash, from, max)
            })
            .await?;
        let hot_to = (hot.len() == max).then(|| hot.last().map(|hit| hit.position.0 + 1));
        let cold = self.find_cold(broker, wanted).await?;
        let ends = [hot_to.flatten().map(Position), cold.searched_to];
        let end = ends.into_iter().flatten().min();
        let both = hot.into_iter().chain(cold.hits);
        let mut hits: BTreeMap<Position, Hit> = both.map(|hit| (hit.position, hit)).collect();
        if let Some(end) = end {
            hits.split_off(&end);
        }
        // Both may have as many as were asked for.
        match hits.keys().nth(max).copied() {
            Some(next) => {
                hits.split_off(&next);
                Ok((hits.into_values().collect(), Some(next)))
            }
            None => Ok((hits.into_values().collect(), end)),
        }
    }

    /// Waits until the hot store knows all that is committed of a broker.
    async fn filled(&self, broker: &Arc<Broker>) -> Result<(), ApiError> {
        // Frames without records move the hot store's marker only now and then.
        let (mark, run) = {
            let core = broker.lock()?;
            (core.mark(), core.last_run_lsn)
        };
        self.settled(mark).await?;
        let filled = self.shared.wait_filled(run.next());
        tokio::select! {
            () = filled => Ok(()),
            () = self.clock.sleep(FILL_WAIT) => Err(ApiError::new(
                ErrorCode::Overloaded,
                "the index is behind the log; try again",
            )),
        }
    }

    async fn ask_hot<T: Send + 'static>(
        &self,
        broker: &Arc<Broker>,
        ask: impl FnOnce(&dyn HotStore, crate::hot::BrokerKey) -> Result<T, HotError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let hot = self.stores.hot.clone();
        let key = broker.key;
        let answer = tasks::blocking(move || ask(&*hot, key)).await;
        answer.map_err(|error| {
            tracing::error!(%error, "hot store cannot answer");
            ApiError::new(
                ErrorCode::StorageUnavailable,
                "the index cannot be read now",
            )
        })
    }
}

fn is_match(message: &Message, query: &KeyQuery) -> bool {
    match query {
        KeyQuery::Key(key) => message.content.keys.iter().any(|found| found == key),
        KeyQuery::MessageId(id) => message.message_id == *id,
    }
}
