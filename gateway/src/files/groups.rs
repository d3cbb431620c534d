//! Subscription groups: the template of SEED_SPEC 7.3 and the export of 7.4.

use firn_protocol::ApiResult;
use firn_protocol::api::tenant::GroupFields;
use firn_protocol::catalogue::{Broker, Group, Instance};
use firn_protocol::limits::MAX_RETRIES_MAX;

use super::columns::{Column, Layout};
use super::export::Export;
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
/// Every broker serves every group.
const EXPORT: Export<Group> = Export {
    columns: &[
        "订阅组名",
        "起始消费位置",
        "消费机制",
        "集群名称",
        "Broker组名",
        "是否开启",
        "Broker IP",
    ],
    more: &["topic权限", "ordered", "onPoison", "maxRetries", "remark"],
    name: |group| &group.name,
    is_on: |_, _| true,
    cells,
    more_cells,
};

/// # Errors
/// `BAD_REQUEST`, `REQUEST_TOO_LARGE` for a file that cannot be read as a whole.
pub(crate) fn read(bytes: &[u8]) -> ApiResult<Listing<GroupFields>> {
    LAYOUT.read(&super::read(bytes)?)
}

fn put(fields: &mut GroupFields, column: Column, text: &str) -> Value<()> {
    match column {
        Column::Mechanism => fields.pull_mechanism = Some(values::mechanism(text)?),
        Column::Start => {
            let (start, is_by_client) = values::start(text)?;
            fields.start = Some(start);
            fields.is_start_by_client = Some(is_by_client);
        }
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

/// A line for each group and broker.
///
/// # Errors
/// `BAD_REQUEST` for what the format cannot hold.
pub(crate) fn export<'a>(
    format: Format,
    instance: &Instance,
    groups: impl Iterator<Item = &'a Group>,
    selection: &Selection,
) -> ApiResult<Vec<u8>> {
    EXPORT.write(format, instance, groups, selection)
}

fn cells(group: &Group, instance: &Instance, broker: &Broker) -> Vec<Cell> {
    vec![
        Cell::text(&group.name),
        values::start_cell(group.start, group.is_start_by_client),
        values::mechanism_cell(group.pull_mechanism),
        Cell::text(&instance.name),
        Cell::text(&broker.name),
        values::flag_cell(group.enabled),
        Cell::text(broker.id.store_host()),
    ]
}

fn more_cells(group: &Group) -> Vec<Cell> {
    let topics = group.subscriptions.iter();
    vec![
        values::list_cell(topics.map(|(name, rate)| (name.as_str(), *rate))),
        values::flag_cell(group.ordered),
        values::word_cell(group.on_poison),
        Cell::Number(group.max_retries.into()),
        Cell::text(&group.remark),
    ]
}
