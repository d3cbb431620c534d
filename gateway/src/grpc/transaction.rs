//! Decides half messages, and calls delayed ones back.

use std::sync::Arc;

use firn_protocol::ErrorCode;

use super::call::Call;
use super::status::{self, Failure, Outcome};
use super::wire::{
    Code, EndTransactionRequest, EndTransactionResponse, RecallMessageRequest,
    RecallMessageResponse, TransactionResolution,
};
use crate::auth::Action;
use crate::entry;
use crate::ops::{self, Target};

pub(super) async fn end(
    call: Arc<Call>,
    request: EndTransactionRequest,
) -> Outcome<EndTransactionResponse> {
    let identity = call.identity()?;
    let scope = call.scope(&identity, &[request.topic.as_ref()])?;
    let target = call.target(&scope, request.topic.as_ref())?;
    let Target::Topic(topic) = target else {
        return Err(entry::topic_not_found(&target.name()).into());
    };
    identity.require(Action::Produce(&topic.name))?;
    let commit = match request.resolution() {
        TransactionResolution::Commit => true,
        TransactionResolution::Rollback => false,
        // The producer does not know yet, and is asked again.
        TransactionResolution::Unspecified => {
            let status = Some(status::ok());
            return Ok(EndTransactionResponse { status });
        }
    };
    let (services, id) = (call.services(), &request.transaction_id);
    let decided = ops::transaction::decide(services, &scope, &topic, id, commit).await;
    decided.map_err(|error| {
        let is_opposite = error.code == ErrorCode::Conflict;
        let failure = Failure::from(error);
        match is_opposite {
            true => failure.under(Code::InvalidTransactionId),
            false => failure,
        }
    })?;
    Ok(EndTransactionResponse {
        status: Some(status::ok()),
    })
}

pub(super) async fn recall(
    call: Arc<Call>,
    request: RecallMessageRequest,
) -> Outcome<RecallMessageResponse> {
    let identity = call.identity()?;
    let scope = call.scope(&identity, &[request.topic.as_ref()])?;
    let target = call.target(&scope, request.topic.as_ref())?;
    let Target::Topic(topic) = target else {
        return Err(entry::topic_not_found(&target.name()).into());
    };
    identity.require(Action::Produce(&topic.name))?;
    let (services, handle) = (call.services(), &request.recall_handle);
    let message = ops::recall::held(services, &scope, &topic, handle).await?;
    ops::recall::recall(services, &scope, &topic, handle).await?;
    Ok(RecallMessageResponse {
        status: Some(status::ok()),
        message_id: message.map_or_else(String::new, |it| it.message_id.to_string()),
    })
}
