//! Topics and groups: rules, defaults, quotas.

use firn_protocol::api::tenant::{GroupFields, InstanceChange, TenantApi as _, TopicFields};
use firn_protocol::catalogue::{
    Group, Instance, OnPoison, Permission, PullMechanism, StartPosition, Topic, TopicType,
};
use firn_protocol::{BrokerId, ErrorCode, GroupId, InstanceId, Timestamp, TopicId};
use firn_tenant_service::TenantService;

use crate::place::{GLOBEX, Place, START_MS, caller, new, refused, strings};

#[tokio::test]
async fn topics_take_defaults_and_keep_what_is_not_changed() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let plain = service.create_topic(&by, demo.id, "orders", TopicFields::default());
    let plain = plain.await.unwrap();
    let expected = Topic {
        id: plain.id,
        instance: demo.id,
        name: "orders".to_owned(),
        topic_type: TopicType::Normal,
        queues: 4,
        permission: Permission::ReadWrite,
        ordered: false,
        remark: String::new(),
        brokers: Vec::new(),
        retention_hours: None,
        tps: None,
        allowed_groups: Vec::new(),
        created_at: Timestamp(START_MS),
        version: plain.version,
    };
    assert_eq!(*plain, expected);
    let change = async |fields| service.change_topic(&by, demo.id, "orders", fields).await;
    let changed = change(TopicFields {
        topic_type: Some(TopicType::Delay),
        queues: Some(1024),
        permission: Some(Permission::Read),
        remark: Some("备注".to_owned()),
        retention_hours: Some(5),
        tps: Some(100),
        allowed_groups: Some(strings(["g1", "g2"])),
        ..TopicFields::default()
    })
    .await
    .unwrap();
    let expected = Topic {
        topic_type: TopicType::Delay,
        queues: 1024,
        permission: Permission::Read,
        remark: "备注".to_owned(),
        retention_hours: Some(5),
        tps: Some(100),
        allowed_groups: strings(["g1", "g2"]),
        ..expected
    };
    assert!(changed.version > plain.version);
    let expected = Topic {
        version: changed.version,
        ..expected
    };
    assert_eq!(*changed, expected);
    assert_eq!(change(TopicFields::default()).await.unwrap(), changed);
    let inherit = change(TopicFields {
        retention_hours: Some(0),
        tps: Some(0),
        ..TopicFields::default()
    });
    let inherit = inherit.await.unwrap();
    assert_eq!((inherit.retention_hours, inherit.tps), (None, None));
    assert_eq!(service.topic(demo.id, "orders"), Some(inherit.clone()));
    assert_eq!(service.topic_by_id(demo.id, plain.id), Some(inherit));
    assert_eq!(service.topic_by_id(demo.id, TopicId(99)), None);
}

#[tokio::test]
async fn topics_are_checked() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let create = async |name: &str, fields| service.create_topic(&by, demo.id, name, fields).await;
    create("t", TopicFields::default()).await.unwrap();
    refused(
        create("t", TopicFields::default()).await,
        ErrorCode::AlreadyExists,
        "'t'",
    );
    for bad in ["", "a b", "%DLQ%g", "TBW102", "rmq_sys_x", &"x".repeat(65)] {
        refused(
            create(bad, TopicFields::default()).await,
            ErrorCode::InvalidName,
            "name: ",
        );
    }
    let many: Vec<_> = (0..1001).map(|i| format!("g{i}")).collect();
    type Case = (&'static str, ErrorCode, TopicFields);
    let none = TopicFields::default;
    let bad = ErrorCode::BadRequest;
    let cases: [Case; 9] = [
        (
            "queues: ",
            bad,
            TopicFields {
                queues: Some(0),
                ..none()
            },
        ),
        (
            "queues: ",
            bad,
            TopicFields {
                queues: Some(1025),
                ..none()
            },
        ),
        (
            "remark: ",
            bad,
            TopicFields {
                remark: Some("x".repeat(513)),
                ..none()
            },
        ),
        (
            "retentionHours: ",
            bad,
            TopicFields {
                retention_hours: Some(87_601),
                ..none()
            },
        ),
        (
            "tps: ",
            bad,
            TopicFields {
                tps: Some(u64::MAX),
                ..none()
            },
        ),
        (
            "allowedGroups: ",
            bad,
            TopicFields {
                allowed_groups: Some(many),
                ..none()
            },
        ),
        (
            "'a' is there twice",
            bad,
            TopicFields {
                allowed_groups: Some(strings(["a", "b", "a"])),
                ..none()
            },
        ),
        (
            "allowedGroups: ",
            ErrorCode::InvalidName,
            TopicFields {
                allowed_groups: Some(strings(["a b"])),
                ..none()
            },
        ),
        (
            "no such broker",
            ErrorCode::NotFound,
            TopicFields {
                brokers: Some(strings(["z"])),
                ..none()
            },
        ),
    ];
    for (part, code, fields) in cases {
        refused(create("u", fields.clone()).await, code, part);
        if fields.brokers.is_none() {
            refused(
                service.change_topic(&by, demo.id, "t", fields).await,
                code,
                part,
            );
        }
    }
    let moved = TopicFields {
        brokers: Some(strings(["a"])),
        ..none()
    };
    refused(
        service.change_topic(&by, demo.id, "t", moved).await,
        bad,
        "brokers: ",
    );
    let missing = ErrorCode::TopicNotFound;
    refused(
        service.change_topic(&by, demo.id, "u", none()).await,
        missing,
        "",
    );
    refused(service.delete_topic(&by, demo.id, "u").await, missing, "");
    let nowhere = service.create_topic(&by, InstanceId(99), "t", none()).await;
    refused(nowhere, ErrorCode::InstanceNotFound, "");
    assert_eq!(service.topics(demo.id).len(), 1);
}

#[tokio::test]
async fn ordered_topics_keep_their_queues() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let none = TopicFields::default;
    let fifo = TopicFields {
        topic_type: Some(TopicType::Fifo),
        ..none()
    };
    let fifo = service
        .create_topic(&by, demo.id, "fifo", fifo)
        .await
        .unwrap();
    assert!(fifo.ordered);
    let ordered = TopicFields {
        ordered: Some(true),
        ..none()
    };
    service
        .create_topic(&by, demo.id, "ordered", ordered)
        .await
        .unwrap();
    service
        .create_topic(&by, demo.id, "plain", none())
        .await
        .unwrap();
    let change = async |name: &str, fields| service.change_topic(&by, demo.id, name, fields).await;
    let more = || TopicFields {
        queues: Some(8),
        ..none()
    };
    refused(change("fifo", more()).await, ErrorCode::Conflict, "drained");
    refused(
        change("ordered", more()).await,
        ErrorCode::Conflict,
        "drained",
    );
    let at_once = TopicFields {
        ordered: Some(false),
        ..more()
    };
    refused(
        change("ordered", at_once).await,
        ErrorCode::Conflict,
        "drained",
    );
    let same = TopicFields {
        queues: Some(4),
        remark: Some("r".to_owned()),
        ..none()
    };
    assert_eq!(change("ordered", same).await.unwrap().remark, "r");
    assert_eq!(change("plain", more()).await.unwrap().queues, 8);
    let drained = TopicFields {
        is_drained: true,
        ..more()
    };
    assert_eq!(change("ordered", drained).await.unwrap().queues, 8);
}

#[tokio::test]
async fn topics_live_on_the_brokers_they_name() {
    let place = Place::new();
    let service = place.with_tenants().await;
    let by = caller();
    let mut wide = new(GLOBEX, "wide");
    wide.brokers = strings(["a", "b", "c"]);
    let wide = service.create_instance(&by, wide).await.unwrap();
    let on = |names| TopicFields {
        brokers: Some(names),
        ..TopicFields::default()
    };
    let two = service
        .create_topic(&by, wide.id, "two", on(strings(["c", "a"])))
        .await
        .unwrap();
    assert_eq!(two.brokers, [wide.brokers[2].id, wide.brokers[0].id]);
    let all = service
        .create_topic(&by, wide.id, "all", on(Vec::new()))
        .await
        .unwrap();
    assert_eq!(all.brokers, [] as [BrokerId; 0]);
    let twice = service
        .create_topic(&by, wide.id, "x", on(strings(["a", "a"])))
        .await;
    refused(twice, ErrorCode::BadRequest, "brokers: ");
}

/// A message group that moved would go on before its older messages.
#[tokio::test]
async fn topics_that_keep_an_order_stay_where_they_are_when_brokers_come() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let before = broker_ids(&demo);
    for (name, topic_type, ordered) in [
        ("plain", TopicType::Normal, false),
        ("strict", TopicType::Normal, true),
        ("fifo", TopicType::Fifo, true),
        ("mixed", TopicType::Mixed, false),
    ] {
        let fields = TopicFields {
            topic_type: Some(topic_type),
            ordered: Some(ordered),
            ..TopicFields::default()
        };
        let made = service.create_topic(&by, demo.id, name, fields).await;
        assert_eq!(made.unwrap().brokers, [] as [BrokerId; 0]);
    }
    let more = InstanceChange {
        add_brokers: strings(["late"]),
        ..InstanceChange::default()
    };
    let wider = service.change_instance(&by, demo.id, more).await.unwrap();
    assert_eq!(wider.brokers.len(), before.len() + 1);
    let brokers = |service: &TenantService| {
        ["plain", "strict", "fifo", "mixed"]
            .map(|name| service.topic(demo.id, name).unwrap().brokers.clone())
    };
    let pinned = [Vec::new(), before.clone(), before, Vec::new()];
    assert_eq!(brokers(&service), pinned);
    drop(service);
    let service = place.open().await;
    assert_eq!(brokers(&service), pinned);
}

fn broker_ids(instance: &Instance) -> Vec<BrokerId> {
    instance.brokers.iter().map(|broker| broker.id).collect()
}

#[tokio::test]
async fn groups_take_defaults_and_their_version_rises() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let group = service.create_group(&by, demo.id, "workers", GroupFields::default());
    let group = group.await.unwrap();
    let expected = Group {
        id: group.id,
        instance: demo.id,
        name: "workers".to_owned(),
        ordered: false,
        on_poison: OnPoison::Block,
        max_retries: 16,
        enabled: true,
        start: StartPosition::Earliest,
        is_start_by_client: true,
        pull_mechanism: PullMechanism::Server,
        subscriptions: Vec::new(),
        remark: String::new(),
        created_at: Timestamp(START_MS),
        version: group.version,
    };
    assert_eq!(*group, expected);
    let other = service.create_group(&by, demo.id, "other", GroupFields::default());
    let other = other.await.unwrap();
    assert!(other.version > group.version);
    let change = async |fields| service.change_group(&by, demo.id, "workers", fields).await;
    let changed = change(GroupFields {
        ordered: Some(true),
        on_poison: Some(OnPoison::DeadLetter),
        max_retries: Some(0),
        enabled: Some(false),
        start: Some(StartPosition::Time(Timestamp(77))),
        is_start_by_client: None,
        pull_mechanism: Some(PullMechanism::Client),
        subscriptions: Some(vec![("t".to_owned(), 5), ("u".to_owned(), 0)]),
        remark: Some("r".to_owned()),
    });
    let changed = changed.await.unwrap();
    assert!(changed.version > other.version);
    let expected = Group {
        ordered: true,
        on_poison: OnPoison::DeadLetter,
        max_retries: 0,
        enabled: false,
        start: StartPosition::Time(Timestamp(77)),
        is_start_by_client: false,
        pull_mechanism: PullMechanism::Client,
        subscriptions: vec![("t".to_owned(), 5), ("u".to_owned(), 0)],
        remark: "r".to_owned(),
        version: changed.version,
        ..expected
    };
    assert_eq!(*changed, expected);
    let touched = change(GroupFields::default()).await.unwrap();
    assert!(touched.version > changed.version);
    assert_eq!(
        Group {
            version: changed.version,
            ..Group::clone(&touched)
        },
        expected
    );
    assert_eq!(service.group(demo.id, "workers"), Some(touched.clone()));
    assert_eq!(service.group_by_id(demo.id, group.id), Some(touched));
    assert_eq!(service.group_by_id(demo.id, GroupId(99)), None);
    let names: Vec<_> = service
        .groups(demo.id)
        .iter()
        .map(|g| g.name.clone())
        .collect();
    assert_eq!(names, ["other", "workers"]);
}

#[tokio::test]
async fn groups_are_checked() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let none = GroupFields::default;
    let create = async |name: &str, fields| service.create_group(&by, demo.id, name, fields).await;
    create("g", none()).await.unwrap();
    refused(create("g", none()).await, ErrorCode::AlreadyExists, "'g'");
    refused(
        create("%RETRY%g", none()).await,
        ErrorCode::InvalidName,
        "name: ",
    );
    let listed = |topics: &[&str]| {
        let rows = topics
            .iter()
            .map(|topic| ((*topic).to_owned(), 0))
            .collect();
        GroupFields {
            subscriptions: Some(rows),
            ..none()
        }
    };
    let bad = ErrorCode::BadRequest;
    for (part, code, fields) in [
        (
            "maxRetries: ",
            bad,
            GroupFields {
                max_retries: Some(1001),
                ..none()
            },
        ),
        (
            "remark: ",
            bad,
            GroupFields {
                remark: Some("x".repeat(513)),
                ..none()
            },
        ),
        (
            "start: ",
            bad,
            GroupFields {
                start: Some(StartPosition::Time(Timestamp(u64::MAX))),
                ..none()
            },
        ),
        ("subscriptions: ", ErrorCode::InvalidName, listed(&["a b"])),
        ("subscriptions: ", bad, listed(&["a", "a"])),
    ] {
        refused(create("h", fields.clone()).await, code, part);
        refused(
            service.change_group(&by, demo.id, "g", fields).await,
            code,
            part,
        );
    }
    let missing = ErrorCode::GroupNotFound;
    refused(
        service.change_group(&by, demo.id, "h", none()).await,
        missing,
        "",
    );
    refused(service.delete_group(&by, demo.id, "h").await, missing, "");
    let gone = service.delete_group(&by, demo.id, "g").await.unwrap();
    assert!(service.group_by_id(demo.id, gone.id).is_none() && service.groups(demo.id).is_empty());
}

#[tokio::test]
async fn tenants_do_not_see_each_others_topics() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let other = service
        .create_instance(&by, new(GLOBEX, "demo"))
        .await
        .unwrap();
    let mine = service
        .create_topic(&by, demo.id, "same", TopicFields::default())
        .await
        .unwrap();
    let theirs = service
        .create_topic(&by, other.id, "same", TopicFields::default())
        .await
        .unwrap();
    assert_ne!(mine.id, theirs.id);
    assert_eq!(service.topic(demo.id, "same").unwrap().id, mine.id);
    assert_eq!(service.topic_by_id(demo.id, theirs.id), None);
    let group = service
        .create_group(&by, other.id, "g", GroupFields::default())
        .await
        .unwrap();
    assert_eq!(service.group(demo.id, "g"), None);
    assert_eq!(service.group_by_id(demo.id, group.id), None);
    service.delete_topic(&by, demo.id, "same").await.unwrap();
    assert_eq!(service.topics(other.id), [theirs]);
    assert!(service.topics(demo.id).is_empty());
}
