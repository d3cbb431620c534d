//! Usage, bills and price lists over HTTP.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::fake_books::MONTH;
use crate::world::*;

#[actix_web::test]
async fn usage_has_the_shape_of_the_api() {
    let world = World::new().await;
    let path = "/v1/instances/demo/usage";
    let answer = world
        .get(&format!("{path}?from=7200000&to=7200001"))
        .await
        .expect(200)
        .json();
    let line = json!({
        "hour": 7_200_000, "topic": null, "messagesIn": 1, "unitsIn": 2, "bytesIn": 3,
        "messagesOut": 4, "unitsOut": 5, "bytesOut": 6, "apiCalls": 7_200_001,
        "storedByteHoursHot": 7, "storedByteHoursCold": 8,
    });
    let mut total = line.clone();
    total["hour"] = Value::Null;
    assert_eq!(answer, json!({"items": [line], "total": total}));
    let answer = world
        .get(&format!("{path}?by=topic"))
        .await
        .expect(200)
        .json();
    assert_eq!(answer["items"][0]["topic"], "orders");
    assert_eq!(answer["items"][1]["topic"], "(removed 9)");
    assert_eq!(answer["items"][0]["apiCalls"], NOW);
    // Halves are added before they are cut off.
    assert_eq!(answer["total"]["storedByteHoursHot"], 15);
    let answer = world.get(path).await.expect(200).json();
    assert_eq!(answer["items"][0]["hour"], NOW - 24 * 3_600_000);
    for bad in ["by=week", "from=2&to=1", "from=x", "to=-1", "x=1", "from=0"] {
        let reply = world.get(&format!("{path}?{bad}")).await.expect(400);
        assert_eq!(reply.code(), "BAD_REQUEST", "{bad}");
    }
}

#[actix_web::test]
async fn a_bill_is_json_a_table_or_a_page() {
    let world = World::new().await;
    let admin = world.login(Some(2), "admin").await;
    let path = format!("/v1/tenants/2/bills/{MONTH}");
    let get = async |accept: &str| {
        let request = TestRequest::get().uri(&path);
        let request = request.insert_header(("authorization", admin.as_str()));
        world
            .call(request.insert_header(("accept", accept)))
            .await
            .expect(200)
    };
    let bill = get("*/*").await.json();
    assert_eq!(
        (&bill["tenantId"], &bill["month"]),
        (&json!(2), &json!(MONTH))
    );
    assert_eq!(
        (&bill["total"], &bill["totalMicros"]),
        (&json!("0.000008"), &json!(8))
    );
    let line = json!({
        "instance": "00ff", "instanceName": "demo", "plan": "basic", "item": "unitsIn",
        "quantity": 5, "unitMicros": 3, "per": 2, "priceList": "standard", "priceVersion": 1,
        "amount": "0.000008", "amountMicros": 8, "isCorrection": false,
    });
    assert_eq!(bill["lines"], json!([line]));
    for (accept, kind, part) in [
        (
            "text/csv",
            "text/csv",
            "2,2023-11,false,00ff,demo,basic,unitsIn,false,5,3,2,",
        ),
        ("image/png, text/csv;q=0.5", "text/csv", "amount_usd\r\n"),
        (
            "text/html,application/xhtml+xml",
            "text/html",
            "<h1>Bill of tenant 2",
        ),
        ("application/json", "application/json", "\"totalMicros\":8"),
    ] {
        let reply = get(accept).await;
        assert!(reply.header("content-type").starts_with(kind), "{accept}");
        let text = String::from_utf8(reply.bytes).expect("text");
        assert!(text.contains(part), "{text}");
    }
    let months = world
        .as_caller(&admin, "GET", "/v1/tenants/2/bills", Value::Null)
        .await;
    assert_eq!(
        months.expect(200).json(),
        json!({"items": [{"month": MONTH}], "total": 1})
    );
    let found = world
        .as_caller(&admin, "POST", &format!("{path}/verify"), json!({}))
        .await;
    let found = found.expect(200).json();
    assert_eq!(
        found,
        json!({"events": 1, "hours": 2, "differences": ["something"]})
    );
    let other = world
        .as_caller(&admin, "GET", "/v1/tenants/2/bills/2023-10", Value::Null)
        .await;
    assert_eq!(other.expect(404).code(), "NOT_FOUND");
}

#[actix_web::test]
async fn price_lists_are_seen_by_those_who_pay_by_them() {
    let world = World::new().await;
    let names = async |auth: &str| {
        let reply = world
            .as_caller(auth, "GET", "/v1/price-lists", Value::Null)
            .await;
        let items = reply.expect(200).json()["items"]
            .as_array()
            .expect("items")
            .clone();
        items
            .iter()
            .map(|item| item["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    let operator = world.login(None, "operator").await;
    assert_eq!(names(&operator).await, ["secret", "standard"]);
    let plan = world
        .as_caller(&operator, "GET", "/v1/plans", Value::Null)
        .await
        .json();
    let expected: Vec<String> = match plan["items"][0]["priceList"].as_str() {
        Some("standard") => vec!["standard".to_owned()],
        _ => Vec::new(),
    };
    assert_eq!(names(&demo()).await, expected);
    let form = json!({
        "name": "own", "validFrom": 3_600_000, "currency": "EUR",
        "prices": [{"item": "unitsIn", "micros": 1, "per": 1000}],
    });
    let added = world
        .as_caller(&operator, "POST", "/v1/price-lists", form.clone())
        .await;
    assert_eq!(added.expect(201).json()["prices"], form["prices"]);
    let mut bad = form;
    bad["prices"][0]["micros"] = json!(0.5);
    let refused = world
        .as_caller(&operator, "POST", "/v1/price-lists", bad)
        .await;
    assert!(refused.expect(400).message().contains("prices[0].micros"));
}

#[actix_web::test]
async fn every_answered_call_of_an_instance_is_counted_once() {
    let world = World::new().await;
    let gateway = world.gateway();
    let world = World {
        state: gateway.state().clone(),
        ..world
    };
    let calls = gateway.calls();
    assert_eq!(calls.next(), None);
    world.send(&["a", "b"]).await;
    world.receive(json!({})).await;
    world
        .get("/v1/instances/demo/topics/nothing")
        .await
        .expect(404);
    // Neither of these is about an instance that the caller has.
    world.get("/v1/instances/foreign/topics").await.expect(404);
    world.get("/v1/plans").await.expect(200);
    world
        .as_caller("", "GET", "/v1/instances/demo", Value::Null)
        .await
        .expect(401);
    let event = calls.next().expect("counted");
    let counts: Vec<u64> = event.rows.iter().map(|(_, _, calls)| *calls).collect();
    assert_eq!(counts, [3]);
}
