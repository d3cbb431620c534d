//! Who asks, and on whose data. No tenant, no access.

use std::sync::Arc;

use crate::catalogue::Durability;
use crate::ids::{InstanceId, TenantId};

/// The identity that a request acts under and the instance that it touches.
/// Everything that reads or writes tenant data takes one.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub tenant: TenantId,
    pub instance: InstanceId,
    /// Of the instance: by which class a change is answered.
    pub durability: Durability,
    /// Echoed in `Firn-Request-Id` and in every log line of the request.
    pub request_id: Arc<str>,
}

/// Who made an administrative change; ends up in the audit log.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `operator`, `user:<accessKey>`, `console:<tenant>/<name>` or `bootstrap`.
    pub name: Arc<str>,
    pub request_id: Arc<str>,
}
