//! Request bodies: read within a bound and a time, inflated within the bound.
//! One that was not read to its end takes its connection with it.

use std::cell::Cell;
use std::io::Read as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, HttpResponse};
use firn_protocol::limits::REQUEST_BYTES_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode};
use firn_runtime::Clock;
use futures_util::StreamExt as _;

/// A request's body until it was read to its end. Whoever answers before that
/// attaches it to the answer: the server reads on behind one that was let go,
/// without end if it has none, and closes behind one that is still held.
#[derive(Clone, Default)]
pub(crate) struct Unread(Rc<Cell<Option<Payload>>>);

impl Unread {
    pub(crate) fn new(payload: Payload) -> Self {
        Self(Rc::new(Cell::new(Some(payload))))
    }

    pub(crate) fn take(&self) -> Option<Payload> {
        self.0.take()
    }

    pub(crate) fn put_back(&self, payload: Payload) {
        self.0.set(Some(payload));
    }

    /// The answer to the request, holding what was not read. A body of a known
    /// length is not read on behind.
    pub(crate) fn attach(&self, req: &HttpRequest, response: HttpResponse) -> HttpResponse {
        match self.take() {
            Some(payload) if req.headers().contains_key(header::TRANSFER_ENCODING) => response
                .map_body(|_, body| {
                    BoxBody::new(Held {
                        body,
                        _payload: payload,
                    })
                }),
            Some(_) | None => response,
        }
    }
}

struct Held {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Held {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// The whole body, inflated if it came compressed.
///
/// # Errors
/// `REQUEST_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE` for an unknown encoding,
/// `BAD_REQUEST` for a body that is broken off, too slow or not gzip.
pub(crate) async fn read(
    req: &HttpRequest,
    payload: &mut Payload,
    clock: &Clock,
    timeout: Duration,
) -> ApiResult<Bytes> {
    let declared = req
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > REQUEST_BYTES_MAX) {
        return Err(too_large());
    }
    let compressed = is_compressed(req)?;
    let body = tokio::select! {
        biased;
        body = collect(payload) => body?,
        () = clock.sleep(timeout) => {
            return Err(ApiError::new(
                ErrorCode::BadRequest,
                format!("request body: did not arrive within {} s", timeout.as_secs()),
            ));
        }
    };
    if !compressed {
        return Ok(body);
    }
    let inflated = actix_web::web::block(move || inflate(&body)).await;
    inflated.map_err(|_| ApiError::new(ErrorCode::Overloaded, "no thread to inflate the body"))?
}

fn is_compressed(req: &HttpRequest) -> ApiResult<bool> {
    let Some(encoding) = req.headers().get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    match encoding.to_str().map(str::trim) {
        Ok(name) if name.eq_ignore_ascii_case("gzip") => Ok(true),
        Ok(name) if name.eq_ignore_ascii_case("identity") => Ok(false),
        _ => Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "content-encoding: only gzip and identity are read",
        )),
    }
}

/// Most bodies come in one piece and are not copied.
async fn collect(payload: &mut Payload) -> ApiResult<Bytes> {
    let Some(first) = next(payload).await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next(payload).await? else {
        return Ok(first);
    };
    let mut body = BytesMut::with_capacity(2 * (first.len() + second.len()));
    body.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if (body.len() + bytes.len()) as u64 > REQUEST_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&bytes);
        piece = next(payload).await?;
    }
    Ok(body.freeze())
}

async fn next(payload: &mut Payload) -> ApiResult<Option<Bytes>> {
    match payload.next().await {
        None => Ok(None),
        Some(Ok(bytes)) if bytes.len() as u64 > REQUEST_BYTES_MAX => Err(too_large()),
        Some(Ok(bytes)) => Ok(Some(bytes)),
        Some(Err(error)) => Err(ApiError::new(
            ErrorCode::BadRequest,
            format!("request body: {error}"),
        )),
    }
}

fn inflate(body: &[u8]) -> ApiResult<Bytes> {
    let mut inflated = Vec::new();
    flate2::read::MultiGzDecoder::new(body)
        .take(REQUEST_BYTES_MAX + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| {
            ApiError::new(
                ErrorCode::BadRequest,
                format!("request body: not gzip: {error}"),
            )
        })?;
    if inflated.len() as u64 > REQUEST_BYTES_MAX {
        return Err(too_large());
    }
    Ok(Bytes::from(inflated))
}

fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::RequestTooLarge,
        format!("request body: over {REQUEST_BYTES_MAX} bytes"),
    )
}
