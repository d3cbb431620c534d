//! Divides limits among gateways. Owns who may use which part of what, in memory
//! alone; promises that the parts of a limit that may be in force at the same time are
//! never more than the whole: what a gateway was granted counts until it says that it
//! has less, or until it is void. Leaves to gateways how they keep to it.

mod divide;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use firn_protocol::api::shares::{
    GatewayId, LimitKey, Part, ShareAnswer, ShareAsk, ShareDemand, SharesApi,
};
use firn_protocol::limits::{
    GATEWAYS_MAX, SHARE_MARGIN_MS, SHARE_RENEWAL_MS, SHARE_VALID_MS, SHARES_MAX,
};
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId};
use firn_runtime::Clock;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::service::TenantService;

/// How long what was granted may be in force after the call came in.
const IN_FORCE_MS: u64 = SHARE_VALID_MS + SHARE_MARGIN_MS;

/// See the module.
pub struct ShareTable {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Before this nothing is granted: shares that nobody here knows may be in force.
    settled_ms: u64,
    /// When a gateway was last forgotten, or may have been by another table.
    left_ms: Option<u64>,
    gateways: BTreeMap<GatewayId, Gateway>,
    /// The shares of each limit, one for each gateway that uses it.
    limits: FxHashMap<LimitKey, Vec<Share>>,
    shares: usize,
}

/// What may be in force at a gateway.
struct Gateway {
    /// Of its last call.
    number: u64,
    until_ms: u64,
    base: Part,
    /// Of each limit of which it has no share.
    every: Part,
    limits: Vec<LimitKey>,
    /// Open ones, by their instance.
    connections: FxHashMap<InstanceId, u32>,
}

struct Share {
    gateway: GatewayId,
    wanted: Part,
    /// The most that may be in force.
    promised: Part,
}

/// How much is divided, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareCounts {
    pub gateways: usize,
    pub shares: usize,
}

impl ShareTable {
    /// A table that nobody was granted anything by before.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// A table after a restart that gateways have survived: first it waits until what
    /// they may hold is void, and listens to what they say meanwhile.
    #[must_use]
    pub fn after_restart(clock: Clock) -> Self {
        let table = Self::new(clock);
        table.wait_for_gateways();
        table
    }

    /// The same for a table that is open: to be called before gateways of other
    /// processes can reach it.
    pub fn wait_for_gateways(&self) {
        let mut state = self.state.lock();
        state.settled_ms = self.clock.now_ms() + IN_FORCE_MS;
        state.left_ms = Some(state.settled_ms);
    }

    #[must_use]
    pub fn counts(&self) -> ShareCounts {
        let mut state = self.state.lock();
        state.expire(self.clock.now_ms());
        ShareCounts {
            gateways: state.gateways.len(),
            shares: state.shares,
        }
    }
}

#[async_trait]
impl SharesApi for ShareTable {
    async fn shares(&self, ask: ShareAsk) -> ApiResult<ShareAnswer> {
        let now_ms = self.clock.now_ms();
        self.state.lock().ask(&ask, now_ms)
    }

    async fn leave(&self, gateway: GatewayId) {
        let now_ms = self.clock.now_ms();
        self.state.lock().remove(gateway, now_ms);
    }
}

/// The table in the service, as gateways reach it.
#[async_trait]
impl SharesApi for TenantService {
    async fn shares(&self, ask: ShareAsk) -> ApiResult<ShareAnswer> {
        self.shares.shares(ask).await
    }

    async fn leave(&self, gateway: GatewayId) {
        self.shares.leave(gateway).await;
    }
}

impl State {
    fn ask(&mut self, ask: &ShareAsk, now_ms: u64) -> ApiResult<ShareAnswer> {
        self.expire(now_ms);
        self.admit(ask)?;
        let is_known = self.gateways.contains_key(&ask.gateway);
        if self.gateways.is_empty() && !is_known && !ask.every.is_none() {
            // It was cut off, and so may others have been, each of which uses its base of
            // everything: they are heard first.
            let settled_ms = now_ms + 2 * SHARE_RENEWAL_MS;
            self.settled_ms = self.settled_ms.max(settled_ms);
            self.left_ms = Some(self.settled_ms);
        }
        if now_ms < self.settled_ms {
            self.note(ask, now_ms);
            return Err(ApiError::new(
                ErrorCode::CatalogueUnavailable,
                "limits are not divided yet: earlier shares may be in force",
            ));
        }
        self.drop_shares(ask.gateway);
        let is_shared = self.gateways.keys().any(|other| *other != ask.gateway);
        let base = self.base_of(ask);
        let (every, shares) = match &ask.demands {
            _ if !is_shared => (Part::WHOLE, Vec::new()),
            // Whoever has everything keeps it until it says what it needs.
            None => (self.kept_of_every(ask), Vec::new()),
            Some(demands) => (Part::NONE, self.divide(ask, demands)),
        };
        let demands = ask.demands.iter().flatten().filter(|_| every.is_none());
        let gateway = Gateway {
            number: ask.number,
            until_ms: now_ms + IN_FORCE_MS,
            // The answer may be lost: then what it had before stays in force.
            base: base.max(ask.base),
            every: every.max(ask.every),
            limits: demands.map(|demand| demand.limit).collect(),
            connections: ask.connections.iter().copied().collect(),
        };
        self.gateways.insert(ask.gateway, gateway);
        Ok(ShareAnswer {
            valid_ms: SHARE_VALID_MS,
            base,
            every,
            unused_ms: match self.left_ms {
                _ if is_shared => 0,
                None => u64::MAX,
                Some(left_ms) => now_ms.saturating_sub(left_ms),
            },
            is_shared,
            shares,
            connections_elsewhere: self.connections_elsewhere(ask),
        })
    }

    fn admit(&self, ask: &ShareAsk) -> ApiResult<()> {
        match self.gateways.get(&ask.gateway) {
            Some(known) if ask.number <= known.number => Err(ApiError::new(
                ErrorCode::Conflict,
                "a later call for shares was answered already",
            )),
            None if self.gateways.len() >= GATEWAYS_MAX => Err(ApiError::new(
                ErrorCode::Overloaded,
                format!("more than {GATEWAYS_MAX} gateways share limits"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Keeps what a gateway says that it has. As it gets no answer, it may be cut off
    /// soon, and use its base of everything.
    fn note(&mut self, ask: &ShareAsk, now_ms: u64) {
        self.drop_shares(ask.gateway);
        let held = ask.demands.iter().flatten();
        let held: Vec<ShareDemand> = held
            .filter(|demand| !demand.held.is_none())
            .copied()
            .collect();
        for demand in &held {
            self.push(ask.gateway, demand, demand.held.max(ask.base));
        }
        self.gateways.insert(
            ask.gateway,
            Gateway {
                number: ask.number,
                until_ms: now_ms + IN_FORCE_MS,
                base: ask.base,
                every: ask.every.max(ask.base),
                limits: held.iter().map(|demand| demand.limit).collect(),
                connections: ask.connections.iter().copied().collect(),
            },
        );
    }

    /// Each gateway has the same part of bursts, as soon as others have let go of it.
    fn base_of(&self, ask: &ShareAsk) -> Part {
        let others = self.gateways.iter().filter(|(id, _)| **id != ask.gateway);
        let (count, taken) = others.fold((1, 0_u32), |(count, taken), (_, other)| {
            (count + 1, taken.saturating_add(other.base.parts()))
        });
        Part::new(Part::WHOLE.parts() / count).min(Part::new(taken).rest())
    }

    fn kept_of_every(&self, ask: &ShareAsk) -> Part {
        let known = self.gateways.get(&ask.gateway);
        let granted = known.map_or(Part::NONE, |known| known.every);
        granted.min(ask.every)
    }

    /// What is granted of the limits that a gateway lists.
    fn divide(&mut self, ask: &ShareAsk, demands: &[ShareDemand]) -> Vec<Part> {
        let others = self.gateways.iter().filter(|(id, _)| **id != ask.gateway);
        let everywhere: Vec<(GatewayId, Part)> = others
            .filter(|(_, other)| !other.every.is_none())
            .map(|(id, other)| (*id, other.every))
            .collect();
        let mut granted = Vec::with_capacity(demands.len());
        for demand in demands {
            let rows = self
                .limits
                .get(&demand.limit)
                .map_or(&[][..], Vec::as_slice);
            let taken = rows.iter().map(|row| row.promised.parts()).sum::<u32>();
            let unlisted = everywhere
                .iter()
                .filter(|(id, _)| rows.iter().all(|row| row.gateway != *id));
            let taken = unlisted.fold(taken, |sum, (_, every)| sum + every.parts());
            let wants = rows.iter().map(|row| row.wanted);
            let fair = divide::fair(demand.wanted, wants);
            let free = Part::new(taken).rest();
            if self.shares >= SHARES_MAX && demand.held.is_none() {
                granted.push(Part::NONE);
                continue;
            }
            let part = fair.min(free);
            granted.push(part);
            self.push(ask.gateway, demand, part.max(demand.held).max(ask.every));
        }
        granted
    }

    fn connections_elsewhere(&self, ask: &ShareAsk) -> Vec<u32> {
        let elsewhere = |instance: &InstanceId| {
            let others = self.gateways.iter().filter(|(id, _)| **id != ask.gateway);
            let counts = others.filter_map(|(_, other)| other.connections.get(instance));
            counts.fold(0, |sum: u32, count| sum.saturating_add(*count))
        };
        let listed = ask.connections.iter();
        listed.map(|(instance, _)| elsewhere(instance)).collect()
    }

    fn push(&mut self, gateway: GatewayId, demand: &ShareDemand, promised: Part) {
        let share = Share {
            gateway,
            wanted: demand.wanted,
            promised,
        };
        self.limits.entry(demand.limit).or_default().push(share);
        self.shares += 1;
    }

    fn expire(&mut self, now_ms: u64) {
        let gone: Vec<GatewayId> = self
            .gateways
            .iter()
            .filter(|(_, gateway)| gateway.until_ms <= now_ms)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(id, now_ms);
        }
    }

    fn remove(&mut self, id: GatewayId, now_ms: u64) {
        self.left_ms = self.left_ms.max(Some(now_ms));
        self.drop_shares(id);
        self.gateways.remove(&id);
    }

    fn drop_shares(&mut self, id: GatewayId) {
        let Some(gateway) = self.gateways.get_mut(&id) else {
            return;
        };
        for limit in std::mem::take(&mut gateway.limits) {
            let Some(rows) = self.limits.get_mut(&limit) else {
                continue;
            };
            let before = rows.len();
            rows.retain(|row| row.gateway != id);
            self.shares -= before - rows.len();
            if rows.is_empty() {
                self.limits.remove(&limit);
            }
        }
    }
}
