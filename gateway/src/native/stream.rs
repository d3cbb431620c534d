//! `GET …/stream`: server-sent events.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use firn_protocol::ApiResult;
use firn_protocol::client::ConsumeType;
use firn_protocol::limits::INVISIBLE_SECONDS_DEFAULT;
use futures_util::stream as futures;

use super::answer::{self, Answer};
use super::call::Call;
use super::client;
use super::consume::Place;
use super::shapes::consume::filter;
use super::shapes::error::ErrorAnswer;
use super::shapes::message::MessageJson;
use super::shapes::paths::ConsumePath;
use super::shapes::words::{FilterWord, ModeWord};
use crate::ops::receive::{self, Consumer};
use crate::ops::stream::{Event, MessageStream};

/// Unacknowledged messages at most, unless the member says otherwise.
const WINDOW_DEFAULT: u64 = 64;

/// Messages as they come, as server-sent events: event `message`, `id` the
/// receipt handle, data the message. Acknowledge with the ack call; what is
/// not acknowledged when the stream closes is delivered again at once.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups/{group}/topics/{topic}/stream", tag = "consume",
    params(
        ConsumePath,
        ("max" = Option<u64>, Query, minimum = 1, maximum = 256, description = "Unacknowledged messages at most, 1 to 256, default 64"),
        ("invisibleSeconds" = Option<u64>, Query, minimum = 1, maximum = 43200, description = "1 to 43200, default 30"),
        ("filter" = Option<String>, Query, description = "An expression of the type: `*` or `a || b`, or a condition on properties"),
        ("filterType" = inline(Option<FilterWord>), Query, description = "Default `TAG`"),
        ("mode" = inline(Option<ModeWord>), Query, description = "Default `clustering`"),
        ("consumerId" = Option<String>, Query, description = "Default: derived from the connection"),
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn stream(call: Call) -> Answer {
    let place = Place::of(&call)?;
    let mut query = call.query()?;
    let window = receive::check_max(query.take_number("max")?.unwrap_or(WINDOW_DEFAULT))?;
    let invisible = query
        .take_number("invisibleSeconds")?
        .unwrap_or(INVISIBLE_SECONDS_DEFAULT);
    let kind = query.take("filterType");
    let expression = query.take("filter");
    let (mode, name) = (query.take("mode"), query.take("consumerId"));
    let consumer = Consumer {
        is_broadcast: receive::check_mode(mode.as_deref(), name.is_some())?,
        filter: filter(kind.as_deref(), expression.as_deref())?,
        invisible_ms: receive::check_invisible(invisible)?,
        member: receive::check_member(name.unwrap_or_else(|| call.peer()))?,
        run_max: 1,
        attempt: None,
        group: place.group,
        topic: place.topic,
    };
    query.finish()?;
    let services = call.services().clone();
    let online = client::consuming(&call, &place.scope, &consumer, ConsumeType::Push)?;
    let stream = MessageStream::open(services, place.scope, consumer, window).await?;
    let topic = stream.parts().2.topic.name().into_owned();
    let events = futures::unfold(Some((stream, topic, online)), |state| async {
        let (mut stream, topic, online) = state?;
        match stream.next().await {
            Ok(event) => match encode(&stream, &topic, &event) {
                Ok(Some(bytes)) => {
                    let state = Some((stream, topic, online));
                    Some((Ok::<_, actix_web::Error>(bytes), state))
                }
                Ok(None) => None,
                Err(error) => Some((Ok(failure(&error)), None)),
            },
            Err(error) => Some((Ok(failure(&error)), None)),
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(events))
}

/// The bytes of an event; `None` at the end.
fn encode(stream: &MessageStream, topic: &str, event: &Event) -> ApiResult<Option<Bytes>> {
    let deliveries = match event {
        Event::Messages(deliveries) => deliveries,
        Event::KeepAlive => return Ok(Some(Bytes::from_static(b": keep-alive\n\n"))),
        Event::Closed => return Ok(None),
    };
    let (services, scope, _) = stream.parts();
    let mut text = Vec::new();
    for delivery in deliveries {
        let handle = services.receipts.seal(scope.instance.id, &delivery.receipt);
        let message = MessageJson::delivered(services, scope, topic, delivery, false);
        text.extend_from_slice(b"event: message\nid: ");
        text.extend_from_slice(handle.as_bytes());
        text.extend_from_slice(b"\ndata: ");
        // JSON of ours has no line breaks, so one data line is enough.
        message.write(&mut text)?;
        text.extend_from_slice(b"\n\n");
    }
    Ok(Some(Bytes::from(text)))
}

/// Says why the stream ends.
fn failure(error: &firn_protocol::ApiError) -> Bytes {
    let json = answer::ErrorJson {
        error,
        request_id: None,
    };
    let mut text = b"event: error\ndata: ".to_vec();
    text.extend_from_slice(&answer::encode(&json, 256).unwrap_or_default());
    text.extend_from_slice(b"\n\n");
    Bytes::from(text)
}
