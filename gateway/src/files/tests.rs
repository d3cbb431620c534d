//! Files as a whole: golden bytes, round trips of whole catalogues, and anything else.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use encoding_rs::GBK;
use firn_protocol::api::tenant::{GroupFields, TopicFields};
use firn_protocol::catalogue::*;
use firn_protocol::limits::*;
use firn_protocol::{BrokerId, ErrorCode, GroupId, InstanceId, TenantId, Timestamp, TopicId};
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

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
    vec![group("test_subgroup_e_1"), late, timed]
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
fn exports_have_the_columns_of_the_law() {
    let demo = instance(&["a"]);
    let selection = Selection::default();
    let all = [topic("t")];
    let text = topics::export(Format::Csv, &demo, all.iter(), &selection).expect("written");
    assert_eq!(
        String::from_utf8_lossy(&text),
        "\u{feff}topic名称,queue数量,读写权限,broker名称,broker IP,集群名称,是否有序\r\n\
         t,4,6,a,10.0.0.1:10911,demo,false\r\n"
    );
    let all = [group("g")];
    let text = groups::export(Format::Csv, &demo, all.iter(), &selection).expect("written");
    assert_eq!(
        String::from_utf8_lossy(&text),
        "\u{feff}订阅组名,起始消费位置,消费机制,集群名称,Broker组名,是否开启,Broker IP\r\n\
         g,由客户端指定,1.X版本消费机制,demo,a,true,10.0.0.1:10911\r\n"
    );
}

#[test]
fn templates_are_read_in_both_encodings_and_formats() {
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
                (fields.start, fields.subscriptions.clone())
            })
            .collect();
        let earliest = Some(StartPosition::Earliest);
        let limited = Some(vec![("topicA".to_owned(), 0)]);
        assert_eq!(fields, [(earliest, Some(Vec::new())), (earliest, limited)]);
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

fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .expect("a part");
        writer.write_all(bytes).expect("memory takes all");
    }
    writer.finish().expect("memory takes all").into_inner()
}

/// A workbook of one sheet with this inside `sheetData`, and these shared texts.
fn workbook(rows: &str, texts: &str) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let book = format!(
        "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATION}\"><sheets>\
         <sheet name=\"s\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"{RELATION}/{kind}\" Target=\"{target}\"/>")
    };
    let relations = |list: &[String]| {
        format!(
            "<Relationships xmlns=\"{PACKAGE}\">{}</Relationships>",
            list.concat()
        )
    };
    let root = relations(&[relation("r1", "officeDocument", "xl/workbook.xml")]);
    let parts = relations(&[
        relation("r1", "worksheet", "worksheets/sheet1.xml"),
        relation("r2", "sharedStrings", "sharedStrings.xml"),
    ]);
    let sheet = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>");
    let texts = format!("<sst xmlns=\"{MAIN}\">{texts}</sst>");
    packed(&[
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", parts.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ("xl/sharedStrings.xml", texts.as_bytes()),
    ])
}

#[test]
fn spreadsheets_give_values_and_never_formulas() {
    let header = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"inlineStr\"><is><t>是否有序</t></is></c>\
        <c r=\"C1\" t=\"inlineStr\"><is><t>队列数</t></is></c></row>";
    let row = |number: u32, cells: &str| format!("<row r=\"{number}\">{cells}</row>");
    let rows = [
        header.to_owned(),
        row(
            3,
            "<c r=\"A3\" t=\"s\"><v>1</v></c><c r=\"B3\" t=\"b\"><v>1</v></c><c r=\"C3\"><v>8</v></c>",
        ),
        row(
            4,
            "<c r=\"A4\"><v>123</v></c><c r=\"B4\" t=\"b\"><v>0</v></c><c r=\"C4\"><f>4+4</f></c>",
        ),
        row(
            5,
            "<c r=\"A5\" t=\"s\"><v>1</v></c><c r=\"B5\" t=\"b\"><v>0</v></c><c r=\"C5\"><v>1.5</v></c>",
        ),
        row(
            7,
            "<c r=\"A7\" t=\"e\"><v>#REF!</v></c><c r=\"XFD7\"><v>1</v></c>",
        ),
    ];
    let bytes = workbook(&rows.concat(), "<si><t>topic名称</t></si><si><t>t</t></si>");
    let read = topics::read(&bytes).expect("readable");
    let found: Vec<_> = read
        .lines
        .iter()
        .map(|line| {
            let fields = line.fields.as_ref();
            (
                line.number,
                line.name.as_str(),
                fields
                    .map_err(|error| error.message.as_str())
                    .map(|f| f.queues),
            )
        })
        .collect();
    let whole = "队列数: not a whole number from 1 to 1024";
    assert_eq!(
        found,
        [
            (3, "t", Ok(Some(8))),
            (4, "123", Err("队列数: missing")),
            (5, "t", Err(whole)),
            (7, "#REF!", Err("line: too many cells")),
        ]
    );
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; IMPORT_UNPACKED_BYTES_MAX as usize + 1];
    let bomb = packed(&[("xl/workbook.xml", &zeros)]);
    assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
    let two = packed(&[
        ("a", &zeros[..zeros.len() / 2]),
        ("b", &zeros[..zeros.len() / 2 + 1]),
    ]);
    let names: Vec<String> = (0..=IMPORT_PARTS_MAX).map(|n| n.to_string()).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    // One long text that many cells share.
    let text = format!("<si><t>{}</t></si>", "x".repeat(1 << 20));
    let cells = |n: u32| format!("<row><c r=\"A{n}\" t=\"s\"><v>0</v></c></row>");
    let shared: String = (1..=17).map(cells).collect();
    for (bytes, named) in [
        (bomb, "unpacks to over"),
        (two, "unpacks to over"),
        (packed(&parts), "over 1000 parts"),
        (workbook(&shared, &text), "too much text"),
        (
            vec![b'a'; IMPORT_BYTES_MAX as usize + 1],
            "over 4194304 bytes",
        ),
    ] {
        let error = topics::read(&bytes).expect_err(named);
        assert_eq!(error.code, ErrorCode::RequestTooLarge, "{error}");
        assert!(error.message.contains(named), "{error}");
    }
    let lines: String = (1..=IMPORT_LINES_MAX as u32 + 2).map(cells).collect();
    let error = topics::read(&workbook(&lines, "<si><t>t</t></si>")).expect_err("too many");
    assert!(error.message.contains("over 10000 lines"), "{error}");
    let lie = lying(&zeros);
    topics::read(&lie).expect_err("its size is a lie");
    topics::read(b"\xd0\xcf\x11\xe0\xa1\xb1").expect_err("an old spreadsheet");
    topics::read(b"PK\x03\x04").expect_err("no zip");
    topics::read(&packed(&[("a", b"b")])).expect_err("no spreadsheet");
}

/// A bomb that says in all places that it unpacks to one byte.
fn lying(zeros: &[u8]) -> Vec<u8> {
    let mut bytes = packed(&[("a", zeros)]);
    let size = (zeros.len() as u32).to_le_bytes();
    let found: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..*at + 4] == size)
        .collect();
    assert!(!found.is_empty(), "the size is there");
    for at in found {
        bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    bytes
}

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
    let rates = prop::collection::vec(0..=NUMBER_MAX, 4);
    (
        name(),
        starts,
        poisons,
        flags,
        0..=MAX_RETRIES_MAX,
        names(),
        rates,
        note(),
    )
        .prop_map(
            |(name, start, on_poison, (ordered, enabled), max_retries, names, rates, remark)| {
                Group {
                    ordered,
                    on_poison,
                    max_retries,
                    enabled,
                    start,
                    subscriptions: names.into_iter().zip(rates).collect(),
                    remark,
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

    #[test]
    fn damaged_spreadsheets_get_an_answer(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = topics::template(Format::Xlsx).expect("written");
        let mut bytes = whole.clone();
        for (at, byte) in &hits {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        bytes[..4].copy_from_slice(&whole[..4]);
        let found = [topics::read(&bytes), topics::read(&whole[..cut.index(whole.len())])];
        for read in found.into_iter().flatten() {
            prop_assert!(read.lines.len() <= IMPORT_LINES_MAX);
        }
    }

    #[test]
    fn odd_sheets_get_an_answer(
        rows in "(<row( r=\"[0-9]{0,12}\")?>|</row>|<c r=\"[A-Z]{0,5}[0-9]{0,11}\"( t=\"(s|b|e|n|d|str|inlineStr)\")?>|<v>|</v>|<f>|</f>|</c>|[0-9]{1,20}|&amp;|&x;|-|<is><t>t</t></is>){0,30}",
    ) {
        let bytes = workbook(&rows, "<si><t>topic名称</t></si>");
        if let Ok(read) = topics::read(&bytes) {
            prop_assert!(read.lines.len() <= 31);
        }
    }
}
