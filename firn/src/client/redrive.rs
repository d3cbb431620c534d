//! `firn redrive`.

use std::time::Duration;

use clap::Args;
use firn_protocol::limits::REDRIVE_MS_MAX;

use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::output::shown;
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Dead letters can be looked at with: firn query --topic %DLQ%GROUP --from … --to …

Examples:
  firn redrive workers -i demo
  firn redrive workers -i demo --topic orders --max 100 --rate 10")]
pub struct Redrive {
    #[arg(value_parser = name)]
    group: String,
    /// Only dead letters that came from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only this message, even if it was sent back before; repeat for several.
    #[arg(long = "message-id", value_name = "ID")]
    message_ids: Vec<String>,
    /// At most so many.
    #[arg(long)]
    max: Option<u64>,
    /// Messages a second.
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// To all groups of the topic that they came from.
    #[arg(long)]
    to_topic: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

impl Redrive {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let request = self.request(&session.instance()?);
        if let Some(answer) = session.ask(&request)? {
            let count = shown("redriven", &answer.json["redriven"]);
            let more = match answer.json["more"] == true {
                true => ", and some are left: run it again",
                false => "",
            };
            session.out.line(&format!("redriven {count}{more}"))?;
        }
        Ok(())
    }

    pub(super) fn request(&self, instance: &str) -> Request {
        let path = [
            "instances",
            instance,
            "groups",
            &self.group,
            "dead-letters",
            "redrive",
        ];
        let body = Fields::default()
            .maybe("topic", self.topic.as_ref())
            .list("messageIds", &self.message_ids)
            .maybe("max", self.max)
            .maybe("ratePerSecond", self.rate)
            .maybe("toTopic", self.to_topic.then_some(true));
        let mut request = Request::post(&path, body);
        request.wait = Duration::from_millis(REDRIVE_MS_MAX);
        request
    }
}
