//! A new master key.

use firn_protocol::api::tenant::{TenantApi as _, UserFields};
use firn_tenant_service::{KeyRotation, OpenError, TenantService};

use crate::place::{Place, caller};

async fn rotate(place: &Place, file: &str) -> Result<Option<usize>, OpenError> {
    let (config, new) = (place.config(), place.path(file));
    let done = TenantService::rotate_master_key(&config, &new, &place.clock).await;
    done.map(|KeyRotation { users }| users)
}

/// A closed catalogue with a user that has two secrets, the second of them returned.
async fn filled(place: &Place) -> String {
    let (service, demo) = place.with_instance().await;
    let (by, fields) = (
        caller(),
        UserFields {
            secret_key: Some("first".to_owned()),
            ..UserFields::default()
        },
    );
    service
        .create_user(&by, demo.id, "u", fields)
        .await
        .unwrap();
    let rotated = service.rotate_user(&by, demo.id, "u", 3600).await.unwrap();
    service.close().await;
    rotated.secret_key
}

async fn knows(service: &TenantService, secret: &str) {
    assert!(service.authenticate("u", "first").is_some());
    assert!(service.authenticate("u", secret).is_some());
    let operator = service.login(None, "operator", "operator-password").await;
    operator.unwrap();
}

#[tokio::test]
async fn all_is_as_before_but_for_the_key() {
    let place = Place::new();
    let secret = filled(&place).await;
    let old = std::fs::read(place.path("master.key")).unwrap();
    let service = place.open().await;
    let keys = |service: &TenantService| ["receipt", "token"].map(|it| service.derived_key(it));
    let (before, id) = (keys(&service), service.catalogue_id());
    service.close().await;
    drop(service);
    assert_eq!(rotate(&place, "new.key").await.unwrap(), Some(1));
    let new = std::fs::read(place.path("new.key")).unwrap();
    assert_ne!(new, old);
    assert_eq!(std::fs::read(place.path("master.key")).unwrap(), new);
    assert!(!place.path("master.key.old").exists());
    let service = place.open().await;
    knows(&service, &secret).await;
    assert_eq!(service.catalogue_id(), id);
    let after = keys(&service);
    assert_eq!(after[0], before[0], "handles that are out go on");
    assert_ne!(after[1], before[1], "tokens of before do not");
    let rows = service.audit(None, None, 1).await.unwrap();
    assert_eq!(rows[0].action, "masterKey.rotate");
    service.close().await;
    drop(service);
    // The old key opens nothing any more, and another rotation does the same again.
    std::fs::write(place.path("master.key"), &old).unwrap();
    assert!(matches!(
        place.try_open().await,
        Err(OpenError::WrongKey { .. })
    ));
    std::fs::write(place.path("master.key"), &new).unwrap();
    assert_eq!(rotate(&place, "newer.key").await.unwrap(), Some(1));
    let service = place.open().await;
    knows(&service, &secret).await;
    assert_eq!(service.derived_key("receipt"), before[0]);
}

#[tokio::test]
async fn what_was_interrupted_is_ended_by_the_next_attempt() {
    let place = Place::new();
    let secret = filled(&place).await;
    let old = std::fs::read(place.path("master.key")).unwrap();
    let key = |name: &str| place.path(name);
    // Before the transaction: the new key and the copy of the old one are there.
    assert_eq!(rotate(&place, "new.key").await.unwrap(), Some(1));
    // After it: the old key file is still in its place.
    std::fs::write(key("master.key"), &old).unwrap();
    std::fs::copy(key("master.key"), key("master.key.old")).unwrap();
    assert!(matches!(
        place.try_open().await,
        Err(OpenError::WrongKey { .. })
    ));
    assert_eq!(rotate(&place, "new.key").await.unwrap(), None);
    assert!(!key("master.key.old").exists());
    // Or gone, by whatever hand.
    std::fs::remove_file(key("master.key")).unwrap();
    assert_eq!(rotate(&place, "new.key").await.unwrap(), None);
    knows(&*place.open().await, &secret).await;
}

#[tokio::test]
async fn an_attempt_that_cannot_be_leaves_all_as_it_is() {
    let place = Place::new();
    let missing = rotate(&place, "new.key").await;
    assert!(matches!(missing, Err(OpenError::NoCatalogue { .. })));
    assert!(!place.path("new.key").exists(), "no key for nothing");
    let secret = filled(&place).await;
    let same = rotate(&place, "master.key").await;
    assert!(matches!(same, Err(OpenError::KeyFileForm { .. })));
    let old = std::fs::read(place.path("master.key")).unwrap();
    std::fs::write(place.path("master.key"), "0".repeat(64)).unwrap();
    let wrong = rotate(&place, "new.key").await;
    assert!(matches!(wrong, Err(OpenError::WrongKey { .. })));
    std::fs::write(place.path("master.key"), &old).unwrap();
    // A catalogue that is open: refused, or followed by nothing that is not readable.
    let service = place.open().await;
    if crate::database::is_shared() {
        rotate(&place, "new.key").await.unwrap();
        let nine = firn_protocol::catalogue::Tenant {
            id: firn_protocol::TenantId(9),
            name: "nine".to_owned(),
        };
        let refused = service.create_tenant(&caller(), nine).await.unwrap_err();
        assert_eq!(refused.code, firn_protocol::ErrorCode::CatalogueUnavailable);
    } else {
        let busy = rotate(&place, "new.key").await.unwrap_err();
        assert!(busy.to_string().contains("locked"), "{busy}");
        assert_eq!(std::fs::read(place.path("master.key")).unwrap(), old);
    }
    knows(&service, &secret).await;
    service.close().await;
    drop(service);
    knows(&*place.open().await, &secret).await;
}
