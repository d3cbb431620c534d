//! Reading ahead of a sequential reader.
//!
//! Owns what is known of one reader: where it is, how far blocks have been asked
//! for, and how far ahead of it they are. Promises that what a reader is known to
//! want is asked for at once, in few requests; that a reader which goes on and on
//! does not wait for the store as long as its share of the memory holds what
//! arrives meanwhile; and that one which stops, jumps or meets a failure asks for
//! nothing more.
//!
//! How far ahead is enough is what the store's answer time times the reader's rate
//! comes to. Neither is measured: a reader that had to wait for what was asked for
//! in time reads faster than that, and gets twice as much the next time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache::{BlockCache, CachedObject, Urgency};
use super::paths::ObjectName;

/// Spans between a reader and the end of what it has asked for once it goes on: one
/// is read while another one is on its way.
const STEADY_SPANS: u64 = 2;

/// What a reader wants of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The bytes that it wants now: from here up to, but not including, `to`.
    pub from: u64,
    pub to: u64,
    /// It will want the bytes up to here in a moment, by the same read. What is
    /// not behind `to` is no wish.
    pub until: u64,
}

/// One reader's place in an object.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// What was read last, or furthest by those who share a place.
    last: Option<(ObjectName, Range<u64>)>,
    /// Blocks before this one are here or were asked for.
    asked: u64,
    /// So many blocks behind what is wanted are to be here; 0 until the reader is
    /// seen to read on.
    window: u64,
    /// It had to wait for what had been asked for, since the window last grew.
    has_waited: bool,
    /// Where the read was to end for which the window last grew.
    widened_at: Option<u64>,
    /// Set by a request that has failed.
    failed: Arc<AtomicBool>,
}

/// Where a reader is, in blocks.
#[derive(Clone, Copy)]
struct Place {
    /// Behind what it wants now, and behind what the same read wants.
    end: u64,
    wanted: u64,
    reads_on: bool,
    /// So many it may have ahead.
    share: u64,
}

impl ReadAhead {
    /// Asks for the blocks of `part` and, of a reader that reads on, for those
    /// behind it. To be called before they are read, once for each part.
    /// `readers` share the cache.
    pub fn ask(&mut self, cache: &BlockCache, object: CachedObject, part: Part, readers: u64) {
        if part.from >= part.to {
            return;
        }
        let size = cache.settings().block_bytes;
        let first = part.from / size;
        let end = cache.blocks_of(object).min(part.to.div_ceil(size));
        let reads_on = self.move_to(cache, object.name, part);
        if self.failed.swap(false, Ordering::Relaxed) {
            // What was asked for may not come. What is wanted now is tried again,
            // and nothing else before that is here.
            (self.asked, self.window) = (first, 0);
            self.asked = self.fetch(cache, object, first..end, Urgency::Wanted);
            return;
        }
        let is_here = (first..end).all(|index| cache.has(object, index));
        self.has_waited |= !is_here && self.asked >= end;
        let share = cache.share(readers);
        // No more than the memory keeps until it is read.
        let wanted = part.until.div_ceil(size).clamp(end, end + share);
        let begin = self.asked.max(first);
        if begin < end {
            // Rounded up to whole requests, if all of it is wanted.
            let span = cache.settings().span_blocks;
            let round = begin + (end - begin).div_ceil(span) * span;
            let upto = round.min(wanted);
            self.asked = self.fetch(cache, object, begin..upto, Urgency::Wanted);
        }
        let place = Place {
            end,
            wanted,
            reads_on,
            share,
        };
        self.ask_ahead(cache, object, place);
    }

    /// Notes where the reader is; whether it goes on from where it was.
    fn move_to(&mut self, cache: &BlockCache, name: ObjectName, part: Part) -> bool {
        let size = cache.settings().block_bytes;
        let reads_on = match &self.last {
            Some((object, last)) if *object == name => {
                // Parts that somebody else has unpacked are passed over, and of
                // several who read one queue some are a little behind.
                let furthest = last.end.max(self.asked * size);
                let behind = last.start.saturating_sub(self.window * size);
                (behind..=furthest).contains(&part.from)
            }
            // A reader that went on and on goes on in the next object.
            Some(_) if self.window > 0 => {
                self.asked = 0;
                (self.last, self.widened_at) = (None, None);
                true
            }
            Some(_) | None => false,
        };
        if !reads_on {
            (self.asked, self.window, self.has_waited) = (0, 0, false);
            (self.last, self.widened_at) = (None, None);
        }
        let is_behind = |last: &Range<u64>| part.from < last.start;
        if !self.last.as_ref().is_some_and(|(_, last)| is_behind(last)) {
            self.last = Some((name, part.from..part.to));
        }
        reads_on
    }

    /// Asks for what is wanted in a moment, and for the window behind it, as far as
    /// the share goes from the block before which the part ends.
    fn ask_ahead(&mut self, cache: &BlockCache, object: CachedObject, place: Place) {
        let (settings, before) = (cache.settings(), self.asked);
        let span = settings.span_blocks;
        let limit = cache.blocks_of(object).min(place.end + place.share);
        let target = |window: u64| limit.min(place.wanted + window).max(place.end);
        // Half of what should be here has been read.
        let is_low = |target: u64| before <= place.end + (target - place.end) / 2;
        // Once for each read, whatever it had to wait for.
        let grows = place.reads_on
            && self.widened_at != Some(place.wanted)
            && (self.window == 0
                || self.has_waited
                || (self.window < STEADY_SPANS * span && is_low(target(self.window))));
        let (least, most) = settings.ahead_blocks;
        let window = match grows {
            true => (self.window * 2).max(least).min(most),
            false => self.window,
        };
        let room = target(window).saturating_sub(before);
        let owed = target(0).saturating_sub(before);
        let count = match room >= span {
            // Whole requests: the rest is asked for when there is room for one more.
            true => owed.max(room - room % span),
            false if is_low(target(window)) => room,
            false => 0,
        };
        self.asked = self.fetch(cache, object, before..before + count, Urgency::Ahead);
        // With nothing to ask for, or not allowed to, the window stays as it was.
        if grows && self.asked > before {
            (self.window, self.has_waited) = (window, false);
            self.widened_at = Some(place.wanted);
        }
    }

    fn fetch(
        &self,
        cache: &BlockCache,
        object: CachedObject,
        blocks: Range<u64>,
        urgency: Urgency,
    ) -> u64 {
        cache.fetch(object, blocks, urgency, &self.failed)
    }
}
