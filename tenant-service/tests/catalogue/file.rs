//! What holds of a catalogue in a SQLite file alone.

use std::os::unix::fs::PermissionsExt as _;

use firn_protocol::Timestamp;
use firn_protocol::api::tenant::{AuditFilter, Denied, TenantApi as _, UserFields};
use firn_protocol::limits::AUDIT_COUNTED_MAX;
use firn_tenant_service::{OpenError, TenantService};

use crate::place::{ACME, Place, caller};

#[tokio::test]
async fn secrets_are_unreadable_in_the_files() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let given = UserFields {
        secret_key: Some("a-secret-that-was-given".to_owned()),
        ..UserFields::default()
    };
    service
        .create_user(&by, demo.id, "given", given)
        .await
        .unwrap();
    let made = service
        .create_user(&by, demo.id, "made", UserFields::default())
        .await
        .unwrap();
    let rotated = service.rotate_user(&by, demo.id, "made", 0).await.unwrap();
    let master = std::fs::read_to_string(place.path("master.key")).unwrap();
    let secrets = [
        "a-secret-that-was-given",
        made.secret_key.as_str(),
        rotated.secret_key.as_str(),
        "operator-password",
        master.trim(),
    ];
    for closed in [false, true] {
        if closed {
            service.close().await;
        }
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(place.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path != place.path("master.key") {
                let mode = std::fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{path:?}");
                bytes.extend(std::fs::read(path).unwrap());
            }
        }
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(holds("given"), "the search works");
        for secret in secrets {
            assert!(!holds(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn a_catalogue_has_one_service_at_a_time() {
    let place = Place::new();
    let service = place.with_tenants().await;
    let error = place.try_open().await.err().unwrap().to_string();
    assert!(error.contains("locked"), "{error}");
    let tenant = service
        .rename_tenant(&caller(), ACME, "acme2".to_owned())
        .await;
    assert_eq!(tenant.unwrap().name, "acme2", "the first goes on");
    service.close().await;
    assert_eq!(place.open().await.tenant(ACME).unwrap().name, "acme2");
}

#[tokio::test]
async fn bad_settings_are_refused_in_one_line() {
    let place = Place::new();
    for (url, part) in [
        ("mysql://localhost", "unknown scheme"),
        ("catalogue.db", "sqlite://"),
    ] {
        let mut config = place.config();
        config.catalogue = url.to_owned();
        let error = TenantService::open(config, place.clock.clone())
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    std::fs::write(
        place.path("catalogue.db"),
        "this is not a database at all, not at all",
    )
    .unwrap();
    assert!(matches!(place.try_open().await, Err(OpenError::Store(_))));
}

#[tokio::test]
async fn so_many_rows_of_the_audit_log_are_counted_and_no_more() {
    let place = Place::new();
    let service = place.open().await;
    let row = Denied {
        tenant: Some(ACME),
        caller: "user:u".to_owned(),
        object: "GET /v1/plans".to_owned(),
        route: "GET /v1/plans".to_owned(),
        code: "FORBIDDEN",
        count: 1,
        first: Timestamp(1),
        last: Timestamp(1),
        request_id: String::new(),
    };
    let filter = AuditFilter {
        tenant: Some(ACME),
        ..AuditFilter::default()
    };
    let most = AUDIT_COUNTED_MAX as usize;
    service.note_denied(&vec![row.clone(); most]).await.unwrap();
    let counted = service.count_audit(&filter).await.unwrap();
    assert_eq!(counted, AUDIT_COUNTED_MAX);
    service.note_denied(&vec![row; 3]).await.unwrap();
    let counted = service.count_audit(&filter).await.unwrap();
    assert_eq!(counted, AUDIT_COUNTED_MAX + 1);
}
