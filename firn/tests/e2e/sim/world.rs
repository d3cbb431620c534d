//! One life of a whole service under a seed: what there is, and whose turn it is.

use std::fmt::Write as _;
use std::net::SocketAddr;

use firn_gateway::{GatewayConfig, GatewayMutant};
use firn_runtime::Clock;
use firn_storage_node::cold::FaultyObjects;
use firn_storage_node::config::{Mutant, StorageConfig, TierMutant};
use firn_tenant_service::BooksMutant;
use serde_json::Value;

use super::books::Books;
use super::limits::Small;
use super::model::Reader;
use super::objects::{store, tune};
use super::place::{self, SMALL, TENANTS};
use super::side::Side;
use crate::http::{Answer, Http};
use crate::stack::{ACME, START_MS, Setup, Stack};

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

/// What went wrong, or what happened, as text; and what only some lives see.
pub(crate) type Outcome = Result<Story, String>;

/// A life that was well.
pub(crate) struct Story {
    /// Everything that was answered: two runs of a seed have the same.
    pub(crate) text: String,
    pub(crate) seen: Seen,
}

/// How often something happened that the checks are about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Tries of things of somebody else.
    pub(crate) trespasses: u64,
    /// Messages over a limit.
    pub(crate) refused: u64,
    /// Hours that were corrected after they had closed.
    pub(crate) corrections: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.trespasses += other.trespasses;
        self.refused += other.refused;
        self.corrections += other.corrections;
    }
}

/// A deliberate fault of a service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fault {
    pub(crate) node: Option<Mutant>,
    pub(crate) tier: Option<TierMutant>,
    pub(crate) gateway: Option<GatewayMutant>,
    pub(crate) books: Option<BooksMutant>,
}

pub(crate) struct World {
    pub(super) seed: u64,
    pub(super) stack: Stack,
    pub(super) objects: FaultyObjects,
    /// Object storage is away.
    pub(super) is_stormy: bool,
    /// Its lists lag behind.
    pub(super) lags: bool,
    dice: u64,
    /// The tenant whose turn it is, and the other.
    pub(super) own: Side,
    pub(super) other: Side,
    pub(super) small: Small,
    pub(super) books: Books,
    pub(super) seen: Seen,
    trace: String,
    /// What a tenant saw of the other: told with the step in which it was seen.
    pub(super) leak: Option<String>,
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
        let common = Setup::default();
        let stack = Stack::of(Setup {
            clock,
            cold,
            tune: Box::new(tune),
            bootstrap: place::bootstrap(),
            config: GatewayConfig {
                mutant: fault.gateway,
                ..common.config
            },
            books: fault.books,
            // What passes must follow from the seed alone; shares have their own tests.
            shares: false,
        });
        let [first, second] = &TENANTS;
        let mut world = Self {
            seed,
            stack,
            objects,
            is_stormy: false,
            lags: seed.is_multiple_of(3),
            dice: seed,
            own: Side::new(first),
            other: Side::new(second),
            small: Small::default(),
            books: Books::default(),
            seen: Seen::default(),
            trace: String::new(),
            leak: None,
        };
        for _ in &TENANTS {
            world.own.uids = world.uids();
            world.turn();
        }
        world
    }

    fn uids(&mut self) -> Vec<String> {
        let uid = |mut http: Http, name: &str| {
            let instance = http.get(&format!("/v1/instances/{name}")).ok();
            instance["id"].as_str().expect("an id").to_owned()
        };
        vec![uid(self.http(), "demo"), uid(self.http_small(), SMALL)]
    }

    /// It is the other tenant's turn.
    pub(super) fn turn(&mut self) {
        std::mem::swap(&mut self.own, &mut self.other);
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
        let _ = writeln!(self.trace, "{} {} {text}", self.now(), self.own.tenant.user);
    }

    /// Where clients can go; each admits messages.
    pub(super) fn gateways(&self) -> Vec<SocketAddr> {
        vec![self.stack.http]
    }

    pub(super) fn post(&mut self, path: &str, form: &Value) -> Answer {
        let answer = self.http().post(&format!("{ACME}/{path}"), form);
        self.look_at(&answer);
        answer
    }

    pub(super) fn get(&mut self, path: &str) -> Answer {
        let answer = self.http().get(&format!("{ACME}/{path}"));
        self.look_at(&answer);
        answer
    }

    /// The user of the large instance of whose turn it is.
    pub(super) fn http(&self) -> Http {
        let user = self.own.tenant.user;
        Http::user(self.stack.http, user, &format!("{user}-secret"))
    }

    /// The same of its small one, at any gateway.
    pub(super) fn http_small(&mut self) -> Http {
        let gateways = self.gateways();
        let at = match gateways.len() {
            1 => 0,
            count => self.below(count as u64) as usize,
        };
        let user = format!("{}-{SMALL}", self.own.tenant.user);
        Http::user(gateways[at], &user, &format!("{user}-secret"))
    }

    /// So many steps, then healing: what happened, or the first breach.
    pub(crate) fn run(mut self, steps: usize) -> Outcome {
        for _ in 0..steps {
            // One of them is busier.
            let stays = if self.own.tenant.user == "demo" { 4 } else { 2 };
            if self.below(stays) == 0 {
                self.turn();
            }
            self.step()?;
            self.check_leak()?;
        }
        self.heal()?;
        self.check_leak()?;
        self.end_small()?;
        self.check_books()?;
        self.check_leak()?;
        Ok(Story {
            text: self.trace,
            seen: self.seen,
        })
    }

    fn step(&mut self) -> Result<(), String> {
        match self.below(44) {
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
            35 | 36 => self.collect()?,
            37 | 38 => self.query()?,
            39 | 40 => self.trespass()?,
            41 | 42 => self.flood()?,
            _ => self.cut_power(),
        }
        Ok(())
    }
}
