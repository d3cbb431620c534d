//! Which refusals the audit log is told of, and whose they were.

use actix_web::HttpRequest;
use actix_web::http::header;
use firn_protocol::{ApiError, ErrorCode};

use super::State;
use super::call::Call;
use super::router::Matched;
use crate::denied::{Refused, Who};

/// Notes a refused call of a caller that is known, or says that it is.
pub(super) fn note(
    state: &State,
    req: &HttpRequest,
    route: &Matched,
    error: &ApiError,
    request_id: &str,
) {
    if !is_told(error.code, route.template) {
        return;
    }
    let credentials = req.headers().get(header::AUTHORIZATION);
    let who = state.0.auth.claimed(credentials.map(|it| it.as_bytes()));
    let Some(who) = who else {
        return;
    };
    // Whoever sees all there is knows that a name is wrong; that is no refusal.
    if who.tenant.is_none() && error.code.http_status() == 404 {
        return;
    }
    add(state, req, route, error, request_id, who);
}

/// The same for a caller that is told by the body of the request.
pub(super) fn note_login(call: &Call, error: &ApiError, who: Option<Who>) {
    if let (ErrorCode::Unauthenticated, Some(who)) = (error.code, who) {
        let (state, req, route, request_id) = call.parts();
        add(state, req, route, error, request_id, who);
    }
}

fn add(
    state: &State,
    req: &HttpRequest,
    route: &Matched,
    error: &ApiError,
    request_id: &str,
    who: Who,
) {
    let services = &state.0.services;
    let refused = Refused {
        method: req.method().as_str(),
        path: req.uri().path(),
        template: route.template,
        code: error.code.as_str(),
        request_id,
    };
    services.denied.add(who, &refused, services.now());
}

/// What is not there is told like what is somebody else's, so that the log does not
/// tell the two apart either.
fn is_told(code: ErrorCode, template: &str) -> bool {
    use ErrorCode::{Forbidden, InstanceNotFound, NotFound, Unauthenticated};
    let is_named = template.starts_with("/v1/tenants/")
        || template.contains("/users/{access_key}")
        || template.ends_with("/tokens/{token}");
    matches!(code, Unauthenticated | Forbidden | InstanceNotFound) || code == NotFound && is_named
}
