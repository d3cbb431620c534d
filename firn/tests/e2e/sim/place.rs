//! What there is in a life: two tenants that call everything the same, each with an
//! instance for all semantics and one of a plan that lets little pass.

use super::world::MAX_RETRIES;

/// A tenant, and how it is known.
pub(super) struct Tenant {
    pub(super) id: u64,
    /// Its name is the mark of all that is its own, and no part of anything else. Too
    /// long to be in a handle by chance.
    pub(super) mark: &'static str,
    /// Access key of the large instance; that of the small one has [`SMALL`] behind it.
    pub(super) user: &'static str,
}

pub(super) const TENANTS: [Tenant; 2] = [
    Tenant {
        id: 2,
        mark: "acme-works",
        user: "demo",
    },
    Tenant {
        id: 3,
        mark: "umbrella-house",
        user: "other",
    },
];

/// The instance of the plan that lets little pass.
pub(super) const SMALL: &str = "small";
/// Messages a second of its plan, of one of its topics, and of a group on the other.
pub(super) const SMALL_TPS: [u64; 3] = [10, 4, 3];
/// What may come at once, in ms of the rate.
pub(super) const SMALL_BURST_MS: u64 = 500;

const TOPICS: [(&str, &str, u16); 6] = [
    ("plain", "normal", 2),
    ("later", "delay", 2),
    ("steps", "fifo", 2),
    ("money", "transaction", 1),
    ("marked", "normal", 2),
    ("empty", "normal", 1),
];

const GROUPS: [(&str, bool); 8] = [
    ("g1", false),
    ("g2", false),
    ("strict", true),
    ("parted", true),
    ("all", false),
    ("halves", false),
    ("some", false),
    ("idle", false),
];

/// The bootstrap file of all this.
pub(super) fn bootstrap() -> String {
    let [tps, narrow, few] = SMALL_TPS;
    let burst = SMALL_BURST_MS as f64 / 1000.0;
    let mut text = format!(
        r#"
[[plan]]
name = "unlimited"
tps = 0
topic_tps = 0
[[plan]]
name = "little"
tps = {tps}
topic_tps = {tps}
burst_seconds = {burst}
"#
    );
    for tenant in &TENANTS {
        text += &format!(
            "[[tenant]]\nid = {}\nname = \"{}\"\n",
            tenant.id, tenant.mark
        );
        text += &instance("demo", "unlimited", r#"["a", "b"]"#, tenant.user);
        for (name, kind, queues) in TOPICS {
            text += &topic(name, kind, queues, tenant.mark, "");
        }
        for (name, is_ordered) in GROUPS {
            text += &group(name, is_ordered, "");
        }
        let user = format!("{}-{SMALL}", tenant.user);
        text += &instance(SMALL, "little", r#"["a"]"#, &user);
        text += &topic("wide", "normal", 1, tenant.mark, "");
        text += &topic(
            "narrow",
            "normal",
            1,
            tenant.mark,
            &format!("tps = {narrow}\n"),
        );
        text += &group("g1", false, "");
        let limit = format!("subscriptions = {{ wide = {{ tps = {few} }} }}\n");
        text += &group("few", false, &limit);
    }
    text
}

fn instance(name: &str, plan: &str, brokers: &str, user: &str) -> String {
    format!(
        r#"[[tenant.instance]]
name = "{name}"
plan = "{plan}"
brokers = {brokers}
[[tenant.instance.user]]
access_key = "{user}"
secret_key = "{user}-secret"
"#
    )
}

fn topic(name: &str, kind: &str, queues: u16, mark: &str, more: &str) -> String {
    format!(
        r#"[[tenant.instance.topic]]
name = "{name}"
type = "{kind}"
queues = {queues}
remark = "of {mark}"
{more}"#
    )
}

fn group(name: &str, is_ordered: bool, more: &str) -> String {
    let on_poison = if name == "parted" {
        "deadLetter"
    } else {
        "block"
    };
    format!(
        r#"[[tenant.instance.group]]
name = "{name}"
ordered = {is_ordered}
max_retries = {MAX_RETRIES}
on_poison = "{on_poison}"
{more}"#
    )
}
