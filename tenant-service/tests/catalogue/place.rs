//! A folder and a database for a catalogue, and short words for what tests do with it.

use std::path::PathBuf;
use std::sync::Arc;

use firn_protocol::api::tenant::{NewInstance, TenantApi as _};
use firn_protocol::catalogue::{Durability, Instance, Tenant};
use firn_protocol::{ApiResult, Caller, ErrorCode, TenantId};
use firn_runtime::Clock;
use firn_tenant_service::{OpenError, Secret, TenantConfig, TenantService};
use tempfile::TempDir;

pub(crate) const START_MS: u64 = 1_700_000_000_000;
pub(crate) const ACME: TenantId = TenantId(2);
pub(crate) const GLOBEX: TenantId = TenantId(67);

pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) clock: Clock,
    catalogue: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            catalogue: crate::database::url(folder.path()),
            folder,
            clock: Clock::manual(START_MS),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> TenantConfig {
        TenantConfig {
            catalogue: self.catalogue.clone(),
            master_key_file: self.path("master.key"),
            operator_password: Some(Secret::new("operator-password")),
            durability: Durability::Local,
        }
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<TenantService>, OpenError> {
        TenantService::open(self.config(), self.clock.clone()).await
    }

    pub(crate) async fn open(&self) -> Arc<TenantService> {
        self.try_open().await.unwrap()
    }

    /// A service with two tenants.
    pub(crate) async fn with_tenants(&self) -> Arc<TenantService> {
        let service = self.open().await;
        for (id, name) in [(ACME, "acme"), (GLOBEX, "globex")] {
            let name = name.to_owned();
            service
                .create_tenant(&caller(), Tenant { id, name })
                .await
                .unwrap();
        }
        service
    }

    /// A service with the instance `demo` of `acme`.
    pub(crate) async fn with_instance(&self) -> (Arc<TenantService>, Arc<Instance>) {
        let service = self.with_tenants().await;
        let instance = service.create_instance(&caller(), new(ACME, "demo")).await;
        (service, instance.unwrap())
    }
}

pub(crate) fn caller() -> Caller {
    Caller {
        name: "operator".into(),
        request_id: "request-1".into(),
    }
}

pub(crate) fn new(tenant: TenantId, name: &str) -> NewInstance {
    NewInstance {
        tenant,
        name: name.to_owned(),
        ..NewInstance::default()
    }
}

pub(crate) fn strings<const N: usize>(list: [&str; N]) -> Vec<String> {
    list.map(str::to_owned).to_vec()
}

#[track_caller]
pub(crate) fn refused<T>(answer: ApiResult<T>, code: ErrorCode, part: &str) {
    let error = answer.err().expect("should be refused");
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(part), "{error}");
}
