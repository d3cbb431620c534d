//! Keeps topics and groups from being removed under the hands of their clients
//! (SEED_SPEC 9, 8.1-7).

use std::collections::BTreeMap;

use firn_protocol::catalogue::{Group, Topic};
use firn_protocol::client::ClientKind;
use firn_protocol::error::Detail;
use firn_protocol::limits::CLIENTS_LISTED_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode, TopicKey};

use super::{Scope, Services};
use crate::sessions::Session;

/// # Errors
/// `IN_USE` while clients of the topic are online.
pub(crate) fn topic(services: &Services, scope: &Scope, topic: &Topic) -> ApiResult<()> {
    let mut clients = services.sessions.online(scope.instance.id, None);
    clients.retain(|client| uses(client, TopicKey::User(topic.id)));
    refuse(services, scope, &format!("topic {}", topic.name), clients)
}

/// # Errors
/// `IN_USE` while members of the group are online, or consumers of its dead letters.
pub(crate) fn group(services: &Services, scope: &Scope, group: &Group) -> ApiResult<()> {
    let mut clients = services.sessions.online(scope.instance.id, None);
    let dead_letters = TopicKey::DeadLetter(group.id);
    clients.retain(|client| client.group == Some(group.id) || uses(client, dead_letters));
    refuse(services, scope, &format!("group {}", group.name), clients)
}

fn uses(client: &Session, topic: TopicKey) -> bool {
    client.topics.iter().any(|(used, _)| *used == topic)
}

fn refuse(
    services: &Services,
    scope: &Scope,
    what: &str,
    mut clients: Vec<Session>,
) -> ApiResult<()> {
    clients.sort_by(|a, b| (a.kind(), &a.name).cmp(&(b.kind(), &b.name)));
    let Some(first) = clients.first() else {
        return Ok(());
    };
    let text = match first.kind() {
        ClientKind::Consumer => format!("{what} is consuming by consumer {}", first.name),
        ClientKind::Producer => format!("{what} is publishing by producer {}", first.name),
    };
    let listed = clients.iter().take(CLIENTS_LISTED_MAX);
    let listed = listed.map(|client| row(services, scope, client)).collect();
    Err(ApiError::new(ErrorCode::InUse, text)
        .with("clients", Detail::Rows(listed))
        .with("total", Detail::Number(clients.len() as u64)))
}

fn row(services: &Services, scope: &Scope, client: &Session) -> BTreeMap<&'static str, String> {
    let mut row = BTreeMap::from([
        ("kind", client.kind().as_str().to_owned()),
        ("instanceName", client.name.clone()),
        ("clientAddr", client.address.clone()),
    ]);
    let tenants = &services.tenants;
    let group = client
        .group
        .and_then(|group| tenants.group_by_id(scope.instance.id, group));
    if let Some(group) = group {
        row.insert("group", group.name.clone());
    }
    row
}
