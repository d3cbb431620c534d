//! `POST`: one message, or one half message.

use std::sync::Arc;

use firn_protocol::catalogue::Topic;
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use super::enter::Entered;
use super::properties::{self, Properties};
use super::request::MessageForm;
use super::{client, digest, error, query, request, response};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::Scope;
use crate::ops::draft::{Body, Draft};
use crate::ops::{send, transaction};

const CREATED: u16 = 201;

pub(super) async fn publish(mut call: Call) -> Answer {
    let document = call.body().await?;
    digest::check(call.header("content-md5"), &document)?;
    let form = request::message(&document)?;
    let entered = Entered::of(&call)?;
    let topic = entered.writable()?;
    entered.identity.require(Action::Produce(&topic.name))?;
    query::finish(entered.query)?;
    let body = form.body.as_deref();
    let body = body.ok_or_else(|| ApiError::field("MessageBody", "missing or empty"))?;
    let written = form.properties.as_deref().unwrap_or_default();
    let properties = properties::parse(written)?;
    let _online = client::producing(&call, &entered.scope, entered.topic.key())?;
    let document = match properties.check_after {
        None => {
            let draft = draft(&form, body, properties);
            let sent = send_one(&call, &entered.scope, &topic, draft).await?;
            response::published(&sent.message_id, body.as_bytes(), None)
        }
        Some(check_after) => {
            let begin = transaction::Begin {
                draft: draft(&form, body, properties),
                // Whoever polls the topic is asked (RULES 32).
                producers: None,
                check_after_secs: Some(check_after),
            };
            let (services, scope) = (call.services(), &entered.scope);
            let held = transaction::begin(services, scope, &topic, begin, &call.peer()).await?;
            let handle = transaction::id_of(services, scope, &held.place);
            response::published(&held.message_id, body.as_bytes(), Some(&handle))
        }
    };
    Ok(error::xml(CREATED, document))
}

fn draft<'a>(form: &'a MessageForm<'_>, body: &'a str, properties: Properties<'a>) -> Draft<'a> {
    Draft {
        body: Body::Text(body.into()),
        encoding: None,
        tag: form.tag.as_deref().map(Into::into),
        keys: properties.keys,
        properties: properties.user,
        message_group: properties.message_group,
        deliver_at: properties.deliver_at,
        delay_level: None,
        dedup_id: properties.dedup_id,
        message_id: None,
    }
}

async fn send_one(
    call: &Call,
    scope: &Scope,
    topic: &Arc<Topic>,
    draft: Draft<'_>,
) -> ApiResult<send::Sent> {
    let drafts = vec![draft];
    let outcomes = send::send(call.services(), scope, topic, drafts, &call.peer()).await?;
    let outcome = outcomes.into_iter().next();
    outcome.unwrap_or_else(|| Err(ApiError::new(ErrorCode::Internal, "no outcome")))
}
