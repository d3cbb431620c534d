//! Held messages of the fake: stored, and never heard of again.

use async_trait::async_trait;
use firn_protocol::api::admin::*;
use firn_protocol::api::hold::*;
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::HeldPlace;
use firn_protocol::*;

use crate::fake_storage::FakeStorage;

impl FakeStorage {
    fn hold_one(&self, broker: BrokerId, target: QueueKey, content: NewMessage) -> Held {
        let queue = QueueKey {
            topic: TopicKey::Waiting,
            queue: QueueId(20),
        };
        let stored = self.put(broker, queue, content);
        Held {
            place: HeldPlace {
                broker,
                topic: target.topic,
                queue: queue.queue,
                offset: stored.offset,
                position: stored.position,
            },
            stored_at: stored.stored_at,
            message_id: stored.message_id,
        }
    }
}

#[async_trait]
impl AdminApi for FakeStorage {
    async fn erase(&self, _: &RequestContext, _: BrokerId) -> ApiResult<Erased> {
        self.check()?;
        Ok(Erased {
            is_complete: true,
            ..Erased::default()
        })
    }

    async fn reshape(&self, _: &RequestContext, _: ReshapeRequest) -> ApiResult<()> {
        self.check()
    }

    async fn parked(&self, _: &RequestContext, _: BrokerId, _: GroupId) -> ApiResult<Vec<Parked>> {
        self.check()?;
        Ok(Vec::new())
    }

    async fn release(&self, _: &RequestContext, _: ReleaseRequest) -> ApiResult<()> {
        self.check()?;
        Err(ApiError::new(ErrorCode::NotFound, "nothing is parked"))
    }

    async fn purge(&self, _: &RequestContext, request: PurgeRequest) -> ApiResult<u64> {
        self.check()?;
        Ok(self.purge_queues(request.broker, request.topic))
    }

    async fn broker_facts(&self, _: &RequestContext, broker: BrokerId) -> ApiResult<BrokerFacts> {
        self.check()?;
        let stored = self.all().iter().filter(|m| m.broker == broker).count() as u64;
        Ok(BrokerFacts {
            accepted: stored,
            stored,
            ..BrokerFacts::default()
        })
    }
}

#[async_trait]
impl HoldApi for FakeStorage {
    async fn append_unique(
        &self,
        _: &RequestContext,
        request: UniqueRequest,
    ) -> ApiResult<Vec<ApiResult<StoredOnce>>> {
        self.check()?;
        let stored = request.messages.into_iter().map(|one| {
            let stored = self.put(request.broker, request.queue, one.message);
            Ok(StoredOnce {
                queue: request.queue.queue,
                offset: Some(stored.offset),
                held: None,
                position: stored.position,
                stored_at: stored.stored_at,
                message_id: stored.message_id,
            })
        });
        Ok(stored.collect())
    }

    async fn hold(
        &self,
        _: &RequestContext,
        request: HoldRequest,
    ) -> ApiResult<Vec<ApiResult<Held>>> {
        self.check()?;
        let (broker, target) = (request.broker, request.queue);
        let messages = request.messages.into_iter();
        Ok(messages
            .map(|content| Ok(self.hold_one(broker, target, content)))
            .collect())
    }

    async fn recall(&self, _: &RequestContext, _: HeldPlace) -> ApiResult<Recalled> {
        self.check()?;
        Ok(Recalled::Unknown)
    }

    async fn prepare(&self, _: &RequestContext, request: PrepareRequest) -> ApiResult<Held> {
        self.check()?;
        Ok(self.hold_one(request.broker, request.queue, request.message))
    }

    async fn decide(&self, _: &RequestContext, _: HeldPlace, _: bool) -> ApiResult<Decided> {
        self.check()?;
        Ok(Decided::Unknown)
    }

    async fn checks(&self, _: &RequestContext, _: ChecksRequest) -> ApiResult<Vec<HalfMessage>> {
        self.check()?;
        Ok(Vec::new())
    }

    async fn wait_checks(
        &self,
        _: &RequestContext,
        _: ChecksRequest,
        until: Timestamp,
    ) -> ApiResult<()> {
        self.check()?;
        self.clock().sleep_until_ms(until.0).await;
        Ok(())
    }

    async fn half_messages(
        &self,
        _: &RequestContext,
        _: BrokerId,
        _: TopicKey,
        _: Option<bool>,
        _: Offset,
        _: usize,
    ) -> ApiResult<Vec<HalfMessage>> {
        self.check()?;
        Ok(Vec::new())
    }
}
