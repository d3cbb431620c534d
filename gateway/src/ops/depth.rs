//! How far every group is on one topic, in the numbers that RocketMQ's users know: a
//! total, what of it is consumed, and the difference (SEED_SPEC 5.5).

use std::sync::Arc;

use firn_protocol::api::storage::QueueLag;
use firn_protocol::catalogue::{Group, StartPosition};
use firn_protocol::{ApiResult, BrokerId, Offset, QueueId, QueueKey, Timestamp, TopicKey};

use super::{Scope, Services, Target, lag};

/// Where a group is on some queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Messages that the queues ever had, with retries that wait for their time.
    pub(crate) total: u64,
    /// Of these, what is finished or gone.
    pub(crate) consumed: u64,
    pub(crate) in_flight: u64,
    /// Store time of the oldest message that is not finished.
    pub(crate) oldest_at: Option<Timestamp>,
}

impl Depth {
    pub(crate) fn of<'a>(queues: impl IntoIterator<Item = &'a QueueLag>) -> Self {
        queues.into_iter().fold(Self::default(), |sum, queue| {
            let total = queue.max_offset.0 + queue.scheduled;
            let oldest = [sum.oldest_at, queue.oldest_at];
            Self {
                total: sum.total + total,
                consumed: sum.consumed + total.saturating_sub(queue.lag),
                in_flight: sum.in_flight + queue.in_flight,
                oldest_at: oldest.into_iter().flatten().min(),
            }
        })
    }

    /// What is left to consume.
    pub(crate) fn left(&self) -> u64 {
        self.total - self.consumed
    }
}

/// One group's queues of a topic, by broker and number.
pub(crate) struct GroupDepth {
    pub(crate) group: Arc<Group>,
    pub(crate) queues: Vec<(BrokerId, QueueLag)>,
}

impl GroupDepth {
    pub(crate) fn on(&self, broker: BrokerId) -> Depth {
        let queues = self.queues.iter().filter(|(id, _)| *id == broker);
        Depth::of(queues.map(|(_, queue)| queue))
    }
}

/// Groups that have consumed the topic, by name.
///
/// # Errors
/// As `StorageApi::lag`.
pub(crate) async fn of_topic(
    services: &Services,
    scope: &Scope,
    topic: &Target,
) -> ApiResult<Vec<GroupDepth>> {
    let mut found = Vec::new();
    for group in services.tenants.groups(scope.instance.id) {
        let queues = known(services, scope, topic, &group).await?;
        if !queues.is_empty() {
            found.push(GroupDepth { group, queues });
        }
    }
    found.sort_by(|a, b| a.group.name.cmp(&b.group.name));
    Ok(found)
}

/// One group's queues of a topic; where it has not begun, those that it would begin with.
///
/// # Errors
/// As `StorageApi::lag`.
pub(crate) async fn of_group(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    group: &Arc<Group>,
) -> ApiResult<GroupDepth> {
    let mut queues = known(services, scope, topic, group).await?;
    if queues.is_empty() {
        queues = untouched(services, scope, topic, group.start).await?;
    }
    Ok(GroupDepth {
        group: group.clone(),
        queues,
    })
}

async fn known(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    group: &Group,
) -> ApiResult<Vec<(BrokerId, QueueLag)>> {
    let name = topic.name();
    let topics = lag::lag(services, scope, group, None).await?;
    let own = topics.into_iter().find(|own| own.topic == name);
    Ok(own.map(|own| own.queues).unwrap_or_default())
}

/// All queues of a topic as they are for who begins there.
///
/// # Errors
/// As `StorageApi::bounds`.
pub(crate) async fn untouched(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    start: StartPosition,
) -> ApiResult<Vec<(BrokerId, QueueLag)>> {
    let mut queues = Vec::new();
    let spec = topic.spec();
    for broker in topic.brokers(&scope.instance) {
        let bounds = services
            .storage
            .bounds(&scope.ctx, broker, spec.key)
            .await?;
        for queue in (0..spec.queues).map(QueueId) {
            let own = bounds.iter().find(|(id, ..)| *id == queue);
            let (min, end) = own.map_or((0, 0), |(_, min, end)| (min.0, end.0));
            let key = QueueKey {
                topic: spec.key,
                queue,
            };
            let committed = match start {
                StartPosition::Latest => end,
                StartPosition::Earliest => min,
                StartPosition::Time(time) => {
                    let at = services.storage.offset_at(&scope.ctx, broker, key, time);
                    at.await?.0
                }
            };
            let lag = QueueLag {
                queue: key,
                min_offset: Offset(min),
                max_offset: Offset(end),
                committed: Offset(committed),
                lag: end - committed.min(end),
                in_flight: 0,
                scheduled: 0,
                oldest_at: store_time(services, scope, broker, key, committed).await?,
            };
            queues.push((broker, lag));
        }
    }
    Ok(queues)
}

/// When the message of an offset was stored, if there is one.
///
/// # Errors
/// As `StorageApi::read`.
pub(crate) async fn store_time(
    services: &Services,
    scope: &Scope,
    broker: BrokerId,
    queue: QueueKey,
    offset: u64,
) -> ApiResult<Option<Timestamp>> {
    let found = services
        .storage
        .read(&scope.ctx, broker, queue, Offset(offset), 1)
        .await?;
    let found = found.first().filter(|message| message.offset.0 == offset);
    Ok(found.map(|message| message.stored_at))
}

/// Messages that a topic ever had, and those that are stored.
///
/// # Errors
/// As `StorageApi::bounds`.
pub(crate) async fn held(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    broker: Option<BrokerId>,
) -> ApiResult<(u64, u64)> {
    let (mut ever, mut now) = (0, 0);
    let key: TopicKey = topic.key();
    let brokers = topic.brokers(&scope.instance).into_iter();
    for id in brokers.filter(|id| broker.is_none_or(|wanted| wanted == *id)) {
        for (_, min, end) in services.storage.bounds(&scope.ctx, id, key).await? {
            ever += end.0;
            now += end.0 - min.0.min(end.0);
        }
    }
    Ok((ever, now))
}
