//! `firn topics`.

use clap::{Args, Subcommand};

use super::admin::{self, Shape, some_change};
use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::files::{ExportFlags, ImportFlags};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn topics list -i demo
  firn topics create orders -i demo --queues 8
  firn topics update orders -i demo --permission read
  firn topics delete orders -i demo
  firn topics export topics.xlsx -i demo --all-columns
  firn topics import topics.csv -i demo --dry-run")]
pub struct Topics {
    #[command(subcommand)]
    verb: TopicsVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum TopicsVerb {
    /// List the topics of an instance.
    List,
    /// Create a topic.
    Create {
        #[arg(value_parser = name)]
        topic: String,
        /// Broker that carries it; repeat for several [default: all].
        #[arg(long = "broker", value_name = "NAME")]
        brokers: Vec<String>,
        #[command(flatten)]
        fields: TopicFlags,
    },
    /// Show one topic.
    Show {
        #[arg(value_parser = name)]
        topic: String,
    },
    /// Change a topic; what is not given stays.
    Update {
        #[arg(value_parser = name)]
        topic: String,
        #[command(flatten)]
        fields: TopicFlags,
    },
    /// Write topics to a file for spreadsheets.
    Export(ExportFlags),
    /// Create the topics that a file lists.
    Import(ImportFlags),
    /// Delete a topic and its messages.
    Delete {
        #[arg(value_parser = name)]
        topic: String,
    },
}

#[derive(Args)]
struct TopicFlags {
    /// Which messages it takes.
    #[arg(long = "type", value_parser = ["normal", "fifo", "delay", "transaction", "mixed"])]
    topic_type: Option<String>,
    /// Queues on each broker.
    #[arg(long)]
    queues: Option<u16>,
    /// What may be done with it.
    #[arg(long, value_parser = ["readWrite", "read", "write"])]
    permission: Option<String>,
    /// Whether it is an ordered topic.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ordered: Option<bool>,
    /// A note for people.
    #[arg(long)]
    remark: Option<String>,
    /// How long messages stay, instead of the instance's time.
    #[arg(long, value_name = "HOURS")]
    retention_hours: Option<u32>,
    /// Messages a second, instead of the plan's bound.
    #[arg(long)]
    tps: Option<u64>,
    /// Group that may consume it; repeat for several [default: any].
    #[arg(long = "allowed-group", value_name = "GROUP")]
    allowed_groups: Vec<String>,
}

impl TopicFlags {
    fn put(&self, fields: Fields) -> Fields {
        fields
            .maybe("type", self.topic_type.as_ref())
            .maybe("queues", self.queues)
            .maybe("permission", self.permission.as_ref())
            .maybe("ordered", self.ordered)
            .maybe("remark", self.remark.as_ref())
            .maybe("retentionHours", self.retention_hours)
            .maybe("tps", self.tps)
            .list("allowedGroups", &self.allowed_groups)
    }
}

impl Topics {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request(&session.instance()?)?;
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self, instance: &str) -> Result<(Request, Shape), Failure> {
        let all = ["instances", instance, "topics"];
        let one = |topic| ["instances", instance, "topics", topic];
        Ok(match &self.verb {
            TopicsVerb::List => {
                let columns = &["name", "type", "queues", "permission", "brokers", "remark"];
                (Request::get(&all), Shape::List(columns))
            }
            TopicsVerb::Create {
                topic,
                brokers,
                fields,
            } => {
                let body = Fields::default()
                    .with("name", topic)
                    .list("brokers", brokers);
                (Request::post(&all, fields.put(body)), Shape::Object)
            }
            TopicsVerb::Show { topic } => (Request::get(&one(topic)), Shape::Object),
            TopicsVerb::Update { topic, fields } => {
                let request = Request::patch(&one(topic), fields.put(Fields::default()));
                (some_change(request)?, Shape::Object)
            }
            TopicsVerb::Export(flags) => {
                let shape = Shape::File(flags.target());
                (flags.request(instance, "topics"), shape)
            }
            TopicsVerb::Import(flags) => (flags.request(instance, "topics")?, Shape::Import),
            TopicsVerb::Delete { topic } => {
                let done = Shape::Done(format!("deleted topic {topic}"));
                (Request::delete(&one(topic)), done)
            }
        })
    }
}
