//! Spare files: made, zero-filled or recycled ahead of need, so that a roll
//! neither waits nor finds the disk full.
//!
//! A spare is first allocated, which settles whether there is room, and then
//! zero-filled in steps by a thread of its own. A roll takes what there is, even
//! one that is not filled yet. When no spare can be made, [`Spares::blocked`]
//! says so until one can.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::config::{CrashPoint, LogConfig};
use super::files::{Files, Listing, spare_name, unfinished_name};
use super::metrics::{LogMetrics, add};
use crate::disk::{DiskFile, is_full};

/// Recycled files kept beyond the files made ahead.
const RECYCLED_EXTRA: usize = 2;

/// A file that waits to become part of the log.
pub(super) struct Spare {
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
    /// Whether it held other things before.
    pub(super) recycled: bool,
    number: u64,
    filled: bool,
}

pub(super) struct Spares {
    config: LogConfig,
    files: Arc<Files>,
    metrics: Arc<LogMetrics>,
    state: Mutex<State>,
    changed: Condvar,
    /// Copies of the state for submits, which take no second lock.
    blocked: AtomicBool,
    ready: AtomicUsize,
}

struct State {
    ready: VecDeque<Spare>,
    /// A spare is being filled and not in `ready`.
    filling: bool,
    /// The commit thread waits for a spare.
    wanted: bool,
    /// Why the last attempt to make one failed.
    problem: Option<String>,
    /// Somebody thinks that another attempt may succeed.
    poked: bool,
    closing: bool,
    number_next: u64,
}

impl State {
    fn count(&self) -> usize {
        self.ready.len() + usize::from(self.filling)
    }
}

impl Spares {
    /// Takes over the spares of an earlier run and allocates what is missing.
    pub(super) fn open(
        config: &LogConfig,
        files: Arc<Files>,
        metrics: Arc<LogMetrics>,
        listing: &Listing,
    ) -> Self {
        let taken = listing.spares.iter().map(|(number, _)| *number);
        let number_last = taken.chain(listing.unfinished.iter().copied()).max();
        let spares = Self {
            config: config.clone(),
            files,
            metrics,
            state: Mutex::new(State {
                ready: VecDeque::new(),
                filling: false,
                wanted: false,
                problem: None,
                poked: false,
                closing: false,
                number_next: number_last.map_or(1, |last| last.wrapping_add(1)),
            }),
            changed: Condvar::new(),
            blocked: AtomicBool::new(false),
            ready: AtomicUsize::new(0),
        };
        for number in &listing.unfinished {
            spares.discard(&unfinished_name(*number));
        }
        for (number, recycled) in &listing.spares {
            spares.adopt(*number, *recycled);
        }
        if !listing.unfinished.is_empty() {
            // A file system may give the blocks back only when the name is durably
            // gone, and on a full disk there are no others.
            let _ = spares.files.disk.sync_dir(&spares.files.dir);
        }
        spares.refill();
        spares
    }

    /// Allocates what is missing, as far as there is room.
    pub(super) fn refill(&self) {
        let mut state = self.state.lock();
        while state.count() < self.config.files_ahead && state.problem.is_none() {
            self.make(&mut state);
        }
        self.publish(&state);
    }

    /// Whether the last attempt to make a spare failed and one is missing.
    pub(super) fn blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Spares at hand.
    pub(super) fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Why no spare could be made.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.state.lock().problem.clone();
        problem.filter(|_| self.blocked())
    }

    /// Tries again now to make what is missing.
    pub(super) fn poke(&self) {
        self.state.lock().poked = true;
        self.changed.notify_all();
    }

    /// Lets waiters and the thread go. Spares at hand may still be taken.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    /// A spare, waiting for one if need be; `None` when the log closes first.
    pub(super) fn take(&self) -> Option<Spare> {
        let mut state = self.state.lock();
        loop {
            if let Some(spare) = self.pop(&mut state) {
                // At once, and not when the thread comes to it: before more is
                // taken it must be known whether the disk is full. Allocating is quick.
                if state.count() < self.config.files_ahead && state.problem.is_none() {
                    self.make(&mut state);
                }
                return Some(spare);
            }
            if state.closing && !state.filling {
                return None;
            }
            state.wanted = true;
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
    }

    /// A spare without waiting for room on the disk.
    ///
    /// # Errors
    /// When none is at hand and none can be made.
    pub(super) fn take_now(&self) -> io::Result<Spare> {
        let mut state = self.state.lock();
        while state.ready.is_empty() && state.filling {
            state.wanted = true;
            self.changed.wait(&mut state);
        }
        if state.ready.is_empty() {
            self.make(&mut state);
        }
        self.pop(&mut state).ok_or_else(|| {
            let problem = state.problem.clone().unwrap_or_default();
            io::Error::new(io::ErrorKind::StorageFull, problem)
        })
    }

    /// Whether a recycled file would be of use.
    pub(super) fn wants_recycled(&self) -> bool {
        self.state.lock().count() < self.spares_max()
    }

    /// Spares to keep at most: recycled files beyond those made ahead save the
    /// zero-filling of others.
    fn spares_max(&self) -> usize {
        self.config.files_ahead + RECYCLED_EXTRA
    }

    /// Adds a file that the log needs no more. Its new name must be durable, or
    /// a crash could bring back the old name with contents of another file.
    ///
    /// # Errors
    /// When renaming fails.
    pub(super) fn recycle(&self, path: &str, file: Arc<dyn DiskFile>) -> io::Result<()> {
        let mut state = self.state.lock();
        let number = state.number_next;
        state.number_next += 1;
        let name = spare_name(number, true);
        let files = &self.files;
        let (old, new) = (files.path(path), files.path(&name));
        files.disk.rename(&old, &new)?;
        self.config
            .crash_points
            .reach(CrashPoint::TruncateAfterRename)?;
        files.disk.sync_dir(&files.dir)?;
        add(&self.metrics.files_recycled, 1);
        state.ready.push_front(Spare {
            name,
            file,
            recycled: true,
            number,
            filled: true,
        });
        self.publish(&state);
        self.changed.notify_all();
        Ok(())
    }

    /// Whether there is nothing left to do.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.ready.len() >= self.config.files_ahead && state.ready.iter().all(|it| it.filled)
    }

    /// The thread: keeps spares at hand until the log closes.
    pub(super) fn run(&self) {
        let mut state = self.state.lock();
        while !state.closing {
            if state.count() < self.config.files_ahead {
                self.make(&mut state);
                if state.problem.is_some() {
                    self.pause(&mut state);
                }
            } else if let Some(place) = state.ready.iter().position(|spare| !spare.filled)
                && !state.wanted
            {
                let spare = state.ready.remove(place).expect("the place was just found");
                state.filling = true;
                self.publish(&state);
                let filled = MutexGuard::unlocked(&mut state, || self.fill(spare));
                state.filling = false;
                match filled {
                    Ok(spare) => state.ready.push_back(spare),
                    Err(error) => {
                        self.failed(&mut state, &error);
                        self.pause(&mut state);
                    }
                }
                self.publish(&state);
                self.changed.notify_all();
            } else {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Waits for a reason to try again.
    fn pause(&self, state: &mut MutexGuard<'_, State>) {
        if !state.closing && !std::mem::take(&mut state.poked) {
            self.changed.wait_for(state, self.config.retry_pause);
            state.poked = false;
        }
    }

    fn pop(&self, state: &mut State) -> Option<Spare> {
        // A filled one makes the following commits cheaper.
        let place = state.ready.iter().position(|spare| spare.filled);
        let spare = state.ready.remove(place.unwrap_or(0))?;
        state.wanted = false;
        self.publish(state);
        self.changed.notify_all();
        Some(spare)
    }

    /// Allocates one spare, or notes why that is impossible.
    fn make(&self, state: &mut State) {
        let number = state.number_next;
        state.number_next += 1;
        match self.allocate(number) {
            Ok(spare) => {
                state.ready.push_back(spare);
                state.problem = None;
            }
            Err(error) => {
                self.discard(&unfinished_name(number));
                self.failed(state, &error);
            }
        }
        self.publish(state);
        self.changed.notify_all();
    }

    fn failed(&self, state: &mut State, error: &io::Error) {
        add(&self.metrics.spares_failed, 1);
        if state.problem.is_none() {
            if is_full(error) {
                tracing::warn!("no room for another log file, sends will be refused");
            } else {
                tracing::error!(%error, "making a log file ahead failed");
            }
        }
        state.problem = Some(error.to_string());
    }

    fn allocate(&self, number: u64) -> io::Result<Spare> {
        let name = unfinished_name(number);
        let file = self.files.disk.create(&self.files.path(&name))?;
        file.preallocate(self.config.file_bytes)?;
        self.config
            .crash_points
            .reach(CrashPoint::SpareAfterAllocate)?;
        add(&self.metrics.spares_made, 1);
        Ok(Spare {
            name,
            file,
            recycled: false,
            number,
            filled: false,
        })
    }

    /// Writes zeros, so that later syncs need not record which blocks are in
    /// use; gives up early when the file is needed at once.
    fn fill(&self, mut spare: Spare) -> io::Result<Spare> {
        let result = self.fill_steps(&mut spare);
        if result.is_err() {
            self.discard(&spare.name);
        }
        result.map(|()| spare)
    }

    fn fill_steps(&self, spare: &mut Spare) -> io::Result<()> {
        let zeros = vec![0; self.config.zero_bytes.min(self.config.file_bytes) as usize];
        let mut at = 0;
        while at < self.config.file_bytes {
            if self.hurry() {
                return Ok(());
            }
            let n = zeros.len().min((self.config.file_bytes - at) as usize);
            spare.file.write_at(&zeros[..n], at)?;
            // Without it the zeros pile up in memory and one commit pays for all.
            spare.file.sync_data()?;
            at += n as u64;
            if at < self.config.file_bytes && !self.config.zero_pause.is_zero() {
                firn_runtime::clock::pause_thread(self.config.zero_pause);
            }
        }
        self.config
            .crash_points
            .reach(CrashPoint::SpareAfterZeroFill)?;
        let name = spare_name(spare.number, false);
        let files = &self.files;
        let (old, new) = (files.path(&spare.name), files.path(&name));
        files.disk.rename(&old, &new)?;
        spare.name = name;
        spare.filled = true;
        Ok(())
    }

    fn hurry(&self) -> bool {
        let state = self.state.lock();
        (state.wanted && state.ready.is_empty()) || state.closing
    }

    /// Takes over a spare of an earlier run if it is of the right size.
    fn adopt(&self, number: u64, recycled: bool) {
        let name = spare_name(number, recycled);
        let file = self.files.disk.open(&self.files.path(&name));
        let file = file.and_then(|file| Ok((file.len()?, file)));
        let mut state = self.state.lock();
        match file {
            Ok((len, file))
                if len == self.config.file_bytes && state.count() < self.spares_max() =>
            {
                state.ready.push_back(Spare {
                    name,
                    file,
                    recycled,
                    number,
                    filled: true,
                });
            }
            Ok(_) | Err(_) => self.discard(&name),
        }
    }

    /// Removes a file that is of no use; one that stays is tried again at the next opening.
    fn discard(&self, name: &str) {
        let _ = self.files.disk.remove(&self.files.path(name));
    }

    fn publish(&self, state: &State) {
        let missing = state.count() < self.config.files_ahead;
        let blocked = missing && state.problem.is_some();
        self.blocked.store(blocked, Ordering::Relaxed);
        self.ready.store(state.count(), Ordering::Relaxed);
    }
}
