//! A group takes up a topic, and its members' filters live.

use std::sync::Arc;

use firn_protocol::api::storage::{GroupMode, GroupSpec, TopicSpec};
use firn_protocol::catalogue::StartPosition;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, QueueId, QueueKey, TopicKey};
use firn_protocol::limits::{FILTER_LIVE_MS, FILTERS_LIVE_MAX};

use super::StorageNode;
use crate::broker::entry::{Head, Subscribe};
use crate::broker::in_place::InPlaceHead;
use crate::broker::owner::{Broker, Core};
use crate::consume::in_place::InPlaceRules;

impl StorageNode {
    /// A member with this filter is there, whether or not it receives from here.
    pub(super) async fn keep_filter_of(
        &self,
        broker: &Arc<Broker>,
        group: GroupSpec,
        topic: TopicSpec,
        filter: &Filter,
    ) -> Result<(), ApiError> {
        let place = (group.id, topic.key);
        self.note_filter(broker, &mut *broker.lock()?, place, filter)?;
        self.subscribe_group(broker, group, topic, Some(filter))
            .await
    }

    /// Remembers that a filter has a member, and lets go of filters that have none.
    /// A filter too many is refused before it is known to anybody.
    fn note_filter(
        &self,
        broker: &Broker,
        core: &mut Core,
        (group, topic): (GroupId, TopicKey),
        filter: &Filter,
    ) -> Result<(), ApiError> {
        let now = self.now();
        let live = core.live_filters(group, topic);
        let members = core.members.entry((group, topic)).or_default();
        let is_new = !live.contains(filter);
        if !is_new {
            members.seen.insert(filter.clone(), now);
        }
        let mut idle = Vec::new();
        for known in &live {
            // After a restart a filter counts as just seen (RULES 18).
            let seen = *members.seen.entry(known.clone()).or_insert(now);
            let waits = members.waiting.contains_key(known);
            if !waits && now.since_ms(seen) > FILTER_LIVE_MS {
                idle.push(known.clone());
            }
        }
        if is_new && live.len() - idle.len() >= FILTERS_LIVE_MAX {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                format!("the group has more than {FILTERS_LIVE_MAX} different live filters here"),
            ));
        }
        members.seen.insert(filter.clone(), now);
        if idle.is_empty() {
            return Ok(());
        }
        members.forget_passed();
        members.seen.retain(|filter, _| !idle.contains(filter));
        for filter in idle {
            let head = Head::Unsubscribe {
                group,
                topic,
                filter,
            };
            self.submit(broker, core, &head, None, None)?;
        }
        Ok(())
    }

    /// Makes sure that the group has progress on every queue of the topic and
    /// that its settings and the filter are known.
    pub(super) async fn subscribe_group(
        &self,
        broker: &Arc<Broker>,
        group: GroupSpec,
        topic: TopicSpec,
        filter: Option<&Filter>,
    ) -> Result<(), ApiError> {
        let (missing, subscribed) = {
            let core = broker.lock()?;
            (self.missing(&core, group, topic, filter), core.subscribed())
        };
        self.configure_in_place(broker, group)?;
        let Some((missing, is_new)) = missing else {
            return self.settled(subscribed).await;
        };
        let mut starts = Vec::with_capacity(missing.len());
        for queue in missing {
            let key = QueueKey {
                topic: topic.key,
                queue,
            };
            // Queues added to a topic later are read from their beginning.
            let start = if is_new {
                group.start
            } else {
                StartPosition::Earliest
            };
            let offset = match start {
                StartPosition::Earliest => broker.lock()?.state.queue(key).min,
                StartPosition::Latest => broker.lock()?.visible_end(key),
                StartPosition::Time(time) => self.offset_of_time(broker, key, time).await?,
            };
            starts.push((queue, offset));
        }
        let subscribed = {
            let mut core = broker.lock()?;
            // Somebody else may have been here while the lock was free.
            let is_missing = self.missing(&core, group, topic, filter).is_some();
            if is_missing {
                let head = Head::Subscribe(Subscribe {
                    group: group.id,
                    version: group.version,
                    max_retries: group.max_retries,
                    topic: topic.key,
                    starts,
                    filter: filter.cloned(),
                });
                let mark = self.submit(broker, &mut core, &head, None, None)?;
                core.last_subscribe_lsn = mark.lsn;
            }
            core.subscribed()
        };
        // Awaited: a group that is forgotten could not honour its receipts, and
        // one that starts at the end would start at a later one.
        self.settled(subscribed).await
    }

    /// Tells the broker how the group takes failures, if that is news.
    fn configure_in_place(&self, broker: &Broker, group: GroupSpec) -> Result<(), ApiError> {
        let rules = match group.mode {
            GroupMode::Unordered => None,
            GroupMode::Member { .. } => return Ok(()),
            GroupMode::Ordered(on_poison) => Some(InPlaceRules {
                is_ordered: true,
                on_poison,
            }),
        };
        let mut core = broker.lock()?;
        let known = core.state.in_place.get(&group.id);
        let is_news = known.map(|state| state.rules) != rules
            && known.is_none_or(|state| state.version < group.version);
        if is_news {
            let head = Head::InPlace(InPlaceHead::Configure {
                group: group.id,
                version: group.version,
                rules,
            });
            let mark = self.submit(broker, &mut core, &head, None, None)?;
            core.last_subscribe_lsn = mark.lsn;
        }
        Ok(())
    }

    /// The queues that the group has no progress on, and whether the topic is
    /// new to it; `None` if there is nothing to do.
    fn missing(
        &self,
        core: &Core,
        group: GroupSpec,
        topic: TopicSpec,
        filter: Option<&Filter>,
    ) -> Option<(Vec<QueueId>, bool)> {
        let all = || (0..topic.queues).map(QueueId);
        let Some(state) = core.state.groups.get(&group.id) else {
            return Some((all().collect(), true));
        };
        let Some(progress) = state.topics.get(&topic.key) else {
            return Some((all().collect(), true));
        };
        let queues: Vec<QueueId> = all()
            .filter(|queue| !progress.queues.contains_key(queue))
            .collect();
        let news = !queues.is_empty()
            || group.version > state.version
            || filter.is_some_and(|filter| !progress.filters.contains(filter));
        news.then_some((queues, false))
    }
}
