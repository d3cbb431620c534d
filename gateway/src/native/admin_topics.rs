//! Topics of an instance.

use super::answer::{self, Answer};
use super::call::Call;
use super::json;
use super::listing::Paging;
use super::shapes::admin::{List, TopicForm, TopicJson};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{InstancePath, TopicPath};
use crate::auth::Action;
use crate::ops;
use crate::ops::remove::InUse;

/// Topics of an instance.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics", tag = "topics",
    params(InstancePath, ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<TopicJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadManaged)?;
    let paging = Paging::read(call.query()?)?;
    let all = call.services().tenants.topics(scope.instance.id);
    let page = paging.page(
        all,
        |topic| topic.name.clone(),
        |topic| TopicJson::new(&scope.instance, topic),
    );
    answer::ok(&page)
}

/// Make a topic.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics", tag = "topics",
    params(InstancePath), request_body = TopicForm,
    responses(
        (status = 201, description = "Made", body = TopicJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn create(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<TopicForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::Manage)?;
    let (name, fields) = form?.into_new()?;
    let caller = call.caller(&identity);
    let tenants = &call.services().tenants;
    let topic = tenants
        .create_topic(&caller, scope.instance.id, &name, fields)
        .await?;
    answer::created(&TopicJson::new(&scope.instance, &topic))
}

/// One topic.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics/{topic}", tag = "topics",
    params(TopicPath),
    responses(
        (status = 200, description = "The topic", body = TopicJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::ReadManaged)?;
    call.query()?.finish()?;
    answer::ok(&TopicJson::new(&scope.instance, &topic))
}

/// Change a topic. The queues of an ordered one change only when all its messages are
/// consumed: else 409 `CONFLICT`.
#[utoipa::path(
    patch, path = "/v1/instances/{instance}/topics/{topic}", tag = "topics",
    params(TopicPath), request_body = TopicForm,
    responses(
        (status = 200, description = "Changed", body = TopicJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn change(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<TopicForm>(&body)?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Manage)?;
    let fields = form?.into_change()?;
    let caller = call.caller(&identity);
    let topic = ops::reshape::change(call.services(), &scope, &caller, &topic, fields).await?;
    answer::ok(&TopicJson::new(&scope.instance, &topic))
}

/// Remove a topic with its messages. While clients of it are online: 409 `IN_USE`
/// with these in `details.clients`.
#[utoipa::path(
    delete, path = "/v1/instances/{instance}/topics/{topic}", tag = "topics",
    params(TopicPath, ("force" = Option<bool>, Query, description = "`true`: although clients are online; administrators alone")),
    responses(
        (status = 204, description = "Removed"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn remove(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    let topic = call.topic(&scope)?;
    identity.require(Action::Manage)?;
    let mut query = call.query()?;
    let force = query.take_flag("force")?;
    query.finish()?;
    let in_use = match force {
        true => InUse::Ignore,
        false => InUse::Refuse,
    };
    if force {
        identity.require(Action::Force)?;
    }
    let caller = call.caller(&identity);
    ops::remove::topic(call.services(), &scope, &caller, &topic, in_use).await?;
    answer::no_content()
}
