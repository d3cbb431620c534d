//! T9, T10, G8 and P1: who is online. Producers have no groups here; all of them are
//! shown as the one that the guide knows (SEED_SPEC 1).

use firn_protocol::client::{ClientKind, ConsumeType, MessageModel};
use firn_protocol::{ApiResult, TopicKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::enter::{self, Entered};
use super::envelope::{self, Envelope, Failure, Rows};
use super::shapes::parameters::{AuthQuery, GroupPath, Page, TopicPath};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::{Scope, Services};
use crate::sessions::{Agent, Session, from_where};

pub(super) const PRODUCERS: &str = "CLIENT_INNER_PRODUCER";
/// What RocketMQ calls a client whose language it does not know.
const OTHER_LANGUAGE: &str = "OTHER";

/// A producer that is online.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProducerRow {
    group_name: String,
    client_addr: String,
    instance_name: String,
    /// `JAVA`, `CPP`, `PYTHON`, …; `OTHER` when it is not known.
    language: String,
    version: String,
}

/// A member of a group that is online.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsumerRow {
    group_name: String,
    client_addr: String,
    language: String,
    version: String,
    instance_name: String,
    /// `CONSUME_PASSIVELY` or `CONSUME_ACTIVELY`.
    #[schema(value_type = String)]
    consume_type: ConsumeType,
    /// `CLUSTERING` or `BROADCASTING`.
    #[schema(value_type = String)]
    message_model: MessageModel,
    /// `CONSUME_FROM_LAST_OFFSET`, `CONSUME_FROM_FIRST_OFFSET` or `CONSUME_FROM_TIMESTAMP`.
    consume_from_where: &'static str,
}

/// T9: producer groups of a topic that are online.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/{topicName}/producers", tag = "management",
    operation_id = "management_t9", params(AuthQuery, TopicPath, Page),
    responses(
        (status = 200, description = "A page of names", body = Envelope<Rows<String>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn producers(call: Call) -> Answer {
    groups_of_topic(&call, ClientKind::Producer)
}

/// T10: consumer groups of a topic that are online.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/{topicName}/consumers", tag = "management",
    operation_id = "management_t10", params(AuthQuery, TopicPath, Page),
    responses(
        (status = 200, description = "A page of names", body = Envelope<Rows<String>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn consumers(call: Call) -> Answer {
    groups_of_topic(&call, ClientKind::Consumer)
}

fn groups_of_topic(call: &Call, kind: ClientKind) -> Answer {
    let mut entered = Entered::of(call)?;
    let (services, scope) = (call.services(), &entered.scope);
    let topic = enter::target(services, scope, &call.segment("topicName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let paging = entered.params.paging()?;
    let names = group_names(services, scope, kind, Some(topic.key()));
    let page = paging.cut(names);
    envelope::rows(page, entered.warnings())
}

/// Groups with clients online, by name.
pub(super) fn group_names(
    services: &Services,
    scope: &Scope,
    kind: ClientKind,
    topic: Option<TopicKey>,
) -> Vec<String> {
    let online = services.sessions.online(scope.instance.id, None);
    let own = online
        .iter()
        .filter(|client| client.kind() == kind && uses(client, topic));
    let mut names: Vec<String> = own
        .filter_map(|client| group_name(services, scope, client))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// None for a group that was removed.
fn group_name(services: &Services, scope: &Scope, client: &Session) -> Option<String> {
    let Some(group) = client.group else {
        return Some(PRODUCERS.to_owned());
    };
    let group = services.tenants.group_by_id(scope.instance.id, group);
    group.map(|group| group.name.clone())
}

fn uses(client: &Session, topic: Option<TopicKey>) -> bool {
    topic.is_none_or(|topic| client.topics.iter().any(|(used, _)| *used == topic))
}

/// The topic that a list is limited to, if it is.
fn topic_wanted(entered: &Entered, services: &Services) -> ApiResult<Option<TopicKey>> {
    let name = entered.params.text("topicName");
    let topic = name.map(|name| enter::target(services, &entered.scope, name));
    Ok(topic.transpose()?.map(|topic| topic.key()))
}

/// P1: members of a producer group that are online.
#[utoipa::path(
    get, path = "/api/manager/producers/{clusterName}/{groupName}/instances", tag = "management",
    operation_id = "management_p1",
    params(AuthQuery, GroupPath, Page, ("topicName" = Option<String>, Query, description = "Only those of this topic")),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<ProducerRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn producer_instances(call: Call) -> Answer {
    let mut entered = Entered::with_right(&call, Action::ReadManaged)?;
    let services = call.services();
    let paging = entered.params.paging()?;
    let topic = topic_wanted(&entered, services)?;
    let mut online = match &*call.segment("groupName")? {
        PRODUCERS => services.sessions.online(entered.scope.instance.id, None),
        _ => Vec::new(),
    };
    online.retain(|client| client.kind() == ClientKind::Producer && uses(client, topic));
    online.sort_by(|a, b| a.name.cmp(&b.name));
    let (total, online) = paging.cut(online);
    let rows = online.iter().map(|client| {
        let (language, version) = library(client);
        ProducerRow {
            group_name: PRODUCERS.to_owned(),
            client_addr: client.address.clone(),
            instance_name: client.name.clone(),
            language,
            version,
        }
    });
    envelope::rows((total, rows.collect()), entered.warnings())
}

/// G8: members of a consumer group that are online.
#[utoipa::path(
    get, path = "/api/manager/subscriptions/{clusterName}/{groupName}/instances", tag = "management",
    operation_id = "management_g8",
    params(AuthQuery, GroupPath, Page, ("topicName" = Option<String>, Query, description = "Only those of this topic")),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<ConsumerRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn consumer_instances(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let services = call.services();
    let group = enter::group(services, &entered.scope, &call.segment("groupName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let paging = entered.params.paging()?;
    let topic = topic_wanted(&entered, services)?;
    let instance = entered.scope.instance.id;
    let mut online = services.sessions.online(instance, Some(group.id));
    online.retain(|client| uses(client, topic));
    online.sort_by(|a, b| a.name.cmp(&b.name));
    let (total, online) = paging.cut(online);
    let mut warnings = entered.warnings();
    if !services.sessions.is_consistent(instance, group.id) {
        warnings.push("members of the group do not want the same topics and tags".to_owned());
    }
    let rows = online.iter().map(|client| {
        let (language, version) = library(client);
        let consumes = client.consumes;
        ConsumerRow {
            group_name: group.name.clone(),
            client_addr: client.address.clone(),
            language,
            version,
            instance_name: client.name.clone(),
            consume_type: consumes.map_or(ConsumeType::Pull, |(kind, _)| kind),
            message_model: consumes.map_or(MessageModel::Clustering, |(_, model)| model),
            consume_from_where: from_where(group.start),
        }
    });
    envelope::rows((total, rows.collect()), warnings)
}

/// Language and version as far as the client's library says them.
fn library(client: &Session) -> (String, String) {
    let agent = Agent::parse(&client.agent);
    let language = match agent.name {
        "" => OTHER_LANGUAGE.to_owned(),
        name => name.to_uppercase(),
    };
    (language, agent.version.to_owned())
}
