//! What an instance uses of what it may.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, test};
use firn_gateway::app_config;
use firn_protocol::api::tenant::TenantApi as _;
use firn_protocol::api::usage::SLOT_MS;
use firn_protocol::catalogue::Rates;
use firn_protocol::{TenantId, Timestamp, TopicKey};
use serde_json::{Value, json};

use crate::fake_billing::{Entry, FakeBilling};
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
    assert_eq!(item(&answer, "tps")["used"], Value::Null, "no books");
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

#[actix_web::test]
async fn the_rate_is_that_of_the_last_whole_step_both_ways() {
    let world = World::new().await;
    let billing = Arc::new(FakeBilling::default());
    let gateway = world.gateway().with_billing(billing.clone());
    let state = gateway.state().clone();
    let instance = world.tenants.find_instance(Some(TenantId(2)), "demo");
    let instance = instance.expect("there");
    let topic = world.tenants.topic(instance.id, "orders").expect("there");
    let step = NOW / SLOT_MS;
    for (at, is_sent, messages) in [
        (step - 2, true, 7_000),
        (step - 1, true, 240),
        (step - 1, false, 120),
        (step, true, 9_000),
    ] {
        billing.entries.lock().push(Entry {
            broker: instance.brokers[0].id,
            topic: TopicKey::User(topic.id),
            group: (!is_sent).then(|| world.group_id()),
            start: Timestamp(at * SLOT_MS),
            messages,
        });
    }
    let app = test::init_service(App::new().configure(app_config(&state))).await;
    let request = test::TestRequest::with_uri(QUOTA);
    let request = request.insert_header(("authorization", demo()));
    let request = request.peer_addr("10.9.8.7:5167".parse().expect("an address"));
    let reply = Reply::of(test::call_service(&app, request.to_request()).await).await;
    let tps = item(&reply.expect(200).json(), "tps")["used"].clone();
    assert_eq!(tps, 3.0, "360 in 120 s");
}
