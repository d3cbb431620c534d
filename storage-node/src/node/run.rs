//! Runs of ordered groups: consecutive records of a message group that were handed
//! out together. What fails of a run takes back what is behind it.

use std::sync::Arc;

use firn_protocol::error::ApiError;
use firn_protocol::ids::{GroupId, QueueKey};

use super::StorageNode;
use super::read::damaged;
use crate::broker::entry::Head;
use crate::broker::order::Line;
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::state::Due;
use crate::consume::progress::Standing;

impl StorageNode {
    /// Records behind one in its message group that are handed out too: those of its
    /// run, which go back when it fails. Lines that do not reach so far, as after a
    /// start, do not tell it; then the records are read.
    pub(super) async fn handed_out_behind(
        &self,
        broker: &Arc<Broker>,
        group: GroupId,
        queue: QueueKey,
        offset: u64,
    ) -> Result<Vec<u64>, ApiError> {
        let leased = {
            let core = broker.lock()?;
            let leased = leased_behind(&core, group, queue, offset);
            let Some(&last) = leased.last() else {
                return Ok(leased);
            };
            let state = core.state.groups.get(&group);
            let epoch = state.and_then(|state| state.topics.get(&queue.topic));
            let epoch = epoch.map_or(0, |topic| topic.epoch);
            let order = core.orders.get(&(group, queue));
            if let Some(order) = order.filter(|it| it.epoch == epoch && it.scanned() > last) {
                let behind = order.behind(offset);
                return Ok(behind
                    .into_iter()
                    .filter(|it| leased.contains(it))
                    .collect());
            }
            leased
        };
        let line = self.read_line(broker, queue, offset).await?;
        let mut behind = Vec::new();
        for other in leased {
            if line.is_some() && self.read_line(broker, queue, other).await? == line {
                behind.push(other);
            }
        }
        Ok(behind)
    }

    /// The line of a record; `None` if the record is lost.
    async fn read_line(
        &self,
        broker: &Arc<Broker>,
        queue: QueueKey,
        offset: u64,
    ) -> Result<Option<Line>, ApiError> {
        let Some(record) = self.read_record(broker, queue, offset).await? else {
            return Ok(None);
        };
        let summary = record.summary().map_err(|_| damaged())?;
        Ok(Some(Line::of(summary.message_group)))
    }

    /// What was handed out in one run behind a record that became a dead letter goes
    /// back.
    pub(super) fn give_back_run(
        &self,
        broker: &Broker,
        core: &mut Core,
        due: Due,
        behind: &[u64],
    ) -> Result<Option<Mark>, ApiError> {
        let offsets = still_leased(core, due, behind);
        if offsets.is_empty() {
            return Ok(None);
        }
        let head = Head::GiveBack {
            group: due.group,
            records: vec![(due.queue, offsets)],
        };
        let mark = self.submit(broker, core, &head, None, None)?;
        core.has_news(broker.key.broker, due.group, due.queue.topic);
        Ok(Some(mark))
    }
}

/// Which of these records of a queue are still handed out.
pub(super) fn still_leased(core: &Core, due: Due, offsets: &[u64]) -> Vec<u64> {
    let state = core.state.groups.get(&due.group);
    let progress = state.and_then(|state| state.progress(due.queue));
    let is_leased = |offset: &u64| {
        let standing = progress.map(|progress| progress.standing(*offset));
        matches!(standing, Some(Standing::Leased(_)))
    };
    offsets.iter().copied().filter(is_leased).collect()
}

/// Records of an ordered group's queue behind one that are handed out.
fn leased_behind(core: &Core, group: GroupId, queue: QueueKey, offset: u64) -> Vec<u64> {
    let in_place = core.state.in_place.get(&group);
    if !in_place.is_some_and(|state| state.rules.is_ordered) {
        return Vec::new();
    }
    let state = core.state.groups.get(&group);
    let progress = state.and_then(|state| state.progress(queue));
    let leases = progress
        .into_iter()
        .flat_map(|progress| progress.leases_behind(offset));
    leases.collect()
}
