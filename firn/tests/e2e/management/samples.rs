//! S-01: the guide's requests as they are printed, faults and all, in the order in which
//! somebody would try them. S-05, S-17: what two of them promise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::guide::{Guide, refusal, warnings};
use crate::http::Http;
use crate::stack::Stack;

/// 88 characters with every sign that a query could spoil.
fn secret() -> String {
    let mut bytes: Vec<u8> = (0..64_u8).map(|n| n.wrapping_mul(37)).collect();
    bytes[..6].copy_from_slice(&[0xFB, 0xEF, 0xBE, 0xFF, 0xFF, 0xFF]);
    let secret = STANDARD.encode(bytes);
    assert!(secret.len() == 88 && secret.ends_with("=="));
    assert!(secret.contains('+') && secret.contains('/'), "{secret}");
    secret
}

/// The guide's instance with its user, its topics and its groups.
fn guide(stack: &Stack) -> Guide {
    let mut operator = stack.operator();
    let instance =
        json!({"tenantId": 2, "name": "0524", "plan": "unlimited", "brokers": ["a", "b"]});
    operator.post("/v1/instances", &instance).ok();
    let secret = secret();
    let base = "/v1/instances/0524";
    let user = json!({"accessKey": "user1", "secretKey": secret});
    operator.post(&format!("{base}/users"), &user).ok();
    let mut user = Http::user(stack.http, "user1", &secret);
    for topic in ["testTopic", "testTopic_1"] {
        let topic = json!({"name": topic, "queues": 4});
        user.post(&format!("{base}/topics"), &topic).ok();
    }
    for group in ["testGroup", "test_group"] {
        user.post(&format!("{base}/groups"), &json!({"name": group}))
            .ok();
    }
    let message =
        json!({"body": "WebTestTools_1562146038371", "tag": "webtest", "keys": ["1562146038371"]});
    user.post(
        &format!("{base}/topics/testTopic/messages"),
        &json!({"messages": [message]}),
    )
    .ok();
    user.post(
        &format!("{base}/groups/testGroup/topics/testTopic/receive"),
        &json!({}),
    )
    .ok();
    Guide::new(stack, 2, "0524", ("user1", &secret))
}

const TOPIC: &str = r#"{"clusterNameList":["0524"],"brokerNameList":["a","b"],"topicName":"123",
    "writeQueueNums":4,"readQueueNums":4,"perm":6,"order":false,"remark":"123",
    "allowdConsumerGroups":[]}"#;
const GROUP: &str = r#"{"subscriptionGroupConfig":{"groupName":"123","consumeEnable":true,
    "firstConsumeMechanism":"1","pullMechanism":"1","subscribeMap":{}},
    "brokerNameList":["a","b"],"clusterNameList":["0110"],"remark":"123"}"#;
const RESET: &str = r#"{"consumerGroupList":["testGroup"],"topicName":"testTopic",
    "resetTime":"1562083200000","resetForward":true,"force":true,"pageNumber":1,
    "pageSize":1000000000}"#;

/// Method, path and body; `{auth}` stands for the four parameters of every call, `{bare}`
/// for those without `clusterName`, `{rest}` for those without `tenantId`, too.
const SAMPLES: &[(&str, &str, &str)] = &[
    // A1
    (
        "GET",
        "/api/access/account?tenantId=2&accessKey=user1&clusterName=0524",
        "",
    ),
    // C1 to C3: `&&` between parameters, `cluster` in the path.
    ("GET", "/api/manager/cluster/base?{doubled}", ""),
    ("GET", "/api/manager/cluster/detail?{auth}", ""),
    ("GET", "/api/manager/cluster/0524/tps?{bare}", ""),
    // T1, T3, T4, T5 (an `&` is missing), T7 to T11
    ("POST", "/api/manager/topics?{auth}", TOPIC),
    ("POST", "/api/manager/topics/0524/testTopic_1?{bare}", TOPIC),
    (
        "GET",
        "/api/manager/topics/0524/basedata/testTopic?{bare}",
        "",
    ),
    (
        "GET",
        "/api/manager/topics/0524/basedatas?tenantId=2pageNumber=1&pageSize=5&{rest}",
        "",
    ),
    (
        "GET",
        "/api/manager/topics/0524/testTopic/queues?{bare}",
        "",
    ),
    (
        "GET",
        "/api/manager/topics/0524/testTopic/depth?{bare}&pageNumber=1&pageSize=5",
        "",
    ),
    (
        "GET",
        "/api/manager/topics/0524/testTopic/producers?{bare}&pageNumber=1&pageSize=5",
        "",
    ),
    (
        "GET",
        "/api/manager/topics/0524/testTopic/consumers?{bare}&pageNumber=1&pageSize=5",
        "",
    ),
    (
        "GET",
        "/api/manager/topics/0524/testTopic/tps?{bare}&brokerName=a&groupName=testGroup",
        "",
    ),
    // G1, G2, G4, G5
    ("POST", "/api/manager/subscriptions/0524?{bare}", GROUP),
    (
        "POST",
        "/api/manager/subscriptions/0524/test_group?{bare}",
        GROUP,
    ),
    (
        "GET",
        "/api/manager/subscriptions/0524/test_group/detail?{bare}",
        "",
    ),
    (
        "GET",
        "/api/manager/subscriptions/0524/basedatas?{bare}&pageNumber=1&pageSize=5",
        "",
    ),
    // G6: a second `?`, `tenantId` twice, an encoded array over several lines.
    (
        "POST",
        "/api/manager/subscriptions/0524/testGroup/openStatus?{auth}?tenantId=2&isOpen=0\
         &brokerNames=%5B%0A%20%20%22a%22%2C%0A%20%20%22b%22%0A%5D",
        "",
    ),
    // G7; T12 under the other prefix
    (
        "GET",
        "/api/manager/subscriptions/0524/testGroup/depth?{bare}&topicName=testTopic",
        "",
    ),
    ("POST", "/api/manage/topics/consumeOffset?{auth}", RESET),
    // M3 with a doubled segment; M1 and M2 follow with what was found.
    (
        "GET",
        "/api/manager/messages/messages/key?{auth}&topicName=testTopic&brokerName=a\
         &key=1562146038371&pageNumber=1&pageSize=5",
        "",
    ),
];

#[test]
fn s_01_the_samples_of_the_guide() {
    let stack = Stack::start();
    let guide = guide(&stack);
    let auth = &guide.query;
    let bare = auth.trim_end_matches("&clusterName=0524");
    let rest = bare.trim_start_matches("tenantId=2&");
    let filled = |path: &str| {
        let path = path.replace("{auth}", auth).replace("{bare}", bare);
        path.replace("{rest}", rest)
            .replace("{doubled}", &auth.replace('&', "&&"))
    };
    for (method, path, body) in SAMPLES {
        let body = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(body).expect("JSON"),
        };
        let answer = guide.raw(method, &filled(path), &body);
        let code = &answer.json()["code"];
        assert_eq!(*code, 200, "{method} {path}: {}", answer.text());
    }
    find_one(&guide);
    // T2 and G3 once nobody is online.
    stack.advance_ms(30_000);
    for path in ["topics/0524/testTopic", "subscriptions/0524/testGroup"] {
        let path = format!("/api/manager/{path}?{bare}");
        let gone = guide.raw("DELETE", &path, &Value::Null).json();
        let expected = json!({"code": 200, "message": "success", "result": {}});
        assert_eq!(gone, expected, "{path}");
    }
    let topic = guide.get("/api/manager/topics/0524/basedata/123");
    assert_eq!(topic["data"]["remark"], "123");
    let group = guide.get("/api/manager/subscriptions/0524/123/detail");
    let config = &group["data"]["subscriptionGroupConfig"];
    let numbers = ["pullMechanism", "firstConsumeMechanism"].map(|name| config[name].clone());
    assert_eq!(numbers, [json!(1), json!(1)]);
}

/// S-15: M1, M2 and M3 show the same message.
fn find_one(guide: &Guide) {
    let found = guide.get("/api/manager/messages/key?topicName=testTopic&key=1562146038371");
    let row = &found["rows"][0];
    let id = row["msgId"].as_str().expect("an id");
    let brokers = guide.get("/api/manager/cluster/detail");
    let brokers = &brokers["data"]["brokerInfoMap"]["0524"]["brokerMap"];
    let is_on = |name: &&str| brokers[*name]["0"]["brokerAddress"] == row["storeHost"];
    let broker = ["a", "b"].into_iter().find(is_on).expect("on a broker");
    let offset = format!(
        "/api/manager/messages/messages/offset?topicName=testTopic&brokerName={broker}\
         &queueId={}&queueOffset={}",
        row["queueId"], row["queueOffset"]
    );
    for path in [format!("/api/manager/messages/{id}"), offset] {
        assert_eq!(guide.get(&path)["data"], *row, "{path}");
    }
}

#[test]
fn s_05_i_08_is_open_0_switches_on() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let path = "/api/manager/subscriptions/demo/workers/openStatus?brokerNames=a,b";
    let receive = |stack: &Stack| {
        let path = "/v1/instances/demo/groups/workers/topics/orders/receive";
        stack.demo().post(path, &json!({})).status
    };
    for (is_open, enabled, status) in [(1, false, 403), (0, true, 200)] {
        let result = guide.post(&format!("{path}&isOpen={is_open}"), &Value::Null);
        assert_eq!(result["consumeEnable"], enabled, "I-08");
        let detail = guide.get("/api/manager/subscriptions/demo/workers/detail");
        assert_eq!(
            detail["data"]["subscriptionGroupConfig"]["consumeEnable"],
            enabled
        );
        assert_eq!(receive(&stack), status);
    }
    for bad in ["true", "false", "2", ""] {
        let text = guide.refused(400, "POST", &format!("{path}&isOpen={bad}"), &Value::Null);
        assert!(text.starts_with("isOpen:"), "{bad}: {text}");
    }
    assert_eq!(receive(&stack), 200, "nothing changed");
    let text = guide.refused(
        404,
        "POST",
        &format!("{}&isOpen=1", path.replace("a,b", "c")),
        &Value::Null,
    );
    assert!(text.contains("'c'"), "{text}");
    let part = guide.post(
        &format!("{}&isOpen=0", path.replace("a,b", "a")),
        &Value::Null,
    );
    assert!(warnings(&part).starts_with("brokerNames:"), "{part}");
}

#[test]
fn s_17_a_topic_in_use_stays() {
    let stack = Stack::start();
    let guide = Guide::demo(&stack);
    let path = "/api/manager/topics/demo/orders";
    crate::stack::receive(
        &mut stack.demo(),
        "workers",
        "orders",
        &json!({"consumerId": "one"}),
    );
    let answer = guide.answer("DELETE", path, &Value::Null);
    let text = refusal(&answer, 409, path);
    assert_eq!(text, "topic orders is consuming by consumer one");
    assert_eq!(answer.json()["result"]["clients"][0]["instanceName"], "one");
    stack.advance_ms(30_000);
    crate::stack::send(&mut stack.demo(), "orders", &json!([{"body": "x"}]));
    let text = guide.refused(409, "DELETE", path, &Value::Null);
    assert!(
        text.starts_with("topic orders is publishing by producer 127.0.0.1:"),
        "{text}"
    );
    let group = "/api/manager/subscriptions/demo/workers";
    crate::stack::receive(
        &mut stack.demo(),
        "workers",
        "orders",
        &json!({"consumerId": "one"}),
    );
    let text = guide.refused(409, "DELETE", group, &Value::Null);
    assert!(text.contains("consumer one"), "{text}");
    stack.advance_ms(30_000);
    for path in [path, group] {
        guide.ok("DELETE", path, &Value::Null);
        guide.refused(404, "DELETE", path, &Value::Null);
    }
}
