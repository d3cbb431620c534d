//! What was refused, for the audit log: counted by caller, route and reason, and
//! written about once a minute, a bounded number of rows, so that a flood cannot fill
//! the catalogue. A row belongs to the caller's tenant, whatever was asked for, and
//! says nothing about whether that exists.

use std::collections::HashMap;

use firn_protocol::api::tenant::{Denied, TenantApi};
use firn_protocol::{TenantId, Timestamp};
use parking_lot::Mutex;

use crate::auth::Identity;

/// How long is counted before it is written.
const PERIOD_MS: u64 = 60_000;
/// Rows of a tenant in one period; further callers and routes share one.
const ROWS_TENANT_MAX: usize = 8;
/// Rows of all tenants; further refusals are counted for the operator in one row.
const ROWS_MAX: usize = 64;
/// What is kept of a path.
const OBJECT_BYTES_MAX: usize = 256;
const OTHERS: &str = "(others)";

/// Who was refused, as the audit log names callers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) name: String,
}

impl Who {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self {
            tenant: identity.tenant(),
            name: identity.name(),
        }
    }
}

/// A call that was refused.
pub(crate) struct Refused<'a> {
    pub(crate) method: &'a str,
    /// As it was sent.
    pub(crate) path: &'a str,
    pub(crate) template: &'static str,
    pub(crate) code: &'static str,
    pub(crate) request_id: &'a str,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    who: Who,
    route: String,
    code: &'static str,
}

#[derive(Default)]
struct Period {
    since_ms: u64,
    rows: HashMap<Key, Denied>,
}

#[derive(Default)]
pub(crate) struct DeniedLog(Mutex<Period>);

impl DeniedLog {
    pub(crate) fn add(&self, who: Who, refused: &Refused<'_>, now: Timestamp) {
        let mut period = self.0.lock();
        if period.rows.is_empty() {
            period.since_ms = now.0;
        }
        let route = format!("{} {}", refused.method, refused.template);
        let key = period.room_for(Key {
            who,
            route,
            code: refused.code,
        });
        let row = period.rows.entry(key.clone()).or_insert_with(|| {
            let path: String = match key.route.as_str() {
                OTHERS => OTHERS.to_owned(),
                _ => format!("{} {}", refused.method, refused.path),
            };
            Denied {
                tenant: key.who.tenant,
                caller: key.who.name,
                object: path[..path.floor_char_boundary(OBJECT_BYTES_MAX)].to_owned(),
                route: key.route,
                code: key.code,
                count: 0,
                first: now,
                last: now,
                request_id: refused.request_id.to_owned(),
            }
        });
        row.count += 1;
        row.last = now;
    }

    /// Writes what has been counted if its time has come, or `at_once`.
    pub(crate) async fn flush(&self, tenants: &dyn TenantApi, now: Timestamp, at_once: bool) {
        let taken = {
            let mut period = self.0.lock();
            let is_due = at_once || now.0 >= period.since_ms + PERIOD_MS;
            if !is_due || period.rows.is_empty() {
                return;
            }
            std::mem::take(&mut *period)
        };
        let mut rows: Vec<Denied> = taken.rows.into_values().collect();
        rows.sort_by(|a, b| (a.first, &a.caller, &a.route).cmp(&(b.first, &b.caller, &b.route)));
        if let Err(error) = tenants.note_denied(&rows).await {
            // The catalogue is away. Kept in memory they would have to be bounded again.
            let lost: u64 = rows.iter().map(|row| row.count).sum();
            tracing::warn!(%error, lost, "refused calls are missing from the audit log");
        }
    }
}

impl Period {
    /// The key itself, or one that stands for those that there is no room for.
    fn room_for(&self, key: Key) -> Key {
        if self.rows.contains_key(&key) {
            return key;
        }
        let of_tenant = self
            .rows
            .keys()
            .filter(|it| it.who.tenant == key.who.tenant);
        let tenant = match self.rows.len() < ROWS_MAX {
            true if of_tenant.count() < ROWS_TENANT_MAX => return key,
            true => key.who.tenant,
            false => None,
        };
        Key {
            who: Who {
                tenant,
                name: OTHERS.to_owned(),
            },
            route: OTHERS.to_owned(),
            code: OTHERS,
        }
    }
}
