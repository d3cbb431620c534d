//! When the node must look at a broker next. Only brokers with leases or waiting
//! copies stand here, so an idle one costs nothing.

use std::collections::BTreeSet;

use firn_protocol::ids::BrokerId;
use firn_protocol::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::broker::owner::Core;

#[derive(Default)]
pub(super) struct Timers {
    queue: Mutex<BTreeSet<(Timestamp, BrokerId)>>,
    earlier: Notify,
}

impl Timers {
    /// Sees to it that the broker is looked at when its next event is due.
    pub(super) fn arm(&self, broker: BrokerId, core: &mut Core) {
        if let Some(due) = core.next_due()
            && core.armed.is_none_or(|armed| due < armed)
        {
            self.arm_at(broker, core, due);
        }
    }

    /// Sees to it that the broker is looked at at a given time.
    pub(super) fn arm_at(&self, broker: BrokerId, core: &mut Core, due: Timestamp) {
        let mut queue = self.queue.lock();
        if let Some(armed) = core.armed.replace(due) {
            queue.remove(&(armed, broker));
        }
        queue.insert((due, broker));
        if queue.first() == Some(&(due, broker)) {
            self.earlier.notify_one();
        }
    }

    /// Forgets when the broker was to be looked at.
    pub(super) fn disarm(&self, broker: BrokerId, core: &mut Core) {
        if let Some(armed) = core.armed.take() {
            self.queue.lock().remove(&(armed, broker));
        }
    }

    /// Takes out brokers that are due, at most `max`. They stay armed, so that
    /// they are not taken a second time while somebody is at work on them.
    pub(super) fn take_due(&self, now: Timestamp, max: usize) -> Vec<BrokerId> {
        let mut queue = self.queue.lock();
        let mut due = Vec::new();
        while let Some(&(at, broker)) = queue.first() {
            if at > now || due.len() == max {
                break;
            }
            queue.pop_first();
            due.push(broker);
        }
        due
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.queue.lock().first().map(|&(at, _)| at)
    }

    /// Resolves when something earlier than before was armed.
    pub(super) async fn earlier(&self) {
        self.earlier.notified().await;
    }
}
