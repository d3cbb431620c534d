//! SEED_SPEC 8, line by line: what a tolerant server answers. Lines that only concern the
//! console, files or clients are left out; those that concern a figure or a right are
//! tried where these are.

use serde_json::{Value, json};

use super::guide::{Guide, demo_path, refusal, topic, warnings};
use crate::stack::Stack;

const TOPICS: &str = "/api/manager/topics";
const GROUPS: &str = "/api/manager/subscriptions/demo";

fn config(guide: &Guide, name: &str) -> Value {
    let detail = guide.get(&format!("{GROUPS}/{name}/detail"));
    detail["data"]["subscriptionGroupConfig"].clone()
}

#[test]
fn i_01_both_prefixes_work_for_every_path() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    for path in [
        "cluster/base",
        "cluster/detail",
        "topics/demo/basedatas",
        "topics/demo/orders/queues",
        "subscriptions/demo/workers/detail",
        "producers/demo/x/instances",
        "messages/topic?topicName=orders",
    ] {
        let [one, other] = ["manager", "manage"]
            .map(|prefix| guide.answer("GET", &format!("/api/{prefix}/{path}"), &Value::Null));
        assert_eq!((one.status, other.status), (200, 200), "{path}");
        let keys = |answer: &crate::http::Answer| {
            let result = answer.json()["result"].clone();
            result
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&one), keys(&other), "{path}");
    }
}

#[test]
fn i_02_i_03_i_23_other_forms_of_paths() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    for path in [
        "/api/manager/cluster/demo/tps",
        "/api/manager/demo/tps",
        "/api/manage/demo/tps/",
        "/api/manager/cluster/detail/",
        "/api/manager/messages/messages/key?topicName=orders&key=x",
        "/api/manager/messages/messages/topic?topicName=orders",
        "/api/manager/topics/demo/",
    ] {
        guide.get(path);
    }
    guide.refused(404, "GET", "/api/manager/messages/messages/offset?topicName=orders&brokerName=a&queueId=0&queueOffset=0", &Value::Null);
    let mut operator = stack.operator();
    let reserved = json!({"tenantId": 2, "name": "cluster"});
    operator
        .post("/v1/instances", &reserved)
        .error(400, "INVALID_NAME");
}

#[test]
fn i_04_i_05_i_06_faults_of_queries() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let list = "/api/manager/topics/demo/basedatas";
    let rest = &guide.query["tenantId=2&".len()..];
    let get = |query: &str| guide.raw("GET", &format!("{list}?{query}"), &Value::Null);
    for query in [
        format!("tenantId=2&&&{rest}&"),
        format!("tenantId=2?{rest}"),
        format!("tenantId=2&tenantId=2&{rest}&{rest}&unknown=1"),
    ] {
        let json = get(&query).json();
        assert_eq!(
            (&json["code"], &json["result"]["warnings"]),
            (&json!(200), &Value::Null),
            "{query}"
        );
    }
    for name in ["pageNumber", "pageSize"] {
        let json = get(&format!("tenantId=2{name}=1&{rest}")).json();
        assert_eq!(json["code"], 200, "{json}");
        assert!(warnings(&json["result"]).starts_with("tenantId:"), "{json}");
    }
    for (query, name) in [
        (format!("tenantId=2topicName=x&{rest}"), "tenantId:"),
        (format!("tenantId=2pageSize=x&{rest}"), "tenantId:"),
        (format!("tenantId=2&tenantId=3&{rest}"), "tenantId:"),
        (format!("tenantId=2&{rest}&unknown=1&unknown=2"), "unknown:"),
        (format!("tenantId=2&{rest}&pageSize=0"), "pageSize:"),
        (format!("tenantId=2&{rest}&pageNumber=-1"), "pageNumber:"),
        (format!("tenantId=2&{rest}&topicName=%zz"), "topicName:"),
        (
            format!(
                "tenantId=2&{}",
                rest.replace("clusterName=demo", "clusterName=x")
            ),
            "clusterName:",
        ),
    ] {
        let text = refusal(&get(&query), 400, &query);
        assert!(text.starts_with(name), "{query}: {text}");
    }
}

#[test]
fn i_07_lists_of_brokers() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let switch = |names: &str| {
        let path = format!("{GROUPS}/workers/openStatus?isOpen=0&brokerNames={names}");
        guide.answer("POST", &path, &Value::Null)
    };
    for names in [
        "a,b",
        "a,%20b",
        "",
        "%5B%22a%22,%22b%22%5D",
        "%5B%0A%22a%22%2C%0D%0A%22b%22%0A%5D",
        "%E5%85%A8%E9%83%A8",
    ] {
        let json = switch(names).json();
        assert_eq!(
            (&json["code"], &json["result"]["warnings"]),
            (&json!(200), &Value::Null),
            "{names}: {json}"
        );
    }
    for names in ["%5B%22a%22", "%5B1%5D"] {
        assert!(refusal(&switch(names), 400, names).starts_with("brokerNames:"));
    }
    refusal(&switch("a,c"), 404, "c");
    let missing = guide.refused(
        400,
        "POST",
        &format!("{GROUPS}/workers/openStatus?isOpen=0"),
        &Value::Null,
    );
    assert!(missing.starts_with("brokerNames:"), "{missing}");
}

#[test]
fn i_14_path_and_query_win_over_the_body() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let body = json!({"topicName": "single", "clusterNameList": ["0110", "demo"], "brokerNameList": ["a"], "remark": "changed"});
    let result = guide.post("/api/manager/topics/demo/orders", &body);
    let text = warnings(&result);
    for part in [
        "topicName: 'single'",
        "clusterNameList: '0110'",
        "brokerNameList:",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(topic(&guide, "orders")["remark"], "changed");
    assert_eq!(topic(&guide, "orders")["brokerName"], "a,b");
    assert_eq!(topic(&guide, "single")["remark"], Value::Null);
    let body = json!({"subscriptionGroupConfig": {"groupName": "brittle", "retryMaxTimes": 3}, "clusterNameList": ["0110"]});
    let result = guide.post(&format!("{GROUPS}/workers"), &body);
    assert!(
        warnings(&result).contains("groupName: 'brittle'"),
        "{result}"
    );
    assert_eq!(config(&guide, "workers")["retryMaxTimes"], 3);
    guide.post(&format!("{GROUPS}/workers"), &json!({"remark": "told"}));
    let detail = guide.get(&format!("{GROUPS}/workers/detail"));
    assert_eq!(detail["data"]["remark"], "told");
    assert_eq!(config(&guide, "brittle")["retryMaxTimes"], 0);
}

#[test]
fn i_15_i_16_i_18_spellings() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    for (name, field) in [
        ("one", "allowdConsumerGroups"),
        ("two", "allowedConsumerGroups"),
    ] {
        let body = json!({"topicName": name, "brokerNameList": ["a"], field: ["brittle"]});
        guide.post(TOPICS, &body);
        let topic = stack
            .demo()
            .get(&format!("/v1/instances/demo/topics/{name}"))
            .ok();
        assert_eq!(topic["allowedGroups"], json!(["brittle"]), "{field}");
        let bad = json!({"topicName": "three", "brokerNameList": ["a"], field: ["a b"]});
        assert!(guide.refused(400, "POST", TOPICS, &bad).starts_with(field));
    }
    assert_eq!(config(&guide, "workers")["allowdAllTopics"], false);
}

#[test]
fn i_17_i_38_mechanisms_as_text_or_number() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let mut at = 0;
    for pull in [json!("1"), json!(1), json!("2"), json!(2)] {
        for first in [json!("1"), json!(2), json!("3")] {
            at += 1;
            let name = format!("g{at}");
            let body = json!({"subscriptionGroupConfig": {"groupName": name, "pullMechanism": pull, "firstConsumeMechanism": first}});
            assert_eq!(guide.post(GROUPS, &body), json!({}));
            let config = config(&guide, &name);
            let number = |value: &Value| {
                value
                    .as_str()
                    .map_or_else(|| value.as_u64(), |text| text.parse().ok())
            };
            assert_eq!(config["pullMechanism"].as_u64(), number(&pull));
            assert_eq!(config["firstConsumeMechanism"].as_u64(), number(&first));
        }
    }
    for (field, bad) in [
        ("pullMechanism", json!(3)),
        ("pullMechanism", json!("x")),
        ("firstConsumeMechanism", json!("0")),
        ("consumeEnable", json!("maybe")),
        ("retryMaxTimes", json!(-1)),
        ("subscribeMap", json!([])),
        ("subscribeMap", json!({"t": 1})),
        ("subscribeMap", json!({"t": {"tps": "x"}})),
    ] {
        let body = json!({"subscriptionGroupConfig": {"groupName": "bad", field: bad}});
        let text = guide.refused(400, "POST", GROUPS, &body);
        assert!(text.starts_with(field), "{field}: {text}");
    }
    guide.refused(404, "GET", &format!("{GROUPS}/bad/detail"), &Value::Null);
    let body = json!({"subscriptionGroupConfig": {"groupName": "mapped", "subscribeMap": {"orders": {"tps": "7"}, "single": {}}}});
    guide.post(GROUPS, &body);
    let expected = json!({"orders": {"tps": 7}, "single": {"tps": 0}});
    assert_eq!(config(&guide, "mapped")["subscribeMap"], expected);
}

#[test]
fn i_19_i_29_pages() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    for n in 0..6 {
        guide.post(
            TOPICS,
            &json!({"topicName": format!("t{n}"), "brokerNameList": ["a"]}),
        );
    }
    let rows = |query: &str| {
        let result = guide.get(&format!("/api/manager/topics/demo/basedatas{query}"));
        assert_eq!(result["total"], 9);
        result["rows"].as_array().expect("rows").len()
    };
    assert_eq!(rows(""), 5, "the default");
    assert_eq!(rows("?pageNumber=2"), 4);
    assert_eq!(rows("?pageNumber=3"), 0);
    assert_eq!(rows("?pageSize=1000000000"), 9);
    assert_eq!(
        rows("?pageSize=1000000000&pageNumber=1000000000000000000000"),
        0
    );
}

#[test]
fn i_30_plus_signs_of_secrets() {
    let stack = Stack::start();
    let secret = "ab+cd/ef==";
    let user = json!({"accessKey": "plus", "secretKey": secret});
    let mut operator = stack.operator();
    let path = format!("{}/users", demo_path(&stack));
    operator.post(&path, &user).ok();
    for written in [secret, "ab%2Bcd%2Fef%3D%3D", "ab%20cd/ef=="] {
        let guide = Guide::new(&stack, 2, "demo", ("plus", written));
        guide.get("/api/manager/cluster/base");
    }
}

#[test]
fn i_52_curves_of_one_broker_or_all() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let path = "/api/manager/topics/demo/orders/tps";
    for query in [
        "brokerName=a&groupName=workers",
        "brokerName=*&groupName=",
        "brokerName=&groupName=workers",
    ] {
        let result = guide.get(&format!("{path}?{query}"));
        assert_eq!(result["total"], result["taotal"], "I-10");
    }
    for (query, code, text) in [
        ("groupName=workers", 400, "brokerName:"),
        ("brokerName=a", 400, "groupName:"),
        ("brokerName=c&groupName=", 404, "broker 'c'"),
        (
            "brokerName=a&groupName=none",
            404,
            "Subscription group not exist",
        ),
    ] {
        let seen = guide.refused(code, "GET", &format!("{path}?{query}"), &Value::Null);
        assert!(seen.starts_with(text), "{query}: {seen}");
    }
}
