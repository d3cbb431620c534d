//! The one path of the protocol, and what its methods do.

use actix_web::http::Method as M;

use super::{ack, consume, publish, transactions};
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::native::table::{Route, route};

const PREFIX: &str = "/topics/";
const MESSAGES: &str = "/topics/{topic}/messages";

/// Whether a path belongs to this protocol, whatever is there.
pub(crate) fn is_own(path: &str) -> bool {
    path.starts_with(PREFIX)
}

pub(crate) fn table() -> Vec<Route> {
    vec![
        route(M::POST, MESSAGES, publish::publish),
        route(M::GET, MESSAGES, take),
        route(M::DELETE, MESSAGES, settle),
    ]
}

/// Messages of a group, or half messages of a producer.
async fn take(call: Call) -> Answer {
    let mut entered = super::enter::Entered::of(&call)?;
    match entered.query.take("trans").as_deref() {
        None => consume::consume(&call, entered, false).await,
        Some("order") => consume::consume(&call, entered, true).await,
        Some("pop") => transactions::half_messages(&call, entered).await,
        Some(_) => Err(super::query::unknown("trans", "neither order nor pop")),
    }
}

/// What became of messages, or of a half message.
async fn settle(mut call: Call) -> Answer {
    let body = call.body().await?;
    super::digest::check(call.header("content-md5"), &body)?;
    let handles = super::request::receipt_handles(&body)?;
    let mut entered = super::enter::Entered::of(&call)?;
    match entered.query.take("trans").as_deref() {
        None => ack::ack(&call, entered, &handles).await,
        Some("commit") => transactions::decide(&call, entered, &handles, true).await,
        Some("rollback") => transactions::decide(&call, entered, &handles, false).await,
        Some(_) => Err(super::query::unknown(
            "trans",
            "neither commit nor rollback",
        )),
    }
}
