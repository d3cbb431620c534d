//! How a gateway keeps its shares of limits: about once a second it says what it holds
//! and wants of each limit in use, and is told what it may use. A gateway that has no
//! others beside it says nothing of single limits and may use all of them.

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::ApiError;
use firn_protocol::api::shares::{
    GatewayId, LimitKey, Part, ShareAnswer, ShareAsk, ShareDemand, SharesApi,
};
use firn_protocol::limits::{SHARE_HURRY_MS, SHARE_RENEWAL_MS};
use firn_runtime::random;

use super::Admission;
use super::hold::Hold;
use crate::connections::Connections;

/// Calls of one renewal: to learn that there are others, to say what is wanted, and to
/// say that what was too much is not held any more.
const CALLS_MAX: usize = 3;
/// A share that has become smaller by this part of the limit is told at once, as
/// somebody may wait for it.
const FREED: u32 = Part::WHOLE.parts() / 64;
/// A report within a shorter time goes on counting.
const COUNTED_MS_MIN: u64 = SHARE_RENEWAL_MS / 2;

/// Who divides the limits, and how far this gateway is with it.
pub(super) struct Sharing {
    service: Arc<dyn SharesApi>,
    gateway: GatewayId,
    connections: Arc<Connections>,
}

/// Where the renewals are.
#[derive(Default)]
pub(super) struct Turn {
    number: u64,
    is_shared: bool,
    counted_ms: u64,
    called_ms: u64,
}

/// When to call again.
enum Next {
    AtOnce,
    After(u64),
}

impl Admission {
    /// Lets a tenant service divide limits among this gateway and others. Nothing passes
    /// before the first renewal.
    pub fn share(&self, service: Arc<dyn SharesApi>) {
        self.share_with(service, Arc::default());
    }

    /// The same, and counts connections together with the others.
    pub(crate) fn share_with(&self, service: Arc<dyn SharesApi>, connections: Arc<Connections>) {
        let sharing = Sharing {
            service,
            gateway: GatewayId(u128::from_be_bytes(random::bytes())),
            connections,
        };
        if self.sharing.set(sharing).is_ok() {
            *self.hold.write() = Hold::nothing();
        }
    }

    /// Asks for shares; says how long they need no other call.
    pub async fn renew(&self) -> Duration {
        let Some(sharing) = self.sharing.get() else {
            return Duration::from_millis(SHARE_RENEWAL_MS);
        };
        for _ in 0..CALLS_MAX {
            let (ask, sent_ms) = self.ask(sharing);
            let (limits, connections) = (ask.demands.clone(), ask.connections.clone());
            let answer = sharing.service.shares(ask).await;
            let next = match answer {
                Ok(answer) => {
                    let elsewhere = answer.connections_elsewhere.iter().copied();
                    let instances = connections.into_iter().map(|(instance, _)| instance);
                    sharing.connections.know_of_others(instances.zip(elsewhere));
                    self.apply(&answer, limits.as_deref(), sent_ms)
                }
                Err(error) => self.cut_off(&error),
            };
            if let Next::After(pause_ms) = next {
                return Duration::from_millis(pause_ms);
            }
        }
        Duration::from_millis(SHARE_RENEWAL_MS)
    }

    /// Waits until some limit lacks a share, and a call may be made.
    pub(crate) async fn hurried(&self) {
        self.needed.notified().await;
        let called_ms = self.turn.lock().called_ms;
        let from_ms = called_ms.saturating_add(SHARE_HURRY_MS);
        self.clock.sleep_until_ms(from_ms).await;
    }

    /// Gives all shares back; nothing passes any more.
    pub async fn leave(&self) {
        if let Some(sharing) = self.sharing.get() {
            *self.hold.write() = Hold::nothing();
            sharing.service.leave(sharing.gateway).await;
        }
    }

    fn ask(&self, sharing: &Sharing) -> (ShareAsk, u64) {
        let now_ms = self.clock.now_ms();
        let hold = *self.hold.read();
        let (number, is_shared, closed_ms) = {
            let mut turn = self.turn.lock();
            turn.number += 1;
            turn.called_ms = now_ms;
            let passed_ms = now_ms.saturating_sub(turn.counted_ms);
            let closes = turn.is_shared && passed_ms >= COUNTED_MS_MIN;
            if closes {
                turn.counted_ms = now_ms;
            }
            (turn.number, turn.is_shared, closes.then_some(passed_ms))
        };
        let ask = ShareAsk {
            gateway: sharing.gateway,
            number,
            base: hold.base,
            every: hold.every_in_use(now_ms),
            demands: is_shared.then(|| self.demands(&hold, now_ms, closed_ms)),
            connections: sharing.connections.counts(),
        };
        (ask, now_ms)
    }

    fn demands(&self, hold: &Hold, now_ms: u64, closed_ms: Option<u64>) -> Vec<ShareDemand> {
        let mut demands = Vec::new();
        for shard in &self.shards {
            for (limit, bucket) in shard.read().iter() {
                if let Some(report) = bucket.report(hold, now_ms, closed_ms) {
                    demands.push(ShareDemand {
                        limit: *limit,
                        held: report.held,
                        wanted: report.wanted,
                    });
                }
            }
        }
        demands
    }

    fn apply(&self, answer: &ShareAnswer, asked: Option<&[ShareDemand]>, sent_ms: u64) -> Next {
        let now_ms = self.clock.now_ms();
        let before = *self.hold.read();
        let goes_on = answer.every == before.every && before.until_ms > now_ms;
        let after = Hold {
            answer: before.answer + 1,
            base: answer.base,
            every: answer.every,
            every_since_ms: match goes_on {
                true => before.every_since_ms,
                false => now_ms.saturating_sub(answer.unused_ms),
            },
            until_ms: sent_ms.saturating_add(answer.valid_ms),
            is_cut_off: false,
        };
        if before.is_cut_off {
            tracing::info!("the tenant service divides limits again");
        }
        *self.hold.write() = after;
        let mut freed = before.every_in_use(now_ms) > after.every;
        freed |= after.base.parts().saturating_add(FREED) <= before.base.parts();
        let mut lacks = false;
        for (demand, share) in asked.unwrap_or_default().iter().zip(&answer.shares) {
            freed |= share.parts().saturating_add(FREED) <= demand.held.parts();
            lacks |= share.is_none();
            self.renew_bucket(demand.limit, &before, &after, now_ms, *share);
        }
        let mut turn = self.turn.lock();
        let lists = answer.is_shared && asked.is_none();
        if lists && !turn.is_shared {
            // What was counted until now is of no known time.
            turn.counted_ms = now_ms.saturating_sub(SHARE_RENEWAL_MS);
        }
        turn.is_shared = answer.is_shared;
        match (lists || freed, lacks) {
            (true, _) => Next::AtOnce,
            (false, true) => Next::After(SHARE_HURRY_MS),
            (false, false) => Next::After(SHARE_RENEWAL_MS),
        }
    }

    fn renew_bucket(&self, limit: LimitKey, before: &Hold, after: &Hold, now_ms: u64, share: Part) {
        if let Some(bucket) = self.shard(limit).read().get(&limit) {
            bucket.renew(before, after, now_ms, share);
        }
    }

    fn cut_off(&self, error: &ApiError) -> Next {
        let mut hold = self.hold.write();
        if !hold.is_cut_off {
            tracing::warn!(%error, "limits are not divided by the tenant service");
            hold.is_cut_off = true;
        }
        Next::After(SHARE_RENEWAL_MS)
    }

    /// Whether shares were asked for in vain.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.hold.read().is_cut_off
    }
}
