//! Which objects are not needed any more, and when they may go.
//!
//! An object goes in three steps. Its frames are forgotten. A later object says
//! so (its *floor*) and becomes durable: from then on a replay does not miss
//! those below. That object has been durable for a while: from then on every
//! list shows it, or a later one, to whoever looks for the end. The newest
//! object stays by itself, because a floor is at most one above what was durable
//! when it was written, and the object that says it is later still.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::WalSettings;
use super::flight::Flying;
use crate::log::Lsn;

/// Bookkeeping of one writer.
pub(super) struct Cover {
    batch: u64,
    after_ms: u64,
    /// Frames before this one are not needed.
    needed: Lsn,
    /// Durable objects that are needed, with their last frames.
    objects: VecDeque<(u64, Lsn)>,
    /// First number that is needed.
    floor: u64,
    /// The floor that the newest object says, durable or on its way.
    said: u64,
    /// Floors that durable objects say, with the time since when; both rise.
    durable: VecDeque<(u64, u64)>,
    /// First number that is not deleted.
    deleted: u64,
    /// No deletion before.
    pause_until_ms: u64,
    deleting: bool,
}

impl Cover {
    pub(super) fn new(settings: &WalSettings) -> Self {
        Self {
            batch: settings.delete_batch,
            after_ms: settings.delete_after.as_millis() as u64,
            needed: Lsn::ZERO,
            objects: VecDeque::new(),
            floor: 1,
            said: 1,
            durable: VecDeque::new(),
            deleted: 1,
            pause_until_ms: 0,
            deleting: false,
        }
    }

    /// The floor for an object that is now being made.
    pub(super) fn say(&mut self) -> u64 {
        self.said = self.floor;
        self.floor
    }

    /// Whether an object is worth making for its floor alone.
    pub(super) fn wants_mark(&self) -> bool {
        self.floor - self.said >= self.batch
    }

    /// Frames before `lsn` are not needed any more.
    pub(super) fn forget_before(&mut self, lsn: Lsn) {
        self.needed = self.needed.max(lsn);
        self.advance();
    }

    /// An object is durable, as are all before it.
    pub(super) fn settled(&mut self, object: Flying, now_ms: u64) {
        self.objects.push_back((object.sequence, object.last));
        let said = self.durable.back().map_or(self.deleted, |last| last.0);
        if object.floor > said {
            self.durable.push_back((object.floor, now_ms));
        }
        self.advance();
    }

    fn advance(&mut self) {
        let needed = self.needed;
        while let Some((sequence, _)) = self.objects.pop_front_if(|object| object.1 < needed) {
            self.floor = sequence + 1;
        }
    }

    /// When there will be something to delete, if nothing more happens.
    pub(super) fn due_ms(&self) -> Option<u64> {
        if self.deleting {
            return None;
        }
        let enough = self.deleted + self.batch;
        let index = self.durable.partition_point(|said| said.0 < enough);
        let (_, since_ms) = self.durable.get(index)?;
        let due_ms = since_ms.saturating_add(self.after_ms);
        Some(due_ms.max(self.pause_until_ms))
    }

    /// The numbers that may be deleted now; [`Self::ended`] follows.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Range<u64>> {
        if self.due_ms()? > now_ms {
            return None;
        }
        let after_ms = self.after_ms;
        let is_old = |said: &(u64, u64)| said.1.saturating_add(after_ms) <= now_ms;
        let old = self.durable.partition_point(is_old);
        let (end, _) = self.durable.get(old.checked_sub(1)?)?;
        self.deleting = true;
        Some(self.deleted..*end)
    }

    /// A deletion went well.
    pub(super) fn gone(&mut self, numbers: &Range<u64>) {
        self.deleting = false;
        self.deleted = numbers.end;
        while self
            .durable
            .pop_front_if(|said| said.0 <= numbers.end)
            .is_some()
        {}
    }

    /// A deletion failed; it is tried again after a pause.
    pub(super) fn failed(&mut self, now_ms: u64, pause: Duration) {
        self.deleting = false;
        self.pause_until_ms = now_ms.saturating_add(pause.as_millis() as u64);
    }
}
