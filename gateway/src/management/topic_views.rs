//! T4 to T6: a topic, all topics, and what is counted of one.

use super::depth::note_books;
use super::enter::{self, Entered};
use super::envelope::{self, Data, Envelope, Failure, Rows};
use super::shapes::parameters::{AuthQuery, ClusterPath, Page, TopicPath};
use super::shapes::topic::{TopicRow, TopicStats};
use super::topics::broker_names;
use super::tps::spread;
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::curves;
use crate::ops::depth;

/// T4: one topic.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/basedata/{topicName}", tag = "management",
    operation_id = "management_t4", params(AuthQuery, TopicPath),
    responses(
        (status = 200, description = "The topic", body = Envelope<Data<TopicRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn one(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let topic = enter::topic(call.services(), &entered.scope, &call.segment("topicName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let brokers = broker_names(&entered.scope, &topic).join(",");
    let row = TopicRow::new(&topic, None, brokers);
    envelope::data(row, entered.warnings())
}

/// T5: topics of an instance, one row for each topic and broker.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/basedatas", tag = "management",
    operation_id = "management_t5",
    params(
        AuthQuery, ClusterPath, Page,
        ("topicName" = Option<String>, Query, description = "Part of the topic's name"),
        ("brokerName" = Option<String>, Query, description = "Only rows of this broker"),
    ),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<TopicRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn all(call: Call) -> Answer {
    let mut entered = Entered::with_right(&call, Action::ReadManaged)?;
    let (scope, params) = (&entered.scope, &entered.params);
    let paging = params.paging()?;
    let part = params.text("topicName").unwrap_or_default();
    let broker = params.text("brokerName");
    if let Some(name) = broker {
        scope.broker_named(name)?;
    }
    let topics = call.services().tenants.topics(scope.instance.id);
    let mut places = Vec::new();
    for topic in topics.iter().filter(|topic| topic.name.contains(part)) {
        let names = broker_names(scope, topic).into_iter();
        let names = names.filter(|name| broker.is_none_or(|wanted| wanted == name));
        places.extend(names.map(|name| (topic, name)));
    }
    let (total, places) = paging.cut(places);
    let cluster = &scope.instance.name;
    let rows = places
        .into_iter()
        .map(|(topic, broker)| TopicRow::new(topic, Some(cluster.clone()), broker));
    let rows = rows.collect();
    envelope::rows((total, rows), entered.warnings())
}

/// T6: what is counted of a topic.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/{topicName}/stats", tag = "management",
    operation_id = "management_t6",
    params(AuthQuery, TopicPath, ("brokerName" = Option<String>, Query, description = "Only on this broker")),
    responses(
        (status = 200, description = "The counts", body = Envelope<Data<TopicStats>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn stats(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let (services, scope) = (call.services(), &entered.scope);
    let topic = enter::target(services, scope, &call.segment("topicName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let broker = spread(scope, entered.params.text("brokerName"))?;
    let (ever, now) = depth::held(services, scope, &topic, broker).await?;
    let of = curves::Of {
        broker,
        topic: Some(topic.key()),
        group: None,
    };
    let curve = curves::last_day(services, scope, of).await?;
    let flows = curve.map(|curve| (curve.day(broker), curve.recent(broker, 1)));
    let (day, recent) = flows.unwrap_or_default();
    let brokers = topic.brokers(&scope.instance).into_iter();
    let stats = TopicStats {
        topic_name: topic.name().into_owned(),
        cluster_name: scope.instance.name.clone(),
        msg_history_nums: ever,
        msg_now_nums: now,
        msg_24h_nums: day.sent,
        main_broker_nums: brokers
            .filter(|id| broker.is_none_or(|wanted| wanted == *id))
            .count() as u64,
        slave_broker_nums: 0,
        in_tps: curves::per_second(recent.sent, 1),
    };
    let mut warnings = entered.warnings();
    note_books(services, &mut warnings);
    envelope::data(stats, warnings)
}
