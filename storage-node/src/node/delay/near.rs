//! Which delayed messages are due soon: slots are read when their time comes near,
//! and whoever looks leaves behind when to look again.

use std::sync::Arc;

use firn_protocol::error::ApiError;
use firn_protocol::ids::QueueId;
use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::time::Timestamp;

use crate::broker::near::{Earliest, NEAR_MAX};
use crate::broker::owner::{Broker, Core};
use crate::consume::delay::slot_queue;
use crate::node::StorageNode;
use crate::node::read::{ReadLimit, damaged};
use crate::node::settle::RETRY_MS;

/// Records of a slot read at a time while its due times are looked for.
const PAGE: usize = 1024;

/// Which slots are looked at.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// What is in memory, the log or the hot store.
    AtHand,
    Anywhere,
}

impl Reach {
    pub(super) fn has(self, core: &Core, slot: QueueId, offset: u64) -> bool {
        match self {
            Self::AtHand => offset >= core.state.tier.end(slot_queue(slot)),
            Self::Anywhere => true,
        }
    }
}

impl StorageNode {
    /// Reads when the records of slots are due whose time comes near.
    pub(super) async fn load_near(
        &self,
        broker: &Arc<Broker>,
        now: Timestamp,
        reach: Reach,
    ) -> Result<(), ApiError> {
        loop {
            let (slot, range, mark, life) = {
                let mut core = broker.lock()?;
                let core = &mut *core;
                let ends = |slot| core.state.queue(slot_queue(slot)).end;
                let Some(slot) = core.near.to_load(&core.state.delayed, now, ends) else {
                    return Ok(());
                };
                if !reach.has(core, slot, core.state.delayed.low(slot)) {
                    return Ok(());
                }
                core.near.begin_load(slot);
                let range = core.state.delayed.low(slot)..ends(slot);
                (slot, range, core.mark(), core.life)
            };
            let loading = Loading {
                broker,
                slot,
                life,
                is_done: false,
            };
            self.settled(mark).await?;
            let earliest = self.earliest_of(broker, slot, range).await?;
            loading.end(earliest);
        }
    }

    async fn earliest_of(
        &self,
        broker: &Arc<Broker>,
        slot: QueueId,
        range: std::ops::Range<u64>,
    ) -> Result<Earliest, ApiError> {
        let (queue, mut at) = (slot_queue(slot), range.start);
        let limit = ReadLimit {
            records: PAGE,
            bytes: ANSWER_BYTES_MAX,
        };
        let mut earliest = Earliest::default();
        while at < range.end {
            let found = self.read_range(broker, queue, at..range.end, limit).await?;
            let core = broker.lock()?;
            let is_waiting = |offset: &u64| core.state.delayed.is_waiting(slot, *offset);
            let mut next = at;
            for record in &found.records {
                // One that is lost is due at once, so that nobody waits for it for ever.
                let lost = (next..record.offset.0).filter(is_waiting);
                lost.for_each(|offset| earliest.push((Timestamp(0), offset), NEAR_MAX));
                next = record.offset.0 + 1;
                let summary = record.summary().map_err(|_| damaged())?;
                let due = summary.deliver_at.unwrap_or_default();
                if is_waiting(&record.offset.0) {
                    earliest.push((due, record.offset.0), NEAR_MAX);
                }
            }
            at = found.upto.max(at + 1);
            let lost = (next..at).filter(is_waiting);
            lost.for_each(|offset| earliest.push((Timestamp(0), offset), NEAR_MAX));
        }
        Ok(earliest)
    }
}

/// A slot whose records are being read. Given up when it is dropped: the read failed,
/// or who waited for it has gone.
struct Loading<'a> {
    broker: &'a Broker,
    slot: QueueId,
    life: u64,
    is_done: bool,
}

impl Loading<'_> {
    fn end(mut self, earliest: Earliest) {
        self.is_done = true;
        let mut core = self.broker.lock_any();
        // In another life of the state nothing is loaded yet.
        if core.life == self.life {
            let (found, upto) = earliest.finish();
            core.near.end_load(self.slot, found, upto);
        }
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut core = self.broker.lock_any();
        if core.life == self.life {
            core.near.give_up_load(self.slot);
        }
    }
}

/// Finds out anew when to look next, however a look ends. Another one that ran
/// meanwhile may have found nothing to do, because this one had the slot.
pub(super) struct Rearm<'a> {
    pub(super) node: &'a StorageNode,
    pub(super) broker: &'a Broker,
    pub(super) reach: Reach,
}

impl Drop for Rearm<'_> {
    fn drop(&mut self) {
        let mut guard = self.broker.lock_any();
        let core = &mut *guard;
        let (near, state) = (&mut core.near, &core.state);
        near.rearm(&state.delayed, |slot| state.queue(slot_queue(slot)).end);
        // The timers see to themselves.
        if let (Reach::AtHand, Some(due)) = (self.reach, core.next_due()) {
            let now = self.node.now();
            let at = match due > now {
                true => due,
                false => now.plus_ms(RETRY_MS),
            };
            if core.armed.is_none_or(|armed| at < armed) {
                let timers = &self.node.shared.timers;
                timers.arm_at(self.broker.key.broker, core, at);
            }
        }
    }
}
