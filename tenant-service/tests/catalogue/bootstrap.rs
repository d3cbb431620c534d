//! The bootstrap file: what it ensures, what it leaves alone, and what it refuses.

use std::collections::BTreeMap;

use firn_protocol::api::tenant::{TenantApi as _, UserFields};
use firn_protocol::catalogue::{
    DiskPolicy, Durability, OnPoison, Permission, StartPosition, TopicType,
};
use firn_protocol::{TenantId, Timestamp};
use firn_tenant_service::BootstrapReport;

use crate::place::{ACME, Place, caller};

const FILE: &str = r#"
[[plan]]
name = "tiny"
tps = 10
topic_tps = 5
burst_seconds = 0.5
topics = 3
message_bytes = 1000

[[tenant]]
id = 2
name = "acme"

[[tenant.instance]]
name = "demo"
plan = "basic"
brokers = ["a", "b"]
durability = "local"

[[tenant.instance.user]]
access_key = "demo"
secret_key = "demo-secret"
topics = []

[[tenant.instance.topic]]
name = "orders"
type = "normal"
queues = 4

[[tenant.instance.topic]]
name = "full"
type = "fifo"
permission = "read"
ordered = true
remark = "r"
brokers = ["b"]
retention_hours = 5
tps = 6
allowed_groups = ["workers"]

[[tenant.instance.group]]
name = "workers"
ordered = false
max_retries = 16

[[tenant.instance.group]]
name = "full"
on_poison = "deadLetter"
enabled = false
start = 1234
subscriptions = { orders = { tps = 5 }, full = {} }
remark = "r"

[[tenant.instance.group]]
name = "late"
start = "latest"

[[tenant.instance]]
name = "small"
plan = "tiny"
durability = "object"
retention_hours = 9
disk_policy = "serviceFirst"
remark = "r"
time_zone = "UTC"
expires_at = 99

[[tenant]]
id = 67
name = "globex"
"#;

#[tokio::test]
async fn a_file_makes_what_it_says_and_a_second_time_nothing() {
    let place = Place::new();
    let service = place.open().await;
    let report = service.apply_bootstrap(FILE).await.unwrap();
    let created = BTreeMap::from([
        ("plan", 1),
        ("tenant", 2),
        ("instance", 2),
        ("user", 1),
        ("topic", 2),
        ("group", 3),
    ]);
    assert_eq!((report.created, report.differences), (created, vec![]));
    assert_eq!(service.tenants().len(), 2);
    assert_eq!(service.tenant(TenantId(67)).unwrap().name, "globex");
    let tiny = service.plan("tiny").unwrap();
    assert_eq!(
        (tiny.tps, tiny.topics, tiny.storage_gib, tiny.message_bytes),
        (10, 3, 200, 1000)
    );
    let demo = service.find_instance(Some(ACME), "demo").unwrap();
    let small = service.find_instance(Some(ACME), "small").unwrap();
    assert_eq!((demo.brokers.len(), small.brokers.len()), (2, 1));
    assert_eq!(
        (small.durability, small.disk_policy),
        (Durability::Object, DiskPolicy::ServiceFirst)
    );
    assert_eq!(
        (small.retention_hours, small.expires_at),
        (9, Some(Timestamp(99)))
    );
    assert_eq!(
        (small.time_zone.as_str(), small.message_bytes),
        ("UTC", 1000)
    );
    assert!(service.authenticate("demo", "demo-secret").is_some());
    let full = service.topic(demo.id, "full").unwrap();
    assert_eq!(
        (full.topic_type, full.permission),
        (TopicType::Fifo, Permission::Read)
    );
    assert_eq!((full.retention_hours, full.tps), (Some(5), Some(6)));
    assert_eq!(full.brokers, [demo.brokers[1].id]);
    let group = service.group(demo.id, "full").unwrap();
    assert_eq!(
        (group.on_poison, group.enabled),
        (OnPoison::DeadLetter, false)
    );
    assert_eq!(group.start, StartPosition::Time(Timestamp(1234)));
    assert_eq!(
        group.subscriptions,
        [("full".to_owned(), 0), ("orders".to_owned(), 5)]
    );
    assert_eq!(
        service.group(demo.id, "late").unwrap().start,
        StartPosition::Latest
    );

    let audited = service.audit(None, None, 10).await.unwrap();
    assert_eq!(
        (audited[0].action.as_str(), audited[0].caller.as_str()),
        ("bootstrap.apply", "bootstrap")
    );
    let again = service.apply_bootstrap(FILE).await.unwrap();
    assert_eq!(again, BootstrapReport::default());
    assert_eq!(
        service.audit(None, None, 10).await.unwrap(),
        audited,
        "nothing was written"
    );
    service.close().await;
    let service = place.open().await;
    assert_eq!(
        service.apply_bootstrap(FILE).await.unwrap(),
        BootstrapReport::default()
    );
    assert_eq!(service.find_instance(Some(ACME), "demo").unwrap(), demo);
}

#[tokio::test]
async fn differences_are_told_and_left_alone() {
    let place = Place::new();
    let service = place.open().await;
    service.apply_bootstrap(FILE).await.unwrap();
    let demo = service.find_instance(Some(ACME), "demo").unwrap();
    let rotated = service
        .rotate_user(&caller(), demo.id, "demo", 0)
        .await
        .unwrap();
    let change = UserFields {
        description: Some("by hand".to_owned()),
        ..UserFields::default()
    };
    service
        .change_user(&caller(), demo.id, "demo", change)
        .await
        .unwrap();
    let edited = FILE
        .replace("name = \"acme\"", "name = \"acme2\"")
        .replace("tps = 10", "tps = 11")
        .replace("queues = 4", "queues = 8")
        .replace("max_retries = 16", "max_retries = 3")
        .replace("durability = \"local\"", "durability = \"object\"")
        .replace("topics = []", "description = \"from the file\"")
        .replace("brokers = [\"b\"]", "brokers = [\"a\"]");
    let report = service.apply_bootstrap(&edited).await.unwrap();
    assert_eq!(report.created, BTreeMap::new());
    let paths: Vec<_> = report
        .differences
        .iter()
        .map(|d| d.split(':').next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "plan[0].tps",
            "tenant[0].name",
            "tenant[0].instance[0].durability",
            "tenant[0].instance[0].user[0].secret_key",
            "tenant[0].instance[0].user[0].description",
            "tenant[0].instance[0].topic[0].queues",
            "tenant[0].instance[0].topic[1].brokers",
            "tenant[0].instance[0].group[0].max_retries",
        ]
    );
    let text = format!("{report:?}");
    assert!(
        !text.contains("demo-secret") && !text.contains(&rotated.secret_key),
        "{text}"
    );
    assert!(service.authenticate("demo", &rotated.secret_key).is_some());
    assert!(service.authenticate("demo", "demo-secret").is_none());
    assert_eq!(service.user("demo").unwrap().description, "by hand");
    assert_eq!(service.topic(demo.id, "orders").unwrap().queues, 4);
    assert_eq!(service.tenant(ACME).unwrap().name, "acme");
}

#[tokio::test]
async fn an_instance_grows_by_the_brokers_it_lacks() {
    let place = Place::new();
    let service = place.open().await;
    service.apply_bootstrap(FILE).await.unwrap();
    let before = service.find_instance(Some(ACME), "demo").unwrap();
    let grown = FILE.replace("[\"a\", \"b\"]", "[\"c\", \"a\"]");
    let report = service.apply_bootstrap(&grown).await.unwrap();
    assert_eq!(report.created, BTreeMap::from([("broker", 1)]));
    let after = service.find_instance(Some(ACME), "demo").unwrap();
    assert_eq!(after.brokers[..2], before.brokers[..]);
    assert_eq!(after.brokers[2].name, "c");
    service.close().await;
    let service = place.open().await;
    assert_eq!(service.instance(after.id).unwrap(), after);
    assert_eq!(
        service.apply_bootstrap(&grown).await.unwrap(),
        BootstrapReport::default()
    );
}

#[tokio::test]
async fn errors_name_the_place_and_nothing_is_written() {
    let place = Place::new();
    let service = place.open().await;
    let before = service.audit(None, None, 10).await.unwrap();
    for (from, to, expected) in [
        (
            "name = \"orders\"",
            "name = \"a b\"",
            "tenant[0].instance[0].topic[0].name: only",
        ),
        (
            "queues = 4",
            "queues = 1025",
            "tenant[0].instance[0].topic[0].queues: from 1 to 1024",
        ),
        (
            "max_retries = 16",
            "max_retries = 1001",
            "tenant[0].instance[0].group[0].max_retries: from",
        ),
        (
            "name = \"small\"",
            "name = \"cluster\"",
            "tenant[0].instance[1].name: 'cluster'",
        ),
        (
            "plan = \"tiny\"",
            "plan = \"gold\"",
            "tenant[0].instance[1].plan: no such plan",
        ),
        (
            "brokers = [\"b\"]",
            "brokers = [\"z\"]",
            "tenant[0].instance[0].topic[1]: brokers: ",
        ),
        (
            "secret_key = \"demo-secret\"",
            "secret_key = \"de mo\"",
            "tenant[0].instance[0].user[0].secret_key: 1 to",
        ),
        (
            "retention_hours = 9",
            "retention_hours = 0",
            "tenant[0].instance[1].retention_hours: ",
        ),
        ("id = 67", "id = 0", "tenant[1].id: from 1"),
        (
            "name = \"globex\"",
            "name = \"acme\"",
            "tenant[1]: tenant 'acme' exists already",
        ),
        ("name = \"tiny\"", "name = \"a b\"", "plan[0].name: only"),
        ("queues = 4", "queue = 4", "line 28: unknown field `queue`"),
        (
            "id = 67",
            "id = 67\ncolour = 1",
            "line 70: unknown field `colour`",
        ),
        ("topics = 3", "topics = -3", "line 7: "),
        (
            "start = 1234",
            "start = -1",
            "line 50: expected \"earliest\"",
        ),
        (
            "durability = \"local\"",
            "durability = \"none\"",
            "line 18: unknown variant `none`",
        ),
        (
            "secret_key = \"demo-secret\"",
            "secret_key = \"demo-secret",
            "line 22: ",
        ),
        ("[[plan]]", "[[plan]", "line 2: "),
    ] {
        let file = FILE.replacen(from, to, 1);
        assert_ne!(file, FILE);
        let error = service
            .apply_bootstrap(&file)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}\nexpected {expected}");
        assert!(
            !error.contains("demo-secret") && !error.contains('\n'),
            "{error}"
        );
        assert!(service.tenants().is_empty() && service.plan("tiny").is_none());
    }
    assert_eq!(service.audit(None, None, 10).await.unwrap(), before);
    service.apply_bootstrap("").await.unwrap();
    // An access key of another instance is a fault, not a user to leave alone.
    service.apply_bootstrap(FILE).await.unwrap();
    let stolen = FILE.replacen("name = \"demo\"", "name = \"other\"", 1);
    let error = service
        .apply_bootstrap(&stolen)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "tenant[0].instance[0].user[0]: user 'demo' exists already"
    );
    assert!(service.find_instance(Some(ACME), "other").is_err());
}
