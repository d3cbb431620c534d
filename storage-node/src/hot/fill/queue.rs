//! What stands between the log and the filler: parts in log order, bounded in
//! bytes. What does not fit is dropped and leaves a gap, which is closed by
//! reading the log again; the one who pushes never waits.

use std::collections::VecDeque;
use std::time::Duration;

use firn_runtime::clock::Stopwatch;
use parking_lot::{Condvar, Mutex};

use super::batch::FillItem;
use crate::hot::Lsn;

/// Bytes for which the worker is woken before its time: each wake costs more than
/// what a small part brings.
const WAKE_BYTES: usize = 256 * 1024;
/// Frames without records after which the marker is moved all the same.
pub(super) const MARKER_FRAMES: u64 = 16 * 1024;

#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    parts: VecDeque<Part>,
    bytes: usize,
    /// Everything before this place was pushed or dropped.
    reached: Lsn,
    /// How much of that the worker knows of.
    told: Lsn,
    /// Something behind the last part was dropped.
    gap: bool,
    /// Somebody waits for what has been pushed.
    hurried: bool,
    /// The worker sleeps until there is something.
    idle: bool,
    stopping: bool,
    /// Nobody takes anything any more.
    ended: bool,
}

/// Items of some frames.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) items: Vec<FillItem>,
    bytes: usize,
    pub(super) reached: Lsn,
}

/// What the worker is to do.
#[derive(Debug)]
pub(super) enum Next {
    Part(Part),
    /// Read the log up to here: what was pushed before is not in the queue.
    Reread(Lsn),
    /// Nothing is queued; all before here has been taken.
    Idle(Lsn),
    /// As `Idle`, and somebody waits until it is in the store.
    Hurry(Lsn),
    /// Finish. The place is as with `Idle`, `None` if there is a gap.
    Stop(Option<Lsn>),
}

impl Queue {
    /// A queue behind `reached`. With a gap, the log is to be read up to there.
    pub(super) fn new(bytes_max: usize, reached: Lsn, gap: bool) -> Self {
        Self {
            bytes_max,
            state: Mutex::new(State {
                parts: VecDeque::new(),
                bytes: 0,
                reached,
                told: reached,
                gap,
                hurried: false,
                idle: false,
                stopping: false,
                ended: false,
            }),
            wake: Condvar::new(),
        }
    }

    /// Adds the items of the frames before `reached`. Returns whether this
    /// opened a gap.
    pub(super) fn push(&self, items: Vec<FillItem>, reached: Lsn) -> bool {
        let bytes = items.iter().map(cost).sum();
        let mut state = self.state.lock();
        state.reached = state.reached.max(reached);
        if state.gap || state.ended {
            return false;
        }
        if state.bytes + bytes > self.bytes_max {
            state.gap = true;
            self.wake.notify_one();
            return true;
        }
        if items.is_empty() {
            // Not worth waking anybody for, unless it adds up.
            if state.parts.is_empty() && reached.0 - state.told.0.min(reached.0) < MARKER_FRAMES {
                return false;
            }
        } else {
            state.bytes += bytes;
            state.parts.push_back(Part {
                items,
                bytes,
                reached,
            });
            // Who has a batch begun looks again soon by itself.
            if !state.idle && state.bytes < WAKE_BYTES {
                return false;
            }
        }
        self.wake.notify_one();
        false
    }

    /// Has the worker put everything in that has been pushed.
    pub(super) fn hurry(&self) {
        self.state.lock().hurried = true;
        self.wake.notify_one();
    }

    /// Waits for the next thing to do; without `wait`, until there is one.
    pub(super) fn next(&self, wait: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        let mut waited = false;
        loop {
            if let Some(part) = state.parts.pop_front() {
                state.bytes -= part.bytes;
                state.told = part.reached;
                return Next::Part(part);
            }
            if state.stopping {
                return Next::Stop((!state.gap).then_some(state.reached));
            }
            if state.gap {
                // From here on parts are kept again: they go on where the reading ends.
                state.gap = false;
                state.told = state.reached;
                return Next::Reread(state.reached);
            }
            if std::mem::take(&mut state.hurried) {
                state.told = state.reached;
                return Next::Hurry(state.reached);
            }
            if waited || state.reached.0 - state.told.0 >= MARKER_FRAMES {
                state.told = state.reached;
                return Next::Idle(state.reached);
            }
            match wait {
                Some(wait) => waited = self.wake.wait_for(&mut state, wait).timed_out(),
                None => {
                    state.idle = true;
                    self.wake.wait(&mut state);
                    state.idle = false;
                }
            }
        }
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.state.lock().parts.is_empty()
    }

    /// Waits for a time, cut short when the work is to stop; true if it is.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let watch = Stopwatch::start();
        let mut state = self.state.lock();
        // Every push wakes, too.
        while !state.stopping
            && let Some(left) = time.checked_sub(watch.elapsed())
            && !left.is_zero()
        {
            self.wake.wait_for(&mut state, left);
        }
        state.stopping
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
        self.wake.notify_all();
    }

    /// Drops what is queued, now and later.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.parts.clear();
        state.bytes = 0;
    }

    pub(super) fn reached(&self) -> Lsn {
        self.state.lock().reached
    }
}

fn cost(item: &FillItem) -> usize {
    item.run.len() + size_of::<FillItem>()
}
