//! `firn receive`: prints first, acknowledges afterwards, so that a message
//! whose print failed comes again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use super::api::Answer;
use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::output::{remark, shown};
use super::request::{Fields, Request};
use super::{Failure, Session};

/// Long polls of `--follow`.
const FOLLOW_WAIT_SECS: u64 = 20;
/// The server cuts longer waits to this (API.md, "Consume").
const WAIT_SECS_MAX: u64 = 30;
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_SECS_MAX: u64 = 60;

#[derive(Args)]
#[command(after_help = "\
Bodies go to standard output, one a line; --json prints whole messages, one a line.

Examples:
  firn receive workers orders -i demo
  firn receive workers orders -i demo --max 100 --wait 5
  firn receive workers orders -i demo --filter 'new || urgent' --follow
  firn receive workers orders -i demo --filter-type SQL92 --filter \"amount > 100 AND city IS NOT NULL\"
  firn receive workers orders -i demo --no-ack --invisible 5")]
pub struct Receive {
    #[arg(value_parser = name)]
    group: String,
    #[arg(value_parser = name)]
    topic: String,
    /// At most so many at once, 1 to 256 [default: 16].
    #[arg(long)]
    max: Option<u64>,
    /// Seconds to wait for a message, up to 30.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Seconds until an unacknowledged message comes again, 1 to 43200 [default: 30].
    #[arg(long, value_name = "SECONDS")]
    invisible: Option<u64>,
    /// What to take: tags like 'a || b', or a condition on properties.
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// What the filter is.
    #[arg(long, value_name = "TYPE", value_parser = ["TAG", "SQL92"], default_value = "TAG", requires = "filter")]
    filter_type: String,
    /// Name of this member of the group.
    #[arg(long, value_name = "ID")]
    consumer_id: Option<String>,
    /// Leave the messages unacknowledged; they come again.
    #[arg(long)]
    no_ack: bool,
    /// Go on until Ctrl-C; short outages are waited out.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

impl Receive {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let instance = session.instance()?;
        let count = self.once(&mut session, &instance)?;
        if !self.follow {
            if count == 0 && !session.out.json {
                remark("no messages");
            }
            return Ok(());
        }
        loop {
            match self.once(&mut session, &instance) {
                Ok(_) => {}
                // Not acknowledged: they come again, and following goes on.
                Err(Failure::Partly(text)) => remark(&text),
                Err(failure) if failure.is_passing() => {
                    remark(&failure.to_string());
                    firn_runtime::clock::pause_thread(pause(&failure));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One receive, its prints and its acks; the number of messages.
    fn once(&self, session: &mut Session, instance: &str) -> Result<usize, Failure> {
        let Answer { json, .. } = session.api.call(&self.request(instance))?;
        let messages = json["messages"].as_array().map_or(&[][..], Vec::as_slice);
        for message in messages {
            match session.out.json {
                true => session.out.line(&message.to_string())?,
                false => session.out.bytes(&body(message))?,
            }
        }
        session.out.flush()?;
        if !self.no_ack && !messages.is_empty() {
            self.ack(session, instance, messages)?;
        }
        Ok(messages.len())
    }

    fn ack(&self, session: &Session, instance: &str, messages: &[Value]) -> Result<(), Failure> {
        let answer = session.api.call(&self.ack_request(instance, messages))?;
        let results = answer.json["results"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let mut failed = 0;
        for (message, result) in messages.iter().zip(results) {
            let status = shown("status", &result["status"]);
            if !matches!(status.as_str(), "OK" | "ALREADY_ACKED") {
                failed += 1;
                let id = shown("messageId", &message["messageId"]);
                remark(&format!("message {id} is not acknowledged: {status}"));
            }
        }
        match failed + messages.len().saturating_sub(results.len()) {
            0 => Ok(()),
            n => Err(Failure::Partly(format!(
                "{n} messages were not acknowledged"
            ))),
        }
    }

    pub(super) fn request(&self, instance: &str) -> Request {
        let wait = match self.wait {
            None if self.follow => Some(FOLLOW_WAIT_SECS),
            wait => wait,
        };
        let filter = self.filter.as_ref();
        let body = Fields::default()
            .maybe("max", self.max)
            .maybe("waitSeconds", wait)
            .maybe("invisibleSeconds", self.invisible)
            .maybe(
                "filter",
                filter.map(|text| json!({"type": self.filter_type, "expression": text})),
            )
            .maybe("consumerId", self.consumer_id.as_ref());
        let mut request = Request::post(&self.path(instance, "receive"), body);
        request.wait = Duration::from_secs(wait.unwrap_or(WAIT_SECS_MAX).min(WAIT_SECS_MAX));
        request
    }

    pub(super) fn ack_request(&self, instance: &str, messages: &[Value]) -> Request {
        let handles = messages.iter().map(|message| &message["receiptHandle"]);
        let handles: Vec<_> = handles.collect();
        let body = Fields::default().with("receiptHandles", handles);
        Request::post(&self.path(instance, "ack"), body)
    }

    fn path<'a>(&'a self, instance: &'a str, verb: &'a str) -> [&'a str; 7] {
        let (group, topic) = (self.group.as_str(), self.topic.as_str());
        [
            "instances",
            instance,
            "groups",
            group,
            "topics",
            topic,
            verb,
        ]
    }
}

/// The bytes that were sent.
fn body(message: &Value) -> Vec<u8> {
    if let Some(text) = message["body"].as_str() {
        return text.as_bytes().to_vec();
    }
    let encoded = message["bodyBase64"].as_str().unwrap_or_default();
    STANDARD.decode(encoded).unwrap_or_default()
}

fn pause(failure: &Failure) -> Duration {
    match failure {
        Failure::Refused {
            retry_after_secs: Some(secs),
            ..
        } => Duration::from_secs((*secs).clamp(1, PAUSE_SECS_MAX)),
        Failure::Refused { .. }
        | Failure::Usage(_)
        | Failure::Partly(_)
        | Failure::Odd { .. }
        | Failure::Unreachable { .. }
        | Failure::Input { .. }
        | Failure::Output(_) => PAUSE,
    }
}
