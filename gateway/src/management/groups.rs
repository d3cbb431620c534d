//! G1 to G6: consumer groups. A group of Firn is on every broker of its instance.

use std::sync::Arc;

use firn_protocol::api::tenant::GroupFields;
use firn_protocol::catalogue::{Group, PullMechanism, StartPosition};
use firn_protocol::limits::{MAX_RETRIES_MAX, NUMBER_MAX};
use firn_protocol::{ApiError, ApiResult, names};

use super::body::{self, Fields};
use super::enter::{self, Entered};
use super::envelope::{self, Data, Done, Envelope, Failure, Rows};
use super::params::missing;
use super::shapes::bodies::GroupBody;
use super::shapes::group::{GroupConfig, GroupDetail, GroupRow, Switched};
use super::shapes::parameters::{AuthQuery, ClusterPath, GroupPath, Page};
use super::topics::{brokers, check_names, ignore_clusters, ignored, remark};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops;
use crate::ops::Scope;
use crate::ops::remove::InUse;

const CONFIG: &str = "subscriptionGroupConfig";

/// G1: make a group.
#[utoipa::path(
    post, path = "/api/manager/subscriptions/{clusterName}", tag = "management",
    operation_id = "management_g1", params(AuthQuery, ClusterPath), request_body = GroupBody,
    responses(
        (status = 200, description = "Made", body = Envelope<Done>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.body().await?;
    let fields = Fields::read(&body)?;
    let mut entered = Entered::with_right(&call, Action::Manage)?;
    let fields = fields?;
    let mut warnings = entered.warnings();
    let config = fields.object(CONFIG)?.ok_or_else(|| missing(CONFIG))?;
    let name = config.required_text("groupName")?;
    names::check("groupName", &name)?;
    let form = form(&fields, &config, &entered.scope, &mut warnings)?;
    let caller = call.caller(&entered.identity);
    let tenants = &call.services().tenants;
    let instance = entered.scope.instance.id;
    tenants.create_group(&caller, instance, &name, form).await?;
    envelope::done(warnings)
}

/// G2: change a group.
#[utoipa::path(
    post, path = "/api/manager/subscriptions/{clusterName}/{groupName}", tag = "management",
    operation_id = "management_g2", params(AuthQuery, GroupPath), request_body = GroupBody,
    responses(
        (status = 200, description = "Changed", body = Envelope<Done>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.body().await?;
    let fields = Fields::read(&body)?;
    let mut entered = Entered::of(&call)?;
    let group = named(&call, &entered)?;
    entered.identity.require(Action::Manage)?;
    let fields = fields?;
    let mut warnings = entered.warnings();
    let config = fields.object(CONFIG)?.unwrap_or_default();
    if let Some(other) = config.text("groupName")?.filter(|name| *name != group.name) {
        ignored("groupName", &other, &mut warnings);
    }
    let form = form(&fields, &config, &entered.scope, &mut warnings)?;
    change_to(&call, &entered, &group, form).await?;
    envelope::done(warnings)
}

async fn change_to(
    call: &Call,
    entered: &Entered,
    group: &Group,
    form: GroupFields,
) -> ApiResult<Arc<Group>> {
    let caller = call.caller(&entered.identity);
    let (tenants, instance) = (&call.services().tenants, entered.scope.instance.id);
    tenants
        .change_group(&caller, instance, &group.name, form)
        .await
}

fn named(call: &Call, entered: &Entered) -> ApiResult<Arc<Group>> {
    let name = call.segment("groupName")?;
    enter::group(call.services(), &entered.scope, &name)
}

/// What both calls take.
fn form(
    fields: &Fields,
    config: &Fields,
    scope: &Scope,
    warnings: &mut Vec<String>,
) -> ApiResult<GroupFields> {
    ignore_clusters(fields, scope, warnings)?;
    let listed = brokers(fields, scope)?.unwrap_or_default();
    note_brokers("brokerNameList", &listed, scope, warnings);
    let (start, is_start_by_client) = match mechanism(config, "firstConsumeMechanism", 3)? {
        None => (None, None),
        Some(1) => (Some(StartPosition::Earliest), Some(true)),
        Some(3) => (Some(StartPosition::Latest), Some(false)),
        Some(_) => (Some(StartPosition::Earliest), Some(false)),
    };
    let pull_mechanism = match mechanism(config, "pullMechanism", 2)? {
        None => None,
        Some(1) => Some(PullMechanism::Client),
        Some(_) => Some(PullMechanism::Server),
    };
    let max_retries = match config.number("retryMaxTimes")? {
        Some(number) if number > u64::from(MAX_RETRIES_MAX) => {
            let rule = format_args!("over {MAX_RETRIES_MAX}");
            return Err(ApiError::field("retryMaxTimes", rule));
        }
        number => number.map(|number| number as u32),
    };
    Ok(GroupFields {
        max_retries,
        enabled: config.flag("consumeEnable", ("是", "否"))?,
        start,
        is_start_by_client,
        pull_mechanism,
        subscriptions: subscriptions(config)?,
        remark: remark(fields)?,
        ..GroupFields::default()
    })
}

/// A number from 1, as text or number (SEED_SPEC I-17).
fn mechanism(config: &Fields, name: &str, max: u64) -> ApiResult<Option<u64>> {
    let number = config.number(name)?;
    match number {
        Some(number) if !(1..=max).contains(&number) => {
            Err(ApiError::field(name, format_args!("not 1 to {max}")))
        }
        number => Ok(number),
    }
}

/// Topics that the group may consume, each with its limit.
fn subscriptions(config: &Fields) -> ApiResult<Option<Vec<(String, u64)>>> {
    const NAME: &str = "subscribeMap";
    let Some(map) = config.object(NAME)? else {
        return Ok(None);
    };
    let topics: Vec<String> = map.names().map(str::to_owned).collect();
    check_names(NAME, &topics)?;
    let mut subscriptions = Vec::new();
    for topic in topics {
        let settings = map
            .object(&topic)
            .map_err(|_| ApiError::field(NAME, format_args!("'{topic}' is not an object")))?;
        let tps = settings.map(|settings| settings.number("tps")).transpose();
        let tps = tps.ok().flatten().flatten();
        let is_given = map.object(&topic)?.is_some_and(|it| it.has("tps"));
        match tps {
            Some(tps) if tps <= NUMBER_MAX => subscriptions.push((topic, tps)),
            None if !is_given => subscriptions.push((topic, 0)),
            _ => {
                let rule = format_args!("tps of '{topic}' is not a whole number from 0");
                return Err(ApiError::field(NAME, rule));
            }
        }
    }
    Ok(Some(subscriptions))
}

/// Says so when only some brokers are named.
fn note_brokers(field: &str, listed: &[String], scope: &Scope, warnings: &mut Vec<String>) {
    let brokers = &scope.instance.brokers;
    let is_part = brokers.iter().any(|it| !listed.contains(&it.name));
    if !listed.is_empty() && is_part {
        warnings.push(format!("{field}: a group is on every broker"));
    }
}

/// G3: remove a group; refused while its members are online.
#[utoipa::path(
    delete, path = "/api/manager/subscriptions/{clusterName}/{groupName}", tag = "management",
    operation_id = "management_g3", params(AuthQuery, GroupPath),
    responses(
        (status = 200, description = "Removed", body = Envelope<Done>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn remove(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let group = named(&call, &entered)?;
    entered.identity.require(Action::Manage)?;
    let caller = call.caller(&entered.identity);
    let (services, scope) = (call.services(), &entered.scope);
    ops::remove::group(services, scope, &caller, &group, InUse::Refuse).await?;
    envelope::done(entered.warnings())
}

/// G4: one group.
#[utoipa::path(
    get, path = "/api/manager/subscriptions/{clusterName}/{groupName}/detail", tag = "management",
    operation_id = "management_g4", params(AuthQuery, GroupPath),
    responses(
        (status = 200, description = "The group", body = Envelope<Data<GroupDetail>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn detail(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let group = named(&call, &entered)?;
    entered.identity.require(Action::ReadManaged)?;
    let instance = &entered.scope.instance;
    let brokers = instance.brokers.iter();
    let sessions = &call.services().sessions;
    let detail = GroupDetail {
        cluster_name_list: vec![instance.name.clone()],
        broker_name_list: brokers.map(|broker| broker.name.clone()).collect(),
        remark: group.remark.clone(),
        subscription_group_config: GroupConfig::from(&*group),
        is_consistent: sessions.is_consistent(instance.id, group.id),
    };
    envelope::data(detail, entered.warnings())
}

/// G5: groups of an instance, one row for each group and broker.
#[utoipa::path(
    get, path = "/api/manager/subscriptions/{clusterName}/basedatas", tag = "management",
    operation_id = "management_g5", params(AuthQuery, ClusterPath, Page),
    responses(
        (status = 200, description = "A page", body = Envelope<Rows<GroupRow>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn all(call: Call) -> Answer {
    let mut entered = Entered::with_right(&call, Action::ReadManaged)?;
    let paging = entered.params.paging()?;
    let instance = entered.scope.instance.clone();
    let groups = call.services().tenants.groups(instance.id);
    let places = groups
        .iter()
        .flat_map(|group| instance.brokers.iter().map(move |broker| (group, broker)));
    let (total, places) = paging.cut(places.collect());
    let rows = places.into_iter().map(|(group, broker)| GroupRow {
        config: GroupConfig::from(&**group),
        remark: Some(group.remark.clone()).filter(|remark| !remark.is_empty()),
        namesrv_addr: None,
        cluster_name: None,
        broker_name: broker.name.clone(),
        kind: 0,
    });
    envelope::rows((total, rows.collect()), entered.warnings())
}

/// G6: switch a group's consumption: `isOpen` 0 is on, 1 is off.
#[utoipa::path(
    post, path = "/api/manager/subscriptions/{clusterName}/{groupName}/openStatus", tag = "management",
    operation_id = "management_g6",
    params(
        AuthQuery, GroupPath,
        ("brokerNames" = String, Query, description = "Joined by commas, or a JSON array; empty is all"),
        ("isOpen" = u8, Query, description = "0 is on, 1 is off"),
    ),
    responses(
        (status = 200, description = "Switched", body = Envelope<Switched>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn switch(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let group = named(&call, &entered)?;
    entered.identity.require(Action::Manage)?;
    let mut warnings = entered.warnings();
    let listed = broker_names(entered.params.present("brokerNames")?)?;
    let enabled = match entered.params.required("isOpen")? {
        "0" => true,
        "1" => false,
        _ => return Err(ApiError::field("isOpen", "0 (on) or 1 (off)")),
    };
    if !body::means_all(&listed) {
        for name in &listed {
            entered.scope.broker_named(name)?;
        }
        note_brokers("brokerNames", &listed, &entered.scope, &mut warnings);
    }
    let form = GroupFields {
        enabled: Some(enabled),
        ..GroupFields::default()
    };
    let group = change_to(&call, &entered, &group, form).await?;
    envelope::success(Switched {
        consume_enable: group.enabled,
        warnings,
    })
}

/// Joined by commas, or a JSON array that may go over several lines (SEED_SPEC I-07).
fn broker_names(text: &str) -> ApiResult<Vec<String>> {
    if !text.starts_with('[') {
        return Ok(body::split(text));
    }
    let names: Result<Vec<String>, _> = serde_json::from_str(text);
    let names = names
        .map_err(|_| ApiError::field("brokerNames", "neither joined by commas nor a JSON array"))?;
    Ok(names.iter().map(|name| name.trim().to_owned()).collect())
}
