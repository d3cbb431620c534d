use firn_protocol::catalogue::{DiskPolicy, Durability};
use firn_protocol::ids::{GroupId, TopicId};
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

#[tokio::test]
async fn rules_are_what_the_catalogue_says_and_silence_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = TenantConfig {
        catalogue: format!("sqlite://{}", dir.path().join("c.db").display()),
        master_key_file: dir.path().join("key"),
        operator_password: None,
        durability: Durability::Local,
    };
    let clock = Clock::manual(1_700_000_000_000);
    let tenants = TenantService::open(config, clock).await.expect("opens");
    tenants.apply_bootstrap(FILE).await.expect("applied");
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
