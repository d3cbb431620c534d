//! A file in a request: as the body, or as the only file of a form.

use actix_multipart::{Field, Multipart};
use actix_web::web::{Bytes, BytesMut};
use firn_protocol::limits::IMPORT_BYTES_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode};
use futures_util::{StreamExt as _, stream};

use super::call::Call;
use crate::files::{Format, too_large};

/// What is said of the file besides its bytes is not believed: senders guess it.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE`, `REQUEST_TOO_LARGE`, `BAD_REQUEST` for a broken form or
/// one that is not a single file.
pub(super) async fn read(call: &mut Call) -> ApiResult<Bytes> {
    let kind = call.content_type();
    let xlsx = Format::Xlsx.content_type();
    let is_form = kind == "multipart/form-data";
    let body = call.body().await?;
    let file = if is_form {
        of_form(call, body).await?
    } else if kind == "text/csv" || kind == xlsx || body.is_empty() {
        body
    } else {
        let text = format!("content-type: this call takes text/csv, {xlsx}, multipart/form-data");
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, text));
    };
    if file.len() as u64 > IMPORT_BYTES_MAX {
        return Err(too_large(format_args!("over {IMPORT_BYTES_MAX} bytes")));
    }
    Ok(file)
}

async fn of_form(call: &Call, body: Bytes) -> ApiResult<Bytes> {
    let pieces = stream::iter([Ok(body)]);
    let mut form = Multipart::new(call.headers(), pieces);
    let mut file = None;
    while let Some(part) = form.next().await {
        let part = part.map_err(|error| broken(&error))?;
        let disposition = part.content_disposition();
        let is_file = disposition.is_some_and(|named| named.get_filename().is_some());
        if !is_file || file.is_some() {
            return Err(ApiError::field("body", "the form must hold one file alone"));
        }
        file = Some(bytes_of(part).await?);
    }
    file.ok_or_else(|| ApiError::field("body", "the form holds no file"))
}

async fn bytes_of(mut part: Field) -> ApiResult<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = part.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| broken(&error))?);
    }
    Ok(bytes.freeze())
}

fn broken(error: &actix_multipart::MultipartError) -> ApiError {
    ApiError::field("body", format_args!("a broken form: {error}"))
}
