//! What members do with what they got: finish it, keep it longer, give it up.

use std::sync::Arc;

use firn_protocol::ErrorCode;
use firn_protocol::api::storage::AckStatus;
use firn_protocol::limits::INVISIBLE_SECONDS_MIN;

use super::call::{Call, Place};
use super::message::duration_ms;
use super::receive::seconds;
use super::status::{self, Failure, Outcome, known_to};
use super::wire::{
    AckMessageRequest, AckMessageResponse, AckMessageResultEntry, ChangeInvisibleDurationRequest,
    ChangeInvisibleDurationResponse, Code, ForwardMessageToDeadLetterQueueRequest,
    ForwardMessageToDeadLetterQueueResponse, Status,
};
use crate::ops;

pub(super) async fn ack(
    call: Arc<Call>,
    request: AckMessageRequest,
) -> Outcome<AckMessageResponse> {
    let place = call.place(request.group.as_ref(), request.topic.as_ref())?;
    let entries = request.entries;
    let handles: Vec<&str> = entries
        .iter()
        .map(|it| it.receipt_handle.as_str())
        .collect();
    let services = call.services();
    let acked = ops::ack::ack(services, &place.scope, &place.group, &place.topic, &handles);
    let statuses = match acked.await {
        Ok(statuses) => statuses,
        // Each of them is told so.
        Err(error) if error.code == ErrorCode::InvalidReceiptHandle => {
            vec![AckStatus::Invalid; entries.len()]
        }
        Err(error) => return Err(error.into()),
    };
    let entries = entries.into_iter().zip(statuses);
    let entries: Vec<_> = entries
        .map(|(entry, status)| AckMessageResultEntry {
            message_id: entry.message_id,
            receipt_handle: entry.receipt_handle,
            status: Some(status_of(status)),
        })
        .collect();
    let statuses = entries.iter().filter_map(|entry| entry.status.as_ref());
    Ok(AckMessageResponse {
        status: Some(status::of_entries(statuses)),
        entries,
    })
}

/// A delivery that is finished already is what the client wanted.
fn status_of(status: AckStatus) -> Status {
    let text = match status {
        AckStatus::Ok | AckStatus::AlreadyAcked => return status::ok(),
        AckStatus::LeaseExpired => {
            "the lease has passed and the message may be with another member"
        }
        AckStatus::Invalid => "no receipt handle of this group and topic",
    };
    Failure::new(Code::InvalidReceiptHandle, text).status()
}

/// Clients take the handle of the answer for theirs, also when nothing was changed.
pub(super) async fn change_invisible(
    call: Arc<Call>,
    request: ChangeInvisibleDurationRequest,
) -> Outcome<ChangeInvisibleDurationResponse> {
    let (status, receipt_handle) = match changed(&call, &request).await {
        Ok(handle) => (status::ok(), handle),
        Err(failure) => {
            call.note(&failure);
            let code = known_to(call.language(), failure.code);
            (failure.under(code).status(), request.receipt_handle)
        }
    };
    Ok(ChangeInvisibleDurationResponse {
        status: Some(status),
        receipt_handle,
    })
}

async fn changed(call: &Call, request: &ChangeInvisibleDurationRequest) -> Outcome<String> {
    let place = call.place(request.group.as_ref(), request.topic.as_ref())?;
    let Place {
        scope,
        topic,
        group,
    } = &place;
    let services = call.services();
    let wanted = seconds(request.invisible_duration.as_ref().and_then(duration_ms))?;
    let client = call.edge.clients.get(&call.client_key(scope));
    let is_push = client.is_some_and(|client| client.is_push());
    let wanted = match is_push && !group.ordered && request.suspend != Some(true) {
        // By this a push consumer says that it failed; the pauses are the group's own.
        true => 0,
        false => wanted.max(INVISIBLE_SECONDS_MIN),
    };
    let handle = &request.receipt_handle;
    let changed = ops::visibility::change(services, scope, group, topic, handle, wanted);
    let (receipt, _) = changed.await.map_err(lost_lease)?;
    Ok(services.receipts.seal(scope.instance.id, &receipt))
}

/// A delivery that is not this member's any more.
fn lost_lease(error: firn_protocol::ApiError) -> Failure {
    let is_lost = error.code == ErrorCode::Conflict;
    let failure = Failure::from(error);
    match is_lost {
        true => failure.under(Code::InvalidReceiptHandle),
        false => failure,
    }
}

pub(super) async fn forward(
    call: Arc<Call>,
    request: ForwardMessageToDeadLetterQueueRequest,
) -> Outcome<ForwardMessageToDeadLetterQueueResponse> {
    let place = call.place(request.group.as_ref(), request.topic.as_ref())?;
    let forwarded = ops::forward::forward(
        call.services(),
        &place.scope,
        &place.group,
        &place.topic,
        &request.receipt_handle,
    );
    forwarded.await.map_err(lost_lease)?;
    Ok(ForwardMessageToDeadLetterQueueResponse {
        status: Some(status::ok()),
    })
}
