//! Sends dead letters back to their group (RULES 22).

use std::sync::Arc;

use firn_protocol::api::storage::RedriveRequest;
use firn_protocol::catalogue::{Group, Topic};
use firn_protocol::message::MessageId;
use firn_protocol::{ApiResult, TopicKey};

use super::target::group_spec;
use super::{Scope, Services};

/// Which dead letters; absent means all of them.
pub(crate) struct Redrive {
    pub(crate) topic: Option<Arc<Topic>>,
    pub(crate) message_ids: Option<Vec<MessageId>>,
    pub(crate) max: u64,
}

/// How many were sent back.
///
/// # Errors
/// As `StorageApi::redrive`; what was sent back before stays so.
pub(crate) async fn redrive(
    services: &Services,
    scope: &Scope,
    group: &Group,
    wanted: Redrive,
) -> ApiResult<u64> {
    scope.require_running()?;
    let mut sent = 0;
    for broker in &scope.instance.brokers {
        let left = wanted.max.saturating_sub(sent);
        if left == 0 {
            break;
        }
        let request = RedriveRequest {
            broker: broker.id,
            group: group_spec(group),
            topic: wanted.topic.as_ref().map(|topic| TopicKey::User(topic.id)),
            message_ids: wanted.message_ids.clone(),
            max: left,
        };
        sent += services.storage.redrive(&scope.ctx, request).await?;
    }
    Ok(sent)
}
