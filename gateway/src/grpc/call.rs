//! One call on its way: who makes it and from where, in which instance, until when;
//! and what is counted and noted of it at its end.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use firn_protocol::catalogue::Group;
use firn_protocol::{ApiError, ApiResult, ErrorCode, InstanceId};
use firn_runtime::clock::Stopwatch;
use tonic::metadata::MetadataMap;

use super::clients::ClientKey;
use super::signature::{self, Signed};
use super::socket::Peer;
use super::status::{Failure, Outcome, known_to};
use super::wire::{Code, Resource, Status};
use super::{Edge, Rpc};
use crate::auth::{Action, Identity, unauthenticated};
use crate::denied::{Refused, Who};
use crate::entry;
use crate::ops::receive::Consumer;
use crate::ops::{Scope, Services, Target};

const AUTHORIZATION: &str = "authorization";
const CLIENT_ID: &str = "x-mq-client-id";
const CLIENT_VERSION: &str = "x-mq-client-version";
const DATE_TIME: &str = "x-mq-date-time";
const LANGUAGE: &str = "x-mq-language";
const NAMESPACE: &str = "x-mq-namespace";
const REQUEST_ID: &str = "x-mq-request-id";
const TIMEOUT: &str = "grpc-timeout";

/// Left of a deadline for the answer to travel.
const ANSWER_MS: u64 = 500;

pub(super) struct Call {
    pub(super) edge: Arc<Edge>,
    rpc: Rpc,
    metadata: MetadataMap,
    peer: Option<Peer>,
    request_id: Arc<str>,
    started: Stopwatch,
    /// The instance that it turned out to be about.
    instance: OnceLock<InstanceId>,
}

/// An answer that can say that there is none.
pub(super) trait Answer {
    fn refused(status: Status) -> Self;
    /// What most clients look at.
    fn code(&self) -> i32;
}

impl Call {
    pub(super) fn new<T>(edge: Arc<Edge>, rpc: Rpc, request: &mut tonic::Request<T>) -> Self {
        let peer = request.extensions().get::<Peer>().cloned();
        let metadata = std::mem::take(request.metadata_mut());
        let given = metadata.get(REQUEST_ID).and_then(|it| it.to_str().ok());
        let request_id = edge.state.ids().own_or_new(given);
        Self {
            rpc,
            peer,
            request_id,
            started: Stopwatch::start(),
            instance: OnceLock::new(),
            metadata,
            edge,
        }
    }

    pub(super) fn services(&self) -> &Arc<Services> {
        &self.edge.services
    }

    fn text(&self, name: &str) -> &str {
        let value = self.metadata.get(name);
        value.and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    /// `ip:port` of the caller.
    pub(super) fn peer(&self) -> String {
        self.address()
            .map_or_else(|| "unknown".to_owned(), |peer| peer.to_string())
    }

    fn address(&self) -> Option<SocketAddr> {
        self.peer.as_ref()?.address
    }

    /// Makes the caller's connection one of the instance's.
    ///
    /// # Errors
    /// `QUOTA_EXCEEDED` when the instance has as many as it may.
    pub(super) fn belong_to(&self, scope: &Scope) -> ApiResult<()> {
        let (services, peer) = (self.services(), self.peer.as_ref());
        let (connections, tenants) = (&services.connections, &*services.tenants);
        let taken = peer.map(|peer| {
            peer.connection
                .belong(connections, tenants, &scope.instance)
        });
        let result = taken.unwrap_or(Ok(()));
        if result.is_err() {
            services.connection_refused(&scope.instance);
        }
        result
    }

    /// What the client calls itself; empty if it does not.
    pub(super) fn client_id(&self) -> &str {
        self.text(CLIENT_ID)
    }

    /// The same, else its connection.
    pub(super) fn client_name(&self) -> String {
        match self.client_id() {
            "" => self.peer(),
            id => id.to_owned(),
        }
    }

    pub(super) fn client_key(&self, scope: &Scope) -> ClientKey {
        (scope.instance.id, self.client_name().into())
    }

    /// The language of the client's library.
    pub(super) fn language(&self) -> &str {
        match self.text(LANGUAGE) {
            // The Node library says so.
            "HTTP" => "NODE_JS",
            language => language,
        }
    }

    /// Library and version, as the registry of clients takes them.
    pub(super) fn agent(&self) -> String {
        format!("{}/{}", self.language(), self.text(CLIENT_VERSION))
    }

    /// How long the client waits for the answer, less what that takes to travel.
    pub(super) fn patience_ms(&self) -> Option<u64> {
        let timeout = timeout_ms(self.text(TIMEOUT))?;
        Some(timeout.saturating_sub(ANSWER_MS))
    }

    /// # Errors
    /// `UNAUTHORIZED`, one text for every cause but a date that is too far away, of
    /// which a right signature is told.
    pub(super) fn identity(&self) -> Outcome<Identity> {
        let signed = Signed::parse(self.text(AUTHORIZATION)).ok_or_else(unauthenticated)?;
        let date = self.text(DATE_TIME);
        let is_by = |secret: &[u8]| signed.is_by(secret, date.as_bytes());
        let peer = self.address().map(|peer| peer.ip());
        let auth = self.edge.state.auth();
        let identity = auth.signed(signed.access_key, &is_by, peer)?;
        if !signature::is_recent(date, self.services().now().0) {
            let text = format!("{DATE_TIME}: no date within 14 hours of now");
            return Err(ApiError::new(ErrorCode::Unauthenticated, text).into());
        }
        Ok(identity)
    }

    /// The instance that a call names by its resources, by its metadata, or not at
    /// all.
    ///
    /// # Errors
    /// `BAD_REQUEST` for resources of several; `NOT_FOUND` for one that the caller
    /// cannot see.
    pub(super) fn scope(
        &self,
        identity: &Identity,
        resources: &[Option<&Resource>],
    ) -> Outcome<Scope> {
        let mut name = "";
        for resource in resources.iter().flatten() {
            let namespace = resource.resource_namespace.as_str();
            if !name.is_empty() && !namespace.is_empty() && name != namespace {
                let text = "the call names resources of several namespaces";
                return Err(Failure::new(Code::BadRequest, text));
            }
            if !namespace.is_empty() {
                name = namespace;
            }
        }
        if name.is_empty() {
            name = self.text(NAMESPACE);
        }
        let request_id = self.request_id.clone();
        let services = self.services();
        let scope = match name {
            "" => entry::own_scope(services, identity, request_id),
            name => entry::scope_named(services, identity, identity.tenant(), name, request_id),
        }?;
        // A stream may name one instance after the other; its call counts for the first.
        let _ = self.instance.set(scope.instance.id);
        Ok(scope)
    }

    /// # Errors
    /// `ILLEGAL_TOPIC` when none is named, `TOPIC_NOT_FOUND`.
    pub(super) fn target(&self, scope: &Scope, topic: Option<&Resource>) -> Outcome<Target> {
        let name = named(topic, Code::IllegalTopic, "topic")?;
        Ok(entry::target_named(self.services(), scope, name)?)
    }

    /// # Errors
    /// `ILLEGAL_CONSUMER_GROUP` when none is named, `CONSUMER_GROUP_NOT_FOUND`.
    pub(super) fn group(&self, scope: &Scope, group: Option<&Resource>) -> Outcome<Arc<Group>> {
        let name = named(group, Code::IllegalConsumerGroup, "group")?;
        Ok(entry::group_named(self.services(), scope, name)?)
    }

    /// What a consuming call names, with the right to it.
    ///
    /// # Errors
    /// As [`Self::identity`], [`Self::scope`], [`Self::target`], [`Self::group`];
    /// `FORBIDDEN`.
    pub(super) fn place(
        &self,
        group: Option<&Resource>,
        topic: Option<&Resource>,
    ) -> Outcome<Place> {
        let identity = self.identity()?;
        let scope = self.scope(&identity, &[topic, group])?;
        let topic = self.target(&scope, topic)?;
        let group = self.group(&scope, group)?;
        identity.require(Action::Consume {
            topic: &topic.name(),
            group: &group.name,
        })?;
        Consumer::require_subscription(&group, &topic)?;
        Ok(Place {
            scope,
            topic,
            group,
        })
    }

    /// Turns the outcome into the answer, and keeps the books about it.
    pub(super) fn finish<A: Answer>(&self, outcome: Outcome<A>) -> A {
        let services = self.services();
        if let Some(instance) = self.instance.get() {
            services.calls.count(*instance, services.now());
        }
        let metrics = self.edge.metrics(self.rpc);
        match outcome {
            Ok(answer) => {
                let status = u16::try_from(answer.code() / 100).unwrap_or(500);
                metrics.answered(status, self.started);
                answer
            }
            Err(failure) => {
                metrics.answered(failure.http_status(), self.started);
                self.note(&failure);
                let code = known_to(self.language(), failure.code);
                A::refused(failure.under(code).status())
            }
        }
    }

    /// Tells the log of faults, and the audit log of refusals.
    pub(super) fn note(&self, failure: &Failure) {
        let Some(cause) = failure.cause else { return };
        if matches!(cause, ErrorCode::Internal | ErrorCode::DataDamaged) {
            let text = failure.text.as_str();
            tracing::error!(request_id = &*self.request_id, code = %cause, text, "call failed");
        }
        use ErrorCode::{Forbidden, InstanceNotFound, Unauthenticated};
        if !matches!(cause, Unauthenticated | Forbidden | InstanceNotFound) {
            return;
        }
        let claimed = Signed::parse(self.text(AUTHORIZATION));
        let auth = self.edge.state.auth();
        let who: Option<Who> = claimed.and_then(|it| auth.named_user(it.access_key));
        let Some(who) = who else { return };
        let refused = Refused {
            method: "POST",
            path: self.rpc.path(),
            template: self.rpc.path(),
            code: cause.as_str(),
            request_id: &self.request_id,
        };
        let services = self.services();
        services.denied.add(who, &refused, services.now());
    }
}

/// What a consuming call names.
pub(super) struct Place {
    pub(super) scope: Scope,
    pub(super) topic: Target,
    pub(super) group: Arc<Group>,
}

fn named<'a>(resource: Option<&'a Resource>, code: Code, what: &str) -> Outcome<&'a str> {
    match resource.map(|resource| resource.name.as_str()) {
        None | Some("") => Err(Failure::new(code, format!("{what}: none is named"))),
        Some(name) => Ok(name),
    }
}

/// Reads a deadline as gRPC writes it: up to eight digits and a unit.
fn timeout_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number / 1000,
        "n" => number / 1_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::timeout_ms;

    #[test]
    fn deadlines_are_read_in_every_unit() {
        let rows = [
            ("3S", Some(3000)),
            ("31536000S", Some(31_536_000_000)),
            ("5000m", Some(5000)),
            ("1500000u", Some(1500)),
            ("99999999n", Some(99)),
            ("2M", Some(120_000)),
            ("1H", Some(3_600_000)),
            ("", None),
            ("S", None),
            ("5", None),
            ("5s", None),
            ("123456789S", None),
            ("-1S", None),
            ("5é", None),
        ];
        for (text, ms) in rows {
            assert_eq!(timeout_ms(text), ms, "{text:?}");
        }
    }
}
