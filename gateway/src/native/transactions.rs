//! Transactions: begin, decide, check-backs, list.

use firn_protocol::{ApiError, TopicKey};

use super::answer::{self, Answer};
use super::call::Call;
use super::client;
use super::consume::wait_ms;
use super::json;
use super::shapes::admin::Empty;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{TopicPath, TransactionPath};
use super::shapes::send::Done;
use super::shapes::transaction::{
    BeginForm, Begun, ChecksAnswer, ChecksForm, TransactionJson, TransactionsAnswer,
};
use super::shapes::words::StateWord;
use crate::auth::{Action, Identity};
use crate::ops::transaction::{self as ops, Checks};

/// Check-backs in one answer unless the producer says otherwise.
const CHECKS_DEFAULT: u64 = 16;

/// Begin a transaction: store a half message.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/transactions", tag = "transactions",
    params(TopicPath), request_body = BeginForm,
    responses(
        (status = 200, description = "The half message is stored", body = Begun),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn begin(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<BeginForm<'_>>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Produce(&topic.name))?;
    call.query()?.finish()?;
    let begin = form?.into_begin();
    let born_host = call.peer();
    let key = TopicKey::User(topic.id);
    let _online = client::producing(&call, &scope, key, &born_host)?;
    let held = ops::begin(call.services(), &scope, &topic, begin, &born_host).await?;
    answer::ok(&Begun {
        transaction_id: ops::id_of(call.services(), &scope, &held.place),
        message_id: held.message_id,
    })
}

/// Commit: the message becomes visible.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/commit",
    tag = "transactions", params(TransactionPath), request_body = Empty,
    responses(
        (status = 200, description = "Committed", body = Done),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn commit(call: Call) -> Answer {
    decide(call, true).await
}

/// Roll back: nobody will ever see the message.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/rollback",
    tag = "transactions", params(TransactionPath), request_body = Empty,
    responses(
        (status = 200, description = "Rolled back", body = Done),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn rollback(call: Call) -> Answer {
    decide(call, false).await
}

async fn decide(mut call: Call, commit: bool) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<Empty>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Produce(&topic.name))?;
    call.query()?.finish()?;
    let _ = form?;
    let id = call.segment("transaction")?;
    ops::decide(call.services(), &scope, &topic, &id, commit).await?;
    if let Identity::Console(_) = identity {
        // A decision that a person made is an administrative action.
        let action = match commit {
            true => "transaction.commit",
            false => "transaction.rollback",
        };
        let detail = serde_json::json!({ "transactionId": id });
        call.note(&scope, &identity, action, &topic.name, detail)
            .await?;
    }
    answer::ok(&Done {})
}

/// Be asked about transactions of before that are not decided, waiting for the
/// first.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/{topic}/transactions/checks",
    tag = "transactions", params(TopicPath), request_body = ChecksForm,
    responses(
        (status = 200, description = "Half messages to decide", body = ChecksAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn checks(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<ChecksForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Produce(&topic.name))?;
    call.query()?.finish()?;
    let form = form?;
    let wanted = Checks {
        topic: topic.clone(),
        producers: form.producer_group,
        max: ops::check_max(form.max.unwrap_or(CHECKS_DEFAULT))?,
        wait_ms: wait_ms(form.wait_seconds.unwrap_or(0.0))?,
    };
    let services = call.services();
    let key = TopicKey::User(topic.id);
    let _online = client::producing(&call, &scope, key, &call.peer())?;
    let halves = ops::checks(services, &scope, wanted).await?;
    answer::ok(&ChecksAnswer::new(services, &scope, &topic.name, &halves))
}

/// Transactions that are not decided, oldest first.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics/{topic}/transactions", tag = "transactions",
    params(
        TopicPath,
        ("state" = inline(Option<StateWord>), Query, description = "Both if absent"),
        ("max" = Option<u64>, Query, minimum = 1, maximum = 256, description = "1 to 256, default 32"),
        ("cursor" = Option<String>, Query, description = "From the answer before"),
    ),
    responses(
        (status = 200, description = "Undecided transactions", body = TransactionsAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Query(&topic.name))?;
    let mut query = call.query()?;
    let state = query.take("state");
    let max = query.take_number("max")?.unwrap_or(32);
    let cursor = query.take("cursor");
    query.finish()?;
    let given_up = match state.as_deref() {
        None => None,
        Some("open") => Some(false),
        Some("givenUp") => Some(true),
        Some(_) => return Err(ApiError::field("state", "neither open nor givenUp")),
    };
    let max = ops::check_max(max)?;
    let services = call.services();
    let listed = ops::list(services, &scope, &topic, given_up, max, cursor.as_deref()).await?;
    let items = listed.halves.iter();
    let items = items.map(|half| TransactionJson::new(services, &scope, &topic.name, half));
    answer::ok(&TransactionsAnswer {
        items: items.collect(),
        cursor: listed.cursor,
    })
}
