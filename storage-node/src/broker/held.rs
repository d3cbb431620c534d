//! Entries about held messages, and what they do to a broker: see
//! [`crate::consume::delay`] and [`crate::consume::transaction`].

use firn_protocol::ids::{QueueId, QueueKey};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::BrokerState;
use crate::consume::delay::slot_queue;
use crate::consume::transaction::{HALVES_QUEUE, Half};
use crate::record::RunHeader;

/// What an entry says of held messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldHead {
    /// Stores the run in a slot of delayed messages.
    Hold(Hold),
    /// Delayed messages have come to their time: the run, in their queue.
    Fire(Fire),
    /// Delayed messages that go nowhere any more.
    Forget { slot: QueueId, offsets: Vec<u64> },
    /// Stores the run, one half message.
    Prepare(Half),
    /// A half message is decided: with a queue it is committed, and the run is it
    /// in that queue; without one it is rolled back.
    Decide {
        time: Timestamp,
        offset: u64,
        to: Option<QueueKey>,
    },
    /// A producer was asked about half messages.
    Check { offsets: Vec<u64>, next: Timestamp },
}

/// Messages that become due within one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub slot: QueueId,
    /// When the slot begins.
    pub start: Timestamp,
}

/// Records that leave their slots for the queue that they were sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fire {
    /// In the order of the run.
    pub from: Vec<(QueueId, u64)>,
    pub to: QueueKey,
}

impl HeldHead {
    /// See [`super::entry::Head::kind`].
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Hold(_) => 16,
            Self::Fire(_) => 17,
            Self::Forget { .. } => 18,
            Self::Prepare(_) => 19,
            Self::Decide { .. } => 20,
            Self::Check { .. } => 21,
        }
    }

    /// See [`super::entry::Head::run_queue`].
    #[must_use]
    pub fn run_queue(&self) -> Option<QueueKey> {
        match self {
            Self::Hold(hold) => Some(slot_queue(hold.slot)),
            Self::Fire(fire) => Some(fire.to),
            Self::Prepare(_) => Some(HALVES_QUEUE),
            Self::Decide { to, .. } => *to,
            Self::Forget { .. } | Self::Check { .. } => None,
        }
    }

    /// The queue in which the entry makes messages visible.
    #[must_use]
    pub fn shown_queue(&self) -> Option<QueueKey> {
        match self {
            Self::Fire(Fire { to, .. }) | Self::Decide { to: Some(to), .. } => Some(*to),
            Self::Hold(_)
            | Self::Forget { .. }
            | Self::Prepare(_)
            | Self::Decide { to: None, .. }
            | Self::Check { .. } => None,
        }
    }

    /// See [`super::entry::Head::is_awaited`].
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self, Self::Fire(_) | Self::Check { .. })
    }
}

impl BrokerState {
    /// Applies an entry about held messages; its run is stored already.
    pub(super) fn change_held(&mut self, head: &HeldHead, run: Option<&RunHeader>) {
        match head {
            HeldHead::Hold(hold) => self.hold(hold),
            HeldHead::Fire(fire) => {
                for &(slot, offset) in &fire.from {
                    self.delayed.fire(slot, offset);
                }
            }
            HeldHead::Forget { slot, offsets } => {
                for &offset in offsets {
                    self.delayed.forget(*slot, offset);
                }
            }
            HeldHead::Prepare(half) => {
                if let Some(run) = run {
                    self.halves.prepare(run.first_offset.0, half.clone());
                }
            }
            HeldHead::Decide { time, offset, to } => {
                self.last_time = self.last_time.max(*time);
                self.halves.decide(*offset, to.is_some());
            }
            HeldHead::Check { offsets, next } => {
                for &offset in offsets {
                    self.halves.note_check(offset, *next);
                }
            }
        }
    }

    /// Records were stored in a slot.
    pub(super) fn hold(&mut self, hold: &Hold) {
        if !self.delayed.slots.contains_key(&hold.slot) {
            self.forget_slots();
        }
        self.delayed.hold(hold.slot, hold.start);
    }

    /// Slots whose time is long over and that hold nothing are queues no more.
    fn forget_slots(&mut self) {
        let (queues, tier) = (&mut self.queues, &mut self.tier);
        let now = self.last_time;
        self.delayed.slots.retain(|&slot, state| {
            let queue = slot_queue(slot);
            let end = queues.get(&queue).map_or(0, |queue| queue.end);
            let is_over = state.is_over(end, now);
            if is_over {
                queues.remove(&queue);
                tier.ends.remove(&queue);
            }
            !is_over
        });
    }
}
