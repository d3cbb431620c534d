//! Sends dead letters back to their group, or to their topic (RULES 22), at a pace
//! if one is wanted.

use std::sync::Arc;

use firn_protocol::api::storage::RedriveRequest;
use firn_protocol::catalogue::{Group, Topic};
use firn_protocol::limits::{REDRIVE_MS_MAX, REDRIVE_RATE_MAX, REDRIVE_RATE_MIN};
use firn_protocol::message::MessageId;
use firn_protocol::{ApiError, ApiResult, Offset, Timestamp, TopicKey};

use super::target::group_spec;
use super::{Scope, Services};

/// Dead letters sent before the clock is looked at.
const TURN_MAX: u64 = 1000;
/// Shortest pause of a pace: what is due meanwhile goes together.
const PAUSE_MS: u64 = 20;

/// Which dead letters; absent means all of them.
pub(crate) struct Redrive {
    pub(crate) topic: Option<Arc<Topic>>,
    pub(crate) message_ids: Option<Vec<MessageId>>,
    pub(crate) max: u64,
    pub(crate) to_topic: bool,
    /// Letters a second; as fast as it goes without one.
    pub(crate) rate: Option<f64>,
}

/// What a redrive did.
#[derive(Default)]
pub(crate) struct Redriven {
    pub(crate) sent: u64,
    /// Time was up before all were looked at.
    pub(crate) more: bool,
    /// Why it ended early; what was sent before stays so.
    pub(crate) failed: Option<ApiError>,
}

/// # Errors
/// `BAD_REQUEST` naming `ratePerSecond`.
pub(crate) fn check_rate(rate: Option<f64>) -> ApiResult<Option<f64>> {
    match rate {
        Some(rate) if !(REDRIVE_RATE_MIN..=REDRIVE_RATE_MAX).contains(&rate) => {
            Err(ApiError::field(
                "ratePerSecond",
                format_args!("not {REDRIVE_RATE_MIN} to {REDRIVE_RATE_MAX}"),
            ))
        }
        _ => Ok(rate),
    }
}

/// Sends back what it can in [`REDRIVE_MS_MAX`].
///
/// # Errors
/// `INSTANCE_FROZEN`, before anything was sent.
pub(crate) async fn redrive(
    services: &Services,
    scope: &Scope,
    group: &Group,
    wanted: &Redrive,
) -> ApiResult<Redriven> {
    scope.require_running()?;
    let pace = Pace {
        services,
        start: services.now(),
        rate: wanted.rate,
    };
    let mut done = Redriven::default();
    for broker in &scope.instance.brokers {
        let mut next = Some(Offset(0));
        while let Some(from) = next {
            let left = wanted.max - done.sent;
            if left == 0 {
                return Ok(done);
            }
            let Some(turn) = pace.turn(done.sent).await else {
                done.more = true;
                return Ok(done);
            };
            let request = RedriveRequest {
                broker: broker.id,
                group: group_spec(group),
                topic: wanted.topic.as_ref().map(|topic| TopicKey::User(topic.id)),
                message_ids: wanted.message_ids.clone(),
                to_topic: wanted.to_topic,
                from,
                max: left.min(turn),
            };
            match services.storage.redrive(&scope.ctx, request).await {
                Ok(answer) => {
                    done.sent += answer.sent;
                    next = answer.next;
                }
                Err(error) => {
                    done.failed = Some(error);
                    return Ok(done);
                }
            }
        }
    }
    Ok(done)
}

/// When how many letters may go: letter `n` goes `n / rate` seconds after the
/// start, the first at once.
struct Pace<'a> {
    services: &'a Services,
    start: Timestamp,
    rate: Option<f64>,
}

impl Pace<'_> {
    /// Waits until letters may go, `sent` being gone; how many, or `None` when time
    /// is up or the service stops.
    async fn turn(&self, sent: u64) -> Option<u64> {
        let end = self.start.plus_ms(REDRIVE_MS_MAX);
        loop {
            let now = self.services.now();
            if now >= end || self.services.closing.is_cancelled() {
                return None;
            }
            let Some(rate) = self.rate else {
                return Some(TURN_MAX);
            };
            let due = now.since_ms(self.start) as f64 * rate / 1000.0;
            let due = (due as u64 + 1).saturating_sub(sent);
            if due > 0 {
                return Some(due.min(TURN_MAX));
            }
            let next = (sent as f64 * 1000.0 / rate).ceil() as u64;
            let next = self.start.plus_ms(next).max(now.plus_ms(PAUSE_MS)).min(end);
            tokio::select! {
                () = self.services.closing.cancelled() => {}
                () = self.services.clock.sleep_until_ms(next.0) => {}
            }
        }
    }
}
