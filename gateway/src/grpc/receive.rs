//! Hands messages to a member, waiting for them as long as the client does.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use firn_protocol::ApiResult;
use firn_protocol::client::{ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::filter::Filter;
use firn_protocol::limits::{RECEIVE_MESSAGES_MAX, WAIT_SECONDS_MAX};
use futures_util::Stream;

use super::call::{Answer, Call};
use super::clients::Client;
use super::leases::{PUSH_INVISIBLE_MS, PushBatch};
use super::message::{delivered, duration_ms, timestamp};
use super::status::{self, Failure, Outcome};
use super::wire::receive_message_response::Content;
use super::wire::{
    Code, FilterExpression, FilterType, ReceiveMessageRequest, ReceiveMessageResponse, Resource,
    Status,
};
use crate::ops::Scope;
use crate::ops::give_back::GiveBack;
use crate::ops::receive::{self, Consumer};
use crate::sessions::{Client as Online, Online as IsOnline, Part};

/// How long a poll waits that does not say.
pub(super) const POLL_MS_DEFAULT: u64 = 20_000;

pub(super) async fn receive(
    call: Arc<Call>,
    request: ReceiveMessageRequest,
) -> Outcome<Deliveries> {
    let queue = request.message_queue.unwrap_or_default();
    let place = call.place(request.group.as_ref(), queue.topic.as_ref())?;
    let scope = place.scope.clone();
    // Push consumers give no time: their leases are renewed for them.
    let invisible_ms = match &request.invisible_duration {
        None => PUSH_INVISIBLE_MS,
        Some(given) => receive::check_invisible(seconds(duration_ms(given))?)?,
    };
    let consumer = Consumer {
        filter: filter(request.filter_expression.as_ref())?,
        invisible_ms,
        member: receive::check_member(call.client_name())?,
        run_max: 1,
        is_broadcast: false,
        attempt: receive::check_attempt(request.attempt_id.as_deref())?,
        group: place.group,
        topic: place.topic,
    };
    let wait_ms = wait_ms(&call, request.long_polling_timeout.as_ref())?;
    let max = usize::try_from(request.batch_size).unwrap_or_default();
    let max = max.clamp(1, RECEIVE_MESSAGES_MAX);
    let client = call
        .edge
        .clients
        .seen(&call.client_key(&scope), call.services().now());
    call.belong_to(&scope)?;
    let _online = online(&call, &scope, &consumer, request.auto_renew);
    let batch = receive::receive(call.services(), &scope, &consumer, max, wait_ms).await?;
    let name = queue.topic.unwrap_or_default();
    let held = request.auto_renew.then(|| {
        let held = PushBatch::new(call.services(), &scope, &consumer.group, &batch.deliveries);
        (client, held)
    });
    Ok(Deliveries::new(
        &call,
        &scope,
        (&consumer, &name),
        batch,
        held,
    ))
}

/// The client shows among those that are online.
fn online(call: &Call, scope: &Scope, consumer: &Consumer, is_push: bool) -> IsOnline {
    let (agent, address) = (call.agent(), call.peer());
    let client = Online {
        name: &consumer.member,
        address: &address,
        agent: &agent,
        protocol: ClientProtocol::Grpc,
    };
    let part = Part::Consumes {
        group: consumer.group.id,
        filter: &consumer.filter,
        consume_type: match is_push {
            true => ConsumeType::Push,
            false => ConsumeType::Pull,
        },
        model: MessageModel::Clustering,
    };
    let (sessions, topic) = (&call.services().sessions, consumer.topic.key());
    sessions.enter(scope.instance.id, &client, topic, part)
}

/// # Errors
/// `ILLEGAL_FILTER_EXPRESSION`.
pub(super) fn filter(expression: Option<&FilterExpression>) -> ApiResult<Filter> {
    let Some(filter) = expression else {
        return Ok(Filter::All);
    };
    match filter.r#type() {
        FilterType::Sql => Filter::parse_sql(&filter.expression),
        FilterType::Tag | FilterType::Unspecified => Filter::parse_tags(&filter.expression),
    }
}

/// # Errors
/// `ILLEGAL_INVISIBLE_TIME` for a time below zero.
pub(super) fn seconds(ms: Option<u64>) -> Outcome<u64> {
    let ms = ms.ok_or_else(|| {
        let text = "invisible_duration: no time from zero";
        Failure::new(Code::IllegalInvisibleTime, text)
    })?;
    Ok(ms.div_ceil(1000))
}

/// What the client wants, as far as it waits for the answer itself.
fn wait_ms(call: &Call, wanted: Option<&prost_types::Duration>) -> Outcome<u64> {
    let wanted = match wanted {
        None => POLL_MS_DEFAULT,
        Some(given) => duration_ms(given).ok_or_else(|| {
            let text = "long_polling_timeout: no time from zero";
            Failure::new(Code::IllegalPollingTime, text)
        })?,
    };
    Ok(bounded(wanted, call.patience_ms()))
}

fn bounded(wanted_ms: u64, patience_ms: Option<u64>) -> u64 {
    let patience_ms = patience_ms.unwrap_or(u64::MAX);
    wanted_ms.min(patience_ms).min(WAIT_SECONDS_MAX * 1000)
}

/// An answer on its way: a status, messages, the time. Messages go back if it is
/// never written.
pub(crate) struct Deliveries {
    contents: VecDeque<Content>,
    give_back: Option<GiveBack>,
    held: Option<(Arc<Client>, PushBatch)>,
}

impl Deliveries {
    fn new(
        call: &Call,
        scope: &Scope,
        (consumer, name): (&Consumer, &Resource),
        mut batch: receive::Batch,
        held: Option<(Arc<Client>, PushBatch)>,
    ) -> Self {
        if held.is_some() {
            // It gives them back from here on.
            batch.give_back.delivered();
        }
        let services = call.services();
        let mut contents = VecDeque::with_capacity(batch.deliveries.len() + 2);
        contents.push_back(Content::Status(match batch.deliveries.is_empty() {
            false => status::ok(),
            true => Failure::new(Code::MessageNotFound, "no new message").status(),
        }));
        let topic = (&consumer.topic, name);
        contents.extend(batch.deliveries.iter().map(|delivery| {
            let invisible_ms = consumer.invisible_ms;
            Content::Message(delivered(services, scope, topic, delivery, invisible_ms))
        }));
        let now = timestamp(services.now().0);
        contents.push_back(Content::DeliveryTimestamp(now));
        Self {
            contents,
            give_back: Some(batch.give_back),
            held,
        }
    }

    /// The last of it is taken for writing: from here on only a lost connection can
    /// lose it, and the leases cover that.
    fn is_out(&mut self) {
        if let Some(mut give_back) = self.give_back.take() {
            give_back.delivered();
        }
        if let Some((client, held)) = self.held.take() {
            client.held.lock().push(held);
        }
    }
}

impl Answer for Deliveries {
    fn refused(status: Status) -> Self {
        Self {
            contents: VecDeque::from([Content::Status(status)]),
            give_back: None,
            held: None,
        }
    }

    fn code(&self) -> i32 {
        Code::Ok.into()
    }
}

impl Stream for Deliveries {
    type Item = Result<ReceiveMessageResponse, tonic::Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let content = self.contents.pop_front();
        if self.contents.is_empty() {
            self.is_out();
        }
        let answer = content.map(|content| ReceiveMessageResponse {
            content: Some(content),
        });
        Poll::Ready(answer.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn a_poll_ends_before_its_client_does() {
        assert_eq!(bounded(20_000, None), 20_000);
        assert_eq!(bounded(20_000, Some(2_500)), 2_500);
        assert_eq!(bounded(0, Some(2_500)), 0);
        assert_eq!(bounded(40_000, Some(39_500)), 30_000);
    }
}
