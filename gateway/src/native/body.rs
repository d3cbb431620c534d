//! Request bodies: read within a bound and a time, inflated within the bound.

use std::io::Read as _;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use firn_protocol::limits::REQUEST_BYTES_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode};
use firn_runtime::Clock;
use futures_util::StreamExt as _;

/// The whole body, inflated if it came compressed.
///
/// # Errors
/// `REQUEST_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE` for an unknown encoding,
/// `BAD_REQUEST` for a body that is broken off, too slow or not gzip.
pub(super) async fn read(
    req: &HttpRequest,
    payload: Payload,
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
async fn collect(mut payload: Payload) -> ApiResult<Bytes> {
    let Some(first) = next(&mut payload).await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next(&mut payload).await? else {
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
        piece = next(&mut payload).await?;
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
