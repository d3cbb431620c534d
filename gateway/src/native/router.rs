//! Which route a request means. Built once from the table of routes; a radix
//! tree finds the path, the methods of a path are few and looked through.

use std::sync::Arc;

use actix_web::http::Method;
use firn_protocol::{ApiError, ErrorCode};

use super::table::{Handler, Route};
use crate::metrics::{Metrics, RouteMetrics};

/// Everything that the public port answers.
pub(super) struct Router {
    paths: matchit::Router<Path>,
    unknown: RouteMetrics,
}

/// A path template with what may be done there.
struct Path {
    /// As the `allow` header lists them.
    allow: String,
    methods: Vec<(Method, Arc<Matched>)>,
    refused: RouteMetrics,
}

/// A route that a request has come to.
pub(super) struct Matched {
    pub(super) handler: Handler,
    pub(super) template: &'static str,
    metrics: RouteMetrics,
    /// Names of the template's parameters, and which segment each is.
    parameters: Vec<(&'static str, usize)>,
}

/// What was found for a request.
pub(super) struct Found<'a> {
    pub(super) outcome: Result<Arc<Matched>, ApiError>,
    pub(super) metrics: &'a RouteMetrics,
    /// For a path that does not take the method: those that it takes.
    pub(super) allow: Option<&'a str>,
}

impl Router {
    /// # Panics
    /// When two templates of the table exclude each other.
    pub(super) fn new(table: Vec<Route>, metrics: &Metrics) -> Self {
        let mut paths: Vec<(&'static str, Path)> = Vec::new();
        for route in table {
            let (method, path) = (route.method, route.path);
            let matched = Arc::new(Matched {
                handler: route.handler,
                template: path,
                metrics: metrics.route(method.as_str(), path),
                parameters: parameters(path),
            });
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, path)) => {
                    path.allow.push_str(", ");
                    path.allow.push_str(method.as_str());
                    path.methods.push((method, matched));
                }
                None => paths.push((
                    path,
                    Path {
                        allow: method.as_str().to_owned(),
                        methods: vec![(method, matched)],
                        refused: metrics.route("*", path),
                    },
                )),
            }
        }
        share_words(&mut paths);
        let mut tree = matchit::Router::new();
        for (template, path) in paths {
            tree.insert(template, path)
                .expect("the templates of the table fit together");
        }
        Self {
            paths: tree,
            unknown: metrics.route("*", "unknown"),
        }
    }

    /// `path` as it was sent, percent-encoded.
    pub(super) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Ok(found) = self.paths.at(path) else {
            return Found {
                outcome: Err(ApiError::new(
                    ErrorCode::NotFound,
                    "no such path; see /docs",
                )),
                metrics: &self.unknown,
                allow: None,
            };
        };
        let path = found.value;
        match path.methods.iter().find(|(known, _)| known == method) {
            Some((_, matched)) => Found {
                outcome: Ok(matched.clone()),
                metrics: &matched.metrics,
                allow: None,
            },
            None => Found {
                outcome: Err(ApiError::new(
                    ErrorCode::MethodNotAllowed,
                    format!("this path takes {}", path.allow),
                )),
                metrics: &path.refused,
                allow: Some(&path.allow),
            },
        }
    }
}

impl Matched {
    /// The value of a template's parameter in a path that fits it, still encoded.
    pub(super) fn parameter<'p>(&self, name: &str, path: &'p str) -> Option<&'p str> {
        let (_, segment) = self.parameters.iter().find(|(known, _)| *known == name)?;
        path.split('/').nth(*segment)
    }
}

/// A word that a path has in the place of a parameter, such as `export`, may also be
/// a value of it: what may be done with the value then stays possible, unless the
/// word has a meaning for the same method.
fn share_words(paths: &mut [(&'static str, Path)]) {
    for at in 0..paths.len() {
        let general = paths
            .iter()
            .filter(|(template, _)| *template != paths[at].0 && fits(template, paths[at].0));
        let shared: Vec<(Method, Arc<Matched>)> = general
            .flat_map(|(_, path)| path.methods.iter().cloned())
            .collect();
        let path = &mut paths[at].1;
        for (method, matched) in shared {
            let own = path.methods.iter_mut().find(|(known, _)| *known == method);
            if let Some((_, own)) = own {
                // Whoever serves it may find that the value is meant.
                *own = Arc::new(Matched {
                    handler: own.handler.clone(),
                    template: own.template,
                    metrics: own.metrics.clone(),
                    parameters: matched.parameters.clone(),
                });
                continue;
            }
            path.allow.push_str(", ");
            path.allow.push_str(method.as_str());
            path.methods.push((method, matched));
        }
    }
}

/// Whether a template takes what another one is.
fn fits(template: &str, path: &str) -> bool {
    let (a, b) = (template.split('/'), path.split('/'));
    a.clone().count() == b.clone().count()
        && a.zip(b)
            .all(|(a, b)| a == b || a.starts_with('{') && !b.starts_with('{'))
}

fn parameters(template: &'static str) -> Vec<(&'static str, usize)> {
    let segments = template.split('/').enumerate();
    segments
        .filter_map(|(at, segment)| {
            let name = segment.strip_prefix('{')?.strip_suffix('}')?;
            Some((name, at))
        })
        .collect()
}
