//! Where sends wait for room behind them, and what lies behind them of whom.
//! State under one lock, held for a few steps and never across a wait.
//!
//! A send *enters* with the room that it needs, and keeps it until its entry has
//! been submitted, which counts for itself from then on: until it is committed
//! in the log's queue, until it is filled in the hot store's backlog, and until
//! it is stored in the WAL's, if it rides there.

use firn_protocol::ids::InstanceId;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::shared::Shared;
use crate::fair::{FairSettings, Full, Ledger, Rounds, RoundsLimits, Stage, Ticket};
use crate::log::Lsn;
use crate::metrics::FairMetrics;

/// A page of a ledger has this part of its stage's window.
const PAGE_PART: u64 = 1024;

/// What a send, or its entry, is to the stages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) instance: InstanceId,
    pub(super) bytes: u64,
    /// Whether it rides in WAL objects.
    pub(super) is_object: bool,
}

/// How much stages hold that know it better: they also have what nobody sent in
/// this life of the node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Behind {
    pub(super) fill_bytes: u64,
    pub(super) wal_bytes: u64,
}

/// Sends that were committed together: bytes by instance, of all of them and of
/// those that ride in WAL objects.
#[derive(Debug, Default)]
pub(super) struct Sent {
    own: FxHashMap<InstanceId, (u64, u64)>,
    /// Just behind the last that rides.
    riding_upto: Lsn,
}

impl Sent {
    pub(super) fn add(&mut self, lsn: Lsn, load: Load) {
        let (all, riding) = self.own.entry(load.instance).or_default();
        *all += load.bytes;
        if load.is_object {
            *riding += load.bytes;
            self.riding_upto = lsn.next();
        }
    }
}

pub(super) struct Entrance {
    state: Mutex<State>,
    metrics: FairMetrics,
}

struct State {
    rounds: Rounds<(Load, oneshot::Sender<Life>)>,
    stages: Stages,
    unfilled: Ledger,
    unstored: Ledger,
    /// Rises when the log has failed: what entered before has left.
    life: Life,
}

/// Numbers the times between failures of the log.
type Life = u64;

struct Stages {
    log: Stage,
    fill: Stage,
    wal: Stage,
}

impl Stages {
    fn have_room(&self, load: Load, behind: Behind) -> bool {
        let Load {
            instance, bytes, ..
        } = load;
        self.log.has_room(instance, bytes, self.log.bytes())
            && self.fill.has_room(instance, bytes, behind.fill_bytes)
            && (!load.is_object || self.wal.has_room(instance, bytes, behind.wal_bytes))
    }

    fn put(&mut self, load: Load) {
        self.log.put(load.instance, load.bytes);
        self.fill.put(load.instance, load.bytes);
        if load.is_object {
            self.wal.put(load.instance, load.bytes);
        }
    }

    fn take(&mut self, load: Load) {
        self.log.take(load.instance, load.bytes);
        self.fill.take(load.instance, load.bytes);
        if load.is_object {
            self.wal.take(load.instance, load.bytes);
        }
    }
}

impl State {
    /// Lets in who has room now, turn by turn.
    fn serve(&mut self, behind: Behind) {
        let Self {
            rounds,
            stages,
            life,
            ..
        } = self;
        while let Some((_, _, (load, told))) =
            rounds.next(|_, _, (load, _)| stages.have_room(*load, behind))
        {
            stages.put(load);
            // One who is gone gives the room back: see `Place`.
            let _ = told.send(*life);
        }
    }
}

impl Entrance {
    pub(super) fn new(settings: FairSettings, fill_bytes: u64, metrics: FairMetrics) -> Self {
        let stages = Stages {
            log: Stage::new(settings.log_bytes),
            fill: Stage::new(fill_bytes),
            wal: Stage::new(settings.wal_bytes),
        };
        let limits = RoundsLimits {
            quantum_bytes: settings.quantum_bytes,
            waiting_bytes_max: settings.waiting_bytes_max,
        };
        Self {
            state: Mutex::new(State {
                rounds: Rounds::new(limits),
                stages,
                unfilled: Ledger::new(fill_bytes / PAGE_PART),
                unstored: Ledger::new(settings.wal_bytes / PAGE_PART),
                life: 0,
            }),
            metrics,
        }
    }

    /// Changes the state; then those have their turn who have room.
    fn change(&self, shared: &Shared, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        let somebody_waits = !state.rounds.is_empty();
        change(&mut state);
        if somebody_waits {
            // Asked under the lock: what leaves later finds who waits here.
            state.serve(shared.behind());
            let bytes = state.rounds.waiting_bytes();
            self.metrics.waiting_bytes.set(bytes as i64);
        }
    }

    /// An entry is about to be submitted.
    pub(super) fn submits(&self, load: Load) {
        self.state.lock().stages.put(load);
    }

    /// The log did not take it.
    pub(super) fn not_submitted(&self, shared: &Shared, load: Load) {
        self.change(shared, |state| state.stages.take(load));
    }

    /// Sends before `reached` are durable in the log.
    pub(super) fn committed(&self, shared: &Shared, sent: &Sent, reached: Lsn) {
        if sent.own.is_empty() {
            return;
        }
        self.change(shared, |state| {
            for (&instance, &(all, _)) in &sent.own {
                state.stages.log.take(instance, all);
            }
            let all = sent.own.iter().map(|(&instance, own)| (instance, own.0));
            match shared.is_filled() {
                true => state.unfilled.note(reached, all),
                false => all.for_each(|(who, bytes)| state.stages.fill.take(who, bytes)),
            }
            let riding = sent.own.iter().filter(|(_, own)| own.1 > 0);
            let riding = riding.map(|(&instance, own)| (instance, own.1));
            state.unstored.note(sent.riding_upto, riding);
        });
    }

    /// The hot store has everything before `upto`.
    pub(super) fn filled(&self, shared: &Shared, upto: Lsn) {
        self.change(shared, |state| {
            state.unfilled.settle(upto, &mut state.stages.fill);
        });
    }

    /// The hot store takes nothing any more: nobody waits for it.
    pub(super) fn fills_no_more(&self, shared: &Shared) {
        self.change(shared, |state| {
            state.unfilled.clear(&mut state.stages.fill);
        });
    }

    /// The object store has everything before `upto` that rides in WAL objects.
    pub(super) fn stored(&self, shared: &Shared, upto: Lsn) {
        self.change(shared, |state| {
            state.unstored.settle(upto, &mut state.stages.wal);
        });
    }

    /// The log has failed: what was not committed is gone, and who waits is to
    /// learn of it where the log would have taken it.
    pub(super) fn failed(&self, shared: &Shared) {
        self.change(shared, |state| {
            state.life += 1;
            state.stages.log.clear();
            state.unfilled.restore(&mut state.stages.fill);
            state.unstored.restore(&mut state.stages.wal);
        });
    }

    /// Gives a send its place, inside or in its instance's line.
    ///
    /// # Errors
    /// When the line is as long as it may be.
    pub(super) fn enter<'a>(&self, shared: &'a Shared, load: Load) -> Result<Place<'a>, Full> {
        let mut state = self.state.lock();
        let place = |life, waits| Place {
            shared,
            load,
            life,
            waits,
            is_handed_on: false,
        };
        let is_first = !state.rounds.has_line(load.instance);
        if is_first && state.stages.have_room(load, shared.behind()) {
            state.stages.put(load);
            return Ok(place(state.life, None));
        }
        let (told, turn) = oneshot::channel();
        let ticket = state.rounds.join(load.instance, load.bytes, (load, told))?;
        let bytes = state.rounds.waiting_bytes();
        self.metrics.waiting_bytes.set(bytes as i64);
        Ok(place(state.life, Some((ticket, turn))))
    }
}

/// A send's place. Given up when dropped, wherever it is then: the room that it
/// has, or its place in the line.
pub(super) struct Place<'a> {
    shared: &'a Shared,
    load: Load,
    /// In which it got its room.
    life: Life,
    waits: Option<(Ticket, oneshot::Receiver<Life>)>,
    is_handed_on: bool,
}

impl Place<'_> {
    /// Whether it has to wait for its turn.
    pub(super) fn is_waiting(&self) -> bool {
        self.waits.is_some()
    }

    /// Waits for its turn.
    pub(super) async fn turn(&mut self) {
        if let Some((_, turn)) = &mut self.waits
            && let Ok(life) = turn.await
        {
            self.life = life;
            self.waits = None;
        }
    }

    /// Its only entry is submitted at once, and takes the room over.
    pub(super) fn submits(mut self) {
        self.is_handed_on = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let entrance = &self.shared.entrance;
        let mut give_up = |state: &mut State| {
            if let Some((ticket, mut turn)) = self.waits.take() {
                if state.rounds.leave(ticket).is_some() {
                    return;
                }
                // Its turn has come, and it did not hear of it.
                self.life = turn.try_recv().unwrap_or(self.life);
            }
            // Room of an earlier life is not there any more.
            if state.life == self.life {
                state.stages.take(self.load);
            }
        };
        match self.is_handed_on {
            // No turn for others: the room is not free.
            true => give_up(&mut entrance.state.lock()),
            false => entrance.change(self.shared, give_up),
        }
    }
}
