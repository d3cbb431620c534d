//! Delayed messages and transactions over HTTP.

use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::semantics::{consume, topic};
use crate::stack::{ACME, START_MS, Stack, bodies, receive, send};

/// SEED_SPEC 2.1: level by level, seconds.
const LEVELS: [u64; 18] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

#[test]
fn s_07_eighteen_delay_levels_none_early() {
    let stack = Stack::start();
    topic(&stack, "later", "delay", 1);
    let mut http = stack.demo();
    // Level 19 is 18; level 0 is at once.
    let levels: Vec<Value> = (0..=19)
        .map(|level| json!({"body": format!("{level}"), "delayLevel": level}))
        .collect();
    let sent = send(&mut http, "later", &json!(levels));
    assert_eq!(sent[0]["queueOffset"], 0);
    for one in &sent[1..] {
        assert!(
            one["queueOffset"].is_null() && one["recallHandle"].is_string(),
            "{one}"
        );
    }
    assert_eq!(bodies(&consume(&mut http, "workers", "later")), ["0"]);
    let mut at = 0;
    for (level, secs) in (1..).zip(LEVELS) {
        stack.advance_ms(secs * 1000 - 1 - at);
        let early = receive(&mut http, "workers", "later", &json!({}));
        assert_eq!(early, [] as [Value; 0], "1 ms before level {level}");
        stack.advance_ms(1);
        at = secs * 1000;
        let mut got = consume(&mut http, "workers", "later");
        if level == 18 && got.len() == 1 {
            got.extend(consume(&mut http, "workers", "later"));
        }
        let expected: &[&str] = if level == 18 {
            &["18", "19"]
        } else {
            &[&level.to_string()]
        };
        assert_eq!(bodies(&got), expected);
        for message in got {
            assert_eq!(message["deliverAt"], START_MS + secs * 1000);
            let late = message["storeTimestamp"].as_u64().expect("a time") - START_MS - secs * 1000;
            assert_eq!(late, 0, "the clock stood still");
        }
    }
}

#[test]
fn a_delayed_message_is_found_and_recalled() {
    let stack = Stack::start();
    topic(&stack, "later", "delay", 1);
    let mut http = stack.demo();
    let due = START_MS + 3_600_000;
    let batch = json!([{"body": "kept", "deliverAt": due}, {"body": "gone", "deliverAt": due}]);
    let sent = send(&mut http, "later", &batch);
    let recall = |http: &mut Http, handle: &Value| {
        let path = format!("{ACME}/topics/later/messages/recall");
        http.post(&path, &json!({"recallHandle": handle}))
    };
    for id in ["messageId", "offsetMessageId"] {
        let id = sent[0][id].as_str().expect("an id");
        let found = http.get(&format!("{ACME}/messages/{id}")).ok();
        assert_eq!(
            (&found["body"], &found["topic"]),
            (&json!("kept"), &json!("later"))
        );
        assert_eq!(
            (&found["deliverAt"], &found["queueOffset"]),
            (&json!(due), &Value::Null)
        );
    }
    recall(&mut http, &sent[1]["recallHandle"]).ok();
    recall(&mut http, &sent[1]["recallHandle"]).ok();
    recall(&mut http, &json!("rubbish")).error(400, "BAD_REQUEST");
    let mut other = stack.other();
    let foreign = json!({"recallHandle": sent[0]["recallHandle"]});
    let path = format!("{ACME}/topics/orders/messages/recall");
    other.post(&path, &foreign).error(400, "BAD_REQUEST");
    stack.advance_ms(3_600_000);
    assert_eq!(bodies(&consume(&mut http, "workers", "later")), ["kept"]);
    recall(&mut http, &sent[0]["recallHandle"]).error(409, "ALREADY_DELIVERED");
    for id in ["messageId", "offsetMessageId"] {
        let id = sent[0][id].as_str().expect("an id");
        let found = http.get(&format!("{ACME}/messages/{id}")).ok();
        assert_eq!(
            (&found["body"], &found["queueOffset"]),
            (&json!("kept"), &json!(0))
        );
        let id = sent[1]["offsetMessageId"].as_str().expect("an id");
        let gone = http.get(&format!("{ACME}/messages/{id}"));
        gone.error(404, "MESSAGE_NOT_FOUND");
    }
}

/// A transaction's paths.
struct Transactions(Http, String);

impl Transactions {
    /// Those of instance `demo`, by its name or id.
    fn of(http: Http, instance: &str) -> Self {
        Self(http, format!("{instance}/topics/money/transactions"))
    }

    fn begin(&mut self, body: &str) -> String {
        let form = json!({"body": body, "producerGroup": "shop"});
        let begun = self
            .0
            .post(&format!("{ACME}/topics/money/transactions"), &form);
        let id = begun.ok()["transactionId"].clone();
        id.as_str().expect("an id").to_owned()
    }

    fn decide(&mut self, id: &str, how: &str) -> Answer {
        let path = format!("{}/{id}/{how}", self.1);
        self.0.post(&path, &json!({}))
    }

    fn checks(&mut self, form: &Value) -> Vec<Value> {
        let path = format!("{}/checks", self.1);
        let answer = self.0.post(&path, form).ok();
        answer["checks"].as_array().expect("a list").clone()
    }

    fn list(&mut self, state: &str) -> Vec<Value> {
        let path = format!("{}?state={state}", self.1);
        let answer = self.0.get(&path).ok();
        answer["items"].as_array().expect("a list").clone()
    }
}

#[test]
fn s_12_transactions() {
    let stack = Stack::start();
    topic(&stack, "money", "transaction", 1);
    let (mut http, mut shop) = (stack.demo(), Transactions::of(stack.demo(), ACME));
    let nothing = [] as [Value; 0];
    let committed = shop.begin("committed");
    let rolled_back = shop.begin("rolled back");
    let lost = shop.begin("confirmation lost");
    assert_eq!(receive(&mut http, "workers", "money", &json!({})), nothing);
    shop.decide(&committed, "commit").ok();
    shop.decide(&rolled_back, "rollback").ok();
    assert_eq!(
        bodies(&consume(&mut http, "workers", "money")),
        ["committed"]
    );
    shop.decide(&committed, "commit").ok();
    shop.decide(&committed, "rollback").error(409, "CONFLICT");
    shop.decide(&rolled_back, "commit").error(409, "CONFLICT");
    shop.decide("rubbish", "commit")
        .error(404, "TRANSACTION_NOT_FOUND");
    Transactions::of(stack.other(), ACME)
        .decide(&lost, "commit")
        .error(404, "TOPIC_NOT_FOUND");
    // The producer waits to be asked.
    let wanted = json!({"producerGroup": "shop", "waitSeconds": 20});
    let mut asker = Transactions::of(stack.demo(), ACME);
    let asked = stack.while_time_passes(500, move || asker.checks(&wanted));
    assert!(stack.clock.now_ms() >= START_MS + 6_000, "asked too early");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0]["transactionId"], lost);
    assert_eq!(asked[0]["checkCount"], 1);
    assert_eq!(asked[0]["message"]["body"], "confirmation lost");
    assert_eq!(receive(&mut http, "workers", "money", &json!({})), nothing);
    shop.decide(&lost, "commit").ok();
    assert_eq!(
        bodies(&consume(&mut http, "workers", "money")),
        ["confirmation lost"]
    );
    // Nobody ever decides: asked 15 times, then given up and listed.
    let silent = shop.begin("silent");
    for count in 1..=15 {
        stack.advance_ms(if count == 1 { 6_000 } else { 30_000 });
        let asked = shop.checks(&json!({"producerGroup": "shop"}));
        assert_eq!((asked.len(), &asked[0]["checkCount"]), (1, &json!(count)));
        assert_eq!(shop.list("givenUp"), nothing);
    }
    stack.advance_ms(30_000);
    assert_eq!(shop.checks(&json!({"producerGroup": "shop"})), nothing);
    let given_up = shop.list("givenUp");
    assert_eq!(given_up[0]["transactionId"], silent);
    assert_eq!(given_up[0]["checkCount"], 15);
    assert_eq!(shop.list("open"), nothing);
    // An operator decides; that is in the audit log.
    let id = http.get(ACME).ok()["id"].clone();
    let by_id = format!("/v1/instances/{}", id.as_str().expect("an id"));
    Transactions::of(stack.operator(), &by_id)
        .decide(&silent, "rollback")
        .ok();
    assert_eq!(shop.list("givenUp"), nothing);
    assert_eq!(receive(&mut http, "workers", "money", &json!({})), nothing);
}
