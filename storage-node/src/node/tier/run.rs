//! When what is done: looks at all brokers now and then, seals and carries
//! forward, and gives back the log that nobody needs.

use std::sync::Arc;

use firn_protocol::time::Timestamp;
use firn_runtime::{Stop, tasks};
use futures_util::StreamExt as _;

use super::error::TierError;
use crate::broker::owner::{Broker, Mark};
use crate::log::Lsn;
use crate::node::StorageNode;

/// What a look at a broker found.
struct Seen {
    broker: Arc<Broker>,
    waiting_bytes: u64,
    waiting_since: Timestamp,
    needed_from: Lsn,
    carried_at: Timestamp,
    is_changed: bool,
    /// Object storage lacks what only a manifest can give it.
    wants_manifest: bool,
}

/// What is to be done about a broker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Seal,
    Carry,
}

impl StorageNode {
    pub(in crate::node) async fn run_tiering(self: Arc<Self>, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.tiering.wanted() => {}
                () = self.clock.sleep(self.config.tier.look_every) => {}
            }
            // What is interrupted here is done at the next start.
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.tier_step() => {}
            }
        }
    }

    /// Looks once and does what is due.
    pub async fn tier_step(&self) {
        self.shared.tiering.start_over();
        if self.shared.is_recovering() {
            return;
        }
        let work = self.plan();
        let at_once = self.config.tier.at_once;
        futures_util::stream::iter(work)
            .for_each_concurrent(at_once, |(broker, work)| async move {
                self.do_work(&broker, work).await;
            })
            .await;
        self.expire_step().await;
        self.count_stored();
        self.make_room().await;
        if let Err(error) = self.give_back_log().await {
            tracing::warn!(%error, "log files that are not needed stay until the next look");
        }
        if let Err(error) = self.clear_wal().await {
            tracing::warn!(%error, "WAL objects that are not needed stay until the next look");
        }
    }

    /// Seals every broker that has changed, its progress alone included, so that
    /// object storage has all there is (RULES 10). `false` if some could not be.
    pub async fn seal_all(&self) -> bool {
        let changed = self.look().into_iter().filter(|seen| seen.is_changed);
        let brokers: Vec<Arc<Broker>> = changed.map(|seen| seen.broker).collect();
        futures_util::stream::iter(brokers)
            .map(|broker| async move { self.do_work(&broker, Work::Seal).await })
            .buffer_unordered(self.config.tier.at_once)
            .all(|done| async move { done })
            .await
    }

    /// Brings hot store and snapshots up to the log, so that all of it that is
    /// not needed may go; for tests.
    ///
    /// # Errors
    /// When the log or a store cannot be written.
    #[doc(hidden)]
    pub async fn settle_stores(&self) -> Result<(), TierError> {
        self.shared.wait_filled(self.log.durable().next()).await;
        let written = self.checkpoint().await;
        written.map_err(|error| TierError::Local(error.to_string()))
    }

    async fn do_work(&self, broker: &Arc<Broker>, work: Work) -> bool {
        let done = match work {
            Work::Seal => self.seal(broker).await,
            Work::Carry => self.carry_forward(broker).await,
        };
        match done {
            Ok(()) => true,
            Err(error) => {
                self.note_failure(broker, &error);
                false
            }
        }
    }

    pub(super) fn note_failure(&self, broker: &Broker, error: &TierError) {
        if !error.is_harmless() {
            self.metrics.tier_failures.inc();
            let broker = broker.key.broker;
            tracing::warn!(%error, %broker, "a broker cannot be tiered now, trying again later");
        }
    }

    fn look(&self) -> Vec<Seen> {
        let brokers: Vec<Arc<Broker>> = self.shared.brokers.read().values().cloned().collect();
        let look = |broker: Arc<Broker>| {
            let core = broker.lock().ok()?;
            let tier = &core.state.tier;
            let seen = Seen {
                waiting_bytes: tier.waiting_bytes,
                waiting_since: tier.waiting_since,
                needed_from: core.needed_from()?,
                carried_at: tier.carried_at,
                is_changed: tier.is_changed,
                wants_manifest: core.state.class.wants_manifest(tier.covered),
                broker: broker.clone(),
            };
            drop(core);
            Some(seen)
        };
        brokers.into_iter().filter_map(look).collect()
    }

    fn plan(&self) -> Vec<(Arc<Broker>, Work)> {
        let config = &self.config.tier;
        let now = self.now();
        let mut seen = self.look();
        // Those with most first: they free most.
        seen.sort_unstable_by_key(|seen| std::cmp::Reverse(seen.waiting_bytes));
        let mut untiered: u64 = seen.iter().map(|seen| seen.waiting_bytes).sum();
        self.metrics.untiered_bytes.set(untiered as i64);
        let (pinned_below, is_urgent) = self.pinned();
        // Writing records again takes room that a full disk keeps for acks.
        let is_full = self.log.space().full;
        let age_max = config.seal_age.as_millis() as u64;
        let rest = config.carry_age.as_millis() as u64;
        let mut work = Vec::new();
        for seen in seen {
            let is_tiny = seen.waiting_bytes < config.carry_bytes_max;
            let is_old = now.since_ms(seen.waiting_since) >= age_max;
            let is_over = untiered > config.untiered_bytes_max && seen.waiting_bytes > 0;
            let pins = seen.needed_from < pinned_below;
            let is_rested = now.since_ms(seen.carried_at) >= rest;
            let what = if seen.waiting_bytes >= config.seal_bytes
                || (!is_tiny && (is_old || is_over || pins))
                || (is_full && pins)
                || seen.wants_manifest
            {
                untiered -= seen.waiting_bytes;
                Work::Seal
            } else if pins && (is_rested || is_urgent) {
                Work::Carry
            } else {
                continue;
            };
            work.push((seen.broker, what));
        }
        work
    }

    /// The place in the log before which nothing should be needed any more, and
    /// whether the log is far too long, or the disk full.
    fn pinned(&self) -> (Lsn, bool) {
        let files = self.log.files();
        let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        let bytes_max = self.config.tier.log_bytes_max;
        let is_full = self.log.space().full;
        if bytes <= bytes_max && !is_full {
            return (Lsn::ZERO, false);
        }
        // Half of it goes, so that this is not due again at once.
        let mut kept = 0;
        let newest = files.iter().rev().take_while(|(_, bytes)| {
            kept += bytes;
            is_full || kept <= bytes_max / 2
        });
        let first = match is_full {
            true => files.last().and_then(|(first, _)| *first),
            false => newest.filter_map(|(first, _)| *first).last(),
        };
        let first = first.unwrap_or_else(|| self.log.durable().next());
        (first, is_full || bytes > 2 * bytes_max)
    }

    /// Gives back what no broker, no snapshot and no hot store needs.
    async fn give_back_log(&self) -> Result<(), TierError> {
        // First: whatever is written from now on stands behind it.
        let durable = self.log.durable();
        let brokers: Vec<Arc<Broker>> = self.shared.brokers.read().values().cloned().collect();
        let mut needed = durable.next();
        // What a state says of the log counts once the state is durable itself.
        let mut last: Option<Mark> = None;
        for broker in brokers {
            let core = broker.lock_any();
            if core.suspended {
                return Ok(());
            }
            needed = needed.min(core.needed_from().unwrap_or(needed));
            if last.is_none_or(|last| last.lsn < core.last_lsn) {
                last = Some(core.mark());
            }
        }
        if let Some(mark) = last {
            self.settled_here(mark).await?;
        }
        let stores = self.stores.clone();
        let log = self.log.clone();
        let alone = self.settle_alone().await;
        let given = tasks::blocking(move || {
            let _alone = alone;
            let upto = needed.min(stores.hot.marker()).min(stores.states.marker());
            // Places in tails are let go first: `on_filled` did it for all before the marker.
            let files = log
                .truncate_before(upto)
                .map_err(|error| error.to_string())?;
            let hot = stores.hot.forget_before(upto);
            hot.map_err(|error| error.to_string())?;
            Ok::<usize, String>(files)
        })
        .await;
        match given {
            Ok(0) => Ok(()),
            Ok(files) => {
                self.log.retry_space();
                tracing::debug!(files, "log files given back");
                Ok(())
            }
            Err(text) => Err(TierError::Local(text)),
        }
    }
}
