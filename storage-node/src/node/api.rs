//! [`StorageApi`] for a node in this process.

use async_trait::async_trait;
use firn_protocol::api::storage::{
    AckStatus, AppendRequest, Appended, Delivery, ForwardRequest, GroupSpec, KeyQuery, QueryPage,
    QueueLag, ReceiveRequest, Received, RedriveRequest, Redriven, RepeatRequest, Routed,
    SeekRequest, SeekRow, StorageApi, TopicSpec, VisibilityAnswer, VisibilityRequest, WaitRequest,
};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ApiResult, ErrorCode};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, GroupId, Offset, Position, QueueId, QueueKey, TopicKey};
use firn_protocol::message::{ConsumeStatus, Message};
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::StorageNode;
use crate::broker::entry::Head;
use crate::log::LogState;

#[async_trait]
impl StorageApi for StorageNode {
    async fn append(&self, ctx: &RequestContext, request: AppendRequest) -> ApiResult<Appended> {
        self.append_run(ctx, request, None).await
    }

    async fn append_in_order(
        &self,
        ctx: &RequestContext,
        request: AppendRequest,
        routed: Routed,
    ) -> ApiResult<Appended> {
        self.append_run(ctx, request, Some(routed)).await
    }

    async fn subscribe(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupSpec,
        topic: TopicSpec,
    ) -> ApiResult<()> {
        let broker = self.broker_to_change(ctx, broker).await?;
        self.subscribe_group(&broker, group, topic, None).await
    }

    async fn keep_filter(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupSpec,
        topic: TopicSpec,
        filter: Filter,
    ) -> ApiResult<()> {
        let broker = self.broker_to_change(ctx, broker).await?;
        self.keep_filter_of(&broker, group, topic, &filter).await
    }

    async fn receive(&self, ctx: &RequestContext, request: ReceiveRequest) -> ApiResult<Received> {
        self.receive_records(ctx, request).await
    }

    async fn repeat(
        &self,
        ctx: &RequestContext,
        request: RepeatRequest,
    ) -> ApiResult<Vec<Delivery>> {
        self.repeat_answer(ctx, request).await
    }

    async fn wait(
        &self,
        ctx: &RequestContext,
        request: WaitRequest,
    ) -> ApiResult<Option<BrokerId>> {
        self.wait_for(ctx, request).await
    }

    async fn ack(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: Vec<Receipt>,
    ) -> ApiResult<Vec<AckStatus>> {
        self.ack_records(ctx, broker, group, receipts).await
    }

    async fn change_visibility(
        &self,
        ctx: &RequestContext,
        request: VisibilityRequest,
    ) -> ApiResult<VisibilityAnswer> {
        self.change_lease(ctx, request).await
    }

    async fn forward(&self, ctx: &RequestContext, request: ForwardRequest) -> ApiResult<AckStatus> {
        self.forward_delivery(ctx, request).await
    }

    async fn give_back(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        receipts: Vec<Receipt>,
    ) -> ApiResult<()> {
        self.give_back_records(ctx, broker, group, &receipts).await
    }

    async fn seek(&self, ctx: &RequestContext, request: SeekRequest) -> ApiResult<Vec<SeekRow>> {
        self.seek_group(ctx, request).await
    }

    async fn lag(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<Vec<QueueLag>> {
        self.group_lag(ctx, broker, group).await
    }

    async fn bounds(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
    ) -> ApiResult<Vec<(QueueId, Offset, Offset)>> {
        self.queue_bounds(ctx, broker, topic).await
    }

    async fn read(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        offset: Offset,
        max: usize,
    ) -> ApiResult<Vec<Message>> {
        self.read_messages(ctx, broker, queue, offset, max).await
    }

    async fn by_position(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        position: Position,
    ) -> ApiResult<Option<Message>> {
        self.message_at(ctx, broker, position).await
    }

    async fn by_key(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: Option<TopicKey>,
        query: KeyQuery,
        from: u64,
        max: usize,
    ) -> ApiResult<QueryPage> {
        self.find_messages(ctx, broker, topic, query, from, max)
            .await
    }

    async fn offset_at(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        queue: QueueKey,
        time: Timestamp,
    ) -> ApiResult<Offset> {
        let broker = self.broker(ctx, broker)?;
        Ok(Offset(self.offset_of_time(&broker, queue, time).await?))
    }

    async fn status(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
        records: Vec<(QueueKey, Offset)>,
    ) -> ApiResult<Vec<ConsumeStatus>> {
        self.record_status(ctx, broker, group, &records).await
    }

    async fn redrive(&self, ctx: &RequestContext, request: RedriveRequest) -> ApiResult<Redriven> {
        self.redrive_group(ctx, request).await
    }

    async fn drop_topic(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
    ) -> ApiResult<()> {
        self.drop_thing(ctx, broker, &Head::DropTopic { topic })
            .await
    }

    async fn drop_group(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        group: GroupId,
    ) -> ApiResult<()> {
        self.drop_thing(ctx, broker, &Head::DropGroup { group })
            .await
    }

    fn health(&self) -> Result<(), ApiError> {
        if self.log.state() != LogState::Running {
            return Err(ApiError::new(
                ErrorCode::StorageUnavailable,
                "the node's log has failed",
            ));
        }
        if self.log.space().full {
            return Err(ApiError::new(
                ErrorCode::DiskFull,
                "the node's disk is full; sends are refused",
            ));
        }
        Ok(())
    }
}

impl StorageNode {
    async fn drop_thing(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        head: &Head,
    ) -> ApiResult<()> {
        let broker = self.broker_to_change(ctx, broker).await?;
        let committed = {
            let mut core = broker.lock()?;
            let committed = self.submit(&broker, &mut core, head, None, None)?;
            let gone: Vec<QueueKey> = core
                .tails
                .keys()
                .filter(|queue| !core.state.queues.contains_key(queue))
                .copied()
                .collect();
            for queue in gone {
                core.tails.remove(&queue);
            }
            core.forget_members();
            committed
        };
        self.outcome(committed).await
    }
}
