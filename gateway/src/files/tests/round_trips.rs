//! Whole catalogues out and in again.

use std::collections::BTreeMap;

use firn_protocol::api::tenant::{GroupFields, TopicFields};
use firn_protocol::catalogue::*;
use firn_protocol::limits::*;
use firn_protocol::{BrokerId, ErrorCode, Timestamp};
use proptest::prelude::*;

use super::{FORMATS, Format, Listing, every_column, group, groups, instance, topic, topics};

/// Characters that a spreadsheet's XML has no room for, and texts that look like the
/// way around it.
#[test]
fn odd_remarks_come_back() {
    let demo = instance(&["a"]);
    for remark in [
        "a\u{1}b", "_x0041_", "a\r\nb", "a\rb", " both ", "\u{fffe}", "<&>\"'",
    ] {
        let mut odd = topic("t");
        remark.clone_into(&mut odd.remark);
        for format in FORMATS {
            let bytes = topics::export(format, &demo, [&odd].into_iter(), &every_column());
            let found = by_name(topics::read(&bytes.expect("written")).expect("readable"));
            let back = found["t"].0.remark.as_deref();
            assert_eq!(back, Some(remark), "{format:?}");
        }
    }
    let mut long = topic("t");
    long.allowed_groups = (0..NAMES_LISTED_MAX).map(|n| format!("{n:064}")).collect();
    let bytes = topics::export(Format::Csv, &demo, [&long].into_iter(), &every_column());
    let found = by_name(topics::read(&bytes.expect("written")).expect("readable"));
    assert_eq!(found["t"].0, fields_of_topic(&long));
    let error = topics::export(Format::Xlsx, &demo, [&long].into_iter(), &every_column());
    let error = error.expect_err("no cell holds it");
    assert_eq!(error.code, ErrorCode::BadRequest, "{error}");
    assert!(error.message.contains("csv has no such limit"), "{error}");
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,64}".prop_filter("reserved", |name| {
        firn_protocol::names::check("name", name).is_ok()
    })
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(name(), 0..4).prop_map(|names| names.into_iter().collect())
}

/// What a person may write; spreadsheets hold no control characters but line ends.
fn note() -> impl Strategy<Value = String> {
    "['=+@\\-\",;\n]{0,5}\\PC{0,20}"
}

fn a_topic() -> impl Strategy<Value = Topic> {
    let kinds = prop::sample::select(vec![
        TopicType::Normal,
        TopicType::Fifo,
        TopicType::Delay,
        TopicType::Transaction,
        TopicType::Mixed,
    ]);
    let permissions = prop::sample::select(vec![
        Permission::ReadWrite,
        Permission::Read,
        Permission::Write,
    ]);
    let shape = (kinds, 1..=QUEUES_MAX, permissions, any::<bool>(), note());
    let brokers = prop::collection::btree_set((1..4_u32).prop_map(BrokerId), 0..3);
    let bounds = (
        prop::option::of(1..=RETENTION_HOURS_MAX),
        prop::option::of(1..=NUMBER_MAX),
    );
    (name(), shape, brokers, bounds, names()).prop_map(|(name, shape, brokers, bounds, groups)| {
        let (topic_type, queues, permission, ordered, remark) = shape;
        Topic {
            topic_type,
            queues,
            permission,
            ordered,
            remark,
            brokers: brokers.into_iter().collect(),
            retention_hours: bounds.0,
            tps: bounds.1,
            allowed_groups: groups,
            ..topic(&name)
        }
    })
}

fn a_group() -> impl Strategy<Value = Group> {
    let starts = prop_oneof![
        Just(StartPosition::Earliest),
        Just(StartPosition::Latest),
        (4..=NUMBER_MAX).prop_map(|ms| StartPosition::Time(Timestamp(ms))),
    ];
    let poisons = prop::sample::select(vec![OnPoison::Block, OnPoison::Park, OnPoison::DeadLetter]);
    let flags = (any::<bool>(), any::<bool>());
    let mechanisms = prop::sample::select(vec![PullMechanism::Client, PullMechanism::Server]);
    let told = (any::<bool>(), mechanisms);
    let rates = prop::collection::vec(0..=NUMBER_MAX, 4);
    (
        name(),
        starts,
        poisons,
        flags,
        0..=MAX_RETRIES_MAX,
        names(),
        rates,
        (note(), told),
    )
        .prop_map(
            |(name, start, on_poison, (ordered, enabled), max_retries, names, rates, rest)| {
                let (remark, (is_start_by_client, pull_mechanism)) = rest;
                Group {
                    ordered,
                    on_poison,
                    max_retries,
                    enabled,
                    start,
                    subscriptions: names.into_iter().zip(rates).collect(),
                    remark,
                    // What clients say themselves is no other start.
                    is_start_by_client: is_start_by_client && start == StartPosition::Earliest,
                    pull_mechanism,
                    ..group(&name)
                }
            },
        )
}

/// What the lines of a file come to: fields and brokers by name.
fn by_name<F: Clone + PartialEq + std::fmt::Debug>(
    read: Listing<F>,
) -> BTreeMap<String, (F, Vec<String>)> {
    let mut found: BTreeMap<String, (F, Vec<String>)> = BTreeMap::new();
    for line in read.lines {
        let fields = line.fields.expect("a good line");
        let broker = line.broker.expect("a broker");
        let (known, brokers) = found
            .entry(line.name)
            .or_insert((fields.clone(), Vec::new()));
        assert_eq!(*known, fields, "the same on each broker");
        brokers.push(broker);
    }
    found
}

fn fields_of_topic(topic: &Topic) -> TopicFields {
    TopicFields {
        topic_type: Some(topic.topic_type),
        queues: Some(topic.queues),
        permission: Some(topic.permission),
        ordered: Some(topic.ordered),
        remark: Some(topic.remark.clone()),
        brokers: None,
        retention_hours: topic.retention_hours,
        tps: topic.tps,
        // Nothing and `*` are the same: any.
        allowed_groups: Some(topic.allowed_groups.clone()),
        is_drained: false,
    }
}

fn fields_of_group(group: &Group) -> GroupFields {
    GroupFields {
        ordered: Some(group.ordered),
        on_poison: Some(group.on_poison),
        max_retries: Some(group.max_retries),
        enabled: Some(group.enabled),
        start: Some(group.start),
        subscriptions: Some(group.subscriptions.clone()),
        remark: Some(group.remark.clone()),
        is_start_by_client: Some(group.is_start_by_client),
        pull_mechanism: Some(group.pull_mechanism),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exported_topics_are_read_back(all in prop::collection::vec(a_topic(), 0..6)) {
        let all: BTreeMap<String, Topic> =
            all.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
        let demo = instance(&["a", "b", "c"]);
        for format in FORMATS {
            let bytes = topics::export(format, &demo, all.values(), &every_column());
            let read = topics::read(&bytes.expect("written")).expect("readable");
            prop_assert!(read.ignored.is_empty());
            let found = by_name(read);
            prop_assert_eq!(found.len(), all.len());
            for (name, topic) in &all {
                let (fields, brokers) = &found[name];
                prop_assert_eq!(fields, &fields_of_topic(topic), "{:?}", format);
                let carried = demo.brokers.iter().filter(|broker| {
                    topic.brokers.is_empty() || topic.brokers.contains(&broker.id)
                });
                let carried: Vec<&String> = carried.map(|broker| &broker.name).collect();
                prop_assert_eq!(brokers.iter().collect::<Vec<_>>(), carried);
            }
        }
    }

    #[test]
    fn exported_groups_are_read_back(all in prop::collection::vec(a_group(), 0..6)) {
        let all: BTreeMap<String, Group> =
            all.into_iter().map(|group| (group.name.clone(), group)).collect();
        let demo = instance(&["a", "b"]);
        for format in FORMATS {
            let bytes = groups::export(format, &demo, all.values(), &every_column());
            let found = by_name(groups::read(&bytes.expect("written")).expect("readable"));
            prop_assert_eq!(found.len(), all.len());
            for (name, group) in &all {
                prop_assert_eq!(&found[name].0, &fields_of_group(group), "{:?}", format);
            }
        }
    }
}
