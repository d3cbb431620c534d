//! Tenants, plans and instances, and what separates tenants from each other.

use firn_protocol::api::tenant::{
    GroupFields, InstanceChange, NewInstance, TenantApi as _, TopicFields, UserFields,
};
use firn_protocol::catalogue::{
    DiskPolicy, Durability, Instance, InstanceStatus, Plan, Rates, Tenant,
};
use firn_protocol::limits::NUMBER_MAX;
use firn_protocol::{ErrorCode, InstanceId, TenantId, Timestamp};

use crate::place::{ACME, GLOBEX, Place, START_MS, caller, new, refused, strings};

fn tenant(id: u64, name: &str) -> Tenant {
    Tenant {
        id: TenantId(id),
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn tenants_are_unique_by_number_and_name() {
    let place = Place::new();
    let service = place.with_tenants().await;
    let by = caller();
    let exists = ErrorCode::AlreadyExists;
    refused(
        service.create_tenant(&by, tenant(2, "other")).await,
        exists,
        "2",
    );
    refused(
        service.create_tenant(&by, tenant(3, "acme")).await,
        exists,
        "acme",
    );
    let bad = ErrorCode::BadRequest;
    refused(
        service.create_tenant(&by, tenant(0, "zero")).await,
        bad,
        "id: ",
    );
    refused(
        service
            .create_tenant(&by, tenant(NUMBER_MAX + 1, "big"))
            .await,
        bad,
        "id: ",
    );
    let name = ErrorCode::InvalidName;
    refused(
        service.create_tenant(&by, tenant(3, "a b")).await,
        name,
        "name: ",
    );

    let rename = async |id, to: &str| {
        service
            .rename_tenant(&by, TenantId(id), to.to_owned())
            .await
    };
    assert_eq!(
        rename(2, "acme").await.unwrap().name,
        "acme",
        "to its own name"
    );
    refused(rename(2, "globex").await, exists, "globex");
    refused(rename(9, "nine").await, ErrorCode::NotFound, "9");
    assert_eq!(rename(2, "acme2").await.unwrap().name, "acme2");
    assert_eq!(service.tenant(ACME).unwrap().name, "acme2");
    let names: Vec<_> = service.tenants().iter().map(|t| t.name.clone()).collect();
    assert_eq!(names, ["acme2", "globex"]);

    service
        .create_instance(&by, new(ACME, "demo"))
        .await
        .unwrap();
    refused(
        service.delete_tenant(&by, ACME).await,
        ErrorCode::InUse,
        "1 instances",
    );
    service.delete_tenant(&by, GLOBEX).await.unwrap();
    assert!(service.tenant(GLOBEX).is_none());
    refused(
        service.delete_tenant(&by, GLOBEX).await,
        ErrorCode::NotFound,
        "67",
    );
}

#[tokio::test]
async fn a_new_instance_takes_the_defaults() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let expected = Instance {
        id: demo.id,
        uid: demo.uid.clone(),
        tenant: ACME,
        name: "demo".to_owned(),
        plan: "basic".to_owned(),
        brokers: demo.brokers.clone(),
        durability: Durability::Local,
        retention_hours: 72,
        disk_policy: DiskPolicy::DataFirst,
        remark: String::new(),
        status: InstanceStatus::Running,
        created_at: Timestamp(START_MS),
        expires_at: None,
        time_zone: "UTC+8".to_owned(),
        message_bytes: 524_288,
        rates: Rates {
            tps: 5000,
            topic_tps: 5000,
            burst_ms: 100,
        },
    };
    assert_eq!(*demo, expected);
    assert_eq!(demo.brokers.len(), 1);
    assert_eq!(demo.brokers[0].name, "a");
    assert!(firn_protocol::names::looks_like_instance_id(&demo.uid));
    assert_eq!(service.instance(demo.id).unwrap(), demo);
    assert!(service.instance(InstanceId(demo.id.0 + 1)).is_none());
}

#[tokio::test]
async fn instances_are_checked() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let create = async |new| service.create_instance(&by, new).await;
    refused(
        create(new(TenantId(9), "x")).await,
        ErrorCode::NotFound,
        "9",
    );
    refused(
        create(new(ACME, "demo")).await,
        ErrorCode::AlreadyExists,
        "demo",
    );
    for bad in ["", "a b", "cluster", &demo.uid, "TBW102", &"x".repeat(65)] {
        refused(
            create(new(ACME, bad)).await,
            ErrorCode::InvalidName,
            "name: ",
        );
    }
    let with = |change: &dyn Fn(&mut NewInstance)| {
        let mut new = new(ACME, "other");
        change(&mut new);
        new
    };
    let bad = ErrorCode::BadRequest;
    let unknown_plan = with(&|n| n.plan = Some("gold".to_owned()));
    refused(create(unknown_plan).await, bad, "plan: ");
    refused(
        create(with(&|n| n.retention_hours = Some(0))).await,
        bad,
        "retentionHours: ",
    );
    let long = with(&|n| n.remark = Some("x".repeat(513)));
    refused(create(long).await, bad, "remark: ");
    let zone = with(&|n| n.time_zone = Some("a b".to_owned()));
    refused(create(zone).await, bad, "timeZone: ");
    let late = with(&|n| n.expires_at = Some(Timestamp(u64::MAX)));
    refused(create(late).await, bad, "expiresAt: ");
    let broker = with(&|n| n.brokers = strings(["A"]));
    refused(create(broker).await, ErrorCode::InvalidName, "brokers: ");
    let twice = with(&|n| n.brokers = strings(["a", "a"]));
    refused(create(twice).await, ErrorCode::AlreadyExists, "'a'");
    let many = with(&|n| n.brokers = (0..65).map(|i| format!("b{i}")).collect());
    refused(create(many).await, bad, "brokers: ");
    assert_eq!(service.instances(None).len(), 1, "nothing of it was made");
}

#[tokio::test]
async fn a_name_means_the_callers_own_instance() {
    let place = Place::new();
    let (service, acme) = place.with_instance().await;
    let globex = service
        .create_instance(&caller(), new(GLOBEX, "demo"))
        .await
        .unwrap();
    let only = service
        .create_instance(&caller(), new(GLOBEX, "only"))
        .await
        .unwrap();
    let find = |tenant, name: &str| service.find_instance(tenant, name);
    assert_eq!(find(Some(ACME), "demo").unwrap().id, acme.id);
    assert_eq!(find(Some(GLOBEX), "demo").unwrap().id, globex.id);
    assert_eq!(find(Some(ACME), &acme.uid).unwrap().id, acme.id);
    assert_eq!(find(None, &globex.uid).unwrap().id, globex.id);
    assert_eq!(find(None, "only").unwrap().id, only.id);
    refused(find(None, "demo"), ErrorCode::Conflict, "use its id");
    let missing = ErrorCode::InstanceNotFound;
    refused(find(Some(ACME), "only"), missing, "");
    refused(find(Some(ACME), &globex.uid), missing, "");
    refused(find(None, "nothing"), missing, "");
    // What is another tenant's is answered exactly as what does not exist.
    assert_eq!(
        find(Some(ACME), &globex.uid).unwrap_err().message,
        find(Some(ACME), "nothing").unwrap_err().message
    );
    let names = |tenant| -> Vec<_> {
        let listed = service.instances(tenant);
        listed.iter().map(|i| (i.name.clone(), i.tenant)).collect()
    };
    let (demo, only) = ("demo".to_owned(), "only".to_owned());
    assert_eq!(names(Some(ACME)), [(demo.clone(), ACME)]);
    assert_eq!(
        names(None),
        [(demo.clone(), ACME), (demo, GLOBEX), (only, GLOBEX)]
    );
    service.delete_instance(&caller(), globex.id).await.unwrap();
    assert_eq!(
        find(None, "demo").unwrap().id,
        acme.id,
        "no longer ambiguous"
    );
}

#[tokio::test]
async fn changes_of_an_instance_keep_what_they_do_not_name() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let change = async |change| service.change_instance(&by, demo.id, change).await;
    let same = change(InstanceChange::default()).await.unwrap();
    assert_eq!(same, demo);
    let changed = change(InstanceChange {
        plan: Some("serverless".to_owned()),
        add_brokers: strings(["c", "b"]),
        durability: Some(Durability::Object),
        retention_hours: Some(24),
        disk_policy: Some(DiskPolicy::ServiceFirst),
        remark: Some("told".to_owned()),
        time_zone: Some("Europe/Vienna".to_owned()),
        expires_at: Some(Timestamp(2 * START_MS)),
        status: None,
    })
    .await
    .unwrap();
    let names: Vec<_> = changed.brokers.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names, ["a", "c", "b"], "in the order of creation");
    assert_eq!(changed.brokers[0], demo.brokers[0]);
    assert_eq!(
        (changed.uid.as_str(), changed.id),
        (demo.uid.as_str(), demo.id)
    );
    assert_eq!(changed.retention_hours, 24);
    assert_eq!((demo.rates.tps, changed.rates.tps), (5000, 50_000));
    assert_eq!(changed.expires_at, Some(Timestamp(2 * START_MS)));
    let kept = change(InstanceChange::default()).await.unwrap();
    assert_eq!(kept, changed);
    assert_eq!(service.find_instance(Some(ACME), "demo").unwrap(), changed);
    let again = InstanceChange {
        add_brokers: strings(["b"]),
        ..InstanceChange::default()
    };
    refused(change(again).await, ErrorCode::AlreadyExists, "'b'");
    let gone = service.change_instance(&by, InstanceId(99), InstanceChange::default());
    refused(gone.await, ErrorCode::InstanceNotFound, "");
}

fn plan(name: &str) -> Plan {
    Plan {
        name: name.to_owned(),
        tps: 10,
        topic_tps: 5,
        burst_seconds: 1.5,
        topics: 2,
        groups: 1,
        brokers: 2,
        storage_gib: 1,
        retention_hours: 7,
        message_bytes: 1000,
        connections: 3,
        price_list: "standard".to_owned(),
    }
}

#[tokio::test]
async fn plans_are_checked_and_never_redefined() {
    let place = Place::new();
    let service = place.open().await;
    let by = caller();
    let create = async |plan| service.create_plan(&by, plan).await;
    let names: Vec<_> = service.plans().iter().map(|p| p.name.clone()).collect();
    assert_eq!(names, ["basic", "intermediate", "serverless"]);
    let basic = service.plan("basic").unwrap();
    assert_eq!(
        (basic.tps, basic.topics, basic.storage_gib),
        (5000, 50, 200)
    );
    let serverless = service.plan("serverless").unwrap();
    assert_eq!((serverless.tps, serverless.topics), (50_000, 1_000_000));
    refused(
        create(plan("basic")).await,
        ErrorCode::AlreadyExists,
        "basic",
    );
    create(plan("tiny")).await.unwrap();
    assert_eq!(*service.plan("tiny").unwrap(), plan("tiny"));
    refused(create(plan("tiny")).await, ErrorCode::AlreadyExists, "tiny");
    refused(create(plan("a b")).await, ErrorCode::InvalidName, "name: ");
    type Damage = fn(&mut Plan);
    let broken: [(&str, Damage); 6] = [
        ("messageBytes", |p| p.message_bytes = 4 * 1024 * 1024 + 1),
        ("messageBytes", |p| p.message_bytes = 0),
        ("burstSeconds", |p| p.burst_seconds = f64::NAN),
        ("burstSeconds", |p| p.burst_seconds = -0.1),
        ("retentionHours", |p| p.retention_hours = 0),
        ("tps", |p| p.tps = u64::MAX),
    ];
    for (field, damage) in broken {
        let mut plan = plan("broken");
        damage(&mut plan);
        refused(create(plan).await, ErrorCode::BadRequest, field);
    }
}

#[tokio::test]
async fn a_plan_bounds_what_is_counted() {
    let place = Place::new();
    let service = place.with_tenants().await;
    let by = caller();
    service.create_plan(&by, plan("tiny")).await.unwrap();
    let quota = ErrorCode::QuotaExceeded;
    let mut tiny = new(ACME, "small");
    tiny.plan = Some("tiny".to_owned());
    tiny.brokers = strings(["a", "b", "c"]);
    refused(
        service.create_instance(&by, tiny.clone()).await,
        quota,
        "allows 2 brokers",
    );
    tiny.brokers.pop();
    let small = service.create_instance(&by, tiny).await.unwrap();
    assert_eq!((small.retention_hours, small.message_bytes), (7, 1000));

    let topic = async |name| {
        service
            .create_topic(&by, small.id, name, TopicFields::default())
            .await
    };
    let group = async |name| {
        service
            .create_group(&by, small.id, name, GroupFields::default())
            .await
    };
    topic("one").await.unwrap();
    topic("two").await.unwrap();
    refused(topic("three").await, quota, "'tiny' allows 2 topics");
    refused(topic("one").await, ErrorCode::AlreadyExists, "one");
    service.delete_topic(&by, small.id, "one").await.unwrap();
    topic("three").await.unwrap();
    group("one").await.unwrap();
    refused(group("two").await, quota, "allows 1 groups");
    let more = InstanceChange {
        add_brokers: strings(["c"]),
        ..InstanceChange::default()
    };
    refused(
        service.change_instance(&by, small.id, more).await,
        quota,
        "2 brokers",
    );

    let to_basic = InstanceChange {
        plan: Some("basic".to_owned()),
        ..InstanceChange::default()
    };
    let basic = service
        .change_instance(&by, small.id, to_basic)
        .await
        .unwrap();
    assert_eq!(basic.message_bytes, 524_288);
    topic("four").await.unwrap();
    let to_tiny = InstanceChange {
        plan: Some("tiny".to_owned()),
        ..InstanceChange::default()
    };
    refused(
        service.change_instance(&by, small.id, to_tiny).await,
        quota,
        "2 topics",
    );
}

#[tokio::test]
async fn deleting_an_instance_takes_everything_in_it() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let other = service
        .create_instance(&by, new(GLOBEX, "demo"))
        .await
        .unwrap();
    for instance in [demo.id, other.id] {
        let topic = service.create_topic(&by, instance, "t", TopicFields::default());
        topic.await.unwrap();
        let group = service.create_group(&by, instance, "g", GroupFields::default());
        group.await.unwrap();
        let user = format!("user{instance}");
        let made = service.create_user(&by, instance, &user, UserFields::default());
        made.await.unwrap();
    }
    let gone = service.user(&format!("user{}", demo.id)).unwrap();
    let brokers = service.delete_instance(&by, demo.id).await.unwrap();
    assert_eq!(brokers, demo.brokers);
    refused(
        service.delete_instance(&by, demo.id).await,
        ErrorCode::InstanceNotFound,
        "",
    );
    assert!(service.instance(demo.id).is_none());
    assert!(service.find_instance(None, &demo.uid).is_err());
    assert!(service.topic(demo.id, "t").is_none() && service.topics(demo.id).is_empty());
    assert!(service.group(demo.id, "g").is_none() && service.groups(demo.id).is_empty());
    assert!(service.user(&gone.access_key).is_none() && service.users(demo.id).is_empty());
    assert!(service.topic(other.id, "t").is_some() && service.group(other.id, "g").is_some());
    assert_eq!(service.users(other.id).len(), 1);
    service.delete_tenant(&by, ACME).await.unwrap();
}
