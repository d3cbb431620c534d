//! Where a topic is, and which queues a member of a group asks. Every broker of the
//! instance shows one queue, number 0: clients look at no others, and which queue a
//! message goes to or comes from is decided here, whatever they choose.

use std::sync::Arc;

use firn_protocol::catalogue::{Permission, TopicType};

use super::call::{Call, Place};
use super::status::{self, Failure, Outcome};
use super::wire::{
    self, AddressScheme, Assignment, Broker, Code, Endpoints, MessageQueue, MessageType,
    QueryAssignmentRequest, QueryAssignmentResponse, QueryRouteRequest, QueryRouteResponse,
    Resource,
};
use crate::auth::Action;
use crate::ops::{Scope, Target};

pub(super) async fn query_route(
    call: Arc<Call>,
    request: QueryRouteRequest,
) -> Outcome<QueryRouteResponse> {
    let identity = call.identity()?;
    let name = request.topic.as_ref();
    let scope = call.scope(&identity, &[name])?;
    let topic = call.target(&scope, name)?;
    let full_name = topic.name();
    identity.require(match &topic {
        Target::Topic(_) => Action::Produce(&full_name),
        Target::Retry(group) | Target::DeadLetter(group) => Action::Consume {
            topic: &full_name,
            group: &group.name,
        },
    })?;
    let endpoints = usable(request.endpoints)?;
    let name = request.topic.unwrap_or_default();
    Ok(QueryRouteResponse {
        status: Some(status::ok()),
        message_queues: queues(&scope, &topic, &name, &endpoints),
    })
}

pub(super) async fn query_assignment(
    call: Arc<Call>,
    request: QueryAssignmentRequest,
) -> Outcome<QueryAssignmentResponse> {
    let Place { scope, topic, .. } = call.place(request.group.as_ref(), request.topic.as_ref())?;
    let endpoints = usable(request.endpoints)?;
    let name = request.topic.unwrap_or_default();
    let queues = queues(&scope, &topic, &name, &endpoints).into_iter();
    let assignments = queues.map(|queue| Assignment {
        message_queue: Some(queue),
    });
    Ok(QueryAssignmentResponse {
        status: Some(status::ok()),
        assignments: assignments.collect(),
    })
}

/// The way by which the client came is the one by which it finds every broker, also
/// behind a load balancer.
fn usable(endpoints: Option<Endpoints>) -> Outcome<Endpoints> {
    let is_usable = |it: &Endpoints| {
        let is_named = it.scheme() != AddressScheme::Unspecified;
        is_named && !it.addresses.is_empty()
    };
    endpoints.filter(is_usable).ok_or_else(|| {
        let text = "endpoints: the call does not say which address it was sent to";
        Failure::new(Code::IllegalAccessPoint, text)
    })
}

/// In the instance's order: clients compare what they got before.
fn queues(
    scope: &Scope,
    topic: &Target,
    name: &Resource,
    endpoints: &Endpoints,
) -> Vec<MessageQueue> {
    let brokers = topic.brokers(&scope.instance).into_iter();
    let queue = |broker| MessageQueue {
        topic: Some(name.clone()),
        id: 0,
        permission: permission(topic).into(),
        broker: Some(Broker {
            name: scope.broker_name(broker).to_owned(),
            // 0 is the one that takes messages.
            id: 0,
            endpoints: Some(endpoints.clone()),
        }),
        accept_message_types: accepted(topic).iter().map(|it| i32::from(*it)).collect(),
    };
    brokers.map(queue).collect()
}

fn permission(topic: &Target) -> wire::Permission {
    match topic {
        Target::Topic(topic) => match topic.permission {
            Permission::ReadWrite => wire::Permission::ReadWrite,
            Permission::Read => wire::Permission::Read,
            Permission::Write => wire::Permission::Write,
        },
        Target::Retry(_) | Target::DeadLetter(_) => wire::Permission::Read,
    }
}

fn accepted(topic: &Target) -> &'static [MessageType] {
    let Target::Topic(topic) = topic else {
        return &[MessageType::Normal];
    };
    match topic.topic_type {
        TopicType::Normal => &[MessageType::Normal],
        TopicType::Fifo => &[MessageType::Fifo],
        TopicType::Delay => &[MessageType::Delay],
        TopicType::Transaction => &[MessageType::Transaction],
        TopicType::Mixed => &[
            MessageType::Normal,
            MessageType::Fifo,
            MessageType::Delay,
            MessageType::Transaction,
        ],
    }
}
