//! `firn lag`.

use clap::Args;
use serde_json::Value;

use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::output::shown;
use super::request::Request;
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Lag counts messages that are stored and not finished for the group, those in flight included.
Retries that wait are rows of %RETRY%GROUP.

Example:
  firn lag workers -i demo")]
pub struct Lag {
    #[arg(value_parser = name)]
    group: String,
    #[command(flatten)]
    connection: ConnectionFlags,
}

const QUEUE_COLUMNS: [&str; 7] = [
    "broker",
    "queueId",
    "minOffset",
    "maxOffset",
    "committed",
    "lag",
    "inFlight",
];

impl Lag {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let request = self.request(&session.instance()?);
        let Some(answer) = session.ask(&request)? else {
            return Ok(());
        };
        let header = [&["topic"], &QUEUE_COLUMNS[..]].concat();
        session.out.table(&header, rows(&answer.json))?;
        let field = |name| shown(name, &answer.json[name]);
        let total = format!("lag {}, in flight {}", field("lag"), field("inFlight"));
        Ok(session.out.line(&total)?)
    }

    pub(super) fn request(&self, instance: &str) -> Request {
        Request::get(&["instances", instance, "groups", &self.group, "lag"])
    }
}

fn rows(answer: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for topic in answer["topics"].as_array().into_iter().flatten() {
        for queue in topic["queues"].as_array().into_iter().flatten() {
            let mut row = vec![shown("topic", &topic["topic"])];
            row.extend(QUEUE_COLUMNS.iter().map(|name| shown(name, &queue[*name])));
            rows.push(row);
        }
    }
    rows
}
