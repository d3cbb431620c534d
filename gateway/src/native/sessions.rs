//! `GET …/sessions`: who is online.

use firn_protocol::ApiError;
use firn_protocol::client::ClientKind;

use super::answer::{self, Answer};
use super::call::Call;
use super::listing::Paging;
use super::shapes::admin::List;
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::InstancePath;
use super::shapes::session::SessionJson;
use super::shapes::words::KindWord;
use crate::auth::Action;

/// Clients of an instance that are online at this gateway. A client is online
/// until 30 s after the end of its last send, receive or stream.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/sessions", tag = "instances",
    operation_id = "sessions",
    params(
        InstancePath,
        ("group" = Option<String>, Query, description = "Only members of this group"),
        ("topic" = Option<String>, Query, description = "Only clients of this topic"),
        ("kind" = inline(Option<KindWord>), Query, description = "Only these"),
        ("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page", body = List<SessionJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadManaged)?;
    let mut query = call.query()?;
    let (group, topic) = (query.take("group"), query.take("topic"));
    let kind = match query.take("kind").as_deref() {
        None => None,
        Some("consumer") => Some(ClientKind::Consumer),
        Some("producer") => Some(ClientKind::Producer),
        Some(_) => return Err(ApiError::field("kind", "neither consumer nor producer")),
    };
    let paging = Paging::read(query)?;
    let services = call.services();
    let online = services.sessions.online(scope.instance.id, None);
    let shown = online
        .iter()
        .filter_map(|session| SessionJson::new(&*services.tenants, scope.instance.id, session))
        .filter(|session| session.is_one_of(kind, group.as_deref(), topic.as_deref()));
    let page = paging.page(shown.collect(), SessionJson::order, SessionJson::clone);
    answer::ok(&page)
}
