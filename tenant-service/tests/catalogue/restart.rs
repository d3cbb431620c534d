//! What a restart keeps, and what is never given out twice.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use firn_protocol::ErrorCode;
use firn_protocol::api::tenant::{
    GroupFields, InstanceChange, TenantApi as _, TopicFields, UserFields,
};
use firn_protocol::catalogue::{
    DiskPolicy, Durability, OnPoison, Permission, Plan, PullMechanism, StartPosition, Topic,
    TopicType,
};
use firn_protocol::{TenantId, Timestamp};
use firn_tenant_service::{OpenError, TenantService};

use crate::place::{ACME, GLOBEX, Place, caller, new, refused, strings};

/// Versions of topics, which a restore makes new.
pub(crate) fn topic_versions(service: &TenantService) -> Vec<u64> {
    let instances = service.instances(None);
    let topics = instances.iter().flat_map(|i| service.topics(i.id));
    topics.map(|topic| topic.version).collect()
}

/// All that a reader can see, but versions of topics.
pub(crate) fn seen(service: &TenantService) -> String {
    let instances = service.instances(None);
    let contents: Vec<_> = instances
        .iter()
        .map(|i| {
            (
                without_versions(service.topics(i.id)),
                service.groups(i.id),
                service.users(i.id),
            )
        })
        .collect();
    let people: Vec<_> = service
        .tenants()
        .iter()
        .flat_map(|t| service.console_users(t.id))
        .map(|user| (user.tenant, user.username, user.role))
        .collect();
    format!(
        "{:?} {:?} {instances:?} {contents:?} {people:?}",
        service.tenants(),
        service.plans()
    )
}

pub(crate) async fn fill(service: &TenantService) {
    let by = caller();
    let basic = service.plan("basic").unwrap();
    let plan = Plan {
        name: "mine".to_owned(),
        burst_seconds: 0.25,
        message_bytes: 77,
        ..Plan::clone(&basic)
    };
    service.create_plan(&by, plan).await.unwrap();
    let mut wanted = new(ACME, "demo");
    wanted.brokers = strings(["b", "a"]);
    wanted.plan = Some("mine".to_owned());
    wanted.expires_at = Some(Timestamp(u64::MAX >> 12));
    let demo = service.create_instance(&by, wanted).await.unwrap();
    let change = InstanceChange {
        add_brokers: strings(["0"]),
        durability: Some(Durability::Object),
        disk_policy: Some(DiskPolicy::ServiceFirst),
        remark: Some("说明 '\"; DROP TABLE topic;--".to_owned()),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    service
        .create_instance(&by, new(GLOBEX, "demo"))
        .await
        .unwrap();
    let full = TopicFields {
        is_drained: false,
        topic_type: Some(TopicType::Transaction),
        queues: Some(7),
        permission: Some(Permission::Write),
        ordered: Some(true),
        remark: Some("r".to_owned()),
        brokers: Some(strings(["0", "b"])),
        retention_hours: Some(3),
        tps: Some(4),
        allowed_groups: Some(strings(["x", "y"])),
    };
    service
        .create_topic(&by, demo.id, "full", full)
        .await
        .unwrap();
    service
        .create_topic(&by, demo.id, "plain", TopicFields::default())
        .await
        .unwrap();
    let retyped = TopicFields {
        permission: Some(Permission::Read),
        ..TopicFields::default()
    };
    service
        .change_topic(&by, demo.id, "plain", retyped)
        .await
        .unwrap();
    let full = GroupFields {
        ordered: Some(true),
        on_poison: Some(OnPoison::Park),
        max_retries: Some(3),
        enabled: Some(false),
        start: Some(StartPosition::Time(Timestamp(8))),
        is_start_by_client: Some(true),
        pull_mechanism: Some(PullMechanism::Client),
        subscriptions: Some(vec![("t".to_owned(), 2)]),
        remark: Some("r".to_owned()),
    };
    service
        .create_group(&by, demo.id, "full", full)
        .await
        .unwrap();
    service
        .create_group(&by, demo.id, "plain", GroupFields::default())
        .await
        .unwrap();
    service
        .change_group(&by, demo.id, "plain", GroupFields::default())
        .await
        .unwrap();
    let user = UserFields {
        secret_key: Some("secret-of-demo".to_owned()),
        topics: Some(strings(["full"])),
        description: Some("d".to_owned()),
        ip_allow: Some(strings(["::1"])),
    };
    service
        .create_user(&by, demo.id, "demo", user)
        .await
        .unwrap();
    let role = firn_protocol::catalogue::ConsoleRole::Viewer;
    let person = service.create_console_user(&by, ACME, "ann", "ann-password", role);
    person.await.unwrap();
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let place = Place::new();
    let service = place.with_tenants().await;
    fill(&service).await;
    let (before, key) = (seen(&service), service.derived_key("receipt"));
    let versions = topic_versions(&service);
    assert!(before.contains("DROP TABLE") && before.contains("ServiceFirst"));
    // Dropped without a farewell, as by a crash; then closed in order.
    drop(service);
    let service = place.open().await;
    assert_eq!(seen(&service), before);
    assert_eq!(topic_versions(&service), versions);
    assert_eq!(service.derived_key("receipt"), key);
    assert_ne!(service.derived_key("token"), key);
    assert!(service.authenticate("demo", "secret-of-demo").is_some());
    assert!(
        service
            .login(Some(ACME), "ann", "ann-password")
            .await
            .is_ok()
    );
    service.close().await;
    assert_eq!(seen(&*place.open().await), before);
}

#[tokio::test]
async fn numbers_are_never_given_out_twice() {
    let place = Place::new();
    let mut service = place.with_tenants().await;
    let by = caller();
    let (mut instances, mut brokers, mut topics, mut groups, mut versions) =
        (vec![], vec![], vec![], vec![], vec![]);
    for round in 0..3 {
        let demo = service
            .create_instance(&by, new(ACME, "demo"))
            .await
            .unwrap();
        let topic = service
            .create_topic(&by, demo.id, "t", TopicFields::default())
            .await
            .unwrap();
        let group = service
            .create_group(&by, demo.id, "g", GroupFields::default())
            .await
            .unwrap();
        service.delete_topic(&by, demo.id, "t").await.unwrap();
        service.delete_group(&by, demo.id, "g").await.unwrap();
        service.delete_instance(&by, demo.id).await.unwrap();
        instances.push(demo.id.0);
        brokers.push(u64::from(demo.brokers[0].id.0));
        topics.push(topic.id.0);
        groups.push(group.id.0);
        versions.push(group.version);
        if round != 1 {
            service.close().await;
            service = place.open().await;
        }
    }
    for numbers in [instances, brokers, topics, groups, versions] {
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}

#[tokio::test]
async fn only_the_right_master_key_opens_a_catalogue() {
    let place = Place::new();
    let service = place.with_tenants().await;
    service.close().await;
    drop(service);
    let key = place.path("master.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = place.try_open().await.err().unwrap();
    assert!(matches!(error, OpenError::KeyMissing { .. }), "{error}");
    assert!(!key.exists(), "no new key for an old catalogue");
    std::fs::write(&key, "0".repeat(64)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = place.try_open().await.err().unwrap();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    assert!(!error.to_string().contains('\n'));
    std::fs::write(&key, right).unwrap();
    place.open().await;
}

#[tokio::test]
async fn changes_at_once_happen_one_after_another() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let instance = demo.id;
    let create = |n: usize| {
        let (service, by) = (service.clone(), by.clone());
        async move {
            let name = format!("t{}", n % 10);
            let made = service.create_topic(&by, instance, &name, TopicFields::default());
            made.await
        }
    };
    let made: Vec<_> = futures_util::future::join_all((0..30).map(create)).await;
    let (good, bad): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (10, 20));
    for answer in bad {
        refused(answer, ErrorCode::AlreadyExists, "t");
    }
    let mut ids: Vec<_> = good
        .into_iter()
        .map(|t| Arc::<Topic>::clone(&t.unwrap()).id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    assert_eq!(service.topics(demo.id).len(), 10);
    assert!(service.tenant(TenantId(9)).is_none());
}

fn without_versions(topics: Vec<Arc<Topic>>) -> Vec<Topic> {
    let topics = topics.iter();
    let topics = topics.map(|topic| Topic {
        version: 0,
        ..Topic::clone(topic)
    });
    topics.collect()
}
