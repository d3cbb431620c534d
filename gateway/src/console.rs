//! The web console: the files that `make web` builds, put into the binary by the
//! build script and served below `/console/`. Promises that a deep link gets the page,
//! that nothing but these files is ever served, and that they run nothing that is not
//! theirs. Leaves everything else to the API, which the page calls as any client does.

use std::net::SocketAddr;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use firn_protocol::{ApiError, ErrorCode};
use serde::Serialize;

use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::native::table::{Route, route};

/// One file of the build.
struct File {
    /// Relative to `/console/`.
    path: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
}

// `FILES`, sorted by path; empty if the console was not built before.
include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

const ROOT: &str = "/console/";
const PAGE: &str = "index.html";
/// What is below has a digest of its content in its name.
const HASHED: &str = "assets/";

/// Scripts, styles and calls of the same origin only. Styles may be inline because the
/// component library makes them while it runs; a nonce would have to differ in each
/// answer, and the page could not be a file. Scripts are never inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Firn</title>\
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style>\
<h1>Firn</h1><p>This binary was built without the web console: <code>make web</code> builds it, \
and the next build of the binary has it.</p><p>The API is described at <a href=\"/docs\">/docs</a>.</p></html>\n";

/// The paths below `/console/` and the one that people type.
pub(crate) fn table() -> Vec<Route> {
    use actix_web::http::Method as M;
    vec![
        route(M::GET, "/console", redirect),
        route(M::GET, "/console/service.json", service),
        route(M::GET, "/console/{*path}", console),
    ]
}

async fn redirect(_: Call) -> Answer {
    let mut response = HttpResponse::build(StatusCode::PERMANENT_REDIRECT);
    Ok(response.insert_header((header::LOCATION, ROOT)).finish())
}

/// What the page cannot know of the service that it came from. Its host, as others
/// reach it, is not there: the page knows that better.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    /// `--grpc-listen`'s port; none before it is taken.
    grpc_port: Option<u16>,
}

async fn service(call: Call) -> Answer {
    let address = call.services().grpc_address.get();
    let grpc_port = address.map(SocketAddr::port);
    Ok(guarded(&mut HttpResponse::Ok())
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(Service { grpc_port }))
}

/// The web console, a page with scripts of its own.
#[utoipa::path(
    get, path = "/console/", tag = "about", security(()),
    responses((status = 200, description = "A page", content_type = "text/html"))
)]
pub(crate) async fn console(call: Call) -> Answer {
    let takes_gzip = call
        .header("accept-encoding")
        .and_then(|value| std::str::from_utf8(value).ok())
        .is_some_and(accepts_gzip);
    serve(FILES, call.path(), takes_gzip)
}

fn serve(files: &[File], path: &str, takes_gzip: bool) -> Answer {
    let wanted = path.strip_prefix(ROOT).unwrap_or_default();
    let found = |path: &str| {
        let at = files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        files.get(at)
    };
    if let Some(file) = found(wanted) {
        return Ok(answer(file, takes_gzip));
    }
    if wanted.starts_with(HASHED) {
        // Of another version, mostly: the page would be no script.
        return Err(ApiError::new(ErrorCode::NotFound, "no such file"));
    }
    match found(PAGE) {
        Some(page) => Ok(answer(page, takes_gzip)),
        None => Ok(guarded(&mut HttpResponse::Ok())
            .content_type("text/html; charset=utf-8")
            .body(NOT_BUILT)),
    }
}

fn answer(file: &File, takes_gzip: bool) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let cache = match file.path.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    guarded(&mut response)
        .content_type(file.content_type)
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::VARY, "accept-encoding"));
    match file.gzip.filter(|_| takes_gzip) {
        Some(packed) => response
            .insert_header((header::CONTENT_ENCODING, "gzip"))
            .body(packed),
        None => response.body(file.plain),
    }
}

fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
}

/// Whether an `Accept-Encoding` has gzip and does not rule it out.
fn accepts_gzip(value: &str) -> bool {
    value.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

#[cfg(test)]
mod tests;
