//! Half messages: given to a producer that polls, and decided by their handle.

use std::borrow::Cow;

use firn_protocol::api::hold::HalfMessage;
use firn_protocol::{ErrorCode, Timestamp, TopicKey};

use super::ack::{check_count, failed, settled};
use super::consume::nothing;
use super::enter::Entered;
use super::error::{self, Code};
use super::response::{self, Shown};
use super::{client, query};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::transaction::{self, Checks};
use crate::ops::{Scope, Services};

const OK: u16 = 200;
const ONE: usize = 1;

/// `GET` with `trans=pop`: those that nobody decided in time, waiting for the first.
pub(super) async fn half_messages(call: &Call, mut entered: Entered) -> Answer {
    let topic = entered.writable()?;
    entered.identity.require(Action::Produce(&topic.name))?;
    let producers = query::consumer(&mut entered.query)?;
    let (max, wait_ms) = query::wanted(&mut entered.query)?;
    query::finish(entered.query)?;
    let (services, scope) = (call.services(), &entered.scope);
    let _online = client::producing(call, scope, TopicKey::User(topic.id))?;
    let wanted = Checks {
        topic,
        producers: Some(producers),
        max,
        wait_ms,
    };
    let halves = transaction::checks_or_unnamed(services, scope, wanted).await?;
    if halves.is_empty() {
        return Err(nothing());
    }
    let now = services.now();
    let halves = halves.iter();
    let shown: Vec<Shown<'_>> = halves.map(|it| shown(services, scope, it, now)).collect();
    Ok(error::xml(OK, response::messages(&shown)))
}

fn shown<'a>(
    services: &Services,
    scope: &Scope,
    half: &'a HalfMessage,
    now: Timestamp,
) -> Shown<'a> {
    Shown {
        message: &half.message,
        receipt_handle: transaction::id_of(services, scope, &half.place),
        // When it was asked about before is not kept; it was not before this.
        first_consume: if half.checks > 1 { half.since } else { now },
        next_consume: transaction::next_check(half).unwrap_or(now),
        consumed_times: half.checks.max(1),
    }
}

/// `DELETE` with `trans=commit` or `trans=rollback`.
pub(super) async fn decide(
    call: &Call,
    mut entered: Entered,
    handles: &[Cow<'_, str>],
    commit: bool,
) -> Answer {
    let topic = entered.writable()?;
    entered.identity.require(Action::Produce(&topic.name))?;
    query::consumer(&mut entered.query)?;
    query::finish(entered.query)?;
    check_count(handles.len(), ONE)?;
    let (services, scope) = (call.services(), &entered.scope);
    let mut refused = Vec::new();
    for handle in handles {
        let decided = transaction::decide(services, scope, &topic, handle, commit).await;
        match decided.map_err(|error| (error.code, error)) {
            Ok(()) => {}
            Err((ErrorCode::TransactionNotFound, _)) => refused.push(failed(
                handle,
                Code::ReceiptHandleError,
                "no half message of this topic has this handle",
            )),
            Err((ErrorCode::Conflict, _)) => refused.push(failed(
                handle,
                Code::MessageNotExist,
                "the half message was decided the other way",
            )),
            Err((_, error)) => return Err(error),
        }
    }
    Ok(settled(&refused))
}
