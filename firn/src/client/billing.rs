//! `firn usage`, `firn bills`, `firn plans` and `firn audit`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::admin::{self, Shape};
use super::args::{name, time};
use super::connection::{ConnectionFlags, Prefer};
use super::output::shown;
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Hours are those of UTC; both ends are included. The last hour is at most a minute behind.

Examples:
  firn usage -i demo
  firn usage -i demo --by topic --from 2026-01-01T00:00:00Z --to 2026-01-31T23:00:00Z")]
pub struct Usage {
    /// Default: 24 hours ago.
    #[arg(long, value_parser = time)]
    from: Option<u64>,
    /// Default: now.
    #[arg(long, value_parser = time)]
    to: Option<u64>,
    #[arg(long, value_enum, default_value = "hour")]
    by: By,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Hour,
    Day,
    Topic,
}

const SUMS: [&str; 9] = [
    "messagesIn",
    "unitsIn",
    "bytesIn",
    "messagesOut",
    "unitsOut",
    "bytesOut",
    "apiCalls",
    "storedByteHoursHot",
    "storedByteHoursCold",
];

impl Usage {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Application)?;
        let request = self.request(&session.instance()?);
        let Some(answer) = session.ask(&request)? else {
            return Ok(());
        };
        let first = match self.by {
            By::Topic => "topic",
            By::Hour | By::Day => "hour",
        };
        let row = |line: &Value, title: String| {
            let sums = SUMS.iter().map(|name| shown(name, &line[*name]));
            [title].into_iter().chain(sums).collect::<Vec<_>>()
        };
        let lines = answer.json["items"].as_array().into_iter().flatten();
        // The hour is a time, and written like one.
        let title =
            |line: &Value| shown(if first == "hour" { "hourAt" } else { first }, &line[first]);
        let mut rows: Vec<_> = lines.map(|line| row(line, title(line))).collect();
        rows.push(row(&answer.json["total"], "total".to_owned()));
        let header = [&[first], &SUMS[..]].concat();
        Ok(session.out.table(&header, rows)?)
    }

    pub(super) fn request(&self, instance: &str) -> Request {
        let by = match self.by {
            By::Hour => "hour",
            By::Day => "day",
            By::Topic => "topic",
        };
        Request::get(&["instances", instance, "usage"])
            .query("from", self.from)
            .query("to", self.to)
            .query("by", Some(by))
    }
}

#[derive(Args)]
#[command(after_help = "\
Months are those of UTC, as YYYY-MM. A bill closes a day after its month.

Examples (as the operator, or as an administrator or viewer of the tenant):
  firn bills list 2 --username operator
  firn bills show 2 2026-01 --csv --username operator > bill.csv
  firn bills verify 2 2026-01 --username operator")]
pub struct Bills {
    #[command(subcommand)]
    verb: BillsVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum BillsVerb {
    /// List the months that a tenant has bills of.
    List { tenant_id: u64 },
    /// Show a bill.
    Show {
        tenant_id: u64,
        #[arg(value_parser = name)]
        month: String,
        /// As a table for spreadsheets.
        #[arg(long)]
        csv: bool,
    },
    /// Work a bill out anew from its events, and tell every difference.
    Verify {
        tenant_id: u64,
        #[arg(value_parser = name)]
        month: String,
    },
}

const BILL_COLUMNS: [&str; 8] = [
    "instanceName",
    "plan",
    "item",
    "isCorrection",
    "quantity",
    "unitMicros",
    "per",
    "amount",
];

impl Bills {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let request = self.request();
        match &self.verb {
            BillsVerb::List { .. } => admin::run(&mut session, &request, Shape::List(&["month"])),
            BillsVerb::Show { csv: true, .. } => {
                let table = session.api.call(&request)?;
                Ok(session.out.line(table.text.trim_end())?)
            }
            BillsVerb::Show { .. } => show(&mut session, &request),
            BillsVerb::Verify { .. } => verify(&mut session, &request),
        }
    }

    pub(super) fn request(&self) -> Request {
        match &self.verb {
            BillsVerb::List { tenant_id } => {
                Request::get(&["tenants", &tenant_id.to_string(), "bills"])
            }
            BillsVerb::Show {
                tenant_id,
                month,
                csv,
            } => {
                let request = Request::get(&["tenants", &tenant_id.to_string(), "bills", month]);
                if *csv {
                    request.accept("text/csv")
                } else {
                    request
                }
            }
            BillsVerb::Verify { tenant_id, month } => {
                let tenant = tenant_id.to_string();
                let path = ["tenants", &tenant, "bills", month, "verify"];
                Request::post(&path, Fields::default())
            }
        }
    }
}

fn show(session: &mut Session, request: &Request) -> Result<(), Failure> {
    let Some(answer) = session.ask(request)? else {
        return Ok(());
    };
    let bill = &answer.json;
    let lines = bill["lines"].as_array().into_iter().flatten();
    let row = |line: &Value| BILL_COLUMNS.map(|name| shown(name, &line[name])).to_vec();
    session.out.table(&BILL_COLUMNS, lines.map(row).collect())?;
    let field = |name| shown(name, &bill[name]);
    let state = match bill["isClosed"].as_bool() {
        Some(true) => "closed",
        Some(false) | None => "as it stands",
    };
    let total = format!("total {} {}, {state}", field("total"), field("currency"));
    Ok(session.out.line(&total)?)
}

/// Fails when there is a difference.
fn verify(session: &mut Session, request: &Request) -> Result<(), Failure> {
    let answer = session.api.call(request)?;
    let found = &answer.json;
    let differences = found["differences"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if session.out.json {
        session.out.line(&answer.text)?;
    } else {
        for difference in differences {
            session.out.line(&shown("", difference))?;
        }
        let count = |name| shown(name, &found[name]);
        let text = format!(
            "{} events, {} hours, {} differences",
            count("events"),
            count("hours"),
            differences.len()
        );
        session.out.line(&text)?;
    }
    match differences {
        [] => Ok(()),
        [..] => Err(Failure::Partly("the books are not right".to_owned())),
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn plans list --username operator
  firn plans create wide --topics 5000 --price-list standard --username operator
  firn plans prices --username operator")]
pub struct Plans {
    #[command(subcommand)]
    verb: PlansVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum PlansVerb {
    /// List the plans that you may see.
    List,
    /// Create a plan (operator); what is not given has no cap.
    Create {
        #[arg(value_parser = name)]
        name: String,
        #[arg(long)]
        tps: Option<u64>,
        #[arg(long)]
        topic_tps: Option<u64>,
        #[arg(long)]
        topics: Option<u64>,
        #[arg(long)]
        groups: Option<u64>,
        #[arg(long)]
        storage_gib: Option<u64>,
        #[arg(long)]
        retention_hours: Option<u32>,
        #[arg(long, value_parser = name)]
        price_list: Option<String>,
    },
    /// List the price lists that you may see.
    Prices,
}

impl Plans {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request();
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self) -> (Request, Shape) {
        match &self.verb {
            PlansVerb::List => {
                let columns = &[
                    "name",
                    "tps",
                    "topicTps",
                    "topics",
                    "storageGib",
                    "retentionHours",
                    "priceList",
                ];
                (Request::get(&["plans"]), Shape::List(columns))
            }
            PlansVerb::Create {
                name,
                tps,
                topic_tps,
                topics,
                groups,
                storage_gib,
                retention_hours,
                price_list,
            } => {
                let body = Fields::default()
                    .with("name", name)
                    .maybe("tps", *tps)
                    .maybe("topicTps", *topic_tps)
                    .maybe("topics", *topics)
                    .maybe("groups", *groups)
                    .maybe("storageGib", *storage_gib)
                    .maybe("retentionHours", *retention_hours)
                    .maybe("priceList", price_list.as_ref());
                (Request::post(&["plans"], body), Shape::Object)
            }
            PlansVerb::Prices => {
                let columns = &["name", "version", "validFrom", "currency", "prices"];
                (Request::get(&["price-lists"]), Shape::List(columns))
            }
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
Newest first.

Examples:
  firn audit --username operator
  firn audit --tenant-id 2 --max 20 --username operator")]
pub struct Audit {
    /// Of this tenant alone (operator).
    #[arg(long, value_name = "ID")]
    tenant_id: Option<u64>,
    /// Rows at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=500))]
    max: u64,
    #[command(flatten)]
    connection: ConnectionFlags,
}

const AUDIT_COLUMNS: [&str; 6] = ["at", "tenant", "caller", "action", "object", "detail"];

impl Audit {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let Some(answer) = session.ask(&self.request())? else {
            return Ok(());
        };
        let lines = answer.json["items"].as_array().into_iter().flatten();
        let row = |line: &Value| AUDIT_COLUMNS.map(|name| shown(name, &line[name])).to_vec();
        Ok(session
            .out
            .table(&AUDIT_COLUMNS, lines.map(row).collect())?)
    }

    pub(super) fn request(&self) -> Request {
        Request::get(&["audit"])
            .query("tenant", self.tenant_id)
            .query("max", Some(self.max))
    }
}
