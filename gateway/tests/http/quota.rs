//! What an instance uses of what it may.

use std::time::Duration;

use firn_protocol::catalogue::Rates;
use serde_json::{Value, json};

use crate::world::*;

const QUOTA: &str = "/v1/instances/demo/quota";

fn item(answer: &Value, name: &str) -> Value {
    let items = answer["items"].as_array().expect("items");
    let found = items.iter().find(|item| item["name"] == name);
    found.expect(name).clone()
}

#[actix_web::test]
async fn limits_stand_beside_their_use() {
    let world = World::new().await;
    world.edit_instance(|instance| {
        instance.rates = Rates {
            tps: 9000,
            topic_tps: 0,
            burst_ms: 100,
        }
    });
    let answer = world.get(QUOTA).await.expect(200).json();
    assert_eq!(answer["plan"], "basic");
    assert_eq!(item(&answer, "tps")["max"], 9000);
    assert_eq!(item(&answer, "tps")["used"], 0.0);
    assert_eq!(item(&answer, "topicTps")["max"], Value::Null, "no limit");
    assert_eq!(item(&answer, "topicTps")["used"], Value::Null);
    let topics = |answer: &Value| item(answer, "topics")["used"].as_f64().expect("known");
    let before = topics(&answer);
    let new = json!({"name": "one-more", "type": "normal"});
    world
        .post("/v1/instances/demo/topics", new)
        .await
        .expect(201);
    let after = world.get(QUOTA).await.expect(200).json();
    assert!((topics(&after) - before - 1.0).abs() < 1e-9);
    let bad = world.get(&format!("{QUOTA}?x=1")).await.expect(400);
    assert_eq!(bad.code(), "BAD_REQUEST");
}

#[actix_web::test]
async fn refusals_of_the_last_hour_are_told_by_limit() {
    let world = World::new().await;
    world.edit_instance(|instance| {
        instance.rates = Rates {
            tps: 0,
            topic_tps: 10,
            burst_ms: 100,
        }
    });
    let refused = async || world.get(QUOTA).await.expect(200).json()["refused"].clone();
    assert_eq!(refused().await, json!([]));
    let messages = vec![json!({"body": "x"}); 5];
    let sent = json!({"messages": messages});
    let results = world.post(MESSAGES, sent.clone()).await.expect(200).json();
    let stored = results["results"].as_array().expect("results").iter();
    let stored = stored.filter(|it| it["messageId"].is_string()).count();
    let told = refused().await;
    assert_eq!(told[0]["limit"], "topic");
    assert_eq!(told[0]["what"], "topic 'orders'");
    assert_eq!(
        (&told[0]["max"], &told[0]["lastAt"]),
        (&json!(10), &json!(NOW))
    );
    assert_eq!(told[0]["count"], json!(5 - stored));
    // A whole request that is refused counts each of its messages, too.
    world.post(MESSAGES, sent).await.expect(429);
    assert_eq!(refused().await[0]["count"], json!(10 - stored));
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(refused().await, json!([]));
}
