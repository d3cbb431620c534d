//! Gateways that share one limit, under a clock that stands still until a step is over:
//! they sleep, die, leave and come, are flooded or idle, and lose the table.

use std::sync::Arc;
use std::time::Duration;

use firn_gateway::{Admission, Demand};
use firn_protocol::catalogue::{
    DiskPolicy, Durability, Instance, InstanceStatus, Permission, Rates, Topic, TopicType,
};
use firn_protocol::limits::{SHARE_HURRY_MS, SHARE_VALID_MS};
use firn_protocol::{InstanceId, TenantId, Timestamp, TopicId};
use firn_runtime::Clock;
use firn_tenant_service::ShareTable;
use parking_lot::Mutex;

use super::line::{Bug, Line, Shared, Trouble};

const STEP_MS: u64 = 10;
const WHOLE: u64 = 1 << 16;

/// Numbers that a seed gives, each by the same rule from the one before.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Once in so many seconds, for something that is tried each step.
    fn once_in(&mut self, seconds: u64) -> bool {
        self.below(seconds * 1000 / STEP_MS) == 0
    }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) table: Shared,
    pub(crate) gateways: Vec<Gateway>,
    instance: Instance,
    topic: Topic,
    bug: Bug,
    /// Until the table is there again.
    table_back_ms: Option<u64>,
    /// When the table answered somebody last, by the gateway's number.
    served: Vec<(u64, u64)>,
    born: u64,
    /// Messages over the rate, in thousandths, that nothing explains.
    excess: f64,
    /// What explains them.
    allowed: f64,
}

pub(crate) struct Gateway {
    number: u64,
    pub(crate) admission: Admission,
    pub(crate) line: Arc<Line>,
    renew_ms: u64,
    asleep_until_ms: u64,
    trouble_until_ms: u64,
    /// Messages that it is asked for in each step.
    pub(crate) wanted: u64,
    /// Its base counts on top since then, as it is cut off from a table that serves others.
    is_on_top: bool,
}

impl World {
    pub(crate) fn new(tps: u64, burst_ms: u64, bug: Bug) -> Self {
        let clock = Clock::manual(1_000_000);
        let rates = Rates {
            tps,
            topic_tps: 0,
            burst_ms,
        };
        let table = Arc::new(ShareTable::new(clock.clone()));
        Self {
            clock,
            table: Arc::new(Mutex::new(Some(table))),
            gateways: Vec::new(),
            instance: instance(rates),
            topic: topic(),
            bug,
            table_back_ms: None,
            served: Vec::new(),
            born: 0,
            excess: 0.0,
            allowed: (tps * burst_ms).max(tps).max(1000) as f64 + tps as f64,
        }
    }

    /// A gateway that starts; it asks for shares before it serves.
    pub(crate) fn join(&mut self, wanted: u64) {
        let admission = Admission::new(self.clock.clone());
        let line = Line::new(&self.clock, &self.table, self.bug);
        admission.share(line.clone());
        self.born += 1;
        // One message fits each bucket.
        self.allowed += 1000.0;
        self.gateways.push(Gateway {
            number: self.born,
            admission,
            line,
            renew_ms: self.clock.now_ms(),
            asleep_until_ms: 0,
            trouble_until_ms: 0,
            wanted,
            is_on_top: false,
        });
    }

    /// A step of everybody; how many messages passed.
    ///
    /// # Errors
    /// When more passed than the limit explains.
    pub(crate) async fn step(&mut self) -> Result<u64, String> {
        let now_ms = self.clock.now_ms();
        if self.table_back_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.table_back_ms = None;
            let table = match self.bug == Bug::TableForgets {
                true => ShareTable::new(self.clock.clone()),
                false => ShareTable::after_restart(self.clock.clone()),
            };
            *self.table.lock() = Some(Arc::new(table));
        }
        let mut passed = 0;
        for at in 0..self.gateways.len() {
            passed += self.serve(at, now_ms).await;
        }
        self.clock.advance(Duration::from_millis(STEP_MS));
        self.judge(passed)?;
        Ok(passed)
    }

    async fn serve(&mut self, at: usize, now_ms: u64) -> u64 {
        let gateway = &mut self.gateways[at];
        if now_ms < gateway.asleep_until_ms {
            return 0;
        }
        if now_ms >= gateway.trouble_until_ms {
            *gateway.line.trouble.lock() = Trouble::None;
        }
        // Whoever wakes serves before it thinks of shares.
        let demand = Demand::to_send(&self.instance, &self.topic);
        let grant = gateway.admission.take(&demand, gateway.wanted as usize);
        let passed = grant.count();
        grant.settle(passed);
        if now_ms >= gateway.renew_ms {
            let pause = gateway.admission.renew().await;
            gateway.renew_ms = now_ms + (pause.as_millis() as u64).max(SHARE_HURRY_MS);
            let sent_ms = gateway.line.seen.lock().sent_ms;
            if sent_ms == now_ms {
                let number = gateway.number;
                self.served.retain(|(known, _)| *known != number);
                self.served.push((number, now_ms));
            }
        }
        passed as u64
    }

    /// The bound of docs/decisions/0022, for each stretch of time that ends here.
    fn judge(&mut self, passed: u64) -> Result<(), String> {
        let tps = self.instance.rates.tps;
        let burst = (tps * self.instance.rates.burst_ms).max(tps).max(1000) as f64;
        let now_ms = self.clock.now_ms();
        let mut explained = (tps * STEP_MS) as f64;
        for gateway in &mut self.gateways {
            let mut seen = gateway.line.seen.lock();
            let rise = std::mem::take(&mut seen.base_rise);
            explained += burst / 2.0 * f64::from(rise) / WHOLE as f64;
            let void_ms = seen.sent_ms + SHARE_VALID_MS;
            let base = f64::from(seen.base.parts()) / WHOLE as f64;
            let mut others = self.served.iter();
            let is_on_top = now_ms > void_ms
                && others.any(|(number, at_ms)| *number != gateway.number && *at_ms >= void_ms);
            if is_on_top {
                explained += base * (tps * STEP_MS) as f64;
            }
            if is_on_top && !gateway.is_on_top {
                explained += base * burst;
            }
            gateway.is_on_top = is_on_top;
        }
        self.excess = (self.excess + (passed * 1000) as f64 - explained).max(0.0);
        if self.excess > self.allowed + 0.001 {
            return Err(format!(
                "{} thousandths too many at {now_ms}: {tps} a second, {} gateways",
                self.excess - self.allowed,
                self.gateways.len()
            ));
        }
        Ok(())
    }

    /// Something may happen.
    pub(crate) async fn disturb(&mut self, dice: &mut Dice) {
        let now_ms = self.clock.now_ms();
        let tps = self.instance.rates.tps;
        if dice.once_in(25) && self.table_back_ms.is_none() {
            *self.table.lock() = None;
            self.table_back_ms = Some(now_ms + dice.below(12_000));
        }
        if dice.once_in(20) && self.gateways.len() < 5 {
            self.join(0);
        }
        for at in (0..self.gateways.len()).rev() {
            let gateway = &mut self.gateways[at];
            gateway.line.deliver().await;
            if dice.once_in(2) {
                gateway.wanted = match dice.below(3) {
                    0 => 0,
                    1 => (tps / 300).max(u64::from(dice.below(50) == 0)),
                    _ => tps / 20 + 2,
                };
            }
            if dice.once_in(15) {
                *gateway.line.trouble.lock() = match dice.below(3) {
                    0 => Trouble::CallLost,
                    1 => Trouble::AnswerLost,
                    _ => Trouble::Late,
                };
                gateway.trouble_until_ms = now_ms + dice.below(9_000);
            }
            if dice.once_in(15) {
                gateway.asleep_until_ms = now_ms + dice.below(10_000);
                let id = gateway.line.seen.lock().id;
                let table = self.table.lock().clone();
                if let (Bug::LeavesAndStays, Some(id), Some(table)) = (self.bug, id, table) {
                    use firn_protocol::api::shares::SharesApi as _;
                    table.leave(id).await;
                }
            }
            if dice.once_in(30) {
                let gone = self.gateways.remove(at);
                if dice.below(2) == 0 {
                    gone.admission.leave().await;
                }
            }
        }
    }
}

fn instance(rates: Rates) -> Instance {
    Instance {
        id: InstanceId(1),
        uid: String::new(),
        tenant: TenantId(1),
        name: "demo".into(),
        plan: "p".into(),
        brokers: Vec::new(),
        durability: Durability::Local,
        retention_hours: 1,
        disk_policy: DiskPolicy::DataFirst,
        remark: String::new(),
        status: InstanceStatus::Running,
        created_at: Timestamp(0),
        expires_at: None,
        time_zone: String::new(),
        message_bytes: 1,
        rates,
    }
}

fn topic() -> Topic {
    Topic {
        id: TopicId(1),
        instance: InstanceId(1),
        name: "t".into(),
        topic_type: TopicType::Normal,
        queues: 1,
        permission: Permission::ReadWrite,
        ordered: false,
        remark: String::new(),
        brokers: Vec::new(),
        retention_hours: None,
        tps: None,
        allowed_groups: Vec::new(),
        created_at: Timestamp(0),
        version: 0,
    }
}
