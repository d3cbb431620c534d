//! A client says that it is there, or that it goes.

use std::sync::Arc;

use super::call::Call;
use super::status::{self, Failure, Outcome};
use super::wire::{
    Code, HeartbeatRequest, HeartbeatResponse, NotifyClientTerminationRequest,
    NotifyClientTerminationResponse,
};

/// Taken from every client, also from one whose telemetry stream is elsewhere.
pub(super) async fn heartbeat(
    call: Arc<Call>,
    request: HeartbeatRequest,
) -> Outcome<HeartbeatResponse> {
    let identity = call.identity()?;
    let scope = call.scope(&identity, &[request.group.as_ref()])?;
    if call.client_id().is_empty() {
        let text = "x-mq-client-id: missing";
        return Err(Failure::new(Code::ClientIdRequired, text));
    }
    if request.group.is_some() {
        call.group(&scope, request.group.as_ref())?;
    }
    let now = call.services().now();
    call.edge.clients.seen(&call.client_key(&scope), now);
    Ok(HeartbeatResponse {
        status: Some(status::ok()),
    })
}

/// What it still held goes to others at once.
pub(super) async fn terminated(
    call: Arc<Call>,
    request: NotifyClientTerminationRequest,
) -> Outcome<NotifyClientTerminationResponse> {
    let identity = call.identity()?;
    let scope = call.scope(&identity, &[request.group.as_ref()])?;
    call.edge.clients.gone(&call.client_key(&scope));
    Ok(NotifyClientTerminationResponse {
        status: Some(status::ok()),
    })
}
