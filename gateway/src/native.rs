//! The native HTTP API (DESIGN 7). Owns the wire: routes, JSON, headers. A
//! handler decodes, calls one use case and encodes; rules live in `ops`.

mod admin_groups;
mod admin_instances;
mod admin_tenants;
mod admin_topics;
mod admin_users;
mod answer;
mod auth;
mod body;
mod call;
mod consume;
mod docs;
mod json;
mod listing;
mod messages;
mod queries;
mod query;
mod shapes;
mod stream;
mod table;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use firn_protocol::{ApiError, ErrorCode};
use firn_runtime::Stop;
use firn_runtime::clock::Stopwatch;

use crate::auth::Authenticator;
use crate::metrics::RouteMetrics;
use crate::ops::Services;
use answer::{Answer, RequestIds};
use body::Unread;
use call::Call;
use table::Route;

/// What handlers work with; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    services: Arc<Services>,
    auth: Authenticator,
    ids: RequestIds,
    body_timeout: Duration,
}

impl State {
    pub(crate) fn new(services: Services, auth: Authenticator, body_timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            services: Arc::new(services),
            auth,
            ids: RequestIds::new(),
            body_timeout,
        }))
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

/// Method and path template of every route of the public port.
#[must_use]
pub fn routes() -> Vec<(Method, &'static str)> {
    table::all()
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
    let state = state.clone();
    move |app| {
        let mut paths: Vec<(&'static str, Vec<Route>)> = Vec::new();
        for route in table::all() {
            match paths.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, methods)) => methods.push(route),
                None => paths.push((route.path, vec![route])),
            }
        }
        for (path, methods) in paths {
            app.service(resource(&state, path, methods));
        }
        let metrics = state.0.services.metrics.route("*", "unknown");
        app.default_service(web::to(move |req: HttpRequest, payload: web::Payload| {
            let error = ApiError::new(ErrorCode::NotFound, "no such path; see /docs");
            let response = refuse(&state, &req, &metrics, error);
            let response = Unread::new(payload).attach(&req, response);
            async move { response }
        }));
    }
}

fn resource(state: &State, path: &'static str, methods: Vec<Route>) -> actix_web::Resource {
    let allow: Vec<&str> = methods.iter().map(|route| route.method.as_str()).collect();
    let allow = allow.join(", ");
    let mut resource = web::resource(path);
    for route in methods {
        resource = resource.route(handler(state, route));
    }
    let (state, metrics) = (state.clone(), state.0.services.metrics.route("*", path));
    resource.default_service(web::to(move |req: HttpRequest, payload: web::Payload| {
        let error = ApiError::new(
            ErrorCode::MethodNotAllowed,
            format!("this path takes {allow}"),
        );
        let mut response = refuse(&state, &req, &metrics, error);
        answer::set_header(&mut response, "allow", &allow);
        let response = Unread::new(payload).attach(&req, response);
        async move { response }
    }))
}

fn handler(state: &State, route: Route) -> actix_web::Route {
    let metrics = state
        .0
        .services
        .metrics
        .route(route.method.as_str(), route.path);
    let (state, run) = (state.clone(), route.handler);
    web::method(route.method).to(move |req: HttpRequest, payload: web::Payload| {
        let started = Stopwatch::start();
        let metrics = metrics.clone();
        let request_id = state.0.ids.of(&req);
        let unread = Unread::new(payload);
        let call = Call::new(
            state.clone(),
            req.clone(),
            unread.clone(),
            request_id.clone(),
        );
        let work = call.map(|call| run(call));
        async move {
            let answer: Answer = match work {
                Ok(work) => work.await,
                Err(error) => Err(error),
            };
            let response = answer::finish(answer, &request_id);
            metrics.answered(response.status().as_u16(), started);
            unread.attach(&req, response)
        }
    })
}

/// An answer to a request that reaches no handler.
fn refuse(
    state: &State,
    req: &HttpRequest,
    metrics: &RouteMetrics,
    error: ApiError,
) -> HttpResponse {
    let started = Stopwatch::start();
    let response = answer::finish(Err(error), &state.0.ids.of(req));
    metrics.answered(response.status().as_u16(), started);
    response
}
