//! How a refusal is told: the limit, its value, and when to come again.

use std::sync::Arc;

use firn_protocol::api::shares::LimitKey;
use firn_protocol::error::Detail;
use firn_protocol::{ApiError, ErrorCode, InstanceId, Timestamp};

use super::bucket::{Rate, Wait};
use super::{Admission, Demand, Recent};

const LIMIT_TPS: &str = "limitTps";
const RETRY_AFTER_MS: &str = "retryAfterMs";
const RESET_MS: &str = "resetMs";

/// Which limit did not let all pass.
pub(super) struct Refusal {
    limit: &'static str,
    what: String,
    tps: u64,
    wait: Wait,
    instance: InstanceId,
    at: Timestamp,
    recent: Arc<Recent>,
}

impl Refusal {
    pub(super) fn new(
        demand: &Demand<'_>,
        key: LimitKey,
        rate: Rate,
        wait: Wait,
        admission: &Admission,
    ) -> Self {
        let (limit, what) = match key {
            LimitKey::Instance(_) => ("instance", format!("instance '{}'", demand.instance.name)),
            LimitKey::Topic(..) => ("topic", format!("topic '{}'", demand.topic)),
            LimitKey::GroupTopic(..) => (
                "groupTopic",
                format!("group '{}' on topic '{}'", demand.group, demand.topic),
            ),
        };
        Self {
            limit,
            what,
            tps: rate.tps,
            wait,
            instance: demand.instance.id,
            at: Timestamp(admission.clock.now_ms()),
            recent: admission.recent.clone(),
        }
    }

    /// Counts as one.
    pub(super) fn error(&self) -> ApiError {
        let what = (self.what.as_str(), self.tps);
        self.recent.note(self.instance, self.limit, what, self.at);
        let text = format!(
            "over the limit of {} messages a second of {}",
            self.tps, self.what
        );
        ApiError::new(ErrorCode::RateLimited, text)
            .with("limit", Detail::Text(self.limit.to_owned()))
            .with(LIMIT_TPS, Detail::Number(self.tps))
            // What is there may have been put back meanwhile: come at once, then.
            .with(RETRY_AFTER_MS, Detail::Number(self.wait.message_ms.max(1)))
            .with(RESET_MS, Detail::Number(self.wait.full_ms.max(1)))
    }

    pub(super) fn unknown() -> ApiError {
        ApiError::new(ErrorCode::RateLimited, "over a limit of messages a second")
    }
}

/// What an error says about the limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub(crate) tps: u64,
    /// Until one message may pass.
    pub(crate) retry_after_ms: u64,
    /// Until as many may pass at once as ever.
    pub(crate) reset_ms: u64,
}

impl RateLimit {
    /// None for any other error.
    pub(crate) fn of(error: &ApiError) -> Option<Self> {
        if error.code != ErrorCode::RateLimited {
            return None;
        }
        let number = |wanted: &str| {
            let mut details = error.details.iter();
            details.find_map(|(name, value)| match value {
                Detail::Number(number) if *name == wanted => Some(*number),
                Detail::Number(_) | Detail::Flag(_) | Detail::Text(_) | Detail::Rows(_) => None,
            })
        };
        Some(Self {
            tps: number(LIMIT_TPS)?,
            retry_after_ms: number(RETRY_AFTER_MS)?,
            reset_ms: number(RESET_MS)?,
        })
    }
}
