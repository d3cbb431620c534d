//! Topics: the template of SEED_SPEC 7.1 and the export of 7.2.

use firn_protocol::ApiResult;
use firn_protocol::api::tenant::TopicFields;
use firn_protocol::catalogue::{Broker, Instance, Topic, TopicType};
use firn_protocol::limits::{NUMBER_MAX, QUEUES_MAX, RETENTION_HOURS_MAX};

use super::columns::{Column, Layout};
use super::export::Export;
use super::values::{self, Value};
use super::{Cell, Format, Listing, Selection};

/// The first word of a column is the one that its errors name by place.
const LAYOUT: Layout<TopicFields> = Layout {
    words: &[
        ("topic名称", Column::Name),
        ("topic名", Column::Name),
        ("topic", Column::Name),
        ("topicname", Column::Name),
        ("主题名称", Column::Name),
        ("主题名", Column::Name),
        ("主题", Column::Name),
        ("是否有序", Column::Ordered),
        ("队列数", Column::Queues),
        ("队列数量", Column::Queues),
        ("queue数量", Column::Queues),
        ("读队列数", Column::Queues),
        ("读队列数量", Column::Queues),
        ("分区数", Column::Queues),
        ("每个broker分区数", Column::Queues),
        ("读写权限", Column::Permission),
        ("权限", Column::Permission),
        ("broker名称", Column::Broker),
        ("brokername", Column::Broker),
        ("brokerip", Column::BrokerIp),
        ("集群名称", Column::Cluster),
        ("集群", Column::Cluster),
        ("备注", Column::Legend),
        ("type", Column::Type),
        ("retentionhours", Column::RetentionHours),
        ("tps", Column::Tps),
        ("allowedgroups", Column::AllowedGroups),
        ("remark", Column::Remark),
    ],
    template: &[
        Column::Name,
        Column::Ordered,
        Column::Queues,
        Column::Permission,
        Column::Legend,
    ],
    put,
    finish,
};

const TEMPLATE: [&str; 5] = ["Topic名称", "是否有序", "队列数", "读写权限", "备注"];
const LEGEND: &str =
    "是否有序：TRUE=有序，FALSE=无序；读写权限：6=可读可写，4=只读禁写，2=只写禁读";
const EXPORT: Export<Topic> = Export {
    columns: &[
        "topic名称",
        "queue数量",
        "读写权限",
        "broker名称",
        "broker IP",
        "集群名称",
        "是否有序",
    ],
    more: &["type", "retentionHours", "tps", "allowedGroups", "remark"],
    name: |topic| &topic.name,
    is_on: |topic, broker| topic.brokers.is_empty() || topic.brokers.contains(&broker.id),
    cells,
    more_cells,
};

/// # Errors
/// `BAD_REQUEST`, `REQUEST_TOO_LARGE` for a file that cannot be read as a whole.
pub(crate) fn read(bytes: &[u8]) -> ApiResult<Listing<TopicFields>> {
    LAYOUT.read(&super::read(bytes)?)
}

fn put(fields: &mut TopicFields, column: Column, text: &str) -> Value<()> {
    match column {
        Column::Ordered => fields.ordered = Some(values::flag(text)?),
        Column::Queues => fields.queues = Some(values::number(text, 1, QUEUES_MAX)?),
        Column::Permission => fields.permission = Some(values::permission(text)?),
        Column::Type => fields.topic_type = Some(values::word(text)?),
        Column::RetentionHours => {
            fields.retention_hours = Some(values::number(text, 1, RETENTION_HOURS_MAX)?);
        }
        Column::Tps => fields.tps = Some(values::number(text, 1, NUMBER_MAX)?),
        Column::AllowedGroups => {
            let listed = values::list(text)?;
            if listed.iter().any(|(_, rate)| *rate > 0) {
                return Err("names alone".to_owned());
            }
            fields.allowed_groups = Some(listed.into_iter().map(|(name, _)| name).collect());
        }
        Column::Remark => fields.remark = Some(values::remark(text)?),
        Column::Name
        | Column::Broker
        | Column::Legend
        | Column::Cluster
        | Column::BrokerIp
        | Column::Mechanism
        | Column::Start
        | Column::Topics
        | Column::Enabled
        | Column::GroupOrdered
        | Column::OnPoison
        | Column::MaxRetries => {}
    }
    Ok(())
}

/// The guide's files know no types. An ordered topic is one whose messages have
/// message groups, which no other type but `mixed` takes.
fn finish(mut fields: TopicFields) -> TopicFields {
    if fields.topic_type.is_none() && fields.ordered == Some(true) {
        fields.topic_type = Some(TopicType::Fifo);
    }
    fields
}

/// # Errors
/// None of its own; see [`super::write`].
pub(crate) fn template(format: Format) -> ApiResult<Vec<u8>> {
    let sample = |name: &str, ordered: &str, queues, permission, legend: &str| {
        vec![
            Cell::text(name),
            Cell::text(ordered),
            Cell::Number(queues),
            Cell::Number(permission),
            Cell::text(legend),
        ]
    };
    let rows = [
        TEMPLATE.map(Cell::text).to_vec(),
        sample("call_outer_6", "FALSE", 10, 6, LEGEND),
        sample("sen_fee_6", "TRUE", 8, 4, ""),
    ];
    super::write(format, &rows)
}

/// A line for each topic and broker.
///
/// # Errors
/// `BAD_REQUEST` for what the format cannot hold.
pub(crate) fn export<'a>(
    format: Format,
    instance: &Instance,
    topics: impl Iterator<Item = &'a Topic>,
    selection: &Selection,
) -> ApiResult<Vec<u8>> {
    EXPORT.write(format, instance, topics, selection)
}

fn cells(topic: &Topic, instance: &Instance, broker: &Broker) -> Vec<Cell> {
    vec![
        Cell::text(&topic.name),
        Cell::Number(topic.queues.into()),
        values::permission_code(topic.permission),
        Cell::text(&broker.name),
        Cell::text(broker.id.store_host()),
        Cell::text(&instance.name),
        values::flag_cell(topic.ordered),
    ]
}

fn more_cells(topic: &Topic) -> Vec<Cell> {
    let number = |number: Option<u64>| number.map_or_else(|| Cell::text(""), Cell::Number);
    let groups = topic.allowed_groups.iter();
    vec![
        values::word_cell(topic.topic_type),
        number(topic.retention_hours.map(u64::from)),
        number(topic.tps),
        values::list_cell(groups.map(|name| (name.as_str(), 0))),
        Cell::text(&topic.remark),
    ]
}
