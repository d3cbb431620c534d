//! T1 to T3: make, remove and change a topic.

use firn_protocol::api::tenant::TopicFields;
use firn_protocol::catalogue::{Topic, TopicType};
use firn_protocol::limits::{NAMES_LISTED_MAX, QUEUES_MAX, REMARK_BYTES_MAX};
use firn_protocol::{ApiError, ApiResult, names};

use super::body::{self, Fields};
use super::enter::{self, Entered};
use super::envelope::{self, Done, Envelope, Failure};
use super::params::missing;
use super::shapes::bodies::TopicBody;
use super::shapes::parameters::{Auth, AuthQuery, TopicPath};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::remove::InUse;
use crate::ops::{self, Scope};

const QUEUES: [&str; 2] = ["writeQueueNums", "readQueueNums"];
/// Both spellings are read (SEED_SPEC I-15).
const ALLOWED: [&str; 2] = ["allowdConsumerGroups", "allowedConsumerGroups"];

/// T1: make a topic.
#[utoipa::path(
    post, path = "/api/manager/topics", tag = "management", operation_id = "management_t1",
    params(Auth), request_body = TopicBody,
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
    let name = fields.required_text("topicName")?;
    names::check("topicName", &name)?;
    ignore_clusters(&fields, &entered.scope, &mut warnings)?;
    let brokers = brokers(&fields, &entered.scope)?.ok_or_else(|| missing("brokerNameList"))?;
    let mut form = form(&fields, &mut warnings)?;
    // The guide's topics take messages of every kind.
    form.topic_type = Some(TopicType::Mixed);
    form.ordered = Some(form.ordered.unwrap_or(false));
    form.brokers = Some(brokers);
    let caller = call.caller(&entered.identity);
    let tenants = &call.services().tenants;
    let instance = entered.scope.instance.id;
    tenants.create_topic(&caller, instance, &name, form).await?;
    envelope::done(warnings)
}

/// T2: remove a topic; refused while its clients are online.
#[utoipa::path(
    delete, path = "/api/manager/topics/{clusterName}/{topicName}", tag = "management",
    operation_id = "management_t2", params(AuthQuery, TopicPath),
    responses(
        (status = 200, description = "Removed", body = Envelope<Done>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn remove(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let topic = named(&call, &entered)?;
    entered.identity.require(Action::Manage)?;
    let caller = call.caller(&entered.identity);
    let (services, scope) = (call.services(), &entered.scope);
    ops::remove::topic(services, scope, &caller, &topic, InUse::Refuse).await?;
    envelope::done(entered.warnings())
}

/// T3: change a topic's queues, order, permission, remark and groups.
#[utoipa::path(
    post, path = "/api/manager/topics/{clusterName}/{topicName}", tag = "management",
    operation_id = "management_t3", params(AuthQuery, TopicPath), request_body = TopicBody,
    responses(
        (status = 200, description = "Changed", body = Envelope<Done>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.body().await?;
    let fields = Fields::read(&body)?;
    let mut entered = Entered::of(&call)?;
    let topic = named(&call, &entered)?;
    entered.identity.require(Action::Manage)?;
    let fields = fields?;
    let mut warnings = entered.warnings();
    if let Some(other) = fields.text("topicName")?.filter(|name| *name != topic.name) {
        ignored("topicName", &other, &mut warnings);
    }
    ignore_clusters(&fields, &entered.scope, &mut warnings)?;
    if let Some(given) = brokers(&fields, &entered.scope)? {
        let same = broker_names(&entered.scope, &topic);
        if !given.is_empty() && !is_same_set(&given, &same) {
            warnings.push("brokerNameList: the brokers of a topic do not change".to_owned());
        }
    }
    let form = form(&fields, &mut warnings)?;
    let services = call.services();
    if topic.ordered && form.queues.is_some_and(|queues| queues < topic.queues) {
        // Its clients hold queues that would go away (SEED_SPEC 5.3).
        ops::in_use::topic(services, &entered.scope, &topic)?;
    }
    let caller = call.caller(&entered.identity);
    ops::reshape::change(services, &entered.scope, &caller, &topic, form).await?;
    envelope::done(warnings)
}

fn named(call: &Call, entered: &Entered) -> ApiResult<std::sync::Arc<Topic>> {
    let name = call.segment("topicName")?;
    enter::topic(call.services(), &entered.scope, &name)
}

/// What both calls take.
fn form(fields: &Fields, warnings: &mut Vec<String>) -> ApiResult<TopicFields> {
    let mut queues = Vec::new();
    for name in QUEUES {
        let Some(number) = fields.number(name)? else {
            continue;
        };
        match u16::try_from(number) {
            Ok(number) if (1..=QUEUES_MAX).contains(&number) => queues.push(number),
            _ => return Err(ApiError::field(name, format_args!("not 1 to {QUEUES_MAX}"))),
        }
    }
    if queues.len() == 2 && queues[0] != queues[1] {
        warnings.push(format!(
            "writeQueueNums, readQueueNums: one number for both; the larger, {}, is taken",
            queues[0].max(queues[1])
        ));
    }
    let mut allowed = None;
    for name in ALLOWED {
        if let Some(groups) = fields.list(name)? {
            check_names(name, &groups)?;
            allowed = Some(groups);
        }
    }
    Ok(TopicFields {
        queues: queues.into_iter().max(),
        permission: fields.permission("perm")?,
        ordered: fields.flag("order", ("有序", "无序"))?,
        remark: remark(fields)?,
        allowed_groups: allowed,
        ..TopicFields::default()
    })
}

/// # Errors
/// `BAD_REQUEST` naming `remark`.
pub(super) fn remark(fields: &Fields) -> ApiResult<Option<String>> {
    let remark = fields.text("remark")?;
    match &remark {
        Some(text) if text.len() > REMARK_BYTES_MAX => {
            let rule = format_args!("over {REMARK_BYTES_MAX} bytes");
            Err(ApiError::field("remark", rule))
        }
        Some(text) if text.contains('\0') => {
            Err(ApiError::field("remark", "holds a zero character"))
        }
        _ => Ok(remark),
    }
}

pub(super) fn check_names(field: &str, listed: &[String]) -> ApiResult<()> {
    if listed.len() > NAMES_LISTED_MAX {
        let rule = format_args!("over {NAMES_LISTED_MAX} names");
        return Err(ApiError::field(field, rule));
    }
    for (at, name) in listed.iter().enumerate() {
        names::check(field, name)?;
        if listed[..at].contains(name) {
            return Err(ApiError::field(
                field,
                format_args!("'{name}' is there twice"),
            ));
        }
    }
    Ok(())
}

/// Brokers that a body names, each once; none for all of them.
///
/// # Errors
/// `NOT_FOUND` for a name that the instance does not have.
pub(super) fn brokers(fields: &Fields, scope: &Scope) -> ApiResult<Option<Vec<String>>> {
    let Some(mut listed) = fields.list("brokerNameList")? else {
        return Ok(None);
    };
    if body::means_all(&listed) {
        return Ok(Some(Vec::new()));
    }
    listed.sort_unstable();
    listed.dedup();
    for name in &listed {
        scope.broker_named(name)?;
    }
    Ok(Some(listed))
}

pub(super) fn broker_names(scope: &Scope, topic: &Topic) -> Vec<String> {
    let carries = |id| topic.brokers.is_empty() || topic.brokers.contains(&id);
    let brokers = scope.instance.brokers.iter();
    let carrying = brokers.filter(|broker| carries(broker.id));
    carrying.map(|broker| broker.name.clone()).collect()
}

fn is_same_set(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|name| b.contains(name))
}

/// Instances that a body names beside the one that the call is for (SEED_SPEC I-14).
pub(super) fn ignore_clusters(
    fields: &Fields,
    scope: &Scope,
    warnings: &mut Vec<String>,
) -> ApiResult<()> {
    let listed = fields.list("clusterNameList")?.unwrap_or_default();
    let own = [&scope.instance.name, &scope.instance.uid];
    for other in listed.iter().filter(|name| !own.contains(name)) {
        ignored("clusterNameList", other, warnings);
    }
    Ok(())
}

pub(super) fn ignored(field: &str, other: &str, warnings: &mut Vec<String>) {
    let other: String = other.chars().take(64).collect();
    warnings.push(format!(
        "{field}: '{other}' is ignored; path and query say what the call is for"
    ));
}
