use std::time::Duration;

use firn_protocol::api::tenant::{TenantApi as _, TopicFields};
use firn_protocol::catalogue::Tenant;
use firn_protocol::{ErrorCode, TenantId};

use super::*;
use crate::catalogue::topics;

async fn open(folder: &tempfile::TempDir) -> Arc<TenantService> {
    let config = TenantConfig {
        catalogue: format!("sqlite://{}", folder.path().join("catalogue.db").display()),
        master_key_file: folder.path().join("master.key"),
        operator_password: None,
        durability: Durability::Local,
    };
    TenantService::open(config, Clock::manual(1000))
        .await
        .unwrap()
}

fn caller() -> Caller {
    Caller {
        name: "operator".into(),
        request_id: "r".into(),
    }
}

const FILE: &str = "[[tenant]]\nid = 2\nname = \"acme\"\n[[tenant.instance]]\nname = \"demo\"\n";

#[tokio::test]
async fn a_failing_database_stops_changes_and_not_reads() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    service.apply_bootstrap(FILE).await.unwrap();
    let demo = service.find_instance(None, "demo").unwrap();
    assert!(service.health().is_ok());
    service.shared.store.set_read_only(true).await;
    for _ in 0..2 {
        let refused = service
            .create_topic(&caller(), demo.id, "t", TopicFields::default())
            .await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::CatalogueUnavailable);
    }
    let health = service.health().unwrap_err();
    assert_eq!(health.code, ErrorCode::CatalogueUnavailable);
    assert!(service.topic(demo.id, "t").is_none());
    assert_eq!(service.find_instance(None, "demo").unwrap(), demo);
    assert!(
        service.apply_bootstrap(FILE).await.is_err(),
        "may not claim success"
    );
    service.tick().await;
    assert!(service.health().is_err());

    service.shared.store.set_read_only(false).await;
    service.tick().await;
    assert!(
        service.health().is_ok(),
        "resumes without being asked for a change"
    );
    let topic = service
        .create_topic(&caller(), demo.id, "t", TopicFields::default())
        .await;
    assert_eq!(service.topic(demo.id, "t"), Some(topic.unwrap()));
    assert_eq!(service.shared.metrics.failures.get(), 1);
}

#[tokio::test]
async fn after_a_failure_memory_is_read_from_the_database_anew() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    service.apply_bootstrap(FILE).await.unwrap();
    let demo = service.find_instance(None, "demo").unwrap();
    // A write whose outcome was reported as a failure although it took place.
    {
        let mut writer = service.shared.writer.clone().lock_owned().await;
        let batch = {
            let memory = service.shared.memory.read();
            let mut draft = Draft::new(&memory, writer.numbers, Timestamp(5));
            topics::create(&mut draft, demo.id, "hidden", TopicFields::default()).unwrap();
            Batch {
                at: Timestamp(5),
                changes: draft.changes,
                numbers: draft.numbers,
                audit: Vec::new(),
                terms: Vec::new(),
                version: Some(writer.version + 1),
            }
        };
        let (session, _) = service.shared.store.begin().await.unwrap();
        let written = session.write(&batch, &service.shared.keys);
        written.await.unwrap();
        writer.stale = true;
    }
    assert!(service.topic(demo.id, "hidden").is_none());
    let made = service
        .create_topic(&caller(), demo.id, "t", TopicFields::default())
        .await;
    let hidden = service.topic(demo.id, "hidden").unwrap();
    assert!(made.unwrap().id > hidden.id, "its number is taken");
}

#[tokio::test]
async fn a_change_goes_on_when_its_caller_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    let tenant = Tenant {
        id: TenantId(2),
        name: "acme".to_owned(),
    };
    let by = caller();
    let mut change = service.create_tenant(&by, tenant);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(
        change.as_mut().poll(&mut context).is_pending(),
        "handed to the writing task"
    );
    drop(change);
    // The next change waits its turn behind it.
    service.revoke_token("t", Timestamp(2000)).await.unwrap();
    assert!(service.tenant(TenantId(2)).is_some());
    service.close().await;
    assert!(open(&folder).await.tenant(TenantId(2)).is_some());
}

#[tokio::test]
async fn a_closed_service_refuses_changes() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    service.close().await;
    let refused = service.revoke_token("t", Timestamp(2000)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::CatalogueUnavailable);
    assert!(!service.is_token_revoked("t"));
}

#[tokio::test]
async fn old_audit_rows_go_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    service.apply_bootstrap(FILE).await.unwrap();
    assert_eq!(service.audit(None, None, 10).await.unwrap().len(), 2);
    let config = TenantConfig {
        catalogue: format!("sqlite://{}", folder.path().join("catalogue.db").display()),
        master_key_file: folder.path().join("master.key"),
        operator_password: None,
        durability: Durability::Local,
    };
    for (after, rows) in [(AUDIT_KEPT, 2), (AUDIT_KEPT + Duration::from_millis(1), 0)] {
        service.close().await;
        let clock = Clock::manual(1000 + after.as_millis() as u64);
        let service = TenantService::open(config.clone(), clock).await.unwrap();
        assert_eq!(service.audit(None, None, 10).await.unwrap().len(), rows);
        service.close().await;
    }
}

#[tokio::test]
async fn metrics_count_changes_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    let registry = prometheus::Registry::new();
    service.register_metrics(&registry).unwrap();
    service.apply_bootstrap(FILE).await.unwrap();
    let text = firn_runtime::telemetry::metrics_text(&registry);
    for line in [
        "firn_tenant_changes_total{kind=\"tenant\"} 1",
        "firn_tenant_catalogue_rows{table=\"instance\"} 1",
        "firn_tenant_write_failures_total 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn the_background_task_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(&folder).await;
    let mut tasks = Tasks::new();
    service.start(&mut tasks);
    tasks.join(Duration::from_secs(10)).await;
}
