//! [`HoldApi`], [`AdminApi`] and [`UsageApi`] for a node in this process.

use async_trait::async_trait;
use firn_protocol::api::admin::{
    AdminApi, BrokerFacts, Erased, Parked, PurgeRequest, ReleaseRequest, ReshapeRequest,
};
use firn_protocol::api::hold::{
    ChecksRequest, Decided, HalfMessage, Held, HoldApi, HoldRequest, PrepareRequest, Recalled,
    StoredOnce, UniqueRequest,
};
use firn_protocol::api::usage::{EventKey, StoredBytes, UsageApi, UsageEvent};
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiResult;
use firn_protocol::ids::{BrokerId, GroupId, Offset, TopicKey};
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;

use super::StorageNode;

#[async_trait]
impl AdminApi for StorageNode {
    async fn erase(&self, ctx: &RequestContext, broker: BrokerId) -> ApiResult<Erased> {
        self.erase_broker(ctx, broker).await
    }

    async fn reshape(&self, ctx: &RequestContext, request: ReshapeRequest) -> ApiResult<()> {
        self.reshape_topic(ctx, request).await
    }

    async fn parked(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<Vec<Parked>> {
        self.parked_records(ctx, broker, group).await
    }

    async fn release(&self, ctx: &RequestContext, request: ReleaseRequest) -> ApiResult<()> {
        self.release_parked(ctx, request).await
    }

    async fn purge(&self, ctx: &RequestContext, request: PurgeRequest) -> ApiResult<u64> {
        self.purge_topic(ctx, request).await
    }

    async fn broker_facts(&self, ctx: &RequestContext, broker: BrokerId) -> ApiResult<BrokerFacts> {
        self.facts_of(ctx, broker).await
    }
}

#[async_trait]
impl HoldApi for StorageNode {
    async fn append_unique(
        &self,
        ctx: &RequestContext,
        request: UniqueRequest,
    ) -> ApiResult<Vec<ApiResult<StoredOnce>>> {
        self.append_once(ctx, request).await
    }

    async fn hold(
        &self,
        ctx: &RequestContext,
        request: HoldRequest,
    ) -> ApiResult<Vec<ApiResult<Held>>> {
        self.hold_messages(ctx, request).await
    }

    async fn recall(&self, ctx: &RequestContext, place: HeldPlace) -> ApiResult<Recalled> {
        self.recall_message(ctx, place).await
    }

    async fn prepare(&self, ctx: &RequestContext, request: PrepareRequest) -> ApiResult<Held> {
        self.prepare_message(ctx, request).await
    }

    async fn decide(
        &self,
        ctx: &RequestContext,
        place: HeldPlace,
        commit: bool,
    ) -> ApiResult<Decided> {
        self.decide_half(ctx, place, commit).await
    }

    async fn checks(
        &self,
        ctx: &RequestContext,
        request: ChecksRequest,
    ) -> ApiResult<Vec<HalfMessage>> {
        self.ask_producers(ctx, request).await
    }

    async fn wait_checks(
        &self,
        ctx: &RequestContext,
        request: ChecksRequest,
        until: Timestamp,
    ) -> ApiResult<()> {
        self.wait_for_checks(ctx, request, until).await
    }

    async fn half_messages(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
        given_up: Option<bool>,
        from: Offset,
        max: usize,
    ) -> ApiResult<Vec<HalfMessage>> {
        self.undecided(ctx, broker, topic, given_up, from, max)
            .await
    }
}

#[async_trait]
impl UsageApi for StorageNode {
    async fn usage(&self) -> ApiResult<Vec<UsageEvent>> {
        Ok(self.closed_events().await)
    }

    async fn usage_taken(&self, events: &[EventKey]) -> ApiResult<()> {
        self.forget_events(events)
    }

    fn stored_bytes(&self) -> Vec<StoredBytes> {
        self.bytes_stored()
    }
}
