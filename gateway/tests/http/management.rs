//! Figures of the management API that come from the meter's books.

use std::sync::Arc;

use actix_web::{App, test};
use firn_gateway::app_config;
use firn_protocol::api::tenant::TenantApi as _;
use firn_protocol::api::usage::SLOT_MS;
use firn_protocol::{BrokerId, ErrorCode, GroupId, Timestamp, TopicKey};
use serde_json::{Value, json};

use crate::fake_billing::{Entry, FakeBilling};
use crate::world::{CONSUME, NOW, Reply, World};

const DAY_MS: u64 = 86_400_000;
const AUTH: &str = "tenantId=2&accessKey=demo&secretKey=demo-secret&clusterName=demo";

/// A world whose books the test writes.
struct Books {
    world: World,
    billing: Arc<FakeBilling>,
    state: firn_gateway::State,
    brokers: Vec<BrokerId>,
    topic: TopicKey,
    group: GroupId,
}

impl Books {
    async fn open() -> Self {
        let world = World::new().await;
        let billing = Arc::new(FakeBilling::default());
        let gateway = world.gateway().with_billing(billing.clone());
        let state = gateway.state().clone();
        let instance = world
            .tenants
            .find_instance(Some(firn_protocol::TenantId(2)), "demo");
        let instance = instance.expect("there");
        let topic = world.tenants.topic(instance.id, "orders").expect("there");
        let group = world.group_id();
        Self {
            brokers: instance.brokers.iter().map(|it| it.id).collect(),
            topic: TopicKey::User(topic.id),
            world,
            billing,
            state,
            group,
        }
    }

    /// `steps` ago, on a broker: what was sent, or handed out to `workers`.
    fn write(&self, steps: u64, broker: usize, is_sent: bool, messages: i64) {
        self.billing.entries.lock().push(Entry {
            broker: self.brokers[broker],
            topic: self.topic,
            group: (!is_sent).then_some(self.group),
            start: Timestamp((NOW / SLOT_MS - steps) * SLOT_MS),
            messages,
        });
    }

    async fn reply(&self, path: &str) -> Reply {
        let app = test::init_service(App::new().configure(app_config(&self.state))).await;
        let sign = if path.contains('?') { '&' } else { '?' };
        let request = test::TestRequest::with_uri(&format!("{path}{sign}{AUTH}"));
        let request = request.peer_addr("10.9.8.7:5167".parse().expect("an address"));
        Reply::of(test::call_service(&app, request.to_request()).await).await
    }

    async fn get(&self, path: &str) -> Value {
        let result = self.reply(path).await.expect(200).json()["result"].clone();
        assert_eq!(result["warnings"], Value::Null, "{result}");
        result
    }
}

#[actix_web::test]
async fn curves_show_what_was_counted() {
    let books = Books::open().await;
    books.write(0, 0, true, 999);
    books.write(1, 0, true, 240);
    books.write(1, 1, true, 120);
    books.write(2, 0, false, 60);
    books.write(719, 1, true, 12);
    books.write(720, 1, true, 5000);
    let tps = books.get("/api/manager/cluster/demo/tps").await;
    let rows = tps["rows"].as_array().expect("rows");
    assert_eq!((rows.len(), &tps["total"]), (1440, &json!(1440)));
    let start = (NOW / SLOT_MS - 719) * SLOT_MS;
    assert_eq!(
        rows[1],
        json!({"inTPS": 0.1, "outTPS": 0.0, "crtTime": start})
    );
    assert_eq!(rows[1436]["inTPS"], 2.0);
    assert_eq!(rows[1437]["inTPS"], 1.0);
    assert_eq!(rows[1434]["outTPS"], 0.5);
    let path = "/api/manager/topics/demo/orders/tps";
    let one = books
        .get(&format!("{path}?brokerName=a&groupName=workers"))
        .await;
    assert_eq!((&one["total"], &one["taotal"]), (&json!(3), &json!(3)));
    let times = |list: &Value| {
        list.as_array()
            .expect("a list")
            .iter()
            .map(|it| it["crtTime"].as_u64().expect("a time"))
            .collect::<Vec<_>>()
    };
    let at = |steps: u64| (NOW / SLOT_MS - steps) * SLOT_MS;
    assert_eq!(times(&one["totalTpslist"]), [at(2), at(1), at(0)]);
    assert_eq!(times(&one["inTpslist"]), [at(1), at(0)]);
    assert_eq!(times(&one["outTpslist"]), [at(2)]);
    assert_eq!(
        one["outTpslist"][0],
        json!({"inTPS": 0.0, "outTPS": 0.5, "crtTime": at(2)})
    );
    let all = books.get(&format!("{path}?brokerName=*&groupName=")).await;
    assert_eq!(times(&all["totalTpslist"]), [at(719), at(1), at(0)]);
    assert_eq!(all["inTpslist"][1]["inTPS"], 3.0, "both brokers");
    assert_eq!(all["outTpslist"], json!([]), "no group");
}

#[actix_web::test]
async fn counts_of_a_day_stand_in_depths_and_stats() {
    let books = Books::open().await;
    books.world.send(&["x"]).await;
    let receive = format!("{CONSUME}/receive");
    books.world.post(&receive, json!({})).await.expect(200);
    books.write(0, 0, false, 7);
    books.write(1, 0, false, 240);
    books.write(1, 1, false, 12);
    books.write(719, 0, false, 100);
    books.write(720, 0, false, 5000);
    books.write(1, 1, true, 60);
    let depth = books.get("/api/manager/topics/demo/orders/depth").await;
    let row = |broker: &str| {
        let rows = depth["rows"].as_array().expect("rows").iter();
        let mut own = rows.filter(|row| row["brokerName"] == broker);
        own.next().expect("a row").clone()
    };
    let seen = |row: &Value| (row["outTotalMsgToday"].clone(), row["outTps"].clone());
    assert_eq!(seen(&row("a")), (json!(347), json!(2.0)));
    assert_eq!(seen(&row("b")), (json!(12), json!(0.1)));
    let group = books
        .get("/api/manager/subscriptions/demo/workers/depth?topicName=orders")
        .await;
    assert_eq!(seen(&group["rows"][0]), (json!(359), json!(2.1)));
    assert_eq!(
        seen(&group["rows"][1]),
        (json!(0), json!(0.0)),
        "retries count under their topic"
    );
    let stats = books.get("/api/manager/topics/demo/orders/stats").await["data"].clone();
    assert_eq!(
        (&stats["msg24hNums"], &stats["inTps"]),
        (&json!(60), &json!(0.5))
    );
    let one = books
        .get("/api/manager/topics/demo/orders/stats?brokerName=a")
        .await["data"]
        .clone();
    assert_eq!(
        (&one["msg24hNums"], &one["mainBrokerNums"]),
        (&json!(0), &json!(1))
    );
}

/// NOW is 06:13:20 of the instance's day, which begins at 16:00 UTC.
#[actix_web::test]
async fn counters_stand_as_they_were_at_midnight() {
    let books = Books::open().await;
    let zone_ms = 8 * 3600 * 1000;
    books
        .world
        .edit_instance(|instance| instance.time_zone = "UTC+8".to_owned());
    let midnight = (NOW + zone_ms) / DAY_MS * DAY_MS - zone_ms;
    let steps = |at: u64| NOW / SLOT_MS - at / SLOT_MS;
    books.write(0, 0, true, 1);
    books.write(steps(midnight), 0, true, 10);
    books.write(steps(midnight) + 1, 0, true, 100);
    books.write(steps(midnight - DAY_MS), 0, true, 1000);
    books.write(steps(midnight - DAY_MS) + 1, 0, true, 50_000);
    books.write(1, 0, false, 3);
    books.write(steps(midnight) + 2, 0, false, 5);
    let detail = books.get("/api/manager/cluster/detail").await;
    let values = &detail["data"]["brokerInfoMap"]["demo"]["brokerMap"]["a"]["0"];
    let number = |name: &str| {
        values[name]
            .as_str()
            .expect("a text")
            .parse::<i64>()
            .expect("a number")
    };
    let put = [
        "msgPutTotalTodayNow",
        "msgPutTotalTodayMorning",
        "msgPutTotalYesterdayMorning",
    ]
    .map(number);
    assert_eq!((put[0] - put[1], put[1] - put[2]), (11, 1100));
    let got = [
        "msgGetTotalTodayNow",
        "msgGetTotalTodayMorning",
        "msgGetTotalYesterdayMorning",
    ]
    .map(number);
    assert_eq!((got[0] - got[1], got[1] - got[2]), (3, 5));
    assert_eq!(values["putMessageAverageSize"], "100.0");
    assert_eq!(values["getTotalTps"], "0.025 0.025 0.005");
}

#[actix_web::test]
async fn failures_of_services_keep_the_envelope() {
    let books = Books::open().await;
    *books.world.storage.fault.lock() = Some(ErrorCode::StorageUnavailable);
    let reply = books.reply("/api/manager/cluster/base").await.expect(503);
    let json = reply.json();
    assert_eq!((&json["code"], &json["result"]), (&json!(503), &json!({})));
    assert_eq!(reply.header("retry-after"), "1");
    assert!(!reply.header("firn-request-id").is_empty());
}
