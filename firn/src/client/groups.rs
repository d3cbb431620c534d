//! `firn groups`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::admin::{self, Shape, some_change};
use super::args::{name, time};
use super::connection::{ConnectionFlags, Prefer};
use super::files::{ExportFlags, ImportFlags};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn groups create workers -i demo
  firn groups create billing -i demo --max-retries 3 --start latest
  firn groups update workers -i demo --enabled=false
  firn groups export groups.csv -i demo --all-columns
  firn groups import groups.csv -i demo")]
pub struct Groups {
    #[command(subcommand)]
    verb: GroupsVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum GroupsVerb {
    /// List the groups of an instance.
    List,
    /// Create a group.
    Create {
        #[arg(value_parser = name)]
        group: String,
        #[command(flatten)]
        fields: GroupFlags,
    },
    /// Show one group.
    Show {
        #[arg(value_parser = name)]
        group: String,
    },
    /// Change a group; what is not given stays.
    Update {
        #[arg(value_parser = name)]
        group: String,
        #[command(flatten)]
        fields: GroupFlags,
    },
    /// Write groups to a file for spreadsheets.
    Export(ExportFlags),
    /// Create the groups that a file lists.
    Import(ImportFlags),
    /// Delete a group, its progress and its dead letters.
    Delete {
        #[arg(value_parser = name)]
        group: String,
    },
}

#[derive(Args)]
struct GroupFlags {
    /// Whether messages of one message group are handed out one after the other.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ordered: Option<bool>,
    /// What a message that always fails does to its message group.
    #[arg(long, value_parser = ["block", "park", "deadLetter"])]
    on_poison: Option<String>,
    /// Redeliveries before the dead-letter topic.
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,
    /// Whether it may consume.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enabled: Option<bool>,
    /// Where it starts: earliest, latest, milliseconds since 1970 or RFC 3339.
    #[arg(long, value_name = "WHERE", value_parser = position)]
    start: Option<Value>,
    /// Topic that it consumes, with its bound; repeat for several [default: any].
    #[arg(long = "subscription", value_name = "TOPIC[=TPS]", value_parser = subscription)]
    subscriptions: Vec<(String, u64)>,
    /// A note for people.
    #[arg(long)]
    remark: Option<String>,
}

impl GroupFlags {
    fn put(&self, fields: Fields) -> Fields {
        let subscriptions = self.subscriptions.iter();
        let subscriptions: Map<String, Value> = subscriptions
            .map(|(topic, tps)| (topic.clone(), json!({"tps": tps})))
            .collect();
        fields
            .maybe("ordered", self.ordered)
            .maybe("onPoison", self.on_poison.as_ref())
            .maybe("maxRetries", self.max_retries)
            .maybe("enabled", self.enabled)
            .maybe("start", self.start.as_ref())
            .maybe(
                "subscriptions",
                Some(subscriptions).filter(|map| !map.is_empty()),
            )
            .maybe("remark", self.remark.as_ref())
    }
}

/// `earliest`, `latest` or a time, as the API takes it.
pub(super) fn position(text: &str) -> Result<Value, String> {
    match text {
        "earliest" | "latest" => Ok(Value::from(text)),
        text => match time(text) {
            Ok(ms) => Ok(Value::from(ms)),
            Err(rule) => Err(format!("{rule}, or earliest, or latest")),
        },
    }
}

fn subscription(text: &str) -> Result<(String, u64), String> {
    let (topic, tps) = text.split_once('=').unwrap_or((text, "0"));
    let tps = tps.parse();
    Ok((
        name(topic)?,
        tps.map_err(|_| "expected TOPIC or TOPIC=TPS")?,
    ))
}

impl Groups {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request(&session.instance()?)?;
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self, instance: &str) -> Result<(Request, Shape), Failure> {
        let all = ["instances", instance, "groups"];
        let one = |group| ["instances", instance, "groups", group];
        Ok(match &self.verb {
            GroupsVerb::List => {
                let columns = &[
                    "name",
                    "ordered",
                    "maxRetries",
                    "enabled",
                    "start",
                    "remark",
                ];
                (Request::get(&all), Shape::List(columns))
            }
            GroupsVerb::Create { group, fields } => {
                let body = fields.put(Fields::default().with("name", group));
                (Request::post(&all, body), Shape::Object)
            }
            GroupsVerb::Show { group } => (Request::get(&one(group)), Shape::Object),
            GroupsVerb::Update { group, fields } => {
                let request = Request::patch(&one(group), fields.put(Fields::default()));
                (some_change(request)?, Shape::Object)
            }
            GroupsVerb::Export(flags) => {
                let shape = Shape::File(flags.target());
                (flags.request(instance, "groups"), shape)
            }
            GroupsVerb::Import(flags) => (flags.request(instance, "groups")?, Shape::Import),
            GroupsVerb::Delete { group } => {
                let done = Shape::Done(format!("deleted group {group}"));
                (Request::delete(&one(group)), done)
            }
        })
    }
}
