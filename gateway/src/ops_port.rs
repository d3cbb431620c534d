//! The operator's port: metrics, liveness, readiness. Without credentials, so
//! it shows no tenant's names and listens on loopback unless told otherwise.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use firn_runtime::telemetry::metrics_text;

use crate::native::State;

pub(crate) fn config(
    state: State,
    registry: prometheus::Registry,
) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.route(
            "/livez",
            web::get().to(async || text(StatusCode::OK, "ok\n".to_owned())),
        )
        .route(
            "/readyz",
            web::get().to(move || {
                let answer = readiness(&state);
                async move { answer }
            }),
        )
        .route(
            "/metrics",
            web::get().to(move || {
                let answer = text(StatusCode::OK, metrics_text(&registry));
                async move { answer }
            }),
        );
    }
}

/// Ready when sends can be taken and the catalogue can be changed.
fn readiness(state: &State) -> HttpResponse {
    match state.health() {
        Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn text(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(text)
}
