//! `Content-MD5` of a request, and MD5 as the protocol shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::ApiResult;
use md5::{Digest as _, Md5};

use super::error::Code;

/// In upper-case hex.
pub(super) fn shown(text: &[u8]) -> String {
    hex::encode_upper(Md5::digest(text))
}

/// Holds a body against its digest, if there is one: base64 of the 16 bytes, or, as the
/// Node library writes it, of their 32 lower-case hex digits.
///
/// # Errors
/// `InvalidDigest`.
pub(super) fn check(header: Option<&[u8]>, body: &[u8]) -> ApiResult<()> {
    let Some(header) = header else {
        return Ok(());
    };
    let digest = Md5::digest(body);
    // Long enough for both forms; anything longer is neither.
    let mut given = [0; 36];
    let given = match STANDARD.decode_slice(header, &mut given) {
        Ok(len) => &given[..len],
        Err(_) => &[],
    };
    if *given == digest[..] || *given == *hex::encode(digest).as_bytes() {
        return Ok(());
    }
    Err(Code::InvalidDigest.error("content-md5: not the MD5 of the body"))
}
