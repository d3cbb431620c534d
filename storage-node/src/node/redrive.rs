//! Dead letters go back to their group (RULES 22).

use firn_protocol::api::storage::RedriveRequest;
use firn_protocol::context::RequestContext;
use firn_protocol::error::ApiError;
use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::message::Message;

use super::StorageNode;
use super::read::{ReadLimit, to_message};
use super::settle::Step;
use crate::broker::entry::{Copy, TransferReason};
use crate::broker::owner::Core;
use crate::broker::state::{Due, dead_letter_queue, retry_queue};

/// Dead letters read at a time.
const PAGE: usize = 256;

impl StorageNode {
    pub(super) async fn redrive_group(
        &self,
        ctx: &RequestContext,
        request: RedriveRequest,
    ) -> Result<u64, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let queue = dead_letter_queue(request.group.id);
        let (mut at, end) = {
            let core = broker.lock()?;
            (core.state.queue(queue).min, core.visible_end(queue))
        };
        let mut sent = 0;
        while at < end && sent < request.max {
            let limit = ReadLimit {
                records: PAGE,
                bytes: ANSWER_BYTES_MAX,
            };
            let found = self.read_range(&broker, queue, at..end, limit).await?;
            at = found.upto.max(at + 1);
            for record in &found.records {
                let message = to_message(&broker, queue, record)?;
                if sent == request.max || !is_wanted(&message, &request) {
                    continue;
                }
                let mut core = broker.lock()?;
                if !may_send(&core, &message, &request) {
                    continue;
                }
                let Some(origin) = message.origin else {
                    continue;
                };
                let step = Step {
                    due: Due {
                        at: self.now(),
                        group: request.group.id,
                        queue,
                        offset: message.offset.0,
                    },
                    reason: TransferReason::Redriven,
                    to: retry_queue(request.group.id),
                    copy: Copy {
                        topic: origin.topic,
                        queue: origin.queue,
                        offset: origin.offset.0,
                        attempt: 1,
                    },
                };
                self.transfer(&broker, &mut core, step, &message)?;
                sent += 1;
            }
        }
        let mark = broker.lock()?.mark();
        self.settled(mark).await?;
        Ok(sent)
    }
}

fn is_wanted(message: &Message, request: &RedriveRequest) -> bool {
    let topic = message.origin.map(|origin| origin.topic);
    request.topic.is_none_or(|wanted| topic == Some(wanted))
        && request
            .message_ids
            .as_ref()
            .is_none_or(|ids| ids.contains(&message.message_id))
}

/// A letter that was sent back before goes again only when it is named; one of a
/// topic that was dropped never does.
fn may_send(core: &Core, message: &Message, request: &RedriveRequest) -> bool {
    let state = core.state.groups.get(&request.group.id);
    // Nobody could ever receive a copy whose topic is gone.
    let topic = message.origin.map(|origin| origin.topic);
    let state = state.filter(|state| topic.is_some_and(|topic| state.topics.contains_key(&topic)));
    state.is_some_and(|state| {
        request.message_ids.is_some() || !state.redriven.contains(message.offset.0)
    })
}
