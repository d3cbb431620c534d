//! Who calls, as the registry of clients and the count of connections know it.

use actix_web::http::header::USER_AGENT;
use firn_protocol::client::{ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::{ApiResult, TopicKey};

use super::call::Call;
use crate::ops::Scope;
use crate::ops::receive::Consumer;
use crate::sessions::{Client, Online, Part};

/// The call of a producer; `peer` is its connection, which names it.
///
/// # Errors
/// `QUOTA_EXCEEDED` when the instance has no connection left.
pub(super) fn producing(
    call: &Call,
    scope: &Scope,
    topic: TopicKey,
    peer: &str,
) -> ApiResult<Online> {
    enter(call, scope, peer, peer, topic, Part::Produces)
}

/// The call of a member that asks for messages, or opens a stream for them.
///
/// # Errors
/// As [`producing`].
pub(super) fn consuming(
    call: &Call,
    scope: &Scope,
    consumer: &Consumer,
    consume_type: ConsumeType,
) -> ApiResult<Online> {
    let part = Part::Consumes {
        group: consumer.group.id,
        filter: &consumer.filter,
        consume_type,
        model: match consumer.is_broadcast {
            true => MessageModel::Broadcasting,
            false => MessageModel::Clustering,
        },
    };
    let (name, topic) = (&consumer.member, consumer.topic.key());
    enter(call, scope, name, &call.peer(), topic, part)
}

fn enter(
    call: &Call,
    scope: &Scope,
    name: &str,
    address: &str,
    topic: TopicKey,
    part: Part<'_>,
) -> ApiResult<Online> {
    call.belong_to(scope)?;
    let agent = call.header(USER_AGENT.as_str()).unwrap_or_default();
    let client = Client {
        name,
        address,
        agent: std::str::from_utf8(agent).unwrap_or_default(),
        protocol: ClientProtocol::Http,
    };
    let sessions = &call.services().sessions;
    Ok(sessions.enter(scope.instance.id, &client, topic, part))
}
