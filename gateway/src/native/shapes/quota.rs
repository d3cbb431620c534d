//! Limits of an instance against their use.

use firn_protocol::catalogue::{Instance, Plan};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::Refused;
use crate::ops::quota::Used;

const GIB: u64 = 1 << 30;

/// What an instance may use, and what it does.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct QuotaAnswer {
    plan: String,
    items: Vec<LimitJson>,
    /// What limits refused in the last hour at this gateway.
    refused: Vec<RefusedJson>,
}

/// A limit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct LimitJson {
    /// `tps`, `topicTps`, `topics`, `groups`, `brokers`, `storageBytes` or `connections`.
    name: &'static str,
    /// Null without a limit.
    max: Option<u64>,
    /// `tps` is of the last two whole minutes; null when it is not known of all together.
    used: Option<f64>,
}

/// What one limit refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct RefusedJson {
    /// As errors name it: `instance`, `topic`, `groupTopic` (messages a second) or
    /// `connections`.
    limit: &'static str,
    /// Whose limit it was the last time.
    what: String,
    max: u64,
    count: u64,
    last_at: u64,
}

impl QuotaAnswer {
    pub(in crate::native) fn new(
        instance: &Instance,
        plan: Option<&Plan>,
        used: &Used,
        refused: Vec<Refused>,
    ) -> Self {
        let cap = |of: fn(&Plan) -> u64| plan.map_or(0, of);
        let item = |name, max: u64, used: Option<u64>| LimitJson {
            name,
            max: (max > 0).then_some(max),
            used: used.map(|used| used as f64),
        };
        let brokers = instance.brokers.len() as u64;
        let storage = cap(|plan| plan.storage_gib).saturating_mul(GIB);
        Self {
            plan: instance.plan.clone(),
            items: vec![
                LimitJson {
                    used: used.tps,
                    ..item("tps", instance.rates.tps, None)
                },
                item("topicTps", instance.rates.topic_tps, None),
                item("topics", cap(|plan| plan.topics), Some(used.topics)),
                item("groups", cap(|plan| plan.groups), Some(used.groups)),
                item("brokers", cap(|plan| plan.brokers), Some(brokers)),
                item("storageBytes", storage, Some(used.stored_bytes)),
                item(
                    "connections",
                    cap(|plan| plan.connections),
                    Some(used.connections),
                ),
            ],
            refused: refused
                .into_iter()
                .map(|refused| RefusedJson {
                    limit: refused.limit,
                    what: refused.what,
                    max: refused.max,
                    count: refused.count,
                    last_at: refused.last.0,
                })
                .collect(),
        }
    }
}
