//! Deliveries that may never reach their member. Owns the promise of RULES 20:
//! what was leased for an answer that cannot be written goes back at once,
//! without counting an attempt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use firn_protocol::api::storage::{Delivery, Received, StorageApi};
use firn_protocol::receipt::Receipt;
use firn_protocol::{ApiResult, BrokerId, GroupId, RequestContext};
use firn_runtime::tasks;
use prometheus::IntCounter;

/// Gives back what it holds when it is dropped before [`Self::delivered`].
pub(crate) struct GiveBack {
    storage: Arc<dyn StorageApi>,
    ctx: RequestContext,
    group: GroupId,
    returned: IntCounter,
    receipts: Vec<Receipt>,
}

impl GiveBack {
    pub(crate) fn new(services: &super::Services, ctx: &RequestContext, group: GroupId) -> Self {
        Self {
            storage: services.storage.clone(),
            ctx: ctx.clone(),
            group,
            returned: services.metrics.returned.clone(),
            receipts: Vec::new(),
        }
    }

    pub(crate) fn hold(&mut self, deliveries: &[Delivery]) {
        self.receipts
            .extend(deliveries.iter().map(|delivery| delivery.receipt));
    }

    pub(crate) fn hold_receipts(&mut self, receipts: Vec<Receipt>) {
        self.receipts.extend(receipts);
    }

    /// The member has them, or somebody else takes care.
    pub(crate) fn delivered(&mut self) {
        self.receipts.clear();
    }

    fn another(&self) -> Self {
        Self {
            storage: self.storage.clone(),
            ctx: self.ctx.clone(),
            group: self.group,
            returned: self.returned.clone(),
            receipts: Vec::new(),
        }
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        let receipts = std::mem::take(&mut self.receipts);
        if receipts.is_empty() {
            return;
        }
        self.returned.inc_by(receipts.len() as u64);
        let (storage, ctx, group) = (self.storage.clone(), self.ctx.clone(), self.group);
        tasks::detach(async move {
            for (broker, receipts) in by_broker(receipts) {
                if let Err(error) = storage.give_back(&ctx, broker, group, receipts).await {
                    // The leases pass by themselves.
                    tracing::debug!(%error, %broker, "deliveries not given back");
                }
            }
        });
    }
}

/// Receipts by their broker, brokers in order of first appearance.
pub(crate) fn by_broker(receipts: Vec<Receipt>) -> Vec<(BrokerId, Vec<Receipt>)> {
    let mut parts: Vec<(BrokerId, Vec<Receipt>)> = Vec::with_capacity(1);
    for receipt in receipts {
        match parts
            .iter_mut()
            .find(|(broker, _)| *broker == receipt.broker)
        {
            Some((_, part)) => part.push(receipt),
            None => parts.push((receipt.broker, vec![receipt])),
        }
    }
    parts
}

type Receiving = Pin<Box<dyn Future<Output = ApiResult<Received>> + Send>>;

/// A receive that is finished in the background when nobody waits for it any
/// more, so that what it leases can be given back.
pub(crate) struct Attended {
    work: Option<Receiving>,
    give_back: GiveBack,
}

impl Attended {
    pub(crate) fn new(work: Receiving, give_back: &GiveBack) -> Self {
        Self {
            work: Some(work),
            give_back: give_back.another(),
        }
    }
}

impl Future for Attended {
    type Output = ApiResult<Received>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else {
            return Poll::Pending;
        };
        let result = std::task::ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(result)
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let mut give_back = self.give_back.another();
        tasks::detach(async move {
            if let Ok(received) = work.await {
                give_back.hold(&received.deliveries);
            }
        });
    }
}
