//! One life of a whole service under a seed: what there is, and whose turn it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use firn_protocol::catalogue::Durability;
use firn_runtime::Clock;
use firn_storage_node::cold::FaultyObjects;
use firn_storage_node::config::{Mutant, StorageConfig, TierMutant};
use serde_json::{Value, json};

use super::filters::Claims;
use super::meter::Meter;
use super::model::{Model, Reader};
use super::objects::{store, tune};
use crate::http::{Answer, Http};
use crate::stack::{ACME, START_MS, Stack};

/// Redeliveries of the groups that count them.
pub(super) const MAX_RETRIES: u64 = 2;

/// Those who want everything.
pub(super) const READERS: [Reader; 8] = [
    reader("g1", "", "plain"),
    reader("g2", "", "plain"),
    reader("g1", "", "later"),
    reader("g1", "", "money"),
    reader("strict", "", "steps"),
    reader("parted", "", "steps"),
    reader("all", "m1", "plain"),
    reader("all", "m2", "plain"),
];

pub(super) const fn reader(
    group: &'static str,
    member: &'static str,
    topic: &'static str,
) -> Reader {
    Reader {
        group,
        member,
        topic,
    }
}

/// What went wrong, or what happened, as text.
pub(crate) type Outcome = Result<String, String>;

/// A deliberate fault of the storage node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fault {
    pub(crate) node: Option<Mutant>,
    pub(crate) tier: Option<TierMutant>,
}

pub(crate) struct World {
    pub(super) stack: Stack,
    pub(super) objects: FaultyObjects,
    /// Object storage is away.
    pub(super) is_stormy: bool,
    /// Its lists lag behind.
    pub(super) lags: bool,
    dice: u64,
    pub(super) model: Model,
    pub(super) claims: Claims,
    pub(super) sent: u64,
    /// Transactions that are not decided.
    pub(super) open: Vec<(u64, String)>,
    /// Delayed messages that may be recalled.
    pub(super) delayed: Vec<(u64, String)>,
    pub(super) ids: BTreeMap<u64, (u64, Value)>,
    pub(super) meter: Meter,
    /// Everything that was answered: two runs of a seed have the same.
    trace: String,
}

impl World {
    pub(crate) fn new(seed: u64, fault: Fault) -> Self {
        let clock = Clock::manual(START_MS);
        let (objects, cold) = store(seed, &clock);
        let tune = move |config: &mut StorageConfig| {
            tune(config);
            config.mutant = fault.node;
            config.tier.mutant = fault.tier;
        };
        let stack = Stack::tuned(clock, cold, Durability::Local, Box::new(tune));
        let mut http = stack.demo();
        for (name, kind, queues) in [
            ("plain", "normal", 2),
            ("later", "delay", 2),
            ("steps", "fifo", 2),
            ("money", "transaction", 1),
            ("marked", "normal", 2),
            ("empty", "normal", 1),
        ] {
            let form = json!({"name": name, "type": kind, "queues": queues});
            http.post(&format!("{ACME}/topics"), &form).ok();
        }
        for (name, ordered) in [
            ("g1", false),
            ("g2", false),
            ("strict", true),
            ("parted", true),
            ("all", false),
            ("halves", false),
            ("some", false),
            ("idle", false),
        ] {
            let form = json!({
                "name": name, "ordered": ordered, "maxRetries": MAX_RETRIES,
                "onPoison": if name == "parted" { "deadLetter" } else { "block" },
            });
            http.post(&format!("{ACME}/groups"), &form).ok();
        }
        Self {
            stack,
            objects,
            is_stormy: false,
            lags: seed.is_multiple_of(3),
            dice: seed,
            model: Model::default(),
            claims: Claims::default(),
            sent: 0,
            open: Vec::new(),
            delayed: Vec::new(),
            ids: BTreeMap::new(),
            meter: Meter::default(),
            trace: String::new(),
        }
    }

    /// Splitmix: the same seed gives the same choices everywhere.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    pub(super) fn now(&self) -> u64 {
        self.stack.clock.now_ms()
    }

    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.trace, "{} {text}", self.now());
    }

    pub(super) fn post(&mut self, path: &str, form: &Value) -> Answer {
        self.http().post(&format!("{ACME}/{path}"), form)
    }

    pub(super) fn http(&self) -> Http {
        self.stack.demo()
    }

    /// So many steps, then healing: the trace, or the first breach.
    pub(crate) fn run(mut self, steps: usize) -> Outcome {
        for _ in 0..steps {
            self.step()?;
        }
        self.heal()?;
        self.check_usage()?;
        Ok(self.trace)
    }

    fn step(&mut self) -> Result<(), String> {
        match self.below(37) {
            0..=3 => self.send("plain"),
            4 | 5 => self.send("steps"),
            6 => self.send_delayed(),
            7 => self.begin(),
            8 => self.decide(),
            9 => self.recall()?,
            10 => self.send_once()?,
            11..=15 => self.receive()?,
            16..=18 => self.ack()?,
            19 | 20 => self.fail()?,
            21 | 22 => self.pass_time(),
            23 | 24 => self.send("marked"),
            25..=28 => self.receive_wanted()?,
            29..=32 => self.tier(),
            33 => self.change_weather(),
            34 => self.lose_machine()?,
            35 => self.collect(),
            _ => self.cut_power(),
        }
        Ok(())
    }
}
