//! The meter's books: what was sent and handed out is in them, and once (B1, B2),
//! whatever befalls the service and the meter in between; and an hour that has closed
//! never changes (B3).

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::billing::BillingApi as _;
use firn_protocol::api::tenant::TenantApi as _;
use firn_protocol::api::usage::{Counts, UsageApi as _};
use firn_protocol::catalogue::ConsoleRole;
use firn_protocol::{Caller, InstanceId, TenantId, Timestamp};
use serde_json::{Value, json};

use super::place::SMALL;
use super::world::World;
use crate::http::Http;
use crate::stack::START_MS;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const MONTH: &str = "2025-01";
const NEXT_MONTH: &str = "2025-02";
const PASSWORD: &str = "a password for both tenants";

/// Of an hour's begin, how often it was corrected, and the topic.
type LineKey = (u64, u64, String);

/// What was seen of the books before.
#[derive(Default)]
pub(super) struct Books {
    /// Lines of closed hours, by instance.
    exported: BTreeMap<InstanceId, BTreeMap<LineKey, String>>,
}

impl World {
    /// The meter collects, or dies somewhere on the way.
    pub(super) fn collect(&mut self) -> Result<(), String> {
        self.check_exports()?;
        let dies = self.below(4);
        match dies {
            // Everything was kept, nothing told.
            0 => self.collect_some(1, false),
            // Half of it was, and told.
            1 => self.collect_some(2, true),
            _ => self.stack.collect(),
        }
        self.check_exports()?;
        self.note(&format!("collected: {dies}"));
        Ok(())
    }

    fn collect_some(&self, part: usize, tells: bool) {
        let events = self.stack.wait(async |node| node.usage().await);
        let mut events = events.expect("the log is well");
        events.truncate(events.len().div_ceil(part));
        let kept = self.stack.tenants().record_usage(&events);
        self.stack.block_on(kept).expect("kept");
        if tells {
            let keys: Vec<_> = events.iter().map(|event| event.key).collect();
            let told = self.stack.wait(async |node| node.usage_taken(&keys).await);
            told.expect("the log is well");
        }
    }

    /// Both instances of whose turn it is: the large one first.
    fn instances(&self) -> [InstanceId; 2] {
        let tenant = TenantId(self.own.tenant.id as _);
        ["demo", SMALL].map(|name| {
            let found = self.stack.tenants().find_instance(Some(tenant), name);
            found.expect("it is there").id
        })
    }

    /// What is closed is what it was, and is told in the same bytes.
    fn check_exports(&mut self) -> Result<(), String> {
        self.for_each_tenant(|world| {
            for instance in world.instances() {
                let text = world.export(instance);
                if text != world.export(instance) {
                    return Err("B3: two exports are not the same".to_owned());
                }
                let lines = lines(&text);
                let before = world.books.exported.entry(instance).or_default();
                let closed: BTreeSet<(u64, u64)> = before
                    .keys()
                    .map(|(hour, revision, _)| (*hour, *revision))
                    .collect();
                let of_closed = lines
                    .iter()
                    .filter(|((hour, revision, _), _)| closed.contains(&(*hour, *revision)));
                let of_closed: BTreeMap<_, _> = of_closed
                    .map(|(key, line)| (key.clone(), line.clone()))
                    .collect();
                if of_closed != *before {
                    return Err(format!(
                        "B3: closed hours were\n{before:?}\nand are\n{of_closed:?}"
                    ));
                }
                *before = lines;
            }
            Ok(())
        })
    }

    fn export(&self, instance: InstanceId) -> String {
        let (from, to) = (Timestamp(START_MS), Timestamp(self.now()));
        let text = self.stack.tenants().export_hours(instance, from, to);
        self.stack.block_on(text).expect("readable")
    }

    /// All is over: the books are what happened.
    pub(super) fn check_books(&mut self) -> Result<(), String> {
        let sees_bills = self.seed.is_multiple_of(4);
        // What comes after its month's bill is on the next one.
        if sees_bills {
            self.stack.advance_ms(33 * DAY_MS);
            self.stack.close_books();
            self.check_exports()?;
            // Not what was stored in a month, which is many rows.
            self.collect_some(1, true);
        } else {
            self.stack.collect();
        }
        // The last hour, and corrections that were opened by now, close.
        self.stack.advance_ms(2 * HOUR_MS);
        self.stack.close_books();
        self.check_exports()?;
        self.for_each_tenant(|world| {
            world.check_usage()?;
            world.check_verified()
        })?;
        let lines = self.books.exported.values().flat_map(BTreeMap::keys);
        let corrected = lines.filter(|(_, revision, _)| *revision > 0);
        let corrected: BTreeSet<_> = corrected.map(|(hour, ..)| hour).collect();
        self.seen.corrections += corrected.len() as u64;
        if sees_bills {
            self.see_bills()?;
        }
        Ok(())
    }

    /// The sum of hours is what this tenant did, hour by hour and topic by topic.
    fn check_usage(&mut self) -> Result<(), String> {
        for (at, instance) in self.instances().into_iter().enumerate() {
            let mut hours: BTreeMap<u64, [Counts; 2]> = BTreeMap::new();
            for ((hour, ..), line) in &self.books.exported[&instance] {
                let line: Value = serde_json::from_str(line).expect("JSON");
                let sum = hours.entry(*hour).or_default();
                add(sum, &line["sums"]);
            }
            hours.retain(|_, counts| *counts != <[Counts; 2]>::default());
            compare(&hours, &self.own.history[at].hours)?;
            let name = ["demo", SMALL][at];
            let mut http = match at {
                0 => self.http(),
                _ => self.http_small(),
            };
            let query = format!("from={START_MS}&to={}&by=topic", self.now());
            let answer = http.get(&format!("/v1/instances/{name}/usage?{query}"));
            self.look_at(&answer);
            let answer = answer.ok();
            let mut topics: BTreeMap<String, [Counts; 2]> = BTreeMap::new();
            for item in answer["items"].as_array().expect("a list") {
                if let Some(topic) = item["topic"].as_str() {
                    add(topics.entry(topic.to_owned()).or_default(), item);
                }
            }
            topics.retain(|_, counts| *counts != <[Counts; 2]>::default());
            compare(&topics, &self.own.history[at].topics)?;
        }
        Ok(())
    }

    /// Hours are what events say, and bills what hours say.
    fn check_verified(&mut self) -> Result<(), String> {
        let tenant = TenantId(self.own.tenant.id as _);
        let months = self
            .stack
            .block_on(self.stack.tenants().bill_months(tenant));
        for month in months.expect("readable") {
            let found = self.stack.tenants().verify_bill(tenant, &month);
            let found = self.stack.block_on(found).expect("readable");
            if !found.differences.is_empty() {
                return Err(format!("B3: {month}: {:?}", found.differences));
            }
        }
        Ok(())
    }

    /// People of both tenants, who are called the same, look at their bills and audit
    /// logs.
    fn see_bills(&mut self) -> Result<(), String> {
        let by = Caller {
            name: "operator".into(),
            request_id: "simulation".into(),
        };
        self.for_each_tenant(|world| {
            let id = world.own.tenant.id;
            let (service, admin) = (world.stack.tenants(), ConsoleRole::Admin);
            let made = service.create_console_user(&by, TenantId(id as _), "boss", PASSWORD, admin);
            world.stack.block_on(made).expect("a new user");
            let mut http = Http::new(world.stack.http);
            let form = json!({"tenant": id, "username": "boss", "password": PASSWORD});
            let login = http.post("/v1/auth/login", &form).ok();
            let token = login["token"].as_str().expect("a token");
            let mut http = http.authorize(&format!("Bearer {token}"));
            for path in ["/v1/tenants", "/v1/instances", "/v1/audit?max=500"] {
                let mut answer = http.get(path);
                let mut json = answer.ok();
                if let Some(rows) = json["items"].as_array_mut() {
                    // A row about what was refused repeats what its caller asked for.
                    rows.retain(|row| row["action"] != "denied");
                }
                answer.body = json.to_string().into_bytes();
                world.look_at(&answer);
            }
            for month in [MONTH, NEXT_MONTH] {
                let answer = http.get(&format!("/v1/tenants/{id}/bills/{month}"));
                world.look_at(&answer);
                if answer.ok()["isClosed"] != (month == MONTH) {
                    return Err(format!("B3: the bill of {month}: {}", answer.text()));
                }
            }
            let foreign = world.other.tenant.id;
            for path in ["", "/bills", "/bills/2025-01"] {
                let [seen, expected] = [foreign, 977].map(|id| {
                    let answer = http.get(&format!("/v1/tenants/{id}{path}"));
                    let error = answer.json()["error"]["message"].to_string();
                    (answer.status, error.replace(&id.to_string(), "ID"))
                });
                if seen != expected || seen.0 != 404 {
                    return Err(format!("R12: {path}: {seen:?}, not {expected:?}"));
                }
            }
            Ok(())
        })
    }
}

/// An export's lines by what they are about.
fn lines(text: &str) -> BTreeMap<LineKey, String> {
    let keyed = text.lines().map(|line| {
        let json: Value = serde_json::from_str(line).expect("JSON");
        let number = |name: &str| json[name].as_u64().expect("a number");
        let key = (
            number("hour"),
            number("revision"),
            json["topic"].to_string(),
        );
        (key, line.to_owned())
    });
    keyed.collect()
}

/// Adds what a line says was sent, and handed out.
fn add(sums: &mut [Counts; 2], line: &Value) {
    for (sum, suffix) in sums.iter_mut().zip(["In", "Out"]) {
        let number = |name: &str| line[format!("{name}{suffix}")].as_i64().unwrap_or_default();
        *sum = sum.plus(Counts {
            messages: number("messages"),
            units: number("units"),
            bytes: number("bytes"),
        });
    }
}

fn compare<K: Ord + std::fmt::Debug>(
    books: &BTreeMap<K, [Counts; 2]>,
    history: &BTreeMap<K, [Counts; 2]>,
) -> Result<(), String> {
    let keys: BTreeSet<&K> = books.keys().chain(history.keys()).collect();
    for key in keys {
        let of = |sums: &BTreeMap<K, [Counts; 2]>| sums.get(key).copied().unwrap_or_default();
        let (kept, done) = (of(books), of(history));
        for (at, rule) in ["B1", "B2"].into_iter().enumerate() {
            if kept[at] != done[at] {
                return Err(format!(
                    "{rule}: {key:?}: {:?} in the books, {:?} happened",
                    kept[at], done[at]
                ));
            }
        }
    }
    Ok(())
}
