//! S-03: field names and JSON types of every endpoint's answer.

use serde_json::{Value, json};

use super::fields::*;
use super::guide::{Guide, warnings};
use crate::stack::{Stack, ack, receive, send};

/// Some messages in `orders`, of which `workers` have finished one and hold one.
fn used(stack: &Stack) -> Guide {
    let mut http = stack.demo();
    let message =
        json!({"body": "text", "keys": ["key-1"], "tag": "webtest", "properties": {"p": "v"}});
    send(&mut http, "orders", &json!([message, message, message]));
    let got = receive(
        &mut http,
        "workers",
        "orders",
        &json!({"max": 2, "consumerId": "one"}),
    );
    ack(&mut http, "workers", "orders", &got[..1]);
    Guide::demo(stack)
}

#[test]
fn s_03_i_12_i_13_i_41_objects_of_the_instance() {
    let stack = Stack::start();
    let guide = used(&stack);
    let account = guide.get("/api/access/account");
    check(&account["data"], &[ACCOUNT]);
    let base = guide.get("/api/manager/cluster/base");
    let base = base["data"].as_array().expect("a list (I-13)");
    assert_eq!(base.len(), 1);
    check(&base[0], &[BASE]);
    let expected = json!({"mainBrokerNums": 2, "slaveBrokerNums": 0, "produceGroupNums": 1,
        "consumeGroupNums": 1, "msgHistoryNums": 3, "msgNowNums": 3, "clusterName": "demo",
        "namesrvAddr": "", "remark": ""});
    assert_eq!(base[0], expected);
    let detail = guide.get("/api/manager/cluster/detail");
    let cluster = &detail["data"]["brokerInfoMap"]["demo"];
    assert_eq!(cluster["brokerList"], json!(["a", "b"]));
    for broker in ["a", "b"] {
        let values = cluster["brokerMap"][broker]["0"]
            .as_object()
            .expect("values");
        for name in RUNTIME {
            assert!(values[*name].is_string(), "{name} is no text: {values:?}");
        }
        assert_eq!(values.len(), RUNTIME.len(), "{values:?}");
        assert_eq!(values["topicNum"], if broker == "a" { "2" } else { "1" });
    }
    let sent = |broker: &str| {
        let count = &cluster["brokerMap"][broker]["0"]["putMessageTimesTotal"];
        count
            .as_str()
            .and_then(|text| text.parse::<u64>().ok())
            .expect("a number")
    };
    assert_eq!(sent("a") + sent("b"), 3);
    stack.collect();
    let tps = guide.get("/api/manager/cluster/demo/tps");
    let rows = check_rows(&tps, 1440, &[POINT]);
    assert_eq!(rows.len(), 1440);
    let times: Vec<u64> = rows
        .iter()
        .filter_map(|row| row["crtTime"].as_u64())
        .collect();
    assert!(
        times.is_sorted() && times[0] == times[1],
        "oldest first, two brokers"
    );
    assert_eq!(times[1439] - times[0], 719 * 120_000);
    assert_eq!(warnings(&tps), "");
    let is_busy = |row: &&Value| row["inTPS"].as_f64() > Some(0.0);
    let busy: Vec<&Value> = rows.iter().filter(is_busy).collect();
    assert!(!busy.is_empty(), "three messages came in");
}

#[test]
fn s_03_i_10_i_25_objects_of_topics() {
    let stack = Stack::start();
    let guide = used(&stack);
    let topic = guide.get("/api/manager/topics/demo/basedata/orders");
    check(&topic["data"], &[TOPIC]);
    assert_eq!(topic["data"]["brokerName"], "a,b", "I-18");
    assert_eq!(topic["data"]["clusterName"], Value::Null);
    let list = guide.get("/api/manager/topics/demo/basedatas?pageSize=2");
    let rows = check_rows(&list, 3, &[TOPIC]);
    let places: Vec<_> = rows
        .iter()
        .map(|row| (&row["topicName"], &row["brokerName"]))
        .collect();
    assert_eq!(
        places,
        [
            (&json!("orders"), &json!("a")),
            (&json!("orders"), &json!("b"))
        ]
    );
    assert_eq!(rows[0]["clusterName"], "demo");
    let second = guide.get("/api/manager/topics/demo/basedatas?pageSize=2&pageNumber=2");
    assert_eq!(check_rows(&second, 3, &[TOPIC])[0]["topicName"], "single");
    check_rows(
        &guide.get("/api/manager/topics/demo?topicName=rder&brokerName=b"),
        1,
        &[TOPIC],
    );
    let stats = guide.get("/api/manager/topics/demo/orders/stats");
    check(&stats["data"], &[TOPIC_STATS]);
    let data = &stats["data"];
    assert_eq!(
        (&data["msgHistoryNums"], &data["msgNowNums"]),
        (&json!(3), &json!(3))
    );
    let queues = guide.get("/api/manager/topics/demo/orders/queues");
    let rows = check_rows(&queues, 1, &[GROUP_QUEUES]);
    let list = rows[0]["queueStatInfoList"].as_array().expect("queues");
    assert_eq!(list.len(), 8);
    list.iter().for_each(|queue| check(queue, &[QUEUE]));
    assert_eq!(list[0]["clientInfo"], "one");
    let depth = guide.get("/api/manager/topics/demo/orders/depth");
    check_rows(&depth, 2, &[DEPTH]);
    for (kind, name) in [
        ("producers", "CLIENT_INNER_PRODUCER"),
        ("consumers", "workers"),
    ] {
        let list = guide.get(&format!("/api/manager/topics/demo/orders/{kind}"));
        assert_eq!(
            (&list["total"], &list["rows"]),
            (&json!(1), &json!([name])),
            "{kind}"
        );
    }
    let tps = guide.get("/api/manager/topics/demo/orders/tps?brokerName=a&groupName=workers");
    check(&tps, &[TPS]);
    assert_eq!((&tps["total"], &tps["taotal"]), (&json!(0), &json!(0)));
    let body = json!({"consumerGroupList": ["workers"], "topicName": "orders"});
    let reset = guide.post("/api/manager/topics/consumeOffset", &body);
    check(&reset, &[RESET]);
    assert_eq!(reset["total"], 8);
    let rows = reset["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5, "a page");
    rows.iter().for_each(|row| check(row, &[RESET_ROW]));
}

#[test]
fn s_03_objects_of_groups() {
    let stack = Stack::start();
    let guide = used(&stack);
    let group = guide.get("/api/manager/subscriptions/demo/workers/detail");
    check(&group["data"], &[GROUP]);
    let config = &group["data"]["subscriptionGroupConfig"];
    check(config, &[GROUP_CONFIG]);
    assert_eq!(config["retryMaxTimes"], 16);
    assert_eq!(group["data"]["brokerNameList"], json!(["a", "b"]));
    let list = guide.get("/api/manager/subscriptions/demo/basedatas");
    let rows = check_rows(&list, 4, &[GROUP_CONFIG, GROUP_ROW]);
    assert_eq!(
        (&rows[0]["groupName"], &rows[1]["brokerName"]),
        (&json!("brittle"), &json!("b"))
    );
    let depth = guide.get("/api/manager/subscriptions/demo/workers/depth?topicName=orders");
    let rows = check_rows(&depth, 2, &[GROUP_DEPTH]);
    assert_eq!(rows[1]["topicName"], "%RETRY%workers");
    assert_eq!(rows[0]["brokerName"], json!(["a", "b"]));
    let members = guide.get("/api/manager/subscriptions/demo/workers/instances");
    let rows = check_rows(&members, 1, &[CONSUMER]);
    assert_eq!(rows[0]["instanceName"], "one");
    assert_eq!(rows[0]["consumeType"], "CONSUME_ACTIVELY");
    assert_eq!(rows[0]["messageModel"], "CLUSTERING");
    assert_eq!(rows[0]["consumeFromWhere"], "CONSUME_FROM_FIRST_OFFSET");
    let producers = "/api/manager/producers/demo/CLIENT_INNER_PRODUCER/instances";
    check_rows(&guide.get(producers), 1, &[PRODUCER]);
    let none = guide.get(&format!("{producers}?topicName=single"));
    assert_eq!((&none["total"], &none["rows"]), (&json!(0), &json!([])));
}

#[test]
fn s_03_objects_of_messages() {
    let stack = Stack::start();
    let guide = used(&stack);
    let keyed = guide.get("/api/manager/messages/key?topicName=orders&key=key-1");
    let rows = check_rows(&keyed, 3, &[MESSAGE]);
    assert!(
        rows.iter().all(|row| row["status"].is_null()),
        "no group was named"
    );
    let id = rows[0]["msgId"].as_str().expect("an id").to_owned();
    let message = guide.get(&format!("/api/manager/messages/{id}?groupName=workers"));
    check(&message["data"], &[MESSAGE]);
    let window = guide.get("/api/manager/messages/topic?topicName=orders&pageSize=2");
    assert_eq!(check_rows(&window, 3, &[MESSAGE]).len(), 2);
    let place = &rows[0];
    let host = place["storeHost"].as_str().expect("an address");
    let broker = if host.starts_with("10.0.0.1:") {
        "a"
    } else {
        "b"
    };
    let path = format!(
        "/api/manager/messages/offset?topicName=orders&brokerName={broker}&queueId={}&queueOffset={}",
        place["queueId"], place["queueOffset"]
    );
    let found = guide.get(&path);
    check(&found["data"], &[MESSAGE]);
    assert_eq!(found["data"], *place);
}
