//! One request on its way through a handler: its body, its caller, and what
//! its path names. The order in which a handler asks for these is the order
//! of checks of RULES 29.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest};
use firn_protocol::catalogue::{Group, Topic};
use firn_protocol::{ApiError, ApiResult, Caller, ErrorCode, InstanceId, TenantId, Timestamp};

use super::body::Unread;
use super::query::{Query, percent_decoded};
use super::router::Matched;
use super::{State, body};
use crate::auth::Identity;
use crate::connections::Connection;
use crate::entry;
pub(crate) use crate::entry::{excerpt, group_named, topic_not_found};
use crate::mq_http;
use crate::ops::{Scope, Services, Target};

/// The instance that a request turned out to be about; kept with the request.
pub(super) struct CallOf(pub(super) InstanceId);

pub(crate) struct Call {
    state: State,
    req: HttpRequest,
    unread: Unread,
    request_id: Arc<str>,
    route: Arc<Matched>,
    /// Instead of the path that was sent, if the route is found by another.
    tolerated: Option<Arc<str>>,
}

impl Call {
    /// # Errors
    /// `BAD_REQUEST` when the path is not properly encoded.
    pub(super) fn new(
        state: State,
        req: HttpRequest,
        unread: Unread,
        request_id: Arc<str>,
        (route, tolerated): (Arc<Matched>, Option<Arc<str>>),
    ) -> ApiResult<Self> {
        let path = req.uri().path();
        // Clients of Aliyun's MQ write names as they are.
        if path.contains('%') && !mq_http::is_own(path) {
            percent_decoded(path, "path")?;
        }
        Ok(Self {
            state,
            req,
            unread,
            request_id,
            route,
            tolerated,
        })
    }

    /// As it was sent, or the form that a tolerated one is brought to.
    pub(crate) fn path(&self) -> &str {
        let sent = self.req.uri().path();
        self.tolerated.as_deref().unwrap_or(sent)
    }

    /// As it was sent.
    pub(crate) fn raw_query(&self) -> &str {
        self.req.uri().query().unwrap_or_default()
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.state.0.services
    }

    pub(crate) fn auth(&self) -> &crate::auth::Authenticator {
        &self.state.0.auth
    }

    /// The whole body.
    ///
    /// # Errors
    /// See [`body::read`].
    pub(crate) async fn body(&mut self) -> ApiResult<Bytes> {
        let Some(mut payload) = self.unread.take() else {
            return Ok(Bytes::new());
        };
        let clock = &self.state.0.services.clock;
        let timeout = self.state.0.body_timeout;
        let read = body::read(&self.req, &mut payload, clock, timeout).await;
        if read.is_err() {
            self.unread.put_back(payload);
        }
        read
    }

    /// The whole body of a call that takes nothing but JSON.
    ///
    /// # Errors
    /// As [`Self::body`]; `UNSUPPORTED_MEDIA_TYPE` for another content type.
    pub(crate) async fn json_body(&mut self) -> ApiResult<Bytes> {
        let body = self.body().await?;
        if body.is_empty() || self.is_json() || !self.has_content_type() {
            return Ok(body);
        }
        Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "content-type: this call takes application/json",
        ))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.req.headers().get(name).map(|value| value.as_bytes())
    }

    pub(crate) fn method(&self) -> &str {
        self.req.method().as_str()
    }

    /// Path and query as they were sent.
    pub(crate) fn target_sent(&self) -> &str {
        let sent = self.req.uri().path_and_query();
        sent.map_or("/", |sent| sent.as_str())
    }

    pub(crate) fn headers(&self) -> &header::HeaderMap {
        self.req.headers()
    }

    fn has_content_type(&self) -> bool {
        self.req.headers().contains_key(header::CONTENT_TYPE)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.content_type() == "application/json"
    }

    /// Without its parameters, in lower case; empty if there is none.
    pub(super) fn content_type(&self) -> String {
        let value = self.req.headers().get(header::CONTENT_TYPE);
        let text = value.and_then(|value| value.to_str().ok());
        let name = text.and_then(|text| text.split(';').next());
        name.unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// What a refusal is told by.
    pub(super) fn parts(&self) -> (&State, &HttpRequest, &Matched, &str) {
        (&self.state, &self.req, &self.route, &self.request_id)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.services().clock.now_ms())
    }

    /// `ip:port` of the caller.
    pub(crate) fn peer(&self) -> String {
        self.req
            .peer_addr()
            .map_or_else(|| "unknown".to_owned(), |peer| peer.to_string())
    }

    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        self.req.peer_addr().map(|peer| peer.ip())
    }

    /// Makes the caller's connection one of the instance's; a request without one has
    /// its own for as long as it lasts.
    ///
    /// # Errors
    /// `QUOTA_EXCEEDED` when the instance has as many as it may.
    pub(crate) fn belong_to(&self, scope: &Scope) -> ApiResult<()> {
        let services = self.services();
        let belong = |connection: &Connection| {
            connection.belong(&services.connections, &*services.tenants, &scope.instance)
        };
        let result = match self.req.conn_data::<Connection>() {
            Some(connection) => belong(connection),
            None => {
                let own = Connection::default();
                let result = belong(&own);
                self.req.extensions_mut().insert(own);
                result
            }
        };
        if result.is_err() {
            services.connection_refused(&scope.instance);
        }
        result
    }

    /// # Errors
    /// `UNAUTHENTICATED`.
    pub(crate) fn identity(&self) -> ApiResult<Identity> {
        self.auth()
            .identify(self.header("authorization"), self.peer_ip())
    }

    pub(crate) fn caller(&self, identity: &Identity) -> Caller {
        Caller {
            name: identity.name().into(),
            request_id: self.request_id.clone(),
        }
    }

    /// # Errors
    /// `BAD_REQUEST`; asked for after the right to call.
    pub(crate) fn query(&self) -> ApiResult<Query> {
        Query::read(self.raw_query())
    }

    /// A segment of the path as it was sent.
    pub(crate) fn raw_segment(&self, name: &str) -> &str {
        self.route.parameter(name, self.path()).unwrap_or_default()
    }

    /// A segment of the path.
    ///
    /// # Errors
    /// `BAD_REQUEST` when it is not properly encoded.
    pub(crate) fn segment(&self, name: &str) -> ApiResult<Cow<'_, str>> {
        let raw = self.raw_segment(name);
        if raw.contains('%') {
            percent_decoded(raw, "path")
        } else {
            Ok(Cow::Borrowed(raw))
        }
    }

    /// The instance that the path names, if this caller can see it.
    ///
    /// # Errors
    /// `INSTANCE_NOT_FOUND`, the same for what is not there and what is
    /// somebody else's; `CONFLICT` for the operator's ambiguous name.
    pub(crate) fn scope(&self, identity: &Identity) -> ApiResult<Scope> {
        let name = self.segment("instance")?;
        self.scope_named(identity, identity.tenant(), &name)
    }

    /// The instance of a name in a tenant, if this caller can see it.
    ///
    /// # Errors
    /// As [`Self::scope`].
    pub(crate) fn scope_named(
        &self,
        identity: &Identity,
        tenant: Option<TenantId>,
        name: &str,
    ) -> ApiResult<Scope> {
        let request_id = self.request_id.clone();
        let scope = entry::scope_named(self.services(), identity, tenant, name, request_id)?;
        let instance = scope.instance.id;
        self.req.extensions_mut().insert(CallOf(instance));
        Ok(scope)
    }

    /// Keeps an action on stored messages in the audit log.
    ///
    /// # Errors
    /// As `TenantApi::note`.
    pub(crate) async fn note(
        &self,
        scope: &Scope,
        identity: &Identity,
        action: &'static str,
        object: &str,
        mut detail: serde_json::Value,
    ) -> ApiResult<()> {
        detail["by"] = identity.name().into();
        detail["requestId"] = (&*scope.ctx.request_id).into();
        let object = format!("{}/{object}", scope.instance.name);
        let tenants = &self.services().tenants;
        let (tenant, detail) = (scope.ctx.tenant, detail.to_string());
        tenants.note(tenant, action, object, detail).await
    }

    /// # Errors
    /// `TOPIC_NOT_FOUND`.
    pub(crate) fn target(&self, scope: &Scope) -> ApiResult<Target> {
        let name = self.segment("topic")?;
        entry::target_named(self.services(), scope, &name)
    }

    /// A topic of the catalogue, as administration takes it.
    ///
    /// # Errors
    /// `TOPIC_NOT_FOUND`.
    pub(crate) fn topic(&self, scope: &Scope) -> ApiResult<Arc<Topic>> {
        let name = self.segment("topic")?;
        let found = self.services().tenants.topic(scope.instance.id, &name);
        found.ok_or_else(|| topic_not_found(&name))
    }

    /// # Errors
    /// `GROUP_NOT_FOUND`.
    pub(crate) fn group(&self, scope: &Scope) -> ApiResult<Arc<Group>> {
        let name = self.segment("group")?;
        group_named(self.services(), scope, &name)
    }
}
