//! Whether the bill is what happened (RELIABILITY B1, B2): sends and receives of several
//! users, topics, sizes and batches, redeliveries among them, through kills of the
//! process; and what the books, the bill and `firn bills verify` say of it.
//!
//! Owns a count of its own: a send counts when it was answered, a delivery when it came.
//! Whether a send that a kill left without an answer is stored is looked up by its key.
//! Consumers rest when the process is killed: a delivery that nobody acknowledged may be
//! in no log by then, and is not billed (docs/decisions/0018-metering.md).

mod clients;
mod count;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use self::clients::{Traffic, User};
use self::count::{Count, Sums};
use crate::clock;
use crate::driver::firn::{Cold, Firn, Starting, bootstrap};
use crate::driver::{Kind, Programs, System as _};
use crate::http::{HttpClient, RequestHead};
use crate::machine::Machine;
use crate::process::DataFolder;
use crate::table;

const PASSWORD: &str = "the operator of a benchmark";
const OPERATOR: &str = "FIRN_OPERATOR_PASSWORD";

/// How much of what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// Messages that are sent at least.
    pub messages: u64,
    /// Of which some are on their way when the process is killed.
    pub kills: u64,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub version: String,
    pub plan: Plan,
    pub rows: Vec<Row>,
    /// Messages without an answer at a kill, and how many of them are stored.
    pub unanswered: u64,
    pub unanswered_stored: u64,
    /// Deliveries that were not the first of their message.
    pub redelivered: u64,
    /// As `firn bills verify` says it.
    pub verified: String,
}

impl Report {
    /// Whether anything is not as it happened.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        self.rows.iter().any(|row| row.difference() != 0)
    }
}

/// One sum, as it was counted here and as Firn has it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The books by topic, or the bill.
    pub of: String,
    pub what: &'static str,
    pub counted: i64,
    pub found: i64,
}

impl Row {
    fn difference(&self) -> i64 {
        self.found - self.counted
    }
}

/// Runs the plan.
///
/// # Errors
/// Firn is not there or fails, or a message comes that was never sent.
pub async fn run(plan: Plan, programs: &Programs, data_root: &Path) -> Result<Report> {
    let version = programs.version(Kind::Firn).map_err(anyhow::Error::msg)?;
    let data = DataFolder::create(data_root)?;
    let folder = data.fresh("firn")?;
    fs::write(folder.join(bootstrap::FILE), bootstrap::billed())
        .context("write the bootstrap file")?;
    let mut firn = start(&programs.firn, folder).await?;
    let mut count = Count::default();
    let part = plan.messages / (plan.kills + 1);
    for _ in 0..plan.kills {
        Traffic::new(firn.http_address(), part)
            .run(&mut count)
            .await?;
        let kill = Traffic::new(firn.http_address(), u64::MAX);
        let folder = kill.until_killed(firn, &mut count).await?;
        firn = start(&programs.firn, folder).await?;
        count.settle(firn.http_address()).await?;
    }
    Traffic::new(firn.http_address(), part)
        .run(&mut count)
        .await?;
    // Everything that was counted is collected at an orderly stop.
    let folder = firn.into_process().stop_keeping_data().await?;
    let firn = start(&programs.firn, folder).await?;
    let mut rows = of_usage(firn.http_address(), &count).await?;
    let (month, more) = of_bill(firn.http_address(), &count).await?;
    rows.extend(more);
    let verified = verify(&programs.firn, firn.http_address(), &month)?;
    firn.into_process().stop().await?;
    Ok(Report {
        machine: Machine::describe(),
        version,
        plan,
        rows,
        unanswered: count.unanswered,
        unanswered_stored: count.unanswered_stored,
        redelivered: count.redelivered,
        verified,
    })
}

async fn start(program: &Path, folder: PathBuf) -> Result<Firn> {
    let with_password = Cold {
        variables: vec![(OPERATOR.to_owned(), PASSWORD.to_owned())],
        ..Cold::default()
    };
    Starting::spawn(program, folder, &with_password)?
        .ready()
        .await
}

async fn of_usage(address: SocketAddr, count: &Count) -> Result<Vec<Row>> {
    let user = bootstrap::basic(User::ALL[0].name());
    let path = format!("/v1/instances/{}/usage?by=topic", bootstrap::INSTANCE);
    let usage = ask(address, "GET", &path, &user, &Value::Null).await?;
    let mut rows = Vec::new();
    for (topic, sums) in &count.topics {
        let items = usage["items"].as_array().context("a list")?;
        let item = items.iter().find(|item| item["topic"] == *topic);
        let item = item.with_context(|| format!("{topic} is not in the books"))?;
        for (what, counted) in sums.fields() {
            rows.push(Row {
                of: format!("books, topic {topic}"),
                what,
                counted,
                found: item[what].as_i64().context("a number")?,
            });
        }
    }
    Ok(rows)
}

/// The month of the bill, and what it has of what was counted.
async fn of_bill(address: SocketAddr, count: &Count) -> Result<(String, Vec<Row>)> {
    let form = json!({"username": "operator", "password": PASSWORD});
    let login = ask(address, "POST", "/v1/auth/login", "", &form).await?;
    let token = login["token"].as_str().context("a token")?;
    let token = format!("Bearer {token}");
    let path = format!("/v1/tenants/{}/bills", bootstrap::TENANT);
    let months = ask(address, "GET", &path, &token, &Value::Null).await?;
    let month = months["items"][0]["month"].as_str().context("a month")?;
    let bill = ask(
        address,
        "GET",
        &format!("{path}/{month}"),
        &token,
        &Value::Null,
    )
    .await?;
    let all: Sums = count.topics.values().copied().sum();
    let lines = bill["lines"].as_array().context("a list")?;
    let billed = |item: &str| -> i64 {
        let of_item = lines.iter().filter(|line| line["item"] == item);
        of_item.filter_map(|line| line["quantity"].as_i64()).sum()
    };
    let rows = all.fields().into_iter().filter(|(what, _)| {
        // Others have no price in the built-in list.
        what.starts_with("units")
    });
    let rows = rows.map(|(what, counted)| Row {
        of: format!("bill of {month}"),
        what,
        counted,
        found: billed(what),
    });
    Ok((month.to_owned(), rows.collect()))
}

fn verify(program: &Path, address: SocketAddr, month: &str) -> Result<String> {
    let output = Command::new(program)
        .args(["bills", "verify", &bootstrap::TENANT.to_string(), month])
        .args([
            "--username",
            "operator",
            "--url",
            &format!("http://{address}"),
        ])
        .env("FIRN_PASSWORD", PASSWORD)
        .output()
        .context("run firn bills verify")?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "firn bills verify: {text} {error}");
    Ok(text)
}

/// One call, and its JSON.
async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    authorization: &str,
    form: &Value,
) -> Result<Value> {
    let mut headers = vec!["Content-Type: application/json".to_owned()];
    if !authorization.is_empty() {
        headers.push(format!("Authorization: {authorization}"));
    }
    let head = RequestHead::new(method, path, address, &headers);
    let body = match form.is_null() {
        true => Vec::new(),
        false => serde_json::to_vec(form)?,
    };
    let call = async {
        let mut client = HttpClient::connect(address).await?;
        let answer = client.call(&head, &body).await?;
        answer.success(path)?;
        Ok(serde_json::from_slice(answer.body)?)
    };
    clock::within(Duration::from_secs(60), path, call).await
}

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let what = format!(
        "{} messages at least, {} kills on the way",
        report.plan.messages, report.plan.kills
    );
    let header = ["of", "what", "counted", "found", "difference"];
    let rows = report.rows.iter().map(|row| {
        vec![
            row.of.clone(),
            row.what.to_owned(),
            row.counted.to_string(),
            row.found.to_string(),
            row.difference().to_string(),
        ]
    });
    let table = table::report(&report.machine, &report.version, &what, &header, rows);
    format!(
        "{table}\n{} deliveries were repetitions; of {} messages without an answer at a kill {} are stored\n\
         firn bills verify: {}\n",
        report.redelivered, report.unanswered, report.unanswered_stored, report.verified,
    )
}
