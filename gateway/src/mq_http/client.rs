//! Who calls, as the registry of clients knows it: a connection, with the library that
//! speaks on it.

use actix_web::http::header::USER_AGENT;
use firn_protocol::client::{ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::{ApiResult, TopicKey};

use crate::native::call::Call;
use crate::ops::Scope;
use crate::ops::receive::Consumer;
use crate::sessions::{Client, Online, Part};

/// # Errors
/// `QUOTA_EXCEEDED` when the instance has as many connections as it may.
pub(super) fn producing(call: &Call, scope: &Scope, topic: TopicKey) -> ApiResult<Online> {
    enter(call, scope, topic, Part::Produces)
}

/// # Errors
/// `QUOTA_EXCEEDED` when the instance has as many connections as it may.
pub(super) fn consuming(call: &Call, scope: &Scope, consumer: &Consumer) -> ApiResult<Online> {
    let part = Part::Consumes {
        group: consumer.group.id,
        filter: &consumer.filter,
        consume_type: ConsumeType::Pull,
        model: MessageModel::Clustering,
    };
    enter(call, scope, consumer.topic.key(), part)
}

fn enter(call: &Call, scope: &Scope, topic: TopicKey, part: Part<'_>) -> ApiResult<Online> {
    call.belong_to(scope)?;
    let agent = call.header(USER_AGENT.as_str()).unwrap_or_default();
    let peer = call.peer();
    let client = Client {
        name: &peer,
        address: &peer,
        agent: std::str::from_utf8(agent).unwrap_or_default(),
        protocol: ClientProtocol::MqHttp,
    };
    let sessions = &call.services().sessions;
    Ok(sessions.enter(scope.instance.id, &client, topic, part))
}
