//! `GET`: messages of a group, waiting for them if there are none.

use std::sync::Arc;

use firn_protocol::api::storage::Delivery;
use firn_protocol::catalogue::Group;
use firn_protocol::filter::Filter;
use firn_protocol::{ApiError, ApiResult, ErrorCode, Timestamp};

use super::enter::Entered;
use super::response::{self, Shown};
use super::{client, error, query};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::{Call, group_named};
use crate::native::consume::Leased;
use crate::ops::receive::{self, Consumer};
use crate::ops::{Scope, Services};

/// With the messages of a sharding key in their order, if `in_order`.
pub(super) async fn consume(call: &Call, mut entered: Entered, in_order: bool) -> Answer {
    let services = call.services();
    let group = group(services, &mut entered)?;
    let (max, wait_ms) = query::wanted(&mut entered.query)?;
    let filter = entered.query.take("tag").unwrap_or_default();
    query::finish(entered.query)?;
    if in_order && !group.ordered {
        let rule = format_args!("group '{}' keeps no order", group.name).to_string();
        return Err(ApiError::field("trans", rule));
    }
    let consumer = Consumer {
        filter: Filter::parse_tags(&filter)?,
        invisible_ms: services.mq_http_invisible_ms,
        member: receive::check_member(call.peer())?,
        // One call may hand out several of a sharding key, in their order.
        run_max: if in_order { max } else { 1 },
        attempt: None,
        is_broadcast: false,
        group,
        topic: entered.topic,
    };
    let scope = &entered.scope;
    let _online = client::consuming(call, scope, &consumer)?;
    let batch = receive::receive(services, scope, &consumer, max, wait_ms).await?;
    if batch.deliveries.is_empty() {
        return Err(nothing());
    }
    let now = services.now();
    let deliveries = batch.deliveries.iter();
    let shown: Vec<Shown<'_>> = deliveries
        .map(|it| shown(services, scope, it, now))
        .collect();
    let document = response::messages(&shown).into_bytes();
    Ok(Leased::answer(document, error::CONTENT, batch.give_back))
}

/// The group that the query names, with the right to consume the topic as it.
///
/// # Errors
/// `InvalidArgument` for no or an unknown group; `AccessDenied`.
pub(super) fn group(services: &Services, entered: &mut Entered) -> ApiResult<Arc<Group>> {
    let name = query::consumer(&mut entered.query)?;
    let group = group_named(services, &entered.scope, &name)?;
    entered.identity.require(Action::Consume {
        topic: &entered.topic.name(),
        group: &group.name,
    })?;
    Consumer::require_subscription(&group, &entered.topic)?;
    Ok(group)
}

/// An empty answer is an error of its own, which no library takes for one.
pub(super) fn nothing() -> ApiError {
    ApiError::new(ErrorCode::MessageNotFound, "no message is there now")
}

fn shown<'a>(
    services: &Services,
    scope: &Scope,
    delivery: &'a Delivery,
    now: Timestamp,
) -> Shown<'a> {
    let message = &delivery.message;
    Shown {
        message,
        receipt_handle: services.receipts.seal(scope.instance.id, &delivery.receipt),
        // The time of an earlier delivery is not kept; it was not before this.
        first_consume: match (message.attempt, message.origin) {
            (0 | 1, _) => now,
            (_, Some(origin)) => origin.stored_at,
            (_, None) => message.stored_at,
        },
        next_consume: delivery.invisible_until,
        consumed_times: message.attempt.max(1),
    }
}
