//! Moves a group's progress on a topic (SEED_SPEC 5.6).

use firn_protocol::api::storage::{SeekRequest, SeekRow, SeekTarget};
use firn_protocol::catalogue::Group;
use firn_protocol::{ApiResult, BrokerId, Offset, QueueId};
use futures_util::future::try_join_all;

use super::target::group_spec;
use super::{Scope, Services, Target, not_found};

/// Where to go: one rule for all queues, or an offset for some.
pub(crate) enum Seek<'a> {
    All(SeekTarget),
    Offsets(Vec<QueueOffset<'a>>),
}

/// An offset of a queue, named as in the request.
pub(crate) struct QueueOffset<'a> {
    pub(crate) broker: &'a str,
    pub(crate) queue: QueueId,
    pub(crate) offset: Offset,
}

/// Rows of the answer with their brokers, in the instance's order of brokers.
///
/// # Errors
/// `NOT_FOUND` for a broker or queue that the topic does not have.
pub(crate) async fn seek(
    services: &Services,
    scope: &Scope,
    group: &Group,
    topic: &Target,
    to: Seek<'_>,
    dry_run: bool,
) -> ApiResult<Vec<(BrokerId, SeekRow)>> {
    let targets = targets(scope, topic, to)?;
    scope.require_running()?;
    let work = targets.into_iter().map(|(broker, target)| async move {
        let request = SeekRequest {
            broker,
            group: group_spec(group),
            topic: topic.spec(),
            target,
            dry_run,
        };
        let rows = services.storage.seek(&scope.ctx, request).await?;
        Ok::<_, firn_protocol::ApiError>((broker, rows))
    });
    let answers = try_join_all(work).await?;
    Ok(answers
        .into_iter()
        .flat_map(|(broker, rows)| rows.into_iter().map(move |row| (broker, row)))
        .collect())
}

fn targets(scope: &Scope, topic: &Target, to: Seek<'_>) -> ApiResult<Vec<(BrokerId, SeekTarget)>> {
    let brokers = topic.brokers(&scope.instance);
    let offsets = match to {
        Seek::All(target) => {
            return Ok(brokers
                .into_iter()
                .map(|broker| (broker, target.clone()))
                .collect());
        }
        Seek::Offsets(offsets) => offsets,
    };
    let mut parts: Vec<(BrokerId, Vec<(QueueId, Offset)>)> = Vec::new();
    for wanted in offsets {
        let broker = require_queue(scope, topic, wanted.broker, wanted.queue)?;
        match parts.iter_mut().find(|(known, _)| *known == broker) {
            Some((_, queues)) => queues.push((wanted.queue, wanted.offset)),
            None => parts.push((broker, vec![(wanted.queue, wanted.offset)])),
        }
    }
    Ok(parts
        .into_iter()
        .map(|(broker, queues)| (broker, SeekTarget::Offsets(queues)))
        .collect())
}

/// # Errors
/// `NOT_FOUND` for a broker that does not carry the topic, or a queue that it does not have.
pub(crate) fn require_queue(
    scope: &Scope,
    topic: &Target,
    broker: &str,
    queue: QueueId,
) -> ApiResult<BrokerId> {
    let id = scope.broker_named(broker)?;
    if !topic.brokers(&scope.instance).contains(&id) {
        return Err(not_found(format!(
            "topic '{}' is not on broker '{broker}'",
            topic.name()
        )));
    }
    let queues = topic.spec().queues;
    if queue.0 >= queues {
        return Err(not_found(format!(
            "queueId {queue} does not exist: topic '{}' has {queues} queues on each broker",
            topic.name()
        )));
    }
    Ok(id)
}
