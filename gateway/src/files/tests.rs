//! Files as a whole: golden bytes, headers and cells, and anything else.

mod round_trips;
mod sheets;

use encoding_rs::GBK;
use firn_protocol::api::tenant::TopicFields;
use firn_protocol::catalogue::*;
use firn_protocol::limits::*;
use firn_protocol::{BrokerId, ErrorCode, GroupId, InstanceId, TenantId, Timestamp, TopicId};
use proptest::prelude::*;

use super::{Format, Listing, Selection, groups, topics};

const TOPICS_TEMPLATE: &[u8] = include_bytes!("golden/topics-template.csv");
const TOPICS_GBK: &[u8] = include_bytes!("golden/topics-template-gbk.csv");
const TOPICS_EXPORT: &[u8] = include_bytes!("golden/topics-export.csv");
const GROUPS_TEMPLATE: &[u8] = include_bytes!("golden/groups-template.csv");
const GROUPS_GBK: &[u8] = include_bytes!("golden/groups-template-gbk.csv");
const GROUPS_EXPORT: &[u8] = include_bytes!("golden/groups-export.csv");
const FORMATS: [Format; 2] = [Format::Csv, Format::Xlsx];

fn instance(brokers: &[&str]) -> Instance {
    let brokers = brokers.iter().zip(1..).map(|(name, id)| Broker {
        id: BrokerId(id),
        name: (*name).to_owned(),
    });
    Instance {
        id: InstanceId(1),
        uid: "0".repeat(32),
        tenant: TenantId(2),
        name: "demo".to_owned(),
        plan: "basic".to_owned(),
        brokers: brokers.collect(),
        durability: Durability::Local,
        retention_hours: 72,
        disk_policy: DiskPolicy::DataFirst,
        remark: String::new(),
        status: InstanceStatus::Running,
        created_at: Timestamp(1),
        expires_at: None,
        time_zone: "UTC".to_owned(),
        message_bytes: 1,
        rates: Rates::default(),
    }
}

fn topic(name: &str) -> Topic {
    Topic {
        id: TopicId(1),
        instance: InstanceId(1),
        name: name.to_owned(),
        topic_type: TopicType::Normal,
        queues: 4,
        permission: Permission::ReadWrite,
        ordered: false,
        remark: String::new(),
        brokers: Vec::new(),
        retention_hours: None,
        tps: None,
        allowed_groups: Vec::new(),
        created_at: Timestamp(1),
        version: 1,
    }
}

fn group(name: &str) -> Group {
    Group {
        id: GroupId(1),
        instance: InstanceId(1),
        name: name.to_owned(),
        ordered: false,
        on_poison: OnPoison::Block,
        max_retries: 16,
        enabled: true,
        start: StartPosition::Earliest,
        subscriptions: Vec::new(),
        remark: String::new(),
        created_at: Timestamp(1),
        version: 0,
        is_start_by_client: false,
        pull_mechanism: PullMechanism::default(),
    }
}

fn every_column() -> Selection {
    Selection {
        all_columns: true,
        ..Selection::default()
    }
}

fn golden_topics() -> Vec<Topic> {
    let mut formula = topic("-A1");
    formula.remark = "'=SUM(1;2), \"quoted\"".to_owned();
    let mut orders = topic("call_outer_6");
    (orders.queues, orders.permission) = (10, Permission::Write);
    let mut fees = topic("sen_fee_6");
    (fees.queues, fees.permission, fees.ordered) = (8, Permission::Read, true);
    (fees.topic_type, fees.brokers) = (TopicType::Fifo, vec![BrokerId(2)]);
    (fees.retention_hours, fees.tps) = (Some(24), Some(5));
    fees.allowed_groups = vec!["a".to_owned(), "b".to_owned()];
    vec![formula, orders, fees]
}

fn golden_groups() -> Vec<Group> {
    let mut late = group("test_subgroup_f_1");
    (late.start, late.enabled, late.ordered) = (StartPosition::Latest, false, true);
    late.subscriptions = vec![("topicA".to_owned(), 0), ("topicB".to_owned(), 7)];
    let mut timed = group("timed");
    (timed.start, timed.on_poison) = (
        StartPosition::Time(Timestamp(1_735_689_600_000)),
        OnPoison::Park,
    );
    let mut any = group("test_subgroup_e_1");
    any.is_start_by_client = true;
    let mut all = vec![any, late, timed];
    for group in &mut all {
        group.pull_mechanism = PullMechanism::Client;
    }
    all
}

#[test]
fn files_are_what_they_were() {
    let demo = instance(&["a", "b"]);
    let selection = every_column();
    let (topics_of, groups_of) = (golden_topics(), golden_groups());
    let csv = Format::Csv;
    let exported = topics::export(csv, &demo, topics_of.iter(), &selection);
    let group_export = groups::export(csv, &demo, groups_of.iter(), &selection);
    for (name, found, golden) in [
        ("topics-template", topics::template(csv), TOPICS_TEMPLATE),
        ("groups-template", groups::template(csv), GROUPS_TEMPLATE),
        ("topics-export", exported, TOPICS_EXPORT),
        ("groups-export", group_export, GROUPS_EXPORT),
    ] {
        let found = found.expect("written");
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(golden),
            "{name}"
        );
    }
    for (golden, gbk) in [(TOPICS_TEMPLATE, TOPICS_GBK), (GROUPS_TEMPLATE, GROUPS_GBK)] {
        let text = std::str::from_utf8(golden)
            .expect("UTF-8")
            .trim_start_matches('\u{feff}');
        assert_eq!(GBK.encode(text).0, gbk);
    }
}

/// The columns that the law names, letter by letter and in order, when nothing more is
/// asked for.
#[test]
fn s_21_exports_have_the_columns_of_the_law() {
    let demo = instance(&["a"]);
    let selection = Selection::default();
    let all = [topic("t")];
    let text = topics::export(Format::Csv, &demo, all.iter(), &selection).expect("written");
    assert_eq!(
        String::from_utf8_lossy(&text),
        "\u{feff}topic名称,queue数量,读写权限,broker名称,broker IP,集群名称,是否有序\r\n\
         t,4,6,a,10.0.0.1:10911,demo,false\r\n"
    );
    let mut told = group("g");
    (told.is_start_by_client, told.pull_mechanism) = (true, PullMechanism::Client);
    let all = [told, group("h")];
    let text = groups::export(Format::Csv, &demo, all.iter(), &selection).expect("written");
    assert_eq!(
        String::from_utf8_lossy(&text),
        "\u{feff}订阅组名,起始消费位置,消费机制,集群名称,Broker组名,是否开启,Broker IP\r\n\
         g,由客户端指定,1.X版本消费机制,demo,a,true,10.0.0.1:10911\r\n\
         h,从最早的消息开始,2.X版本消费机制,demo,a,true,10.0.0.1:10911\r\n"
    );
}

#[test]
fn s_21_templates_are_read_in_both_encodings_and_formats() {
    let xlsx = topics::template(Format::Xlsx).expect("written");
    for bytes in [TOPICS_TEMPLATE, TOPICS_GBK, &xlsx] {
        let read = topics::read(bytes).expect("readable");
        let found: Vec<_> = read
            .lines
            .iter()
            .map(|line| {
                let fields = line.fields.as_ref().expect("a good line");
                (line.number, line.name.as_str(), fields.clone())
            })
            .collect();
        let first = TopicFields {
            ordered: Some(false),
            queues: Some(10),
            permission: Some(Permission::ReadWrite),
            ..TopicFields::default()
        };
        let second = TopicFields {
            topic_type: Some(TopicType::Fifo),
            ordered: Some(true),
            queues: Some(8),
            permission: Some(Permission::Read),
            ..TopicFields::default()
        };
        assert_eq!(
            found,
            [(2, "call_outer_6", first), (3, "sen_fee_6", second)]
        );
        assert!(read.ignored.is_empty());
    }
    let xlsx = groups::template(Format::Xlsx).expect("written");
    for bytes in [GROUPS_TEMPLATE, GROUPS_GBK, &xlsx] {
        let read = groups::read(bytes).expect("readable");
        let fields: Vec<_> = read
            .lines
            .iter()
            .map(|line| {
                let fields = line.fields.as_ref().expect("a good line");
                let told = (fields.is_start_by_client, fields.pull_mechanism);
                (fields.start, told, fields.subscriptions.clone())
            })
            .collect();
        let earliest = Some(StartPosition::Earliest);
        let by_client = (Some(true), Some(PullMechanism::Client));
        let by_server = (Some(false), Some(PullMechanism::Server));
        let limited = Some(vec![("topicA".to_owned(), 0)]);
        let expected = [
            (earliest, by_client, Some(Vec::new())),
            (earliest, by_server, limited),
        ];
        assert_eq!(fields, expected);
    }
}

/// One line of topics after a header; what its error says, if it has one.
fn line_error(header: &str, line: &str) -> Option<String> {
    let read = topics::read(format!("{header}\n{line}\n").as_bytes()).expect("readable");
    assert_eq!(read.lines.len(), 1, "{line}");
    read.lines[0]
        .fields
        .as_ref()
        .err()
        .map(|error| error.message.clone())
}

#[test]
fn cells_are_read_as_the_guide_writes_them() {
    let header = "Topic名称,是否有序,队列数,读写权限,备注";
    for good in [
        "t,FALSE,1,6,",
        "t,false,1024,4",
        "t,True,8,2,note, with, commas",
        "t,有序, 8 ,读写,",
        "t,无序,8,只读禁写,\"a\nb\"",
    ] {
        assert_eq!(line_error(header, good), None, "{good}");
    }
    for (bad, named) in [
        ("t,maybe,1,6,", "是否有序: neither TRUE nor FALSE"),
        ("t,FALSE,0,6,", "队列数: not a whole number from 1 to 1024"),
        ("t,FALSE,1025,6,", "队列数: not a whole"),
        ("t,FALSE,-1,6,", "队列数: not a whole"),
        ("t,FALSE,+1,6,", "队列数: not a whole"),
        ("t,FALSE,99999999999999999999,6,", "队列数: not a whole"),
        ("t,FALSE,4,7,", "读写权限: none of 6, 4, 2"),
        ("t,FALSE,,6,", "队列数: missing"),
        ("t", "是否有序: missing"),
        (",FALSE,4,6,", "Topic名称: missing"),
        ("t,\"FALSE,4,6,", "line: a quoted cell"),
    ] {
        let error = line_error(header, bad).unwrap_or_default();
        assert!(error.contains(named), "{bad}: {error}");
    }
    let long = format!("t,FALSE,4,6,{}", "x".repeat(IMPORT_CELL_BYTES_MAX + 1));
    assert!(line_error(header, &long).is_some_and(|error| error.contains("备注: over")));
    let wide = format!("t,FALSE,4,6,{}", ",".repeat(IMPORT_COLUMNS_MAX));
    assert!(line_error(header, &wide).is_some_and(|error| error.contains("too many cells")));
    let more = line_error("topic名称,是否有序", "t,FALSE,4").unwrap_or_default();
    assert!(more.contains("more cells than the header"), "{more}");
    let odd = line_error("topic名称,type", "t,strange").unwrap_or_default();
    assert!(odd.contains("type: expected one of `normal`"), "{odd}");
}

#[test]
fn headers_count_by_name_or_by_place() {
    let read = |text: &str| topics::read(text.as_bytes());
    let queues = |text: &str| {
        let read = read(text).expect("readable");
        read.lines[0].fields.as_ref().expect("good").queues
    };
    assert_eq!(queues("读写权限, TOPIC 名称 ,分区数\n6,t,9\n"), Some(9));
    assert_eq!(queues("a,b,c,d,e\nt,TRUE,9,6,\n"), Some(9), "by place");
    assert_eq!(queues("topic\nt\n"), None, "the default");
    let known = read("topic名称,colour,队列数,\nt,red,9,\n").expect("readable");
    assert_eq!(known.ignored, ["colour"]);
    for (bad, named) in [
        ("", "empty"),
        ("\n,,\n", "empty"),
        ("t,FALSE,10,6,\nu,TRUE,8,4,\n", "the header is missing"),
        ("topic名称,队列数,分区数\n", "a second column for '分区数'"),
        ("\"topic名称\n", "line 1: a quoted cell"),
    ] {
        let error = read(bad).expect_err(bad);
        assert!(error.message.contains(named), "{bad}: {error}");
        assert_eq!(error.code, ErrorCode::BadRequest);
    }
}

#[test]
fn lists_of_topics_are_joined_in_two_ways() {
    let read = |cell: &str| {
        let text = format!("订阅组名,消费机制,消费起始位,topic权限\ng,2,3,{cell}\n");
        let mut read = groups::read(text.as_bytes()).expect("readable");
        read.lines
            .remove(0)
            .fields
            .map(|fields| fields.subscriptions.unwrap_or_default())
    };
    let pairs = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
        list.iter()
            .map(|(name, rate)| ((*name).to_owned(), *rate))
            .collect()
    };
    assert_eq!(read("*").expect("any"), []);
    for cell in ["a;b", "a|b", " a ; b; "] {
        assert_eq!(
            read(cell).expect("two"),
            pairs(&[("a", 0), ("b", 0)]),
            "{cell}"
        );
    }
    assert_eq!(read("a=5;b").expect("a rate"), pairs(&[("a", 5), ("b", 0)]));
    for bad in ["a b", "*;a", "a;a", "a=x", "a=9007199254740992", "TBW102"] {
        let error = read(bad).expect_err(bad);
        assert!(error.message.starts_with("topic权限: "), "{bad}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for read in [topics::read(&bytes).map(drop), groups::read(&bytes).map(drop)] {
            if let Err(error) = read {
                prop_assert!(error.message.len() < 500);
            }
        }
    }

    #[test]
    fn nearly_good_lists_get_an_answer(
        text in "(topic名称,队列数\r?\n)?([a,;*\"'=\t 1é名-]|\r|\n|TRUE,){0,60}",
    ) {
        let read = topics::read(text.as_bytes());
        if let Ok(read) = read {
            let lines: Vec<u64> = read.lines.iter().map(|line| line.number).collect();
            prop_assert!(lines.is_sorted(), "{:?}", lines);
        }
    }
}
