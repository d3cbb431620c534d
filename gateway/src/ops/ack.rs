//! Finishes deliveries.

use firn_protocol::api::storage::AckStatus;
use firn_protocol::catalogue::Group;
use firn_protocol::limits::ACK_HANDLES_MAX;
use firn_protocol::receipt::Receipt;
use firn_protocol::{ApiError, ApiResult, BrokerId, ErrorCode};
use futures_util::future::try_join_all;

use super::{Scope, Services, Target};

/// Receipts of one broker with their places in the request.
struct Part {
    broker: BrokerId,
    places: Vec<usize>,
    receipts: Vec<Receipt>,
}

/// One status for each handle, in their order.
///
/// # Errors
/// `INVALID_RECEIPT_HANDLE` when none of them is a handle of this group and
/// topic; what storage answers when a broker cannot tell.
pub(crate) async fn ack(
    services: &Services,
    scope: &Scope,
    group: &Group,
    topic: &Target,
    handles: &[&str],
) -> ApiResult<Vec<AckStatus>> {
    if !(1..=ACK_HANDLES_MAX).contains(&handles.len()) {
        return Err(ApiError::field(
            "receiptHandles",
            format_args!("{} handles, not 1 to {ACK_HANDLES_MAX}", handles.len()),
        ));
    }
    let mut statuses = vec![AckStatus::Invalid; handles.len()];
    let mut parts: Vec<Part> = Vec::with_capacity(1);
    for (place, handle) in handles.iter().enumerate() {
        let Some(receipt) = services.open_receipt(scope, group.id, topic.key(), handle) else {
            continue;
        };
        let found = parts.iter().position(|part| part.broker == receipt.broker);
        let index = found.unwrap_or_else(|| {
            parts.push(Part {
                broker: receipt.broker,
                places: Vec::with_capacity(handles.len()),
                receipts: Vec::with_capacity(handles.len()),
            });
            parts.len() - 1
        });
        parts[index].places.push(place);
        parts[index].receipts.push(receipt);
    }
    if parts.is_empty() {
        return Err(invalid_handle("receiptHandles: none of them"));
    }
    let work = parts.iter().map(|part| {
        let receipts = part.receipts.clone();
        services
            .storage
            .ack(&scope.ctx, part.broker, group.id, receipts)
    });
    let answers = try_join_all(work).await?;
    for (part, answer) in parts.iter().zip(answers) {
        assert_eq!(
            part.places.len(),
            answer.len(),
            "one status for each receipt"
        );
        for ((place, status), receipt) in part.places.iter().zip(answer).zip(&part.receipts) {
            statuses[*place] = status;
            services.streams.settled(receipt);
        }
    }
    Ok(statuses)
}

pub(crate) fn invalid_handle(what: &str) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidReceiptHandle,
        format!("{what} is a receipt handle of this group and topic"),
    )
}
