//! A client that is online.

use firn_protocol::api::tenant::TenantApi;
use firn_protocol::client::{ClientKind, ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::{InstanceId, TopicKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ops::Target;
use crate::sessions::{Agent, Session, from_where};

/// One client; `group` and what follows from it are of consumers alone.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct SessionJson {
    /// `consumer` or `producer`.
    #[schema(value_type = String)]
    kind: ClientKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    topics: Vec<String>,
    /// `consumerId`; without one, the connection.
    instance_name: String,
    #[schema(value_type = String)]
    protocol: ClientProtocol,
    /// Library of the client as its `User-Agent` names it; empty when not known.
    language: String,
    /// Of the library; empty when not known.
    version: String,
    /// `ip:port`.
    client_addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions: Option<Vec<WantedJson>>,
    /// `CONSUME_ACTIVELY` or, for streams, `CONSUME_PASSIVELY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    consume_type: Option<ConsumeType>,
    /// `CLUSTERING` or `BROADCASTING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    message_model: Option<MessageModel>,
    /// `CONSUME_FROM_FIRST_OFFSET`, `CONSUME_FROM_LAST_OFFSET` or `CONSUME_FROM_TIMESTAMP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    consume_from_where: Option<&'static str>,
    first_seen: u64,
    last_seen: u64,
}

/// What a member wants of a topic.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct WantedJson {
    topic: String,
    /// `TAG`.
    filter_type: &'static str,
    expression: String,
}

impl SessionJson {
    /// None when all that it used was removed.
    pub(in crate::native) fn new(
        tenants: &dyn TenantApi,
        instance: InstanceId,
        session: &Session,
    ) -> Option<Self> {
        let group = match session.group {
            None => None,
            Some(group) => Some(tenants.group_by_id(instance, group)?),
        };
        let name = |topic: TopicKey| {
            let target = Target::of_key(tenants, instance, topic)?;
            Some(target.name().into_owned())
        };
        let named = session.topics.iter();
        let named: Vec<_> = named
            .filter_map(|(topic, filter)| Some((name(*topic)?, filter)))
            .collect();
        let mut topics: Vec<String> = named.iter().map(|(topic, _)| topic.clone()).collect();
        topics.dedup();
        if topics.is_empty() {
            return None;
        }
        let wanted = named.into_iter().filter_map(|(topic, filter)| {
            let filter = filter.as_ref()?;
            Some(WantedJson {
                topic,
                filter_type: filter.kind(),
                expression: filter.expression(),
            })
        });
        let agent = Agent::parse(&session.agent);
        Some(Self {
            kind: session.kind(),
            topics,
            instance_name: session.name.clone(),
            protocol: session.protocol,
            language: agent.name.to_owned(),
            version: agent.version.to_owned(),
            client_addr: session.address.clone(),
            subscriptions: group.is_some().then(|| wanted.collect()),
            consume_type: session.consumes.map(|(consume_type, _)| consume_type),
            message_model: session.consumes.map(|(_, model)| model),
            consume_from_where: group.as_ref().map(|group| from_where(group.start)),
            group: group.map(|group| group.name.clone()),
            first_seen: session.first_seen.0,
            last_seen: session.last_seen.0,
        })
    }

    pub(in crate::native) fn is_one_of(
        &self,
        kind: Option<ClientKind>,
        group: Option<&str>,
        topic: Option<&str>,
    ) -> bool {
        kind.is_none_or(|kind| self.kind == kind)
            && group.is_none_or(|group| self.group.as_deref() == Some(group))
            && topic.is_none_or(|topic| self.topics.iter().any(|own| own == topic))
    }

    /// What orders a list of them, no two the same.
    pub(in crate::native) fn order(&self) -> String {
        let group = self.group.as_deref().unwrap_or_default();
        format!("{}\n{group}\n{}", self.kind.as_str(), self.instance_name)
    }
}
