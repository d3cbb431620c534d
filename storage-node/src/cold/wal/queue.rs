//! Frames that wait for their object, and when the next one is due.

use std::collections::VecDeque;

use super::codec::{FRAME_BYTES_MAX, FRAME_HEAD_MAX};
use super::error::WalError;
use super::{WalFrame, WalSettings};
use crate::log::Lsn;

struct Queued {
    frame: WalFrame,
    /// Whether somebody waits for it.
    urgent: bool,
    pushed_ms: u64,
}

/// Frames that go into one object.
pub(super) struct Batch {
    pub(super) frames: Vec<WalFrame>,
    /// Their bytes, as [`frame_bytes`] counts them.
    pub(super) bytes: u64,
    /// Of the last frame; of the batch before when there is none.
    pub(super) last: Lsn,
}

/// Frames in the order of the log.
#[derive(Default)]
pub(super) struct Queue {
    frames: VecDeque<Queued>,
    bytes: u64,
    urgent: usize,
    /// Last frame that was ever pushed, and that was ever taken out.
    pushed: Lsn,
    taken: Lsn,
    /// Up to when the intervals are used up by batches that were taken out; the
    /// virtual time of a leaky bucket (GCRA, ITU-T I.371).
    used_ms: u64,
}

/// What a frame counts for: no less than what it takes in a body.
pub(super) fn frame_bytes(frame: &WalFrame) -> u64 {
    (FRAME_HEAD_MAX + frame.payload.len()) as u64
}

impl Queue {
    /// Takes a frame. Gives its bytes.
    ///
    /// # Errors
    /// When it cannot be written, which breaks the promise that all before a
    /// durable one are durable: nothing behind it may be taken either.
    pub(super) fn push(
        &mut self,
        frame: WalFrame,
        urgent: bool,
        now_ms: u64,
    ) -> Result<u64, WalError> {
        let broken = |rule| WalError::Frame {
            lsn: frame.lsn,
            rule,
        };
        if frame.lsn <= self.pushed {
            return Err(broken("it is not behind the one before"));
        }
        if frame.payload.len() > FRAME_BYTES_MAX {
            return Err(broken("it is too large for an object"));
        }
        let bytes = frame_bytes(&frame);
        self.pushed = frame.lsn;
        self.bytes += bytes;
        self.urgent += usize::from(urgent);
        self.frames.push_back(Queued {
            frame,
            urgent,
            pushed_ms: now_ms,
        });
        Ok(bytes)
    }

    /// Somebody waits for the newest frame, and with it for all.
    pub(super) fn hurry(&mut self) {
        if let Some(newest) = self.frames.back_mut() {
            self.urgent += usize::from(!newest.urgent);
            newest.urgent = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// When the next batch is to be taken out. `wants_mark`: even an empty one.
    pub(super) fn due_ms(&self, settings: &WalSettings, wants_mark: bool) -> Option<u64> {
        if self.bytes >= settings.object_bytes_max {
            return Some(0);
        }
        let waited_ms = settings.lazy_max.as_millis() as u64;
        let wanted_ms = match self.frames.front() {
            Some(_) if self.urgent > 0 => 0,
            Some(oldest) => oldest.pushed_ms.saturating_add(waited_ms),
            None if wants_mark => 0,
            None => return None,
        };
        let interval_ms = settings.interval.as_millis() as u64;
        let spared_ms = interval_ms.saturating_mul(u64::from(settings.burst) - 1);
        Some(wanted_ms.max(self.used_ms.saturating_sub(spared_ms)))
    }

    /// The frames of the next object, at least one if there is any.
    pub(super) fn take(&mut self, settings: &WalSettings, now_ms: u64) -> Batch {
        let bytes_max = settings.object_bytes_max;
        let (mut count, mut bytes) = (0, 0);
        for queued in &self.frames {
            let more = frame_bytes(&queued.frame);
            if count > 0 && bytes + more > bytes_max {
                break;
            }
            count += 1;
            bytes += more;
            self.urgent -= usize::from(queued.urgent);
        }
        let taken = self.frames.drain(..count);
        let frames: Vec<WalFrame> = taken.map(|queued| queued.frame).collect();
        self.taken = frames.last().map_or(self.taken, |frame| frame.lsn);
        self.bytes -= bytes;
        let interval_ms = settings.interval.as_millis() as u64;
        // Full objects go before their time; they do not hold up others for long.
        let most_ms = interval_ms.saturating_mul(settings.burst.into());
        let used_ms = self.used_ms.max(now_ms).saturating_add(interval_ms);
        self.used_ms = used_ms.min(now_ms.saturating_add(most_ms));
        Batch {
            frames,
            bytes,
            last: self.taken,
        }
    }
}
