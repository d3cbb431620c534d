//! What push consumers hold. They name no time within which they finish: their leases
//! are short, and this gateway renews them for as long as the client is there, at
//! most three hours. The handle that the client has stays valid.

use std::sync::Arc;

use firn_protocol::api::storage::{Delivery, VisibilityAnswer, VisibilityRequest};
use firn_protocol::catalogue::Group;
use firn_protocol::receipt::Receipt;
use firn_protocol::{ApiResult, Timestamp};
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Edge;
use super::clients::Client;
use crate::ops::give_back::GiveBack;
use crate::ops::target::group_spec;
use crate::ops::{Scope, Services};
use crate::streams::OpenStream;

/// How long a lease of a push consumer is.
pub(super) const PUSH_INVISIBLE_MS: u64 = 60_000;
/// It is renewed when less than this is left.
const RENEW_BEFORE_MS: u64 = 30_000;
/// How often leases are looked at.
pub(super) const RENEW_EVERY_MS: u64 = 10_000;
/// After this a client that still holds a message is stuck.
const HELD_MS_MAX: u64 = 3 * 3600 * 1000;
/// Renewals on their way at the same time.
const RENEWALS_AT_ONCE: usize = 64;

/// Deliveries of one answer that are not finished. Dropping it gives them back.
pub(super) struct PushBatch {
    services: Arc<Services>,
    scope: Scope,
    group: Arc<Group>,
    open: OpenStream,
    since: Timestamp,
}

/// A lease that is to be renewed.
struct Renewal {
    services: Arc<Services>,
    scope: Scope,
    group: Arc<Group>,
    receipt: Receipt,
}

impl PushBatch {
    pub(super) fn new(
        services: &Arc<Services>,
        scope: &Scope,
        group: &Arc<Group>,
        deliveries: &[Delivery],
    ) -> Self {
        let open = OpenStream::new(&services.streams);
        for delivery in deliveries {
            open.hold(&delivery.receipt, delivery.invisible_until);
        }
        Self {
            since: services.now(),
            services: services.clone(),
            scope: scope.clone(),
            group: group.clone(),
            open,
        }
    }

    fn renewals(&self, now: Timestamp) -> Vec<Renewal> {
        let due = self.open.passing_before(now.plus_ms(RENEW_BEFORE_MS));
        let renewal = |receipt| Renewal {
            services: self.services.clone(),
            scope: self.scope.clone(),
            group: self.group.clone(),
            receipt,
        };
        due.into_iter().map(renewal).collect()
    }
}

impl Drop for PushBatch {
    fn drop(&mut self) {
        let mut give_back = GiveBack::new(&self.services, &self.scope.ctx, self.group.id);
        give_back.hold_receipts(self.open.close());
    }
}

/// Renews what is due, and lets go of what nobody holds any more.
pub(super) async fn tick(edge: &Edge) {
    let now = edge.services.now();
    let mut renewals = Vec::new();
    for client in edge.clients.all() {
        renewals.extend(of_client(&client, now));
    }
    let work = stream::iter(renewals).map(|renewal| async move {
        match renewal.run().await {
            Ok(VisibilityAnswer::Changed {
                receipt,
                invisible_until,
            }) => {
                renewal.services.metrics.renewed.inc();
                let streams = &renewal.services.streams;
                streams.renewed(&renewal.receipt, &receipt, invisible_until);
            }
            Ok(VisibilityAnswer::Refused(_)) => {
                renewal.services.streams.settled(&renewal.receipt);
            }
            // It is tried again; else the lease passes.
            Err(error) => tracing::debug!(%error, "a lease is not renewed"),
        }
    });
    work.buffer_unordered(RENEWALS_AT_ONCE)
        .collect::<()>()
        .await;
}

fn of_client(client: &Client, now: Timestamp) -> Vec<Renewal> {
    let mut held = client.held.lock();
    let is_alive = client.is_alive(now);
    held.retain(|batch| {
        let is_fresh = now.0 < batch.since.0 + HELD_MS_MAX;
        let is_kept = is_alive && is_fresh && batch.open.unacked(now) > 0;
        if !is_kept {
            // The leases pass, which counts: the client may have died of a message.
            let _ = batch.open.close();
        }
        is_kept
    });
    held.iter().flat_map(|batch| batch.renewals(now)).collect()
}

impl Renewal {
    async fn run(&self) -> ApiResult<VisibilityAnswer> {
        let request = VisibilityRequest {
            broker: self.receipt.broker,
            group: group_spec(&self.group),
            receipt: self.receipt,
            invisible_ms: PUSH_INVISIBLE_MS,
        };
        let storage = &self.services.storage;
        storage.change_visibility(&self.scope.ctx, request).await
    }
}
