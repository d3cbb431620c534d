//! Bootstrap files for the instances that a run needs (DESIGN 7, "Bootstrap file").

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Result, ensure};
use base64::Engine as _;
use firn_protocol::limits::BROKERS_MAX;

use crate::driver::TOPIC;
use crate::http::RequestHead;

/// Name of the file within the server's folder.
pub const FILE: &str = "bootstrap.toml";
/// The instance that the drivers use.
pub const INSTANCE: &str = "demo";
/// Its application user, with the credentials of the documentation's examples.
pub const ACCESS_KEY: &str = "demo";
pub const SECRET_KEY: &str = "demo-secret";

/// A plan without limits of messages a second: speed is measured here, not admission.
const PLAN: &str = r#"[[plan]]
name = "bench"
tps = 0
topic_tps = 0
burst_seconds = 1.0
topics = 1000000
groups = 1000000
brokers = 64
storage_gib = 1000
retention_hours = 72
message_bytes = 524288
connections = 100000
price_list = "default"

"#;

/// One tenant with one instance: brokers a and b, one topic of four queues, one group.
/// Its messages are of the durability class `durability`.
#[must_use]
pub fn single(durability: &str) -> String {
    format!(
        r#"{PLAN}[[tenant]]
id = 2
name = "acme"
[[tenant.instance]]
name = "{INSTANCE}"
plan = "bench"
brokers = ["a", "b"]
durability = "{durability}"
[[tenant.instance.user]]
access_key = "{ACCESS_KEY}"
secret_key = "{SECRET_KEY}"
topics = []
[[tenant.instance.topic]]
name = "{TOPIC}"
type = "normal"
queues = 4
[[tenant.instance.group]]
name = "{TOPIC}"
ordered = false
max_retries = 16
"#
    )
}

/// Calls of [`waiting`]'s instances, below `/v1/instances/`.
pub const LATER: &str = "demo/topics/later/messages";
pub const LATER_GROUP: &str = "demo/groups/later/topics/later";
pub const FAILING: &str = "demo/topics/failing/messages";
pub const FAILING_GROUP: &str = "demo/groups/failing/topics/failing";
pub const NEIGHBOUR: &str = "next/topics/quiet/messages";

/// The credentials of a user, as a header has them.
#[must_use]
pub fn basic(user: &str) -> String {
    let pair = format!("{user}:{SECRET_KEY}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {encoded}")
}

/// A POST of JSON to a path below `/v1/instances/`, with the credentials of a user.
#[must_use]
pub fn post(http: SocketAddr, path: &str, user: &str) -> RequestHead {
    let headers = [
        format!("Authorization: {}", basic(user)),
        "Content-Type: application/json".to_owned(),
    ];
    RequestHead::new("POST", &format!("/v1/instances/{path}"), http, &headers)
}

/// A tenant with one instance, whose user is called like it.
fn tenant(id: u32, instance: &str, plan: &str, topics: &[(&str, &str)]) -> String {
    tenant_of_class(id, instance, plan, topics, "local")
}

fn tenant_of_class(
    id: u32,
    instance: &str,
    plan: &str,
    topics: &[(&str, &str)],
    durability: &str,
) -> String {
    let mut text = format!(
        r#"[[tenant]]
id = {id}
name = "{instance}"
[[tenant.instance]]
name = "{instance}"
plan = "{plan}"
brokers = ["a"]
durability = "{durability}"
[[tenant.instance.user]]
access_key = "{instance}"
secret_key = "{SECRET_KEY}"
topics = []
"#
    );
    for (topic, kind) in topics {
        let _ = write!(
            text,
            r#"[[tenant.instance.topic]]
name = "{topic}"
type = "{kind}"
queues = 4
[[tenant.instance.group]]
name = "{topic}"
"#
        );
    }
    text
}

/// Two tenants: one with a topic for delayed messages and one whose messages fail, one
/// that sends a little beside it. Each instance's user is called like it.
#[must_use]
pub fn waiting() -> String {
    let busy = [("later", "delay"), ("failing", "normal")];
    format!(
        "{PLAN}{}{}",
        tenant(2, "demo", "bench", &busy),
        tenant(3, "next", "bench", &[("quiet", "normal")])
    )
}

/// Where the tenant sends that floods.
pub const FLOOD: &str = "demo/topics/flood/messages";

/// Two tenants: one of a plan that lets so many messages a second pass (0: all of them),
/// and one beside it without a limit.
#[must_use]
pub fn flood(tps: u64, durability: &str) -> String {
    let limited = format!(
        "[[plan]]\nname = \"limited\"\ntps = {tps}\ntopic_tps = {tps}\nburst_seconds = 0.1\n"
    );
    format!(
        "{PLAN}{limited}{}{}",
        tenant_of_class(2, "demo", "limited", &[("flood", "normal")], durability),
        tenant_of_class(3, "next", "bench", &[("quiet", "normal")], durability)
    )
}

/// What a plan lets pass at once, in seconds of its rate.
pub const BURST_SECONDS: f64 = 0.1;

/// The plan of so many messages a second, and the instance that has it.
#[must_use]
pub fn plan_name(tps: u64) -> String {
    format!("plan-{tps}")
}

/// An instance for each plan of so many messages a second, all with a topic `quota`.
#[must_use]
pub fn plans(tps: &[u64]) -> String {
    let mut text = String::new();
    for (id, tps) in (2..).zip(tps) {
        let name = plan_name(*tps);
        let _ = write!(
            text,
            "[[plan]]\nname = \"{name}\"\ntps = {tps}\ntopic_tps = {tps}\n\
             burst_seconds = {BURST_SECONDS}\n\n{}",
            tenant(id, &name, &name, &[("quota", "normal")])
        );
    }
    text
}

/// The tenant of [`billed`].
pub const TENANT: u32 = 2;
/// Users of its instance, and the topic of each.
pub const BILLED_USERS: [&str; 3] = ["shop", "till", "stock"];
pub const BILLED_TOPICS: [&str; 3] = ["orders", "receipts", "counts"];

/// A tenant with one instance without limits, priced by the built-in list.
#[must_use]
pub fn billed() -> String {
    let plan = PLAN.replace("\"default\"", "\"standard\"");
    let topics = BILLED_TOPICS.map(|topic| (topic, "normal"));
    let mut text = format!("{plan}{}", tenant(TENANT, INSTANCE, "bench", &topics));
    for user in BILLED_USERS {
        let _ = write!(
            text,
            "[[tenant.instance.user]]\naccess_key = \"{user}\"\nsecret_key = \"{SECRET_KEY}\"\n"
        );
    }
    text
}

/// How many of everything an idle deployment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// All brokers.
    pub brokers: usize,
    /// All topics.
    pub topics: usize,
    /// Brokers of one instance; its last may have fewer.
    pub brokers_per_instance: usize,
    /// Instances of one tenant; the last may have fewer.
    pub instances_per_tenant: usize,
}

impl Census {
    /// Instances that the brokers make.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.brokers.div_ceil(self.brokers_per_instance)
    }

    /// The bootstrap file with exactly these counts, topics spread evenly.
    ///
    /// # Errors
    /// Zero of something, or more brokers an instance than the product allows.
    pub fn bootstrap(&self) -> Result<String> {
        ensure!(self.brokers > 0, "at least one broker");
        ensure!(
            self.instances_per_tenant > 0,
            "at least one instance a tenant"
        );
        ensure!(
            (1..=BROKERS_MAX).contains(&self.brokers_per_instance),
            "1 to {BROKERS_MAX} brokers an instance"
        );
        let mut out = PLAN.to_owned();
        for number in 0..self.instances() {
            if number % self.instances_per_tenant == 0 {
                // The system has the low tenant numbers.
                let tenant = 100 + number / self.instances_per_tenant;
                writeln!(out, "[[tenant]]\nid = {tenant}\nname = \"tenant-{tenant}\"")?;
            }
            self.instance(number, &mut out)?;
        }
        Ok(out)
    }

    fn instance(&self, number: usize, out: &mut String) -> Result<()> {
        let before = number * self.brokers_per_instance;
        let brokers = self.brokers_per_instance.min(self.brokers - before);
        let names: Vec<String> = (0..brokers)
            .map(|b| format!("\"{}\"", broker_name(b)))
            .collect();
        writeln!(
            out,
            "[[tenant.instance]]\nname = \"instance-{number}\"\nplan = \"bench\"\nbrokers = [{}]\n\
             [[tenant.instance.user]]\naccess_key = \"user-{number}\"\n\
             secret_key = \"secret-of-{number}\"\ntopics = []",
            names.join(", ")
        )?;
        let share = |n: usize| self.topics * n / self.instances();
        for topic in 0..share(number + 1) - share(number) {
            writeln!(
                out,
                "[[tenant.instance.topic]]\nname = \"topic-{topic}\"\ntype = \"normal\"\nqueues = 4"
            )?;
        }
        Ok(())
    }
}

/// a, b, … z, aa, ab, …
fn broker_name(number: usize) -> String {
    let letter = |n: usize| char::from(b'a' + n as u8);
    match number {
        0..26 => letter(number).to_string(),
        _ => [letter(number / 26 - 1), letter(number % 26)]
            .iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn tables(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    fn list<'a>(table: &'a toml::Table, name: &str) -> Vec<&'a toml::Table> {
        let items = table.get(name).and_then(|v| v.as_array());
        items
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_table())
            .collect()
    }

    #[test]
    fn the_small_file_has_what_the_driver_uses() {
        let file = tables(&single("object"));
        let tenant = list(&file, "tenant")[0];
        let instance = list(tenant, "instance")[0];
        assert_eq!(instance["plan"], list(&file, "plan")[0]["name"]);
        assert_eq!(instance["durability"].as_str(), Some("object"));
        assert_eq!(instance["brokers"].as_array().unwrap().len(), 2);
        assert_eq!(list(instance, "topic")[0]["queues"].as_integer(), Some(4));
        assert_eq!(
            list(instance, "user")[0]["access_key"].as_str(),
            Some("demo")
        );
    }

    #[test]
    fn the_large_file_has_exactly_the_counts_asked_for() {
        for (brokers, topics, per_instance, per_tenant) in [
            (100, 1000, 10, 10),
            (101, 1003, 10, 3),
            (64, 5, 64, 1),
            (1, 0, 10, 10),
        ] {
            let census = Census {
                brokers,
                topics,
                brokers_per_instance: per_instance,
                instances_per_tenant: per_tenant,
            };
            let file = tables(&census.bootstrap().unwrap());
            let tenants = list(&file, "tenant");
            let instances: Vec<_> = tenants.iter().flat_map(|t| list(t, "instance")).collect();
            let names: HashSet<_> = instances.iter().map(|i| i["name"].as_str()).collect();
            assert_eq!(
                (instances.len(), names.len()),
                (census.instances(), instances.len())
            );
            assert_eq!(tenants.len(), census.instances().div_ceil(per_tenant));
            let count = |i: &&toml::Table| {
                let names = i["brokers"].as_array().unwrap();
                let distinct: HashSet<_> = names.iter().map(|n| n.as_str()).collect();
                assert_eq!(distinct.len(), names.len());
                names.len()
            };
            assert_eq!(instances.iter().map(count).sum::<usize>(), brokers);
            let topics_made: usize = instances.iter().map(|i| list(i, "topic").len()).sum();
            assert_eq!(topics_made, topics);
        }
    }

    #[test]
    fn every_plan_has_an_instance() {
        let file = tables(&plans(&[10, 2000]));
        let rates = list(&file, "plan").into_iter().map(|plan| &plan["tps"]);
        assert_eq!(
            rates
                .filter_map(toml::Value::as_integer)
                .collect::<Vec<_>>(),
            [10, 2000]
        );
        for (tenant, tps) in list(&file, "tenant").into_iter().zip([10, 2000]) {
            let instance = list(tenant, "instance")[0];
            assert_eq!(instance["plan"].as_str(), Some(&*plan_name(tps)));
            let user = list(instance, "user")[0];
            assert_eq!(user["access_key"], instance["name"], "as `Caller` has it");
        }
    }

    #[test]
    fn every_billed_user_has_a_topic() {
        let file = tables(&billed());
        let instance = list(list(&file, "tenant")[0], "instance")[0];
        let names = |kind, field: &str| {
            let rows = list(instance, kind).into_iter();
            let names = rows.map(|row| row[field].as_str().unwrap_or_default().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("topic", "name"), BILLED_TOPICS);
        assert_eq!(names("user", "access_key")[1..], BILLED_USERS);
        assert_eq!(
            list(&file, "plan")[0]["price_list"].as_str(),
            Some("standard")
        );
    }

    #[test]
    fn impossible_counts_are_refused() {
        let census = Census {
            brokers: 10,
            topics: 10,
            brokers_per_instance: BROKERS_MAX + 1,
            instances_per_tenant: 1,
        };
        assert!(census.bootstrap().is_err());
        assert!(
            Census {
                brokers: 0,
                ..census
            }
            .bootstrap()
            .is_err()
        );
    }
}
