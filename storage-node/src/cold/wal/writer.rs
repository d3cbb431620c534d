//! The writer as its users see it: frames in, "durable up to" out.
//!
//! One lock, held for a few steps and never across a wait. Answers are sent
//! after it is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firn_runtime::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::cover::Cover;
use super::error::WalError;
use super::flight::Flight;
use super::metrics::{WalMetrics, add, set};
use super::queue::Queue;
use super::waiters::{Answer, Ticket, Waiters};
use super::{Wal, WalFrame, WalSettings};
use crate::cold::paths::NodeId;
use crate::cold::store::ColdStore;
use crate::log::Lsn;

/// Writes the WAL of one incarnation of a node. Clones share it. Nothing is put
/// before [`WalWriter::run`] is driven.
#[derive(Clone)]
pub struct WalWriter(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) store: ColdStore,
    pub(super) clock: Clock,
    pub(super) wal: Wal,
    pub(super) settings: WalSettings,
    pub(super) metrics: Arc<WalMetrics>,
    pub(super) state: Mutex<State>,
    /// The last durable frame; written under the lock.
    durable: AtomicU64,
    /// Wakes the driver when its plan may have changed.
    pub(super) work: Notify,
    pub(super) running: AtomicBool,
}

pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) flight: Flight,
    pub(super) waiters: Waiters,
    pub(super) cover: Cover,
    /// Why nothing more becomes durable.
    pub(super) ended: Option<WalError>,
}

impl WalWriter {
    /// A writer for an incarnation that never wrote; its numbers begin at 1.
    /// Settings outside their bounds are moved to the nearest.
    #[must_use]
    pub fn new(
        store: ColdStore,
        node: NodeId,
        incarnation: u64,
        settings: WalSettings,
        clock: &Clock,
    ) -> Self {
        let settings = settings.within_bounds();
        Self(Arc::new(Shared {
            store,
            clock: clock.clone(),
            wal: Wal { node, incarnation },
            settings,
            metrics: Arc::default(),
            state: Mutex::new(State {
                queue: Queue::default(),
                flight: Flight::default(),
                waiters: Waiters::default(),
                cover: Cover::new(&settings),
                ended: None,
            }),
            durable: AtomicU64::new(0),
            work: Notify::new(),
            running: AtomicBool::new(false),
        }))
    }

    /// Takes frames, in the order of the log; never waits. `urgent`: somebody
    /// waits for one of them (a send, an ack); others ride along, or go within
    /// [`WalSettings::lazy_max`] (RULES 8). Frames are taken also when
    /// [`Self::is_full`]: refusing is for who makes them. A writer that has ended
    /// forgets what it is given, and every wait says so.
    pub fn push(&self, frames: impl IntoIterator<Item = WalFrame>, urgent: bool) {
        let shared = &*self.0;
        let now_ms = shared.clock.now_ms();
        let mut guard = shared.state.lock();
        let state = &mut *guard;
        if state.ended.is_some() {
            return;
        }
        let before = state.due_ms(&shared.settings);
        let (mut count, mut bytes, mut broken) = (0, 0, None);
        for frame in frames {
            match state.queue.push(frame, urgent, now_ms) {
                Ok(more) => bytes += more,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
            count += 1;
        }
        add(&shared.metrics.pending_bytes, bytes);
        add(&shared.metrics.frames, count);
        // The driver sleeps on unless it has to rise earlier than it planned.
        let is_changed = state.due_ms(&shared.settings) != before;
        drop(guard);
        if let Some(error) = broken {
            tracing::error!(%error, "the WAL ends here");
            shared.end(error);
        } else if is_changed {
            shared.work.notify_one();
        }
    }

    /// The last frame of which it and all that were pushed before it are
    /// durable; 0 at first. Never falls.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.0.durable()
    }

    /// Waits until the frame `lsn` is durable. It may be pushed later; a number
    /// that never is keeps waiting until a later frame is durable.
    ///
    /// # Errors
    /// When this writer will never say so. Whether the frame counts is then
    /// known after the incarnation was fenced.
    pub async fn wait(&self, lsn: Lsn) -> Result<(), WalError> {
        let shared = &*self.0;
        let (ticket, answer) = {
            let mut state = shared.state.lock();
            if shared.durable() >= lsn {
                return Ok(());
            }
            if let Some(error) = &state.ended {
                return Err(error.clone());
            }
            let (tell, answer) = oneshot::channel();
            (state.waiters.add(lsn, tell), answer)
        };
        let _leave = Leave { shared, ticket };
        answer.await.unwrap_or(Err(WalError::Stopped))
    }

    /// Frames before `lsn` are needed by nobody any more. Objects with nothing
    /// else go in the background, oldest first, [`WalSettings::delete_batch`] at
    /// a time and [`WalSettings::delete_after`] later. What is not durable stays.
    pub fn forget_before(&self, lsn: Lsn) {
        let shared = &*self.0;
        let mut state = shared.state.lock();
        // Under the lock, where what is durable is also settled.
        let lsn = lsn.min(shared.durable().next());
        state.cover.forget_before(lsn);
        drop(state);
        shared.work.notify_one();
    }

    /// Bytes of frames that are not durable.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.0.metrics.pending_bytes.load(Ordering::Relaxed)
    }

    /// See [`WalSettings::pending_bytes_max`].
    #[must_use]
    pub fn pending_bytes_max(&self) -> u64 {
        self.0.settings.pending_bytes_max
    }

    /// Somebody waits for what was pushed: it goes as soon as the interval lets it.
    pub fn hurry(&self) {
        self.0.state.lock().queue.hurry();
        self.0.work.notify_one();
    }

    /// Whether so much is pending that new sends must be refused as overloaded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pending_bytes() >= self.0.settings.pending_bytes_max
    }

    /// Why nothing more becomes durable, once that is so.
    #[must_use]
    pub fn ended(&self) -> Option<WalError> {
        self.0.state.lock().ended.clone()
    }

    /// Counters since the writer was made.
    #[must_use]
    pub fn metrics(&self) -> &Arc<WalMetrics> {
        &self.0.metrics
    }
}

/// Takes one who waits off the list, however the wait ends.
struct Leave<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.shared.state.lock().waiters.remove(self.ticket);
    }
}

impl State {
    /// When the next object is to be put, if nothing more happens.
    pub(super) fn due_ms(&self, settings: &WalSettings) -> Option<u64> {
        if self.flight.len() >= settings.in_flight_max {
            return None;
        }
        self.queue.due_ms(settings, self.cover.wants_mark())
    }
}

impl Shared {
    pub(super) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// An object is stored; whatever that settles is durable.
    pub(super) fn stored(&self, sequence: u64) {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return;
        }
        let settled = state.flight.stored(sequence);
        let Some(last) = settled.last().map(|object| object.last) else {
            return;
        };
        let bytes: u64 = settled.iter().map(|object| object.bytes).sum();
        add(&self.metrics.objects, settled.len() as u64);
        for object in settled {
            state.cover.settled(object, now_ms);
        }
        set(&self.metrics.in_flight, state.flight.len() as u64);
        self.metrics
            .pending_bytes
            .fetch_sub(bytes, Ordering::Relaxed);
        self.durable.store(last.0, Ordering::Release);
        let ready = state.waiters.until(last);
        drop(state);
        tell(ready, &Ok(()));
    }

    /// Nothing more becomes durable. The first reason stands.
    pub(super) fn end(&self, error: WalError) {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return;
        }
        let waiting = self.finish(&mut state, &error);
        drop(state);
        tell(waiting, &Err(error));
        self.work.notify_one();
    }

    /// Ends under the lock; gives those who are to be told.
    pub(super) fn finish(&self, state: &mut State, error: &WalError) -> Vec<Answer> {
        if matches!(error, WalError::Fenced { .. }) {
            set(&self.metrics.fenced, 1);
        }
        state.ended = Some(error.clone());
        state.queue = Queue::default();
        set(&self.metrics.pending_bytes, 0);
        set(&self.metrics.in_flight, 0);
        state.waiters.drain()
    }
}

pub(super) fn tell(waiting: Vec<Answer>, result: &Result<(), WalError>) {
    for answer in waiting {
        // Who went away meanwhile needs no answer.
        let _ = answer.send(result.clone());
    }
}
