//! `firn query`: by id, by key, by place, by time.

use clap::Args;
use serde_json::{Value, json};

use super::api::Answer;
use super::args::{name, time};
use super::connection::{ConnectionFlags, Prefer};
use super::output::shown;
use super::request::Request;
use super::{Failure, Session};

/// The server's bound on one answer.
const PAGE_MAX: u64 = 1000;
const WAYS: &str = "give --id, or --topic with one of: --key; --broker, --queue and --offset; \
                    --from and --to";

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn query -i demo --id 0A00000700002A9F0000000001943B5E --group workers
  firn query -i demo --topic orders --key order-17
  firn query -i demo --topic orders --broker a --queue 0 --offset 100 --max 10
  firn query -i demo --topic %DLQ%workers --from 2026-01-31T00:00:00Z --to 2026-02-01T00:00:00Z")]
pub struct Query {
    /// Message id or offset message id.
    #[arg(long, value_parser = name, conflicts_with_all = ["topic", "max"])]
    id: Option<String>,
    /// Topic to look in; %DLQ%GROUP are a group's dead letters.
    #[arg(long, value_parser = name)]
    topic: Option<String>,
    /// Messages with this key.
    #[arg(long, requires = "topic")]
    key: Option<String>,
    /// Broker of the place.
    #[arg(long, value_name = "NAME", requires = "topic")]
    broker: Option<String>,
    /// Queue of the place.
    #[arg(long, value_name = "N", requires = "topic")]
    queue: Option<u16>,
    /// First offset of the place.
    #[arg(long, value_name = "N", requires = "topic")]
    offset: Option<u64>,
    /// Stored at this time or later: milliseconds since 1970 or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "topic")]
    from: Option<u64>,
    /// Stored at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "topic")]
    to: Option<u64>,
    /// At most so many messages [default: 32].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// Show what this group has done with them.
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    connection: ConnectionFlags,
}

const COLUMNS: [&str; 10] = [
    "messageId",
    "broker",
    "queueId",
    "queueOffset",
    "storeTimestamp",
    "attempt",
    "tag",
    "keys",
    "status",
    "body",
];

impl Query {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let request = self.request(&session.instance()?)?;
        if self.id.is_some() {
            return match session.ask(&request)? {
                Some(answer) => Ok(session.out.object(&answer.json)?),
                None => Ok(()),
            };
        }
        let answer = self.pages(&session, &request)?;
        if session.out.json {
            return Ok(session.out.line(&answer.text)?);
        }
        let messages = answer.json["messages"].as_array().into_iter().flatten();
        Ok(session.out.table(&COLUMNS, messages.map(row).collect())?)
    }

    /// The first page's request.
    pub(super) fn request(&self, instance: &str) -> Result<Request, Failure> {
        if let Some(id) = &self.id {
            let request = Request::get(&["instances", instance, "messages", id]);
            return Ok(request.query("group", self.group.as_ref()));
        }
        let usage = || Failure::Usage(WAYS.to_owned());
        let topic = self.topic.as_ref().ok_or_else(usage)?;
        let by_key = self.key.is_some();
        let place = [
            self.broker.is_some(),
            self.queue.is_some(),
            self.offset.is_some(),
        ];
        let times = [self.from.is_some(), self.to.is_some()];
        let ways = [vec![by_key], place.to_vec(), times.to_vec()];
        let whole = ways.iter().filter(|way| way.iter().all(|given| *given));
        let touched = ways.iter().filter(|way| way.iter().any(|given| *given));
        if (whole.count(), touched.count()) != (1, 1) {
            return Err(usage());
        }
        let request = Request::get(&["instances", instance, "topics", topic, "messages"])
            .query("key", self.key.as_ref())
            .query("broker", self.broker.as_ref())
            .query("queueId", self.queue)
            .query("offset", self.offset)
            .query("from", self.from)
            .query("to", self.to)
            .query("group", self.group.as_ref());
        Ok(request)
    }

    /// Follows cursors until `--max` messages are there or none are left.
    fn pages(&self, session: &Session, request: &Request) -> Result<Answer, Failure> {
        let mut messages: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        let wanted = self.max.unwrap_or(32);
        loop {
            let missing = wanted - messages.len() as u64;
            let page = request
                .clone()
                .query("max", Some(missing.min(PAGE_MAX)))
                .query("cursor", cursor.as_ref());
            let mut answer = session.api.call(&page)?;
            let found = answer.json["messages"].take();
            let found = found.as_array().cloned().unwrap_or_default();
            messages.extend(found.into_iter().take(missing as usize));
            cursor = answer.json["cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || messages.len() as u64 >= wanted {
                break;
            }
        }
        let mut json = json!({"messages": messages});
        if let Some(cursor) = cursor {
            json["cursor"] = Value::from(cursor);
        }
        let text = json.to_string();
        Ok(Answer { text, json })
    }
}

fn row(message: &Value) -> Vec<String> {
    let field = |name: &&str| match *name {
        "body" if message["body"].is_null() => shown("bodyBase64", &message["bodyBase64"]),
        name => shown(name, &message[name]),
    };
    COLUMNS.iter().map(field).collect()
}
