//! What clients did is what they are billed for, to the message (RELIABILITY B1, B2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use async_trait::async_trait;
use firn_protocol::ApiResult;
use firn_protocol::api::billing::BillingApi as _;
use firn_protocol::api::usage::{Counts, EventKey, StoredBytes, UsageApi, UsageEvent};
use firn_runtime::tasks;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::machine::demo_file;
use crate::process::Process;
use crate::stack::{ACME, START_MS, Stack, ack, receive, send};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn usage(http: &mut Http, query: &str) -> Value {
    http.get(&format!(
        "{ACME}/usage?from={START_MS}&to={}{query}",
        START_MS + 60 * DAY_MS
    ))
    .ok()
}

fn total(stack: &Stack) -> Value {
    usage(&mut stack.demo(), "&by=day")["total"].clone()
}

fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().expect("a number")
}

fn items<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().expect("a list")
}

/// Hours with messages since the start: messages, units and bytes in, and out.
fn hours(answer: &Value) -> Vec<(i64, [i64; 6])> {
    let lines = items(answer, "items").iter();
    let lines = lines.map(|line| {
        let hour = (number(line, "hour") - START_MS as i64) / HOUR_MS as i64;
        let names = [
            "messagesIn",
            "unitsIn",
            "bytesIn",
            "messagesOut",
            "unitsOut",
            "bytesOut",
        ];
        (hour, names.map(|name| number(line, name)))
    });
    lines.filter(|(_, counts)| *counts != [0; 6]).collect()
}

/// Lines at the prices that the test made: item, quantity, amount.
fn own_lines(bill: &Value) -> Vec<(&str, i64, i64)> {
    let lines = items(bill, "lines").iter();
    let lines = lines.filter(|line| line["priceVersion"] == 2);
    lines
        .map(|line| {
            let item = line["item"].as_str().expect("an item");
            (item, number(line, "quantity"), number(line, "amountMicros"))
        })
        .collect()
}

fn make_prices(operator: &mut Http) {
    // Without what depends on how calls are made and on how bytes are kept.
    let list = json!({
        "name": "standard", "validFrom": START_MS + HOUR_MS, "currency": "EUR",
        "prices": [
            {"item": "instanceMonth", "micros": 7_440_000, "per": 1},
            {"item": "unitsIn", "micros": 5, "per": 2},
            {"item": "unitsOut", "micros": 1000, "per": 1},
            {"item": "bytesIn", "micros": 1, "per": 1000},
        ],
    });
    operator.post("/v1/price-lists", &list).ok();
}

fn make_traffic(stack: &Stack, http: &mut Http) {
    // Bodies of 1, 4096 and 4097 bytes are 1, 1 and 2 units.
    for size in [1, 4096, 4097] {
        send(http, "single", &json!([{"body": "x".repeat(size)}]));
    }
    let got = receive(http, "workers", "single", &json!({"max": 16}));
    assert_eq!(got.len(), 3);
    ack(http, "workers", "single", &got);
    stack.collect();
    stack.advance_ms(5 * HOUR_MS);
    let message = json!([{"body": "abc", "tag": "t", "properties": {"k": "v"}}]);
    send(http, "orders", &message);
    stack.collect();
    // Nothing new: nothing is added.
    stack.collect();
}

#[test]
fn a_month_of_traffic_is_billed_as_worked_out_by_hand() {
    let stack = Stack::start();
    let (mut http, mut operator) = (stack.demo(), stack.operator());
    make_prices(&mut operator);
    stack.advance_ms(HOUR_MS);
    make_traffic(&stack, &mut http);
    let expected = [(1, [3, 4, 8194, 3, 4, 8194]), (6, [1, 1, 6, 0, 0, 0])];
    assert_eq!(hours(&usage(&mut http, "")), expected);
    let by_topic = usage(&mut http, "&by=topic");
    let sent = |name: &str| {
        let lines = items(&by_topic, "items").iter();
        let lines = lines.filter(|line| line["topic"] == name);
        lines.map(|line| number(line, "messagesIn")).sum::<i64>()
    };
    assert_eq!((sent("single"), sent("orders")), (3, 1));
    // Three sends, a receive, an ack and a send, that were collected.
    assert_eq!(total(&stack)["apiCalls"], 6);

    // To the end of January and a day, a collection each hour.
    for _ in 0..31 * 24 + 24 - 6 {
        stack.advance_ms(HOUR_MS);
        stack.collect();
        stack.close_books();
    }
    // The token has ended long ago.
    let mut operator = stack.operator();
    let path = "/v1/tenants/2/bills/2025-01";
    let bill = operator.get(path).ok();
    assert_eq!(
        (&bill["isClosed"], &bill["currency"]),
        (&json!(true), &json!("EUR"))
    );
    let expected = [
        // 743 of 744 hours; the first one has the built-in price.
        ("instanceMonth", 743, 7_430_000),
        // 12.5, to even.
        ("unitsIn", 5, 12),
        ("unitsOut", 4, 4000),
        // 8.2
        ("bytesIn", 8200, 8),
    ];
    assert_eq!(own_lines(&bill), expected);
    let lines = items(&bill, "lines").iter();
    let sum: i64 = lines.map(|line| number(line, "amountMicros")).sum();
    assert_eq!(bill["totalMicros"], sum);
    let verified = operator.post(&format!("{path}/verify"), &json!({})).ok();
    assert_eq!(verified["differences"], json!([]));
    assert!(verified["hours"].as_u64() > Some(70), "{verified}");
    // The next month has a bill of its own, as it stands.
    let months = operator.get("/v1/tenants/2/bills").ok();
    assert_eq!(
        months["items"],
        json!([{"month": "2025-02"}, {"month": "2025-01"}])
    );
    let next = operator.get("/v1/tenants/2/bills/2025-02").ok();
    assert_eq!(next["isClosed"], false);
}

/// The node's side, as a meter sees it that dies between keeping and telling.
struct Forgetful(Arc<dyn UsageApi>, AtomicU64);

#[async_trait]
impl UsageApi for Forgetful {
    async fn usage(&self) -> ApiResult<Vec<UsageEvent>> {
        self.0.usage().await
    }
    async fn usage_taken(&self, keys: &[EventKey]) -> ApiResult<()> {
        match self.1.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Ok(()),
            _ => self.0.usage_taken(keys).await,
        }
    }
    fn stored_bytes(&self) -> Vec<StoredBytes> {
        self.0.stored_bytes()
    }
}

#[test]
fn what_was_acknowledged_is_counted_through_power_cuts_and_lost_words() {
    let mut stack = Stack::start();
    let mut sent = Counts::default();
    for round in 0..12u64 {
        let mut http = stack.demo();
        for n in 0..5 {
            let size = (round * 1777 + n * 997) % 9000;
            let results = send(
                &mut http,
                "orders",
                &json!([{"body": "x".repeat(size as usize)}]),
            );
            assert_eq!(results.len(), 1);
            sent = sent.plus(Counts::message(size));
        }
        let node: Arc<dyn UsageApi> = stack.storage();
        let node = Forgetful(node, AtomicU64::new(round));
        let books = stack.tenants();
        // Kept, and told or not.
        stack.block_on(async {
            let events = node.usage().await.expect("told");
            books.record_usage(&events).await.expect("kept");
            let keys: Vec<_> = events.iter().map(|event| event.key).collect();
            node.usage_taken(&keys).await.expect("taken");
        });
        match round % 3 {
            0 => stack.cut_power(round),
            1 => stack.restart(),
            _ => {}
        }
        stack.advance_ms(7 * 60_000);
        stack.close_books();
    }
    stack.collect();
    let found = total(&stack);
    let expected = BTreeMap::from([
        ("messagesIn", sent.messages),
        ("unitsIn", sent.units),
        ("bytesIn", sent.bytes),
    ]);
    for (field, count) in expected {
        assert_eq!(found[field], count, "{field}");
    }
}

/// As many as lie in the topic's queues, and as were answered, whatever was killed.
#[test]
fn a_killed_process_bills_what_it_stored() {
    let dir = TempDir::new().expect("temporary directory");
    let mut answered = 0;
    for round in 0..4 {
        let process = Process::start(dir.path(), &demo_file(), &[]);
        let mut http = Http::user(process.http, "demo", "demo-secret");
        let (told, heard) = channel();
        let client = tasks::thread("client", move || {
            let form = json!({"messages": [{"body": "a"}, {"body": "b"}]}).to_string();
            let (path, kind) = (
                format!("{ACME}/topics/orders/messages"),
                [("content-type", "application/json")],
            );
            let mut count = 0;
            // Until the process is gone.
            while let Ok(answer) = http.try_call("POST", &path, &kind, form.as_bytes()) {
                let results = items(&answer.ok(), "results").clone();
                count += results
                    .iter()
                    .filter(|result| result["error"].is_null())
                    .count();
                let _ = told.send(());
            }
            count
        });
        // In the middle of the meter's first collection, or of traffic.
        for _ in 0..10 + 20 * round {
            heard.recv().expect("it sends");
        }
        process.kill();
        answered += client.expect("a thread").join().expect("a count");
    }
    // What was left is collected when it stops, and shown when it starts again.
    let process = Process::start(dir.path(), &demo_file(), &[]);
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    let process = Process::start(dir.path(), &demo_file(), &[]);
    let mut http = Http::user(process.http, "demo", "demo-secret");
    // A group that never received has no rows.
    receive(&mut http, "workers", "orders", &json!({"max": 1}));
    let lag = http.get(&format!("{ACME}/groups/workers/lag")).ok();
    let topics = items(&lag, "topics").iter();
    let queues = topics.flat_map(|topic| items(topic, "queues"));
    let stored: i64 = queues.map(|queue| number(queue, "maxOffset")).sum();
    let found = http.get(&format!("{ACME}/usage?by=topic")).ok();
    assert_eq!(number(&found["total"], "messagesIn"), stored);
    assert!(
        stored >= answered as i64 && answered > 0,
        "{stored} {answered}"
    );
}
