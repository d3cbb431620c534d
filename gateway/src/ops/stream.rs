//! Pushes messages to a member as long as it stays: the flow control, the
//! keep-alive and the return of what was not acknowledged. The bytes of an
//! event are the caller's.

use std::sync::Arc;

use firn_protocol::api::storage::Delivery;
use firn_protocol::{ApiError, ApiResult, Timestamp};

use super::give_back::GiveBack;
use super::receive::{Consumer, Receiver, count_out};
use super::{Scope, Services};
use crate::admission::RateLimit;
use crate::streams::OpenStream;

/// Silence after which a stream says that it is alive.
pub(crate) const KEEP_ALIVE_MS: u64 = 10_000;

/// What happens on a stream.
pub(crate) enum Event {
    Messages(Vec<Delivery>),
    KeepAlive,
    /// The gateway stops; nothing follows.
    Closed,
}

/// One member's stream. Dropping it gives back what was not acknowledged.
pub(crate) struct MessageStream {
    services: Arc<Services>,
    scope: Scope,
    consumer: Consumer,
    window_max: usize,
    open: OpenStream,
    next_keep_alive: Timestamp,
}

impl MessageStream {
    /// # Errors
    /// The consumer's state, or what storage answers to a subscription.
    pub(crate) async fn open(
        services: Arc<Services>,
        scope: Scope,
        consumer: Consumer,
        window_max: usize,
    ) -> ApiResult<Self> {
        consumer.require_state(&scope)?;
        Receiver::subscribe(&services, &scope, &consumer).await?;
        services.metrics.streams.inc();
        let open = OpenStream::new(&services.streams);
        let next_keep_alive = services.now().plus_ms(KEEP_ALIVE_MS);
        Ok(Self {
            services,
            scope,
            consumer,
            window_max,
            open,
            next_keep_alive,
        })
    }

    /// Who is answered: the instance, its brokers' names, the consumer.
    pub(crate) fn parts(&self) -> (&Arc<Services>, &Scope, &Consumer) {
        (&self.services, &self.scope, &self.consumer)
    }

    /// The next thing to tell the member.
    ///
    /// # Errors
    /// A state that ends the stream (group switched off, topic removed), or a
    /// failure of storage; the member connects again.
    pub(crate) async fn next(&mut self) -> ApiResult<Event> {
        loop {
            let now = self.services.now();
            if now >= self.next_keep_alive {
                self.next_keep_alive = now.plus_ms(KEEP_ALIVE_MS);
                return Ok(Event::KeepAlive);
            }
            if self.services.closing.is_cancelled() {
                return Ok(Event::Closed);
            }
            let room = self.window_max.saturating_sub(self.open.unacked(now));
            if room == 0 {
                self.wait_for_room().await;
                continue;
            }
            let deliveries = match self.receive(room).await {
                Ok(deliveries) => deliveries,
                Err(error) => self.slow_down(error).await?,
            };
            if !deliveries.is_empty() {
                self.next_keep_alive = self.services.now().plus_ms(KEEP_ALIVE_MS);
                return Ok(Event::Messages(deliveries));
            }
        }
    }

    async fn wait_for_room(&self) {
        let passing = self.open.next_passing().unwrap_or(self.next_keep_alive);
        let until = passing.min(self.next_keep_alive);
        tokio::select! {
            () = self.services.closing.cancelled() => {}
            () = self.open.freed() => {}
            () = self.services.clock.sleep_until_ms(until.0) => {}
        }
    }

    /// A limit makes a stream slower and does not end it.
    async fn slow_down(&self, error: ApiError) -> ApiResult<Vec<Delivery>> {
        let Some(limit) = RateLimit::of(&error) else {
            return Err(error);
        };
        let until = self.services.now().plus_ms(limit.retry_after_ms);
        let until = until.min(self.next_keep_alive);
        tokio::select! {
            () = self.services.closing.cancelled() => {}
            () = self.services.clock.sleep_until_ms(until.0) => {}
        }
        Ok(Vec::new())
    }

    /// What there is, or comes before the next keep-alive.
    async fn receive(&mut self, room: usize) -> ApiResult<Vec<Delivery>> {
        self.refresh_group()?;
        let mut receiver = Receiver::subscribe(&self.services, &self.scope, &self.consumer).await?;
        let max = room.min(firn_protocol::limits::RECEIVE_MESSAGES_MAX);
        let mut batch = receiver.try_receive(max).await?;
        if batch.deliveries.is_empty() {
            batch = tokio::select! {
                biased;
                () = self.services.closing.cancelled() => return Ok(Vec::new()),
                batch = receiver.wait(max, self.next_keep_alive) => batch?,
            };
        }
        for delivery in &batch.deliveries {
            self.open.hold(&delivery.receipt, delivery.invisible_until);
        }
        // From here on the stream itself answers for them.
        batch.give_back.delivered();
        count_out(&self.services, &batch.deliveries);
        Ok(batch.deliveries)
    }

    /// A stream lives long: a group that was changed or switched off meanwhile
    /// is seen at the next receive.
    fn refresh_group(&mut self) -> ApiResult<()> {
        let instance = self.scope.instance.id;
        let gone = || {
            firn_protocol::ApiError::new(
                firn_protocol::ErrorCode::GroupNotFound,
                "the group was removed",
            )
        };
        self.consumer.group = self
            .services
            .tenants
            .group_by_id(instance, self.consumer.group.id)
            .ok_or_else(gone)?;
        self.consumer.require_state(&self.scope)
    }
}

impl Drop for MessageStream {
    fn drop(&mut self) {
        self.services.metrics.streams.dec();
        let mut give_back = GiveBack::new(&self.services, &self.scope.ctx, self.consumer.group.id);
        give_back.hold_receipts(self.open.close());
    }
}
