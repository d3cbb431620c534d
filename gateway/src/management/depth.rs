//! T7, T8 and G7: how far groups are.

use firn_protocol::catalogue::StartPosition;
use firn_protocol::{ApiResult, BrokerId, Timestamp, TopicKey};

use super::enter::{self, Entered};
use super::envelope::{self, Envelope, Failure, Rows};
use super::shapes::parameters::{AuthQuery, GroupPath, Page, TopicPath};
use super::shapes::progress::{DepthRow, GroupQueues, QueueStat};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::curves::{self, Curve};
use crate::ops::depth::{self, Depth, GroupDepth};
use crate::ops::{Scope, Services, Target};

/// Shown for a topic that nobody has consumed (SEED_SPEC 1).
const NOBODY: &str = "CONSOLE_INNER_QUEUE_GROUP";
pub(super) const NO_BOOKS: &str = "no statistics of traffic are kept";

/// T7: queues of a topic with the progress of every group.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/{topicName}/queues", tag = "management",
    operation_id = "management_t7",
    params(AuthQuery, TopicPath, ("groupName" = Option<String>, Query, description = "Only this group")),
    responses(
        (status = 200, description = "One row for each group", body = Envelope<Rows<GroupQueues>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn queues(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let (services, scope) = (call.services(), &entered.scope);
    let topic = enter::target(services, scope, &call.segment("topicName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let mut rows = Vec::new();
    if let Some(name) = entered.params.text("groupName") {
        let group = enter::group(services, scope, name)?;
        let depth = depth::of_group(services, scope, &topic, &group).await?;
        rows.push(group_queues(services, scope, &topic, &depth).await?);
    } else {
        for depth in depth::of_topic(services, scope, &topic).await? {
            rows.push(group_queues(services, scope, &topic, &depth).await?);
        }
        if rows.is_empty() {
            rows.push(nobody(services, scope, &topic).await?);
        }
    }
    let warnings = entered.warnings();
    envelope::rows((rows.len() as u64, rows), warnings)
}

async fn group_queues(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    depth: &GroupDepth,
) -> ApiResult<GroupQueues> {
    let members = services
        .sessions
        .online(scope.instance.id, Some(depth.group.id));
    let holder = match &members[..] {
        [only] => Some(only.name.clone()),
        _ => None,
    };
    let mut queues = Vec::new();
    for (broker, queue) in &depth.queues {
        // Below what is stored nothing can be looked up.
        let last = queue.committed.0.checked_sub(1);
        let last = last.filter(|last| *last >= queue.min_offset.0);
        let at = match last {
            Some(last) => depth::store_time(services, scope, *broker, queue.queue, last).await?,
            None => None,
        };
        queues.push(QueueStat {
            broker_name: scope.broker_name(*broker).to_owned(),
            queue_id: queue.queue.queue.0,
            broker_offset: queue.max_offset.0,
            consumer_offset: queue.committed.0.min(queue.max_offset.0),
            client_info: holder.clone(),
            last_timestamp: at.unwrap_or_default().0,
        });
    }
    Ok(summed(topic, depth.group.name.clone(), queues))
}

async fn nobody(services: &Services, scope: &Scope, topic: &Target) -> ApiResult<GroupQueues> {
    let all = depth::untouched(services, scope, topic, StartPosition::Earliest).await?;
    let queues = all.iter().map(|(broker, queue)| QueueStat {
        broker_name: scope.broker_name(*broker).to_owned(),
        queue_id: queue.queue.queue.0,
        broker_offset: queue.max_offset.0,
        consumer_offset: 0,
        client_info: None,
        last_timestamp: 0,
    });
    Ok(summed(topic, NOBODY.to_owned(), queues.collect()))
}

fn summed(topic: &Target, consumer_group: String, queues: Vec<QueueStat>) -> GroupQueues {
    let diffs = queues
        .iter()
        .map(|queue| queue.broker_offset - queue.consumer_offset);
    GroupQueues {
        topic: topic.name().into_owned(),
        consumer_group,
        diff_total: diffs.sum(),
        last_timestamp: queues.iter().map(|q| q.last_timestamp).max().unwrap_or(0),
        queue_stat_info_list: queues,
    }
}

/// T8: backlog of a topic, for each group and broker.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/{topicName}/depth", tag = "management",
    operation_id = "management_t8", params(AuthQuery, TopicPath, Page),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<DepthRow<String>>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn of_topic(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let (services, scope) = (call.services(), &entered.scope);
    let topic = enter::target(services, scope, &call.segment("topicName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let paging = entered.params.paging()?;
    let groups = depth::of_topic(services, scope, &topic).await?;
    let brokers = topic.brokers(&scope.instance);
    let places = groups
        .iter()
        .flat_map(|group| brokers.iter().map(move |broker| (group, *broker)));
    let (total, places) = paging.cut(places.collect());
    let mut rows = Vec::new();
    let mut curve: Option<(String, Option<Curve>)> = None;
    for (group, broker) in places {
        let name = &group.group.name;
        if curve.as_ref().is_none_or(|(known, _)| known != name) {
            let of = of(topic.key(), group);
            curve = Some((name.clone(), curves::last_day(services, scope, of).await?));
        }
        let known = curve.as_ref().and_then(|(_, curve)| curve.as_ref());
        let place = Row {
            topic: topic.name().into_owned(),
            group: name.clone(),
            brokers: scope.broker_name(broker).to_owned(),
            depth: group.on(broker),
            out: out(known, Some(broker)),
        };
        rows.push(place.json(services.now(), 0));
    }
    let mut warnings = entered.warnings();
    note_books(services, &mut warnings);
    envelope::rows((total, rows), warnings)
}

/// G7: backlog of a group on a topic, and of its retries.
#[utoipa::path(
    get, path = "/api/manager/subscriptions/{clusterName}/{groupName}/depth", tag = "management",
    operation_id = "management_g7",
    params(AuthQuery, GroupPath, ("topicName" = String, Query, description = "Name of the topic")),
    responses(
        (status = 200, description = "The topic, then the group's retries", body = Envelope<Rows<DepthRow<Vec<String>>>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn of_group(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let (services, scope) = (call.services(), &entered.scope);
    let group = enter::group(services, scope, &call.segment("groupName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let topic = enter::target(services, scope, entered.params.required("topicName")?)?;
    let retries = Target::Retry(group.clone());
    let mut shown = vec![topic];
    if !matches!(shown[0], Target::Retry(_)) {
        shown.push(retries);
    }
    let mut rows = Vec::new();
    for topic in shown {
        let of_group = depth::of_group(services, scope, &topic, &group).await?;
        let depth = Depth::of(of_group.queues.iter().map(|(_, queue)| queue));
        let curve = curves::last_day(services, scope, of(topic.key(), &of_group)).await?;
        let brokers = topic.brokers(&scope.instance).into_iter();
        let is_retry = matches!(topic, Target::Retry(_));
        let row = Row {
            topic: topic.name().into_owned(),
            group: group.name.clone(),
            brokers: brokers
                .map(|broker| scope.broker_name(broker).to_owned())
                .collect::<Vec<_>>(),
            depth,
            out: out(curve.as_ref(), None),
        };
        let waiting = if is_retry { depth.left() } else { 0 };
        rows.push(row.json(services.now(), waiting));
    }
    let mut warnings = entered.warnings();
    note_books(services, &mut warnings);
    envelope::rows((rows.len() as u64, rows), warnings)
}

fn of(topic: TopicKey, group: &GroupDepth) -> curves::Of {
    curves::Of {
        broker: None,
        topic: Some(topic),
        group: Some(group.group.id),
    }
}

/// Handed out in the last day, and in the last step; nothing where nobody counts.
fn out(curve: Option<&Curve>, broker: Option<BrokerId>) -> (u64, u64) {
    curve.map_or((0, 0), |curve| {
        let day = curve.day(broker).delivered;
        (day, curve.recent(broker, 1).delivered)
    })
}

/// Says so when figures are 0 because nobody counts.
pub(super) fn note_books(services: &Services, warnings: &mut Vec<String>) {
    if services.billing.get().is_none() {
        warnings.push(NO_BOOKS.to_owned());
    }
}

/// A row before its figures are put in the guide's words.
struct Row<B> {
    topic: String,
    group: String,
    brokers: B,
    depth: Depth,
    /// Handed out in the last day, and in the last step.
    out: (u64, u64),
}

impl<B> Row<B> {
    fn json(self, now: Timestamp, retry_nums: u64) -> DepthRow<B> {
        let depth = self.depth;
        DepthRow {
            topic_name: self.topic,
            group_name: self.group,
            broker_name: self.brokers,
            total: depth.total,
            consumed_total: depth.consumed,
            diff: depth.left(),
            out_total_msg_today: self.out.0,
            out_tps: curves::per_second(self.out.1, 1),
            retry_nums,
            not_ack_msg_num: depth.in_flight,
            not_ack_msg_time: (depth.in_flight == 0).then_some(0),
            not_consume_msg_time: depth.oldest_at.map_or(0, |at| now.since_ms(at)),
            off_set_diff: 0,
            namesvr_id: 0,
        }
    }
}
