//! What an instance used.

use firn_protocol::api::billing::{UsageBy, UsageLine};
use firn_protocol::{ApiError, ApiResult, Timestamp};

use super::answer::{self, Answer};
use super::call::Call;
use super::shapes::billing::{UsageAnswer, UsageJson};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::InstancePath;
use super::shapes::words::ByWord;
use crate::auth::Action;
use crate::ops::{Scope, Services, Target};

/// How far back an answer goes unless the caller says so.
const DEFAULT_MS: u64 = 24 * 3600 * 1000;
/// Hours in one answer: a year and a day.
const HOURS_MAX: u64 = 366 * 24;

/// What an instance used, by hours in UTC; the current hour is at most 60 s behind.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/usage", tag = "billing",
    params(
        InstancePath,
        ("from" = Option<u64>, Query, description = "The first hour has it; default 24 h ago"),
        ("to" = Option<u64>, Query, description = "The last hour has it; default now"),
        ("by" = inline(Option<ByWord>), Query, description = "Default `hour`"),
    ),
    responses(
        (status = 200, description = "Usage", body = UsageAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn usage(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadManaged)?;
    let services = call.services();
    let mut query = call.query()?;
    let now = services.now();
    let day_ago = Timestamp(now.0.saturating_sub(DEFAULT_MS));
    let from = query.take_number("from")?.map_or(day_ago, Timestamp);
    let to = query.take_number("to")?.map_or(now, Timestamp);
    let by = by(query.take("by").as_deref())?;
    query.finish()?;
    if from > to {
        return Err(ApiError::field("from", "later than to"));
    }
    if by == UsageBy::Hour && to.since_ms(from) / 3_600_000 >= HOURS_MAX {
        return Err(ApiError::field(
            "to",
            format_args!("over {HOURS_MAX} hours from from"),
        ));
    }
    let lines = services
        .tenants
        .usage(scope.instance.id, from, to, by)
        .await?;
    let sums = lines.iter().map(|line| line.sums).sum();
    answer::ok(&UsageAnswer {
        total: UsageJson::new(None, None, &sums),
        items: lines
            .iter()
            .map(|line| shown(services, &scope, line))
            .collect(),
    })
}

fn by(text: Option<&str>) -> ApiResult<UsageBy> {
    match text {
        None | Some("hour") => Ok(UsageBy::Hour),
        Some("day") => Ok(UsageBy::Day),
        Some("topic") => Ok(UsageBy::Topic),
        Some(_) => Err(ApiError::field("by", "neither hour, day nor topic")),
    }
}

fn shown(services: &Services, scope: &Scope, line: &UsageLine) -> UsageJson {
    let name = line.topic.map(|key| {
        let target = Target::of_key(&*services.tenants, scope.instance.id, key);
        match target {
            Some(target) => target.name().into_owned(),
            // No name can be like this.
            None => format!("(removed {})", key.number()),
        }
    });
    UsageJson::new(line.start, name, &line.sums)
}
