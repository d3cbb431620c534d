//! T12: where groups go on in a topic (SEED_SPEC 5.6).

use std::sync::Arc;

use firn_protocol::api::storage::{SeekRow, SeekTarget};
use firn_protocol::catalogue::{Group, PullMechanism};
use firn_protocol::zone::Zone;
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode, Timestamp};

use super::body::Fields;
use super::enter::{self, Entered};
use super::envelope::{self, Envelope, Failure};
use super::params::{Paging, missing};
use super::shapes::bodies::ResetBody;
use super::shapes::parameters::Auth;
use super::shapes::progress::{Reset, ResetRow};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::seek::{self, QueueOffset, Seek};
use crate::ops::{Scope, Services, Target};

const TIME: &str = "resetTime";

/// What a body asks for.
struct Wanted {
    groups: Vec<Arc<Group>>,
    topic: Target,
    target: SeekTarget,
    forward: bool,
    force: bool,
    paging: Paging,
}

/// T12: reset the progress of groups on a topic to a time.
#[utoipa::path(
    post, path = "/api/manager/topics/consumeOffset", tag = "management",
    operation_id = "management_t12", params(Auth), request_body = ResetBody,
    responses(
        (status = 200, description = "A page of queues", body = Envelope<Reset>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn reset(mut call: Call) -> Answer {
    let body = call.body().await?;
    let fields = Fields::read(&body)?;
    let mut entered = Entered::with_right(&call, Action::Manage)?;
    let services = call.services();
    let wanted = Wanted::read(&fields?, &entered, services)?;
    // Nothing is moved before all of it may be.
    if !wanted.force {
        for group in &wanted.groups {
            require_offline(services, &entered.scope, group)?;
        }
    }
    let mut warnings = entered.warnings();
    let mut rows = Vec::new();
    for group in &wanted.groups {
        rows.extend(wanted.apply(services, &entered.scope, group).await?);
    }
    let is_held = rows
        .iter()
        .any(|(_, row)| row.rollback_offset != row.timestamp_offset);
    if is_held {
        warnings.push(
            "resetForward: is not true, so no offset went forward; some queues stay where they are"
                .to_owned(),
        );
    }
    let diffs = rows
        .iter()
        .map(|(_, row)| row.consumer_offset.0 as i64 - row.rollback_offset.0 as i64);
    let diff_offset = diffs.sum();
    let (total, rows) = wanted.paging.cut(rows);
    let rows = rows.iter().map(|(broker, row)| ResetRow {
        broker_name: entered.scope.broker_name(*broker).to_owned(),
        queue_id: row.queue.0,
        broker_offset: row.broker_offset.0,
        consumer_offset: row.consumer_offset.0,
        timestamp_offset: row.timestamp_offset.0,
        rollback_offset: row.rollback_offset.0,
    });
    envelope::success(Reset {
        total,
        diff_offset,
        rows: rows.collect(),
        warnings,
    })
}

impl Wanted {
    fn read(fields: &Fields, entered: &Entered, services: &Services) -> ApiResult<Self> {
        let scope = &entered.scope;
        let flag = |name| fields.flag(name, ("是", "否"));
        let (forward, force) = (flag("resetForward")?, flag("force")?);
        let paging = Paging::new(fields.number("pageNumber")?, fields.number("pageSize")?)?;
        let target = target(fields, scope, services.now())?;
        let mut names = fields
            .list("consumerGroupList")?
            .filter(|names| !names.is_empty())
            .ok_or_else(|| missing("consumerGroupList"))?;
        let topic = enter::target(services, scope, &fields.required_text("topicName")?)?;
        names.sort_unstable();
        names.dedup();
        let groups = names
            .iter()
            .map(|name| enter::group(services, scope, name))
            .collect::<ApiResult<_>>()?;
        Ok(Self {
            groups,
            topic,
            target,
            forward: forward.unwrap_or(false),
            force: force.unwrap_or(false),
            paging,
        })
    }

    async fn apply(
        &self,
        services: &Services,
        scope: &Scope,
        group: &Group,
    ) -> ApiResult<Vec<(BrokerId, SeekRow)>> {
        let all = Seek::All(self.target.clone());
        if self.forward {
            return seek::seek(services, scope, group, &self.topic, all, false).await;
        }
        let mut rows = seek::seek(services, scope, group, &self.topic, all, true).await?;
        for (_, row) in &mut rows {
            row.rollback_offset = row.timestamp_offset.min(row.consumer_offset);
        }
        let back = rows
            .iter()
            .filter(|(_, row)| row.rollback_offset < row.consumer_offset);
        let back: Vec<QueueOffset<'_>> = back
            .map(|(broker, row)| QueueOffset {
                broker: scope.broker_name(*broker),
                queue: row.queue,
                offset: row.rollback_offset,
            })
            .collect();
        if !back.is_empty() {
            let offsets = Seek::Offsets(back);
            seek::seek(services, scope, group, &self.topic, offsets, false).await?;
        }
        Ok(rows)
    }
}

/// No time is the start; one that is still to come is the end.
fn target(fields: &Fields, scope: &Scope, now: Timestamp) -> ApiResult<SeekTarget> {
    let text = fields.text(TIME)?.map(|text| text.trim().to_owned());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(SeekTarget::Earliest);
    };
    let time = if text.bytes().all(|b| b.is_ascii_digit()) {
        Timestamp(text.parse().unwrap_or(u64::MAX))
    } else {
        Zone::of(&scope.instance)
            .read(&text)
            .ok_or_else(|| ApiError::field(TIME, "neither ms since 1970 nor yyyy-MM-dd HH:mm:ss"))?
    };
    Ok(match time > now {
        true => SeekTarget::Latest,
        false => SeekTarget::Time(time),
    })
}

/// Consumers that keep their progress themselves would not notice (SEED_SPEC 5.6).
fn require_offline(services: &Services, scope: &Scope, group: &Group) -> ApiResult<()> {
    let members = services.sessions.online(scope.instance.id, Some(group.id));
    if group.pull_mechanism == PullMechanism::Client && !members.is_empty() {
        return Err(ApiError::new(
            ErrorCode::InUse,
            format!(
                "force: consumers of group {} (mechanism 1) are online; stop them, or say true",
                group.name
            ),
        ));
    }
    Ok(())
}
