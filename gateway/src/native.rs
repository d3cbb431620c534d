//! The native HTTP API (DESIGN 7). Owns the wire: routes, JSON, headers. A
//! handler decodes, calls one use case and encodes; rules live in `ops`.

mod admin_groups;
mod admin_instances;
mod admin_people;
mod admin_tenants;
mod admin_tokens;
mod admin_topics;
mod admin_users;
pub(crate) mod answer;
mod audit;
mod auth;
mod bill_text;
mod bills;
mod body;
pub(crate) mod call;
mod client;
pub(crate) mod consume;
mod denied;
mod docs;
mod files;
pub(crate) mod json;
mod listing;
mod messages;
mod parked;
mod peek;
mod purge;
mod queries;
pub(crate) mod query;
mod quota;
mod router;
mod sessions;
mod shapes;
mod stream;
pub(crate) mod table;
mod transactions;
mod upload;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use firn_protocol::ApiError;
use firn_runtime::Stop;
use firn_runtime::clock::Stopwatch;

use crate::auth::Authenticator;
use crate::management;
use crate::mq_http;
use crate::ops::Services;
use answer::{Answer, RequestIds};
use body::Unread;
use call::{Call, CallOf};
use router::Router;

/// What handlers work with; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    services: Arc<Services>,
    auth: Authenticator,
    ids: RequestIds,
    router: Arc<Router>,
    body_timeout: Duration,
}

impl State {
    pub(crate) fn new(services: Services, auth: Authenticator, body_timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            router: Arc::new(Router::new(table::everything(), &services.metrics)),
            services: Arc::new(services),
            auth,
            ids: RequestIds::new(),
            body_timeout,
        }))
    }

    pub(crate) fn services(&self) -> Arc<Services> {
        self.0.services.clone()
    }

    pub(crate) fn auth(&self) -> &Authenticator {
        &self.0.auth
    }

    pub(crate) fn ids(&self) -> &RequestIds {
        &self.0.ids
    }

    pub(crate) fn closing(&self) -> Stop {
        self.0.services.closing.clone()
    }

    /// Why requests cannot be served, if they cannot.
    pub(crate) fn health(&self) -> Result<(), ApiError> {
        self.0.services.storage.health()?;
        self.0.services.tenants.health()
    }
}

/// Method and path template of every route that the API's description has.
#[must_use]
pub fn routes() -> Vec<(Method, &'static str)> {
    table::described()
        .into_iter()
        .map(|route| (route.method, route.path))
        .collect()
}

/// The API's description, as `/openapi.json` answers it.
#[must_use]
pub fn openapi_json() -> String {
    docs::openapi_json()
}

/// Registers the whole public port on an actix application.
pub fn app_config(state: &State) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let (state, router) = (state.clone(), state.0.router.clone());
    move |app| {
        // The only service: actix would try its routes one after the other, by
        // regular expressions, which costs more than all else a send does here.
        app.default_service(web::to(move |req: HttpRequest, payload: web::Payload| {
            answer(state.clone(), router.clone(), req, payload)
        }));
    }
}

async fn answer(
    state: State,
    router: Arc<Router>,
    req: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let started = Stopwatch::start();
    let request_id = state.0.ids.of(&req);
    let unread = Unread::new(payload);
    let tolerated = management::canonical(req.uri().path());
    let path = tolerated.as_deref().unwrap_or(req.uri().path());
    let refusing = state.clone();
    let found = router.find(req.method(), path);
    let always_200 = state.0.services.compat.always_200;
    let answer: Answer = match &found.outcome {
        Ok(route) => {
            let call = Call::new(
                state.clone(),
                req.clone(),
                unread.clone(),
                request_id.clone(),
                (route.clone(), tolerated.clone()),
            );
            match call {
                Ok(call) => (route.handler)(call).await,
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error.clone()),
    };
    if let (Ok(route), Err(error)) = (&found.outcome, &answer) {
        denied::note(&refusing, &req, route, error, &request_id);
    }
    if let Some(CallOf(instance)) = req.extensions().get() {
        let services = &state.0.services;
        services.calls.count(*instance, services.now());
    }
    let mut response = match &tolerated {
        Some(_) => management::finish(answer, &request_id, always_200),
        None if mq_http::is_own(path) => mq_http::finish(answer, &req, &request_id),
        None => answer::finish(answer, &request_id),
    };
    if let Some(allow) = found.allow {
        answer::set_header(&mut response, "allow", allow);
    }
    found.metrics.answered(response.status().as_u16(), started);
    unread.attach(&req, response)
}
