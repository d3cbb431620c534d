//! `firn seek`.

use clap::Args;
use serde_json::Value;

use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::groups::position;
use super::output::shown;
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Messages that were in flight are handed out anew by the new progress; their receipts end.

Examples:
  firn seek workers orders -i demo --to earliest --dry-run
  firn seek workers orders -i demo --to 2026-01-31T12:00:00Z")]
pub struct Seek {
    #[arg(value_parser = name)]
    group: String,
    #[arg(value_parser = name)]
    topic: String,
    /// earliest, latest, milliseconds since 1970 or RFC 3339.
    #[arg(long, value_name = "WHERE", value_parser = position)]
    to: Value,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

const COLUMNS: [&str; 6] = [
    "broker",
    "queueId",
    "brokerOffset",
    "consumerOffset",
    "timestampOffset",
    "rollbackOffset",
];

impl Seek {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let request = self.request(&session.instance()?);
        let Some(answer) = session.ask(&request)? else {
            return Ok(());
        };
        let rows = answer.json["rows"].as_array().into_iter().flatten();
        let row = |row: &Value| {
            COLUMNS
                .iter()
                .map(|name| shown(name, &row[*name]))
                .collect()
        };
        session.out.table(&COLUMNS, rows.map(row).collect())?;
        let diff = shown("diffOffset", &answer.json["diffOffset"]);
        let verb = if self.dry_run { "would move" } else { "moved" };
        Ok(session
            .out
            .line(&format!("{verb} back by {diff} messages"))?)
    }

    pub(super) fn request(&self, instance: &str) -> Request {
        let path = [
            "instances",
            instance,
            "groups",
            &self.group,
            "topics",
            &self.topic,
            "seek",
        ];
        let body = Fields::default()
            .with("to", &self.to)
            .maybe("dryRun", self.dry_run.then_some(true));
        Request::post(&path, body)
    }
}
