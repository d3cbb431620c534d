//! How far a group is behind, per topic and queue.

use firn_protocol::api::storage::QueueLag;
use firn_protocol::catalogue::Group;
use firn_protocol::{ApiResult, BrokerId, Timestamp, TopicKey};
use futures_util::future::try_join_all;

use super::{Scope, Services, Target};

/// Progress on one topic over all brokers.
pub(crate) struct TopicLag {
    pub(crate) topic: String,
    /// `%RETRY%` topics alone have scheduled messages.
    pub(crate) is_retry: bool,
    pub(crate) queues: Vec<(BrokerId, QueueLag)>,
}

impl TopicLag {
    pub(crate) fn lag(&self) -> u64 {
        self.queues.iter().map(|(_, queue)| queue.lag).sum()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.queues.iter().map(|(_, queue)| queue.in_flight).sum()
    }

    pub(crate) fn scheduled(&self) -> u64 {
        self.queues.iter().map(|(_, queue)| queue.scheduled).sum()
    }

    pub(crate) fn oldest_at(&self) -> Option<Timestamp> {
        self.queues
            .iter()
            .filter_map(|(_, queue)| queue.oldest_at)
            .min()
    }
}

/// Topics by name, each with its queues by broker and number: those of the group,
/// or of a member of its broadcast. Topics that were
/// removed meanwhile are left out.
///
/// # Errors
/// As `StorageApi::lag`.
pub(crate) async fn lag(
    services: &Services,
    scope: &Scope,
    group: &Group,
    member: Option<&str>,
) -> ApiResult<Vec<TopicLag>> {
    let id = member.map_or(group.id, |name| group.id.member(name));
    let work = scope.instance.brokers.iter().map(|broker| async {
        let queues = services.storage.lag(&scope.ctx, broker.id, id).await?;
        Ok::<_, firn_protocol::ApiError>((broker.id, queues))
    });
    let mut topics: Vec<(TopicKey, TopicLag)> = Vec::new();
    for (broker, queues) in try_join_all(work).await? {
        for queue in queues {
            let key = queue.queue.topic;
            if let Some((_, topic)) = topics.iter_mut().find(|(known, _)| *known == key) {
                topic.queues.push((broker, queue));
                continue;
            }
            let named = Target::of_key(&*services.tenants, scope.instance.id, key);
            if let Some(target) = named {
                let topic = TopicLag {
                    topic: target.name().into_owned(),
                    is_retry: matches!(target, Target::Retry(_)),
                    queues: vec![(broker, queue)],
                };
                topics.push((key, topic));
            }
        }
    }
    let mut topics: Vec<TopicLag> = topics.into_iter().map(|(_, topic)| topic).collect();
    topics.sort_by(|a, b| a.topic.cmp(&b.topic));
    Ok(topics)
}
