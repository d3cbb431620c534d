//! `firn send`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::Value;

use super::args::{name, pair, time};
use super::connection::{ConnectionFlags, Prefer};
use super::output::{remark, shown};
use super::request::{Fields, Request};
use super::{Failure, Session};

/// A request of several messages is not larger than this; the server's bound
/// is 8 MiB.
const REQUEST_BYTES: usize = 4 << 20;
/// More results than these are only counted.
const RESULTS_SHOWN_MAX: u64 = 20;

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn send orders hello -i demo
  firn send orders -i demo --tag new --key order-17 --property shop=berlin '{\"id\":17}'
  echo hello | firn send orders -i demo
  firn send orders -i demo --file picture.png
  firn send orders -i demo --lines --file orders.jsonl --batch 500
  firn send orders -i demo --deliver-at 2026-01-31T12:00:00Z later")]
pub struct Send {
    #[arg(value_parser = name)]
    topic: String,
    /// The message; '-' or nothing reads it from standard input.
    #[arg(conflicts_with = "file")]
    body: Option<String>,
    /// Read the message from a file.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Make each line of the input a message of its own.
    #[arg(long, conflicts_with = "count")]
    lines: bool,
    /// Tag that consumers can filter by.
    #[arg(long)]
    tag: Option<String>,
    /// Key to find it by; repeat for several.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Property; repeat for several.
    #[arg(long = "property", value_name = "KEY=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
    /// Messages of one message group stay in order.
    #[arg(long, value_name = "NAME")]
    message_group: Option<String>,
    /// Not before this time: milliseconds since 1970 or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    deliver_at: Option<u64>,
    /// Not before the time of this delay level, 1 to 18.
    #[arg(long, value_name = "LEVEL", conflicts_with = "deliver_at")]
    delay_level: Option<u32>,
    /// A repeat with the same id within 10 minutes is not stored again.
    #[arg(long, value_name = "ID", conflicts_with_all = ["count", "lines"])]
    dedup_id: Option<String>,
    /// Send the message so many times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Messages in one request.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    batch: u64,
    #[command(flatten)]
    connection: ConnectionFlags,
}

impl Send {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let instance = session.instance()?;
        let mut bodies = self.bodies()?;
        let mut tally = Tally::default();
        let mut held = None;
        loop {
            let entries = self.fill(&mut held, &mut bodies)?;
            if entries.is_empty() {
                break;
            }
            let request = self.request(&instance, &entries);
            match session.ask(&request) {
                Ok(Some(answer)) => tally.add(&answer.json["results"]),
                Ok(None) => {}
                Err(failure) => {
                    if tally.sent > 0 {
                        remark(&format!("sent {} messages before this:", tally.sent));
                    }
                    return Err(failure);
                }
            }
        }
        if !session.out.json {
            tally.print(&mut session)?;
        }
        match tally.refused {
            0 => Ok(()),
            refused => Err(Failure::Partly(format!("{refused} messages were refused"))),
        }
    }

    pub(super) fn request(&self, instance: &str, entries: &[Value]) -> Request {
        let path = ["instances", instance, "topics", &self.topic, "messages"];
        Request::post(&path, Fields::default().with("messages", entries))
    }

    /// One entry of the request.
    pub(super) fn entry(&self, body: &[u8]) -> Value {
        let entry = match std::str::from_utf8(body) {
            Ok(text) => Fields::default().with("body", text),
            Err(_) => Fields::default().with("bodyBase64", STANDARD.encode(body)),
        };
        let properties = self.properties.iter().cloned();
        let properties: serde_json::Map<_, _> = properties
            .map(|(key, value)| (key, Value::from(value)))
            .collect();
        let entry = entry
            .maybe("tag", self.tag.as_ref())
            .list("keys", &self.keys)
            .maybe("properties", Some(properties).filter(|map| !map.is_empty()))
            .maybe("messageGroup", self.message_group.as_ref())
            .maybe("deliverAt", self.deliver_at)
            .maybe("delayLevel", self.delay_level)
            .maybe("dedupId", self.dedup_id.as_ref());
        Value::Object(entry.0)
    }

    /// Entries of the next request. One that does not fit any more is held
    /// for the request after it.
    fn fill(
        &self,
        held: &mut Option<Value>,
        bodies: &mut dyn Iterator<Item = io::Result<Vec<u8>>>,
    ) -> Result<Vec<Value>, Failure> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while (entries.len() as u64) < self.batch {
            let entry = match held.take() {
                Some(entry) => entry,
                None => match bodies.next() {
                    Some(body) => self.entry(&body.map_err(|error| self.unreadable(error))?),
                    None => break,
                },
            };
            bytes += entry.to_string().len();
            if bytes > REQUEST_BYTES && !entries.is_empty() {
                *held = Some(entry);
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn bodies(&self) -> Result<Box<dyn Iterator<Item = io::Result<Vec<u8>>>>, Failure> {
        let mut input: Box<dyn BufRead> = match (&self.file, self.body.as_deref()) {
            (Some(path), _) => {
                let file = File::open(path).map_err(|error| self.unreadable(error))?;
                Box::new(BufReader::new(file))
            }
            (None, None | Some("-")) => Box::new(BufReader::new(io::stdin())),
            (None, Some(text)) => Box::new(io::Cursor::new(text.as_bytes().to_vec())),
        };
        if self.lines {
            return Ok(Box::new(input.split(b'\n')));
        }
        let mut body = Vec::new();
        let read = input.read_to_end(&mut body);
        read.map_err(|error| self.unreadable(error))?;
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        Ok(Box::new(std::iter::repeat_n(body, count).map(Ok)))
    }

    fn unreadable(&self, source: io::Error) -> Failure {
        let what = match &self.file {
            Some(path) => path.display().to_string(),
            None => "standard input".to_owned(),
        };
        Failure::Input { what, source }
    }
}

/// What became of the messages so far.
#[derive(Default)]
struct Tally {
    sent: u64,
    refused: u64,
    rows: Vec<Vec<String>>,
}

const COLUMNS: [&str; 5] = [
    "messageId",
    "broker",
    "queueId",
    "queueOffset",
    "durability",
];

impl Tally {
    fn add(&mut self, results: &Value) {
        for result in results.as_array().into_iter().flatten() {
            let error = &result["error"];
            if error.is_object() {
                self.refused += 1;
                let field = |name| shown(name, &error[name]);
                remark(&format!(
                    "not sent: {}: {}",
                    field("code"),
                    field("message")
                ));
                continue;
            }
            self.sent += 1;
            if self.sent <= RESULTS_SHOWN_MAX {
                let row = COLUMNS.iter().map(|name| shown(name, &result[*name]));
                self.rows.push(row.collect());
            }
        }
    }

    fn print(&mut self, session: &mut Session) -> Result<(), Failure> {
        if self.sent > RESULTS_SHOWN_MAX {
            return Ok(session.out.line(&format!("sent {} messages", self.sent))?);
        }
        Ok(session
            .out
            .table(&COLUMNS, std::mem::take(&mut self.rows))?)
    }
}
