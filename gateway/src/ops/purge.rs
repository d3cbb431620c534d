//! Lets all records of a topic go (RULES 34).

use firn_protocol::api::admin::PurgeRequest;
use firn_protocol::{ApiError, ApiResult, Timestamp};

use super::{Scope, Services, Target};

/// What a purge did.
pub(crate) struct Purged {
    pub(crate) records: u64,
    /// Why it ended early; what was purged before is gone all the same.
    pub(crate) failed: Option<ApiError>,
}

/// Broker by broker; only records stored before a time, if there is one.
///
/// # Errors
/// Before anything was purged: `BAD_REQUEST` for a retry topic, `INSTANCE_FROZEN`.
pub(crate) async fn purge(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    before: Option<Timestamp>,
) -> ApiResult<Purged> {
    if let Target::Retry(_) = topic {
        return Err(ApiError::field(
            "topic",
            "retries go with a purge of the topic that they come from, or with a seek",
        ));
    }
    scope.require_running()?;
    let mut purged = Purged {
        records: 0,
        failed: None,
    };
    for broker in topic.brokers(&scope.instance) {
        let request = PurgeRequest {
            broker,
            topic: topic.key(),
            before,
        };
        match services.storage.purge(&scope.ctx, request).await {
            Ok(records) => purged.records += records,
            Err(error) => {
                purged.failed = Some(error);
                break;
            }
        }
    }
    Ok(purged)
}
