//! Send: one run of records to one queue.

use firn_protocol::api::storage::{AppendRequest, Appended, Routed};
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::ids::{Offset, Position};
use firn_protocol::message::MessageId;

use tokio::sync::oneshot;

use super::StorageNode;
use super::journal::outcome_unknown;
use super::usage::sent;
use crate::broker::entry::Head;
use crate::record::{EncodedRecords, RunHeader};

impl StorageNode {
    pub(super) async fn append_run(
        &self,
        ctx: &RequestContext,
        request: AppendRequest,
        routed: Option<Routed>,
    ) -> Result<Appended, ApiError> {
        if request.messages.is_empty() {
            return Err(ApiError::field("messages", "at least one"));
        }
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let bytes = request
            .messages
            .iter()
            .map(|m| m.content_bytes() as usize + 64)
            .sum();
        let place = self.enter(&broker, bytes as u64).await?;
        // Encoded before the lock is taken: it is most of the work.
        let mut records = EncodedRecords::with_capacity(bytes);
        for message in &request.messages {
            records.push_original(message);
        }
        self.quotas.admit(ctx, records.bytes.len() as u64)?;
        let (done, committed) = oneshot::channel();
        let (header, mark) = {
            let mut core = broker.lock()?;
            let groups = request.messages.iter();
            let groups = groups.filter_map(|one| one.message_group.as_deref());
            self.check_route(&broker, &mut core, request.queue, routed, groups)?;
            let header = RunHeader {
                first_offset: Offset(core.state.queue(request.queue).end),
                first_position: Position(core.state.next_position),
                stored_at: self.now().max(core.state.last_time),
                count: records.count,
                bytes: records.bytes.len() as u32,
            };
            let head = Head::Append {
                queue: request.queue,
            };
            let metered = sent(request.queue.topic, header.stored_at, &request.messages);
            let run = Some((&header, &records.bytes[..]));
            place.submits();
            let mark =
                self.submit_metered(&broker, &mut core, &head, Some(&metered), run, Some(done))?;
            (header, mark)
        };
        match committed.await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(outcome_unknown()),
        }
        if mark.is_object {
            self.outcome(mark).await?;
        }
        let message_ids = request.messages.iter().zip(header.first_position.0..);
        let message_ids = message_ids
            .map(|(message, position)| {
                message.message_id.unwrap_or_else(|| {
                    MessageId::server_made(broker.key.broker, header.stored_at, Position(position))
                })
            })
            .collect();
        Ok(Appended {
            offset: header.first_offset,
            position: header.first_position,
            stored_at: header.stored_at,
            message_ids,
        })
    }
}
