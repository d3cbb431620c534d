//! Counts for the bill: what an entry counts, and how the meter gets it. See
//! [`crate::broker::usage`].

use std::sync::Arc;

use firn_protocol::api::storage::{GroupMode, ReceiveRequest};
use firn_protocol::api::usage::{Counts, EventKey, StoredBytes, UsageEvent};
use firn_protocol::error::ApiError;
use firn_protocol::ids::{GroupId, TopicKey};
use firn_protocol::message::{Message, NewMessage};
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

use super::StorageNode;
use crate::broker::entry::Head;
use crate::broker::owner::{Broker, Core, Mark};
use crate::broker::usage::{ClosedEvent, Metered, UsageHead};

/// Rows in one answer, events of one broker staying together.
const ROWS_MAX: usize = 50_000;

/// What a send counts.
pub(super) fn sent<'a>(
    topic: TopicKey,
    at: Timestamp,
    messages: impl IntoIterator<Item = &'a NewMessage>,
) -> Metered {
    let messages = messages.into_iter();
    Metered {
        at,
        topic,
        group: None,
        counts: messages
            .map(|message| Counts::message(message.content_bytes()))
            .sum(),
    }
}

/// What a receive counts: every delivery, the redeliveries too.
pub(super) fn handed_out(
    request: &ReceiveRequest,
    at: Timestamp,
    messages: &[Message],
) -> Option<Metered> {
    let group = match request.group.mode {
        GroupMode::Member { of } => of,
        GroupMode::Unordered | GroupMode::Ordered(_) => request.group.id,
    };
    delivered(group, request.topic.key, at, messages)
}

fn delivered<'a>(
    group: GroupId,
    topic: TopicKey,
    at: Timestamp,
    messages: impl IntoIterator<Item = &'a Message>,
) -> Option<Metered> {
    let messages = messages.into_iter();
    let counts: Counts = messages
        .map(|message| Counts::message(message.content_bytes()))
        .sum();
    (counts.messages > 0).then_some(Metered {
        at,
        topic,
        group: Some(group),
        counts,
    })
}

impl StorageNode {
    /// What each of these deliveries counted; nothing for a record that cannot be read
    /// any more, which stays counted.
    pub(super) async fn counted(&self, broker: &Arc<Broker>, receipts: &[Receipt]) -> Vec<Counts> {
        let mut counts = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let (queue, offset) = (receipt.queue, receipt.offset.0);
            let found = self.read_one(broker, queue, offset).await;
            let found = found.ok().flatten();
            let bytes = found.map(|message| message.content_bytes());
            counts.push(bytes.map_or(Counts::default(), Counts::message));
        }
        counts
    }

    pub(super) async fn closed_events(&self) -> Vec<UsageEvent> {
        let brokers: Vec<_> = self.shared.brokers.read().values().cloned().collect();
        let (mut events, mut rows) = (Vec::new(), 0);
        for broker in brokers {
            let Some((closed, mark)) = self.cut(&broker) else {
                continue;
            };
            // What a failed write could undo is counted by nobody.
            if let Err(error) = self.settled(mark).await {
                tracing::debug!(%error, broker = %broker.key.broker, "usage not collected");
                continue;
            }
            rows += closed.iter().map(|event| event.rows.len()).sum::<usize>();
            events.extend(closed.into_iter().map(|event| event_of(&broker, event)));
            if rows >= ROWS_MAX {
                break;
            }
        }
        events
    }

    /// The events of a broker that nobody has taken, after a cut.
    fn cut(&self, broker: &Broker) -> Option<(Vec<ClosedEvent>, Mark)> {
        let mut core = broker.lock_even_erased().ok()?;
        if core.state.usage.has_open() {
            let head = Head::Usage(UsageHead::Cut);
            let cut = self.submit(broker, &mut core, &head, None, None);
            if let Err(error) = cut {
                tracing::debug!(%error, broker = %broker.key.broker, "usage not cut");
            }
        }
        let closed = core.state.usage.closed();
        (!closed.is_empty()).then(|| (closed.to_vec(), core.mark()))
    }

    pub(super) fn forget_events(&self, events: &[EventKey]) -> Result<(), ApiError> {
        for key in events {
            let found = self.shared.brokers.read().get(&key.broker).cloned();
            let Some(broker) = found else { continue };
            let mut core = broker.lock_even_erased()?;
            if is_closed(&core, key) {
                let head = Head::Usage(UsageHead::Taken {
                    generation: key.generation,
                    from: key.from,
                });
                self.submit(&broker, &mut core, &head, None, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn bytes_stored(&self) -> Vec<StoredBytes> {
        let brokers: Vec<_> = self.shared.brokers.read().values().cloned().collect();
        let of = |broker: Arc<Broker>| {
            let (hot, manifest) = {
                let core = broker.lock_any();
                (core.state.tier.waiting_bytes, core.state.tier.manifest)
            };
            let (cold, _) = self.cold.stored_bytes(broker.key, manifest);
            StoredBytes {
                tenant: broker.key.tenant,
                instance: broker.key.instance,
                broker: broker.key.broker,
                hot,
                cold,
            }
        };
        let stored = brokers.into_iter().map(of);
        stored.filter(|it| it.hot + it.cold > 0).collect()
    }
}

fn is_closed(core: &Core, key: &EventKey) -> bool {
    let mut closed = core.state.usage.closed().iter();
    closed.any(|event| (event.generation, event.from) == (key.generation, key.from))
}

fn event_of(broker: &Broker, event: ClosedEvent) -> UsageEvent {
    UsageEvent {
        tenant: broker.key.tenant,
        instance: broker.key.instance,
        key: EventKey {
            broker: broker.key.broker,
            generation: event.generation,
            from: event.from,
        },
        to: event.to,
        rows: event.rows,
    }
}
