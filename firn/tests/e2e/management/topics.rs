//! Topics: what is made of them, and what is refused.

use serde_json::{Value, json};

use super::guide::{Guide, demo_path, refusal, topic, warnings};
use crate::stack::{Stack, send};

const TOPICS: &str = "/api/manager/topics";
const GROUPS: &str = "/api/manager/subscriptions/demo";

#[test]
fn i_39_i_40_words_for_order_and_permission() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let orders = [
        (json!(true), true),
        (json!("TRUE"), true),
        (json!("有序"), true),
        (json!(false), false),
        (json!("False"), false),
        (json!("无序"), false),
    ];
    for (at, (order, expected)) in orders.iter().enumerate() {
        let name = format!("order{at}");
        guide.post(
            TOPICS,
            &json!({"topicName": name, "brokerNameList": "全部", "order": order}),
        );
        assert_eq!(topic(&guide, &name)["order"], *expected);
    }
    let perms = [
        (json!(6), 6),
        (json!("读写"), 6),
        (json!("4"), 4),
        (json!("只读"), 4),
        (json!(2), 2),
        (json!("只写"), 2),
    ];
    for (at, (perm, expected)) in perms.iter().enumerate() {
        let name = format!("perm{at}");
        guide.post(
            TOPICS,
            &json!({"topicName": name, "brokerNameList": [], "perm": perm}),
        );
        assert_eq!(topic(&guide, &name)["perm"], *expected);
    }
}

#[test]
fn nothing_is_made_of_a_topic_that_is_wrong() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let good = json!({"topicName": "new", "brokerNameList": ["a"]});
    for (field, bad) in [
        ("topicName", Value::Null),
        ("topicName", json!("a b")),
        ("topicName", json!("TBW102")),
        ("topicName", json!([])),
        ("brokerNameList", Value::Null),
        ("brokerNameList", json!(7)),
        ("brokerNameList", json!([[]])),
        ("writeQueueNums", json!(0)),
        ("writeQueueNums", json!(1025)),
        ("readQueueNums", json!("x")),
        ("readQueueNums", json!(1.5)),
        ("perm", json!(5)),
        ("perm", json!(true)),
        ("order", json!("yes")),
        ("order", json!(1)),
        ("remark", json!("x".repeat(513))),
        ("remark", json!({})),
        ("allowdConsumerGroups", json!(["a", "a"])),
        ("clusterNameList", json!({})),
    ] {
        let mut body = good.clone();
        body[field] = bad.clone();
        let text = guide.refused(400, "POST", TOPICS, &body);
        assert!(text.starts_with(field), "{field} {bad}: {text}");
    }
    let mut body = good.clone();
    body["brokerNameList"] = json!(["a", "c"]);
    guide.refused(404, "POST", TOPICS, &body);
    for (method, path) in [
        ("POST", TOPICS),
        ("POST", GROUPS),
        ("POST", "/api/manager/topics/consumeOffset"),
    ] {
        let text = refusal(
            &guide.raw(method, &format!("{path}?{}", guide.query), &json!([1])),
            400,
            path,
        );
        assert!(text.starts_with("body:"), "{text}");
    }
    assert_eq!(
        guide.refused(
            404,
            "GET",
            "/api/manager/topics/demo/basedata/new",
            &Value::Null
        ),
        "No route info of this topic, new"
    );
    guide.post(TOPICS, &good);
    let text = guide.refused(409, "POST", TOPICS, &good);
    assert!(text.contains("'new' exists already"), "{text}");
    guide.refused(404, "GET", &format!("{GROUPS}/none/detail"), &Value::Null);
    assert_eq!(
        guide.refused(404, "GET", &format!("{GROUPS}/none/detail"), &Value::Null),
        "Subscription group not exist"
    );
}

#[test]
fn topics_change_as_the_guide_says() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let body = json!({"topicName": "own", "brokerNameList": ["b"], "writeQueueNums": "2", "readQueueNums": 3, "order": true});
    let made = guide.post(TOPICS, &body);
    assert!(
        warnings(&made).starts_with("writeQueueNums, readQueueNums:"),
        "{made}"
    );
    let seen = topic(&guide, "own");
    assert_eq!(
        (
            &seen["writeQueueNums"],
            &seen["readQueueNums"],
            &seen["brokerName"]
        ),
        (&json!(3), &json!(3), &json!("b"))
    );
    // Messages of every kind.
    for message in [
        json!({"body": "plain"}),
        json!({"body": "later", "delayLevel": 1}),
        json!({"body": "grouped", "messageGroup": "g"}),
    ] {
        send(&mut stack.demo(), "own", &json!([message]));
    }
    let path = "/api/manager/topics/demo/own";
    // An ordered topic gets fewer queues once nobody is online and all is consumed.
    let text = guide.refused(
        409,
        "POST",
        path,
        &json!({"writeQueueNums": 1, "readQueueNums": 1}),
    );
    assert!(text.contains("own is publishing by"), "{text}");
    stack.advance_ms(30_000);
    let text = guide.refused(
        409,
        "POST",
        path,
        &json!({"writeQueueNums": 1, "readQueueNums": 1}),
    );
    assert!(text.contains("drained"), "{text}");
    guide.post(path, &json!({"perm": 4, "remark": "read only"}));
    let seen = topic(&guide, "own");
    assert_eq!(
        (&seen["perm"], &seen["remark"], &seen["writeQueueNums"]),
        (&json!(4), &json!("read only"), &json!(3))
    );
    guide.refused(
        404,
        "POST",
        "/api/manager/topics/demo/none",
        &json!({"perm": 4}),
    );
}

#[test]
fn plans_limit_topics_with_the_limit_in_the_text() {
    let stack = Stack::start();
    let mut operator = stack.operator();
    operator
        .post(
            "/v1/plans",
            &json!({"name": "two", "topics": 2, "tps": 0, "topicTps": 0}),
        )
        .ok();
    let plan = json!({"plan": "two"});
    operator.json("PATCH", &demo_path(&stack), &plan).ok();
    let guide = Guide::demo(&stack);
    let text = guide.refused(
        403,
        "POST",
        TOPICS,
        &json!({"topicName": "third", "brokerNameList": []}),
    );
    assert!(text.contains("2 topics"), "{text}");
}
