//! Object storage under a life: brokers move there, it fails, and now and then it
//! is all that is left.
//!
//! Which operation fails is told by its number among those that change something,
//! or it is one of the next few of a step of tiering. What clients read fails
//! always or never: how many reads there are depends on what happens to be cached.

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::limits::KIB;
use firn_runtime::Clock;
use firn_storage_node::cold::cache::CacheSettings;
use firn_storage_node::cold::paths::NodeId;
use firn_storage_node::cold::{ColdSettings, ColdStore, FaultyObjects, RetrySettings};
use firn_storage_node::config::{StorageConfig, TierConfig};
use firn_storage_node::node::ColdParts;
use firn_storage_node::segment::Cut;

use super::world::World;
use crate::http::Answer;

const LOG_FILE_BYTES: u64 = 16 * KIB;
/// How far lists lag behind in lives in which they do.
const LISTS_BEHIND: Duration = Duration::from_secs(5);

/// A store that answers at once or not at all: whoever waits for another attempt
/// would wait for a clock that stands still.
pub(super) fn store(seed: u64, clock: &Clock) -> (FaultyObjects, ColdParts) {
    let objects = FaultyObjects::new(seed, clock);
    let settings = ColdSettings {
        retry: RetrySettings {
            attempts_max: 1,
            ..RetrySettings::default()
        },
        ..ColdSettings::default()
    };
    let parts = ColdParts {
        store: ColdStore::new(Arc::new(objects.clone()), settings, clock),
        owner: NodeId(1),
    };
    (objects, parts)
}

/// Everything so small that it turns over within a life, one thing at a time.
pub(super) fn tune(config: &mut StorageConfig) {
    config.is_stepped = true;
    config.tail_bytes_max = 2 * KIB;
    config.log.file_bytes = LOG_FILE_BYTES;
    config.log.zero_bytes = LOG_FILE_BYTES;
    config.wal.interval = Duration::ZERO;
    config.tier = TierConfig {
        seal_bytes: 2 * KIB,
        carry_bytes_max: KIB / 4,
        carry_age: Duration::from_secs(60),
        log_bytes_max: 2 * LOG_FILE_BYTES,
        at_once: 1,
        cut: Cut {
            chunk_bytes: KIB as usize,
            ..Cut::default()
        },
        // Objects are fetched whole, by whoever waits for them: what is still here when
        // the store fails must follow from the seed.
        cache: CacheSettings {
            block_bytes: 64 * KIB,
            ahead_blocks: (0, 0),
            ahead_at_once: 0,
            ..CacheSettings::default()
        },
        merge_segments_min: 3,
        merge_bytes: 24 * KIB,
        // It waits for nobody.
        merge_bytes_per_sec: u64::MAX,
        expire_every: Duration::ZERO,
        ..TierConfig::default()
    };
}

impl World {
    /// Brokers are sealed and small segments are merged, and one request may go
    /// wrong, or all from one on; or the log is given back.
    pub(super) fn tier(&mut self) {
        // Only what is durable is sealed.
        self.settle();
        if self.below(2) == 0 {
            return self.give_back_log();
        }
        let (fault, at) = (self.below(6), 1 + self.below(4));
        match fault {
            0 => self.objects.lose_answer(at),
            1 => self.objects.crash_before_change(at),
            2 => self.objects.crash_after_change(at),
            3 => self.objects.storm(at),
            _ => {}
        }
        let is_merge = self.below(3) == 0;
        let is_whole = self.stack.wait(async |node| match is_merge {
            true => {
                node.merge_step().await;
                true
            }
            false => node.seal_all().await,
        });
        let changes = self.objects.changes();
        self.set_weather();
        let what = if is_merge { "merge" } else { "seal" };
        self.note(&format!(
            "{what} with {fault}/{at}: {is_whole}, {changes} changes"
        ));
    }

    /// What is sealed leaves the log and the hot store. Only when nothing is to be
    /// sealed any more, and the stores have what the log has: how much goes would
    /// else depend on how far they are.
    pub(super) fn give_back_log(&mut self) {
        let is_whole = self.stack.wait(async |node| {
            let is_whole = node.seal_all().await;
            let settled = node.settle_stores().await;
            settled.expect("the log and the stores are well");
            if is_whole {
                node.tier_step().await;
            }
            is_whole
        });
        let changes = self.objects.changes();
        self.note(&format!("given back: {is_whole}, {changes} changes"));
    }

    /// A storm begins: object storage answers nothing but 503. Or it is over.
    pub(super) fn change_weather(&mut self) {
        self.settle();
        self.is_stormy = !self.is_stormy;
        self.set_weather();
        let text = if self.is_stormy { "storm" } else { "calm" };
        self.note(text);
        if !self.is_stormy {
            self.expire();
        }
    }

    pub(super) fn calm_down(&mut self) {
        if self.is_stormy {
            self.change_weather();
        }
    }

    fn set_weather(&self) {
        self.objects.heal();
        if self.is_stormy {
            self.objects.storm(u64::MAX);
        }
        if self.lags {
            self.objects.set_stale_lists(LISTS_BEHIND);
        }
    }

    /// Whether an answer says that object storage is away, and it is.
    pub(super) fn is_away(&self, answer: &Answer) -> bool {
        self.is_stormy && answer.status == 503
    }

    /// An orderly stop, and the loss of the disk: nothing is lost (R1, R10).
    pub(super) fn lose_machine(&mut self) -> Result<(), String> {
        self.calm_down();
        self.objects.heal();
        // The first seal may only find what an earlier fault left behind.
        let mut is_whole = false;
        for _ in 0..3 {
            is_whole = is_whole || self.stack.wait(async |node| node.seal_all().await);
        }
        if !is_whole || !self.stack.lose_machine() {
            return Err("L1: a healthy object store does not take everything".to_owned());
        }
        self.set_weather();
        self.after_start();
        self.note("another machine");
        Ok(())
    }
}
