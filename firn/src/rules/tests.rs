use firn_protocol::catalogue::{DiskPolicy, Durability};
use firn_protocol::ids::{GroupId, QueueId, QueueKey, TopicId};
use firn_protocol::time::Timestamp;
use firn_runtime::Clock;
use firn_tenant_service::{TenantConfig, TenantService};

use super::*;

const FILE: &str = r#"
[[plan]]
name = "tiny"
storage_gib = 3
retention_hours = 24

[[tenant]]
id = 2
name = "acme"
[[tenant.instance]]
name = "demo"
plan = "tiny"
disk_policy = "serviceFirst"
[[tenant.instance.topic]]
name = "long"
retention_hours = 1000
[[tenant.instance.topic]]
name = "plain"
"#;

async fn catalogue(dir: &tempfile::TempDir) -> Arc<TenantService> {
    let config = TenantConfig {
        catalogue: format!("sqlite://{}", dir.path().join("c.db").display()),
        master_key_file: dir.path().join("key"),
        operator_password: None,
        durability: Durability::Local,
    };
    let clock = Clock::manual(1_700_000_000_000);
    let tenants = TenantService::open(config, clock).await.expect("opens");
    tenants.apply_bootstrap(FILE).await.expect("applied");
    tenants
}

#[tokio::test]
async fn rules_are_what_the_catalogue_says_and_silence_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let tenants = catalogue(&dir).await;
    let acme = TenantId(2);
    let demo = tenants.find_instance(Some(acme), "demo").expect("there").id;
    let number = |name| tenants.topic(demo, name).expect("there").id;
    let (long, plain) = (number("long"), number("plain"));
    let rules = CatalogueRules::new(tenants.clone());
    let hours = |topic| {
        let kept = rules.retention(acme, demo, topic);
        kept.map(|kept| kept.as_secs() / 3600)
    };
    assert_eq!(hours(TopicKey::User(long)), Some(1000));
    assert_eq!(hours(TopicKey::User(plain)), Some(24));
    assert_eq!(hours(TopicKey::Retry(GroupId(9))), Some(24));
    assert_eq!(hours(TopicKey::User(TopicId(999))), None, "not known");
    let storage = rules.storage(acme, demo).expect("a rule");
    assert_eq!(storage.bytes_max, Some(3 * GIB));
    assert_eq!(storage.policy, DiskPolicy::ServiceFirst);
    for (tenant, instance) in [(TenantId(3), demo), (acme, InstanceId(99))] {
        let topic = TopicKey::User(plain);
        assert_eq!(rules.retention(tenant, instance, topic), None);
        assert_eq!(rules.storage(tenant, instance), None);
    }
    tenants.close().await;
}

#[tokio::test]
async fn a_forced_removal_stands_in_the_audit_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let tenants = catalogue(&dir).await;
    let acme = TenantId(2);
    let demo = tenants.find_instance(Some(acme), "demo").expect("there").id;
    let plain = tenants.topic(demo, "plain").expect("there").id;
    let queue = |topic, queue| QueueKey {
        topic,
        queue: QueueId(queue),
    };
    CatalogueRules::new(tenants.clone()).removed(&ForcedRemoval {
        tenant: acme,
        instance: demo,
        at: Timestamp(1_700_000_000_000),
        ranges: vec![
            (queue(TopicKey::User(plain), 3), 10, 30),
            (queue(TopicKey::DeadLetter(GroupId(9)), 0), 0, 1),
        ],
    });
    let mut tries = 0;
    let row = loop {
        let rows = tenants.audit(Some(acme), None, 10).await.expect("rows");
        if let Some(row) = rows.into_iter().find(|row| row.action == "records.remove") {
            break row;
        }
        tries += 1;
        assert!(tries < 1000, "no row");
        tokio::task::yield_now().await;
    };
    assert_eq!((&*row.object, &*row.caller), ("demo", "service"));
    let detail: serde_json::Value = serde_json::from_str(&row.detail).expect("JSON");
    assert_eq!(detail["records"], 21);
    let expected = json!([
        {"topic": "plain", "queueId": 3, "firstOffset": 10, "lastOffset": 29},
        {"topic": "%DLQ%9", "queueId": 0, "firstOffset": 0, "lastOffset": 0},
    ]);
    assert_eq!(detail["queues"], expected);
}
