//! Queues in memory: one vector each, leases that never pass by themselves.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use firn_protocol::api::storage::*;
use firn_protocol::message::*;
use firn_protocol::receipt::Receipt;
use firn_protocol::*;
use firn_runtime::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::fake_queues::Inner;

pub(crate) struct FakeStorage {
    inner: Mutex<Inner>,
    appended: Notify,
    clock: Clock,
    /// Answered instead of doing anything, while set.
    pub(crate) fault: Mutex<Option<ErrorCode>>,
    /// How many waits are open.
    pub(crate) waiting: AtomicUsize,
    /// Receives that have made their leases stop here, while set.
    pub(crate) gate: Mutex<Option<std::sync::Arc<Notify>>>,
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FakeStorage {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            inner: Mutex::default(),
            appended: Notify::new(),
            clock,
            fault: Mutex::default(),
            waiting: AtomicUsize::new(0),
            gate: Mutex::default(),
        }
    }

    /// Puts a message somewhere.
    pub(crate) fn put(&self, broker: BrokerId, queue: QueueKey, content: NewMessage) -> Message {
        self.inner.lock().append(broker, queue, content, self.now())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Empties the queues of a topic; the fake looks at no times.
    pub(crate) fn purge_queues(&self, broker: BrokerId, topic: TopicKey) -> u64 {
        let mut inner = self.inner.lock();
        let own = inner.queues.iter_mut();
        let own = own.filter(|((b, queue), _)| *b == broker && queue.topic == topic);
        own.map(|(_, list)| std::mem::take(list).len() as u64).sum()
    }

    /// Lets go of all messages.
    pub(crate) fn forget(&self) {
        self.inner.lock().queues.clear();
    }

    pub(crate) fn given_back(&self) -> usize {
        self.inner.lock().given_back.len()
    }

    pub(crate) fn acked(&self) -> usize {
        self.inner.lock().acked.len()
    }

    pub(crate) fn dropped(&self) -> Vec<String> {
        self.inner.lock().dropped.clone()
    }

    pub(crate) fn subscribed(&self) -> usize {
        self.inner.lock().subscribed.len()
    }

    /// Appends a copy of a message as a retry or dead letter would be.
    pub(crate) fn copy(&self, from: &Message, queue: QueueKey, attempt: u32) -> Message {
        let origin = Origin {
            topic: from.queue.topic,
            queue: from.queue.queue,
            offset: from.offset,
            position: from.position,
            stored_at: from.stored_at,
        };
        let mut inner = self.inner.lock();
        let mut copy = inner.append(from.broker, queue, from.content.clone(), self.now());
        copy.message_id = from.message_id;
        copy.attempt = attempt;
        copy.origin = Some(origin);
        let list = inner
            .queues
            .get_mut(&(from.broker, queue))
            .expect("just appended");
        *list.last_mut().expect("just appended") = copy.clone();
        copy
    }

    pub(crate) fn all(&self) -> Vec<Message> {
        self.inner
            .lock()
            .queues
            .values()
            .flatten()
            .cloned()
            .collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    pub(crate) fn check(&self) -> ApiResult<()> {
        match *self.fault.lock() {
            Some(code) => Err(ApiError::new(code, "as told by the test")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl StorageApi for FakeStorage {
    async fn append(&self, _: &RequestContext, request: AppendRequest) -> ApiResult<Appended> {
        self.check()?;
        let mut inner = self.inner.lock();
        let now = self.now();
        let stored: Vec<Message> = request
            .messages
            .into_iter()
            .map(|content| inner.append(request.broker, request.queue, content, now))
            .collect();
        drop(inner);
        self.appended.notify_waiters();
        Ok(Appended {
            offset: stored[0].offset,
            position: stored[0].position,
            stored_at: now,
            message_ids: stored.iter().map(|message| message.message_id).collect(),
        })
    }

    async fn append_in_order(
        &self,
        ctx: &RequestContext,
        request: AppendRequest,
        _: Routed,
    ) -> ApiResult<Appended> {
        self.append(ctx, request).await
    }

    async fn subscribe(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        group: GroupSpec,
        topic: TopicSpec,
    ) -> ApiResult<()> {
        self.check()?;
        self.inner
            .lock()
            .subscribed
            .push((broker, group.id, topic.key));
        Ok(())
    }

    async fn keep_filter(
        &self,
        _: &RequestContext,
        _: BrokerId,
        _: GroupSpec,
        _: TopicSpec,
        _: firn_protocol::filter::Filter,
    ) -> ApiResult<()> {
        self.check()
    }

    async fn receive(&self, _: &RequestContext, request: ReceiveRequest) -> ApiResult<Received> {
        self.check()?;
        let received = {
            let mut inner = self.inner.lock();
            let seen = inner.seen;
            let until = self.now().plus_ms(request.invisible_ms);
            let deliveries = inner.take(&request).into_iter().map(|message| {
                inner.next_lease += 1;
                let receipt = Receipt {
                    broker: request.broker,
                    group: request.group.id,
                    topic: request.topic.key,
                    queue: message.queue,
                    offset: message.offset,
                    attempt: message.attempt,
                    epoch: 0,
                    generation: Generation(1),
                    lease: inner.next_lease,
                };
                inner.leases.insert(receipt.lease, receipt);
                Delivery {
                    message,
                    receipt,
                    invisible_until: until,
                }
            });
            Received {
                deliveries: deliveries.collect(),
                seen,
            }
        };
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        Ok(received)
    }

    async fn repeat(&self, _: &RequestContext, _: RepeatRequest) -> ApiResult<Vec<Delivery>> {
        self.check().map(|()| Vec::new())
    }

    async fn wait(&self, _: &RequestContext, request: WaitRequest) -> ApiResult<Option<BrokerId>> {
        self.check()?;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _open = Open(&self.waiting);
        let woken = self.appended.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let missed = {
            let inner = self.inner.lock();
            request
                .brokers
                .iter()
                .find(|(_, seen)| *seen < inner.seen)
                .map(|(broker, _)| *broker)
        };
        if missed.is_some() {
            return Ok(missed);
        }
        tokio::select! {
            () = woken => Ok(request.brokers.first().map(|(broker, _)| *broker)),
            () = self.clock.sleep_until_ms(request.until.0) => Ok(None),
        }
    }

    async fn ack(
        &self,
        _: &RequestContext,
        _: BrokerId,
        _: GroupId,
        receipts: Vec<Receipt>,
    ) -> ApiResult<Vec<AckStatus>> {
        self.check()?;
        let mut inner = self.inner.lock();
        let statuses = receipts.iter().map(|receipt| {
            if inner.leases.remove(&receipt.lease).is_some() {
                inner.acked.push(*receipt);
                AckStatus::Ok
            } else if inner.acked.contains(receipt) {
                AckStatus::AlreadyAcked
            } else {
                AckStatus::LeaseExpired
            }
        });
        Ok(statuses.collect())
    }

    async fn forward(&self, _: &RequestContext, request: ForwardRequest) -> ApiResult<AckStatus> {
        self.check()?;
        let mut inner = self.inner.lock();
        if inner.leases.remove(&request.receipt.lease).is_none() {
            return Ok(AckStatus::LeaseExpired);
        }
        inner.acked.push(request.receipt);
        Ok(AckStatus::Ok)
    }

    async fn change_visibility(
        &self,
        _: &RequestContext,
        request: VisibilityRequest,
    ) -> ApiResult<VisibilityAnswer> {
        self.check()?;
        let mut inner = self.inner.lock();
        if inner.leases.remove(&request.receipt.lease).is_none() {
            let status = match inner.acked.contains(&request.receipt) {
                true => AckStatus::AlreadyAcked,
                false => AckStatus::LeaseExpired,
            };
            return Ok(VisibilityAnswer::Refused(status));
        }
        inner.next_lease += 1;
        let receipt = Receipt {
            lease: inner.next_lease,
            ..request.receipt
        };
        inner.leases.insert(receipt.lease, receipt);
        Ok(VisibilityAnswer::Changed {
            receipt,
            invisible_until: self.now().plus_ms(request.invisible_ms),
        })
    }

    async fn give_back(
        &self,
        _: &RequestContext,
        _: BrokerId,
        _: GroupId,
        receipts: Vec<Receipt>,
    ) -> ApiResult<()> {
        let mut inner = self.inner.lock();
        for receipt in receipts {
            inner.leases.remove(&receipt.lease);
            inner.given_back.push(receipt);
        }
        Ok(())
    }

    async fn seek(&self, _: &RequestContext, request: SeekRequest) -> ApiResult<Vec<SeekRow>> {
        self.check()?;
        let mut inner = self.inner.lock();
        let queues = 0..request.topic.queues;
        let rows = queues.map(|queue| {
            let key = QueueKey {
                topic: request.topic.key,
                queue: QueueId(queue),
            };
            let at = (request.broker, key);
            let end = inner.queues.get(&at).map_or(0, |list| list.len() as u64);
            let before = *inner.progress.entry((request.group.id, at)).or_insert(0);
            let after = match &request.target {
                SeekTarget::Earliest => 0,
                SeekTarget::Latest => end,
                SeekTarget::Time(time) => inner.queues.get(&at).map_or(0, |list| {
                    list.partition_point(|message| message.stored_at < *time) as u64
                }),
                SeekTarget::Offsets(offsets) => {
                    let given = offsets.iter().find(|(wanted, _)| wanted.0 == queue);
                    given.map_or(before, |(_, offset)| offset.0.min(end))
                }
            };
            if !request.dry_run {
                inner.progress.insert((request.group.id, at), after);
            }
            SeekRow {
                queue: QueueId(queue),
                broker_offset: Offset(end),
                consumer_offset: Offset(before),
                timestamp_offset: Offset(after),
                rollback_offset: Offset(after),
            }
        });
        Ok(rows.collect())
    }

    async fn lag(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<Vec<QueueLag>> {
        self.check()?;
        let inner = self.inner.lock();
        let own = inner
            .progress
            .iter()
            .filter(|((g, (b, _)), _)| *g == group && *b == broker);
        let rows = own.map(|((_, at), next)| {
            let list = inner.queues.get(at).map_or(&[][..], Vec::as_slice);
            let in_flight = inner.leases.values().filter(|r| r.queue == at.1).count() as u64;
            QueueLag {
                queue: at.1,
                min_offset: Offset(0),
                max_offset: Offset(list.len() as u64),
                committed: Offset(*next - in_flight.min(*next)),
                lag: list.len() as u64 - next + in_flight,
                in_flight,
                scheduled: if matches!(at.1.topic, TopicKey::Retry(_)) {
                    2
                } else {
                    0
                },
                oldest_at: list.first().map(|message| message.stored_at),
            }
        });
        Ok(rows.collect())
    }

    async fn bounds(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
    ) -> ApiResult<Vec<(QueueId, Offset, Offset)>> {
        self.check()?;
        let inner = self.inner.lock();
        let own = inner
            .queues
            .iter()
            .filter(|((b, q), _)| *b == broker && q.topic == topic);
        Ok(own
            .map(|((_, q), list)| (q.queue, Offset(0), Offset(list.len() as u64)))
            .collect())
    }

    async fn read(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        offset: Offset,
        max: usize,
    ) -> ApiResult<Vec<Message>> {
        self.check()?;
        let inner = self.inner.lock();
        let list = inner
            .queues
            .get(&(broker, queue))
            .map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset.0)
            .unwrap_or(usize::MAX)
            .min(list.len());
        Ok(list[from..].iter().take(max).cloned().collect())
    }

    async fn by_position(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        position: Position,
    ) -> ApiResult<Option<Message>> {
        self.check()?;
        let all = self.all();
        Ok(all
            .into_iter()
            .find(|m| m.broker == broker && m.position == position))
    }

    async fn by_key(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        topic: Option<TopicKey>,
        query: KeyQuery,
        from: u64,
        max: usize,
    ) -> ApiResult<QueryPage> {
        self.check()?;
        let mut found = self.all();
        found.retain(|m| {
            m.broker == broker
                && m.position.0 >= from
                && topic.is_none_or(|topic| m.queue.topic == topic)
                && match &query {
                    KeyQuery::Key(key) => m.content.keys.contains(key),
                    KeyQuery::MessageId(id) => m.message_id == *id,
                }
        });
        found.sort_by_key(|m| m.position);
        let next = found.get(max).map(|m| m.position.0);
        found.truncate(max);
        Ok(QueryPage {
            messages: found,
            next,
        })
    }

    async fn offset_at(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        time: Timestamp,
    ) -> ApiResult<Offset> {
        let inner = self.inner.lock();
        let list = inner
            .queues
            .get(&(broker, queue))
            .map_or(&[][..], Vec::as_slice);
        Ok(Offset(
            list.partition_point(|message| message.stored_at < time) as u64,
        ))
    }

    async fn status(
        &self,
        _: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        records: Vec<(QueueKey, Offset)>,
    ) -> ApiResult<Vec<ConsumeStatus>> {
        let inner = self.inner.lock();
        let statuses = records.into_iter().map(|(queue, offset)| {
            let next = inner
                .progress
                .get(&(group, (broker, queue)))
                .copied()
                .unwrap_or(0);
            let leased = inner
                .leases
                .values()
                .any(|r| r.queue == queue && r.offset == offset);
            match (offset.0 < next, leased) {
                (true, true) => ConsumeStatus::Consuming,
                (true, false) => ConsumeStatus::Consumed,
                (false, _) => ConsumeStatus::ToConsume,
            }
        });
        Ok(statuses.collect())
    }

    async fn redrive(&self, _: &RequestContext, request: RedriveRequest) -> ApiResult<Redriven> {
        self.check()?;
        let dead = TopicKey::DeadLetter(request.group.id);
        let inner = self.inner.lock();
        let own = inner
            .queues
            .iter()
            .filter(|((b, q), _)| *b == request.broker && q.topic == dead);
        let count: u64 = own.map(|(_, list)| list.len() as u64).sum();
        let end = count.min(request.from.0.saturating_add(request.max));
        Ok(Redriven {
            sent: end.saturating_sub(request.from.0),
            next: (end < count).then_some(Offset(end)),
        })
    }

    async fn drop_topic(&self, _: &RequestContext, b: BrokerId, topic: TopicKey) -> ApiResult<()> {
        self.inner.lock().dropped.push(format!("{b} {topic:?}"));
        Ok(())
    }

    async fn drop_group(&self, _: &RequestContext, b: BrokerId, group: GroupId) -> ApiResult<()> {
        self.inner.lock().dropped.push(format!("{b} group {group}"));
        Ok(())
    }

    fn health(&self) -> Result<(), ApiError> {
        self.check()
    }
}
