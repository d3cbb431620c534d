//! Subscription groups: the template of SEED_SPEC 7.3 and the export of 7.4.

use firn_protocol::ApiResult;
use firn_protocol::api::tenant::GroupFields;
use firn_protocol::catalogue::{Group, Instance};
use firn_protocol::limits::MAX_RETRIES_MAX;

use super::columns::{Column, Layout};
use super::values::{self, Value};
use super::{Cell, Format, Listing, Selection};

/// The first word of a column is the one that its errors name by place.
const LAYOUT: Layout<GroupFields> = Layout {
    words: &[
        ("订阅组名", Column::Name),
        ("订阅组名称", Column::Name),
        ("订阅组", Column::Name),
        ("消费组名称", Column::Name),
        ("消费组名", Column::Name),
        ("groupname", Column::Name),
        ("消费机制", Column::Mechanism),
        ("消费起始位", Column::Start),
        ("起始消费位置", Column::Start),
        ("消费起始位置", Column::Start),
        ("topic权限", Column::Topics),
        ("主题权限", Column::Topics),
        ("备注", Column::Legend),
        ("集群名称", Column::Cluster),
        ("集群", Column::Cluster),
        ("broker组名", Column::Broker),
        ("broker名称", Column::Broker),
        ("brokername", Column::Broker),
        ("brokerip", Column::BrokerIp),
        ("是否开启", Column::Enabled),
        ("是否开启消费", Column::Enabled),
        ("ordered", Column::GroupOrdered),
        ("onpoison", Column::OnPoison),
        ("maxretries", Column::MaxRetries),
        ("remark", Column::Remark),
    ],
    template: &[
        Column::Name,
        Column::Mechanism,
        Column::Start,
        Column::Topics,
        Column::Legend,
    ],
    put,
    finish: |fields| fields,
};

const TEMPLATE: [&str; 5] = ["订阅组名", "消费机制", "消费起始位", "topic权限", "备注"];
const LEGEND: &str = "消费机制：1=1.X版本消费机制，2=2.X版本消费机制；消费起始位：1=由客户端指定，2=从最早的消息开始，3=从最新的消息开始；topic权限：*=不限制，多个topic用;分隔";
const EXPORT: [&str; 7] = [
    "订阅组名",
    "起始消费位置",
    "消费机制",
    "集群名称",
    "Broker组名",
    "是否开启",
    "Broker IP",
];
const EXPORT_MORE: [&str; 5] = ["topic权限", "ordered", "onPoison", "maxRetries", "remark"];

/// # Errors
/// `BAD_REQUEST`, `REQUEST_TOO_LARGE` for a file that cannot be read as a whole.
pub(crate) fn read(bytes: &[u8]) -> ApiResult<Listing<GroupFields>> {
    LAYOUT.read(&super::read(bytes)?)
}

fn put(fields: &mut GroupFields, column: Column, text: &str) -> Value<()> {
    match column {
        Column::Mechanism => values::mechanism(text)?,
        Column::Start => fields.start = Some(values::start(text)?),
        Column::Topics => fields.subscriptions = Some(values::list(text)?),
        Column::Enabled => fields.enabled = Some(values::flag(text)?),
        Column::GroupOrdered => fields.ordered = Some(values::flag(text)?),
        Column::OnPoison => fields.on_poison = Some(values::word(text)?),
        Column::MaxRetries => {
            fields.max_retries = Some(values::number(text, 0, MAX_RETRIES_MAX)?);
        }
        Column::Remark => fields.remark = Some(values::remark(text)?),
        Column::Name
        | Column::Broker
        | Column::Legend
        | Column::Cluster
        | Column::BrokerIp
        | Column::Ordered
        | Column::Queues
        | Column::Permission
        | Column::Type
        | Column::RetentionHours
        | Column::Tps
        | Column::AllowedGroups => {}
    }
    Ok(())
}

/// # Errors
/// None of its own; see [`super::write`].
pub(crate) fn template(format: Format) -> ApiResult<Vec<u8>> {
    let sample = |name: &str, mechanism, start, topics: &str, legend: &str| {
        vec![
            Cell::text(name),
            Cell::Number(mechanism),
            Cell::Number(start),
            Cell::text(topics),
            Cell::text(legend),
        ]
    };
    let rows = [
        TEMPLATE.map(Cell::text).to_vec(),
        sample("test_subgroup_e_1", 1, 1, "*", LEGEND),
        sample("test_subgroup_f_1", 2, 2, "topicA", ""),
    ];
    super::write(format, &rows)
}

/// A line for each group and broker; every broker serves every group.
///
/// # Errors
/// `BAD_REQUEST` for what the format cannot hold.
pub(crate) fn export<'a>(
    format: Format,
    instance: &Instance,
    groups: impl Iterator<Item = &'a Group>,
    selection: &Selection,
) -> ApiResult<Vec<u8>> {
    let more = EXPORT_MORE.iter().filter(|_| selection.all_columns);
    let header = EXPORT.iter().chain(more).map(|word| Cell::text(*word));
    let mut rows = vec![header.collect::<Vec<Cell>>()];
    for group in groups.filter(|group| selection.has_name(&group.name)) {
        let brokers = instance.brokers.iter();
        for broker in brokers.filter(|broker| selection.has_broker(&broker.name)) {
            let mut row = vec![
                Cell::text(&group.name),
                values::start_cell(group.start),
                Cell::text(values::MECHANISM),
                Cell::text(&instance.name),
                Cell::text(&broker.name),
                values::flag_cell(group.enabled),
                Cell::text(broker.id.store_host()),
            ];
            if selection.all_columns {
                row.extend(more_cells(group));
            }
            rows.push(row);
        }
    }
    super::write(format, &rows)
}

fn more_cells(group: &Group) -> [Cell; EXPORT_MORE.len()] {
    let topics = group.subscriptions.iter();
    [
        values::list_cell(topics.map(|(name, rate)| (name.as_str(), *rate))),
        values::flag_cell(group.ordered),
        values::word_cell(group.on_poison),
        Cell::Number(group.max_retries.into()),
        Cell::text(&group.remark),
    ]
}
