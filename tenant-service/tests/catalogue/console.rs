//! People: the operator and tenants' console users, their passwords and tokens.

use std::time::Duration;

use firn_protocol::api::tenant::{PersonChange, TenantApi as _};
use firn_protocol::catalogue::{ConsoleRole, ConsoleUser};
use firn_protocol::{ErrorCode, TenantId, Timestamp};
use firn_tenant_service::{OpenError, Secret, TenantService};

use crate::place::{ACME, GLOBEX, Place, START_MS, caller, refused};

#[tokio::test]
async fn the_operators_password_is_made_once_or_given() {
    let place = Place::new();
    let open = async |password: Option<&str>| {
        let mut config = place.config();
        config.operator_password = password.map(Secret::new);
        TenantService::open(config, place.clock.clone()).await
    };
    let service = open(None).await.unwrap();
    let made = service.take_generated_password().unwrap();
    assert_eq!(made.expose().len(), 24);
    assert_eq!(format!("{made:?}"), "***");
    assert!(service.take_generated_password().is_none(), "shown once");
    let operator = ConsoleUser {
        tenant: None,
        username: "operator".to_owned(),
        role: ConsoleRole::Operator,
        password_mark: 0,
    };
    let found = service.login(None, "operator", made.expose()).await;
    let found = found.unwrap();
    let unmarked = ConsoleUser {
        password_mark: 0,
        ..found.clone()
    };
    assert_eq!(unmarked, operator);
    service.close().await;

    let service = open(None).await.unwrap();
    assert!(service.take_generated_password().is_none());
    service
        .login(None, "operator", made.expose())
        .await
        .unwrap();
    service.close().await;

    let service = open(Some("given")).await.unwrap();
    let given = service.login(None, "operator", "given").await.unwrap();
    assert_ne!(given.password_mark, found.password_mark);
    let old = service.login(None, "operator", made.expose()).await;
    refused(old, ErrorCode::Unauthenticated, "");
    service.close().await;
    let empty = open(Some("")).await;
    assert!(matches!(empty, Err(OpenError::Password { .. })));
}

#[tokio::test]
async fn people_belong_to_their_tenant() {
    let place = Place::new();
    let service = place.with_tenants().await;
    let by = caller();
    let create = async |tenant, name: &str, password: &str, role| {
        service
            .create_console_user(&by, tenant, name, password, role)
            .await
    };
    let admin = create(ACME, "ann", "ann-password", ConsoleRole::Admin)
        .await
        .unwrap();
    create(ACME, "bob", "bob-password", ConsoleRole::Viewer)
        .await
        .unwrap();
    create(GLOBEX, "ann", "other-password", ConsoleRole::Viewer)
        .await
        .unwrap();
    assert_eq!(service.console_users(ACME).len(), 2);
    assert_eq!(service.console_users(GLOBEX).len(), 1);
    assert_eq!(service.console_user(Some(ACME), "ann"), Some(admin.clone()));
    assert_eq!(service.console_user(None, "ann"), None);

    let login =
        async |tenant, name: &str, password: &str| service.login(tenant, name, password).await;
    assert_eq!(
        login(Some(ACME), "ann", "ann-password").await.unwrap(),
        admin
    );
    let long = "x".repeat(300);
    let mut texts = Vec::new();
    for (tenant, name, password) in [
        (Some(ACME), "ann", "other-password"),
        (Some(GLOBEX), "ann", "ann-password"),
        (None, "ann", "ann-password"),
        (Some(TenantId(9)), "ann", "ann-password"),
        (Some(ACME), "nobody", "ann-password"),
        (Some(ACME), "operator", "operator-password"),
        (Some(ACME), "ann", ""),
        (Some(ACME), "ann", &long),
    ] {
        let error = login(tenant, name, password).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthenticated);
        texts.push(error.message);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "one text for every cause");

    let exists = create(ACME, "ann", "ann-password", ConsoleRole::Viewer).await;
    refused(exists, ErrorCode::AlreadyExists, "ann");
    let bad = ErrorCode::BadRequest;
    refused(
        create(ACME, "c", "short", ConsoleRole::Admin).await,
        bad,
        "password: ",
    );
    refused(
        create(ACME, "c", &long, ConsoleRole::Admin).await,
        bad,
        "password: ",
    );
    refused(
        create(ACME, "c", "long-enough", ConsoleRole::Operator).await,
        bad,
        "role: ",
    );
    let named = create(ACME, "c d", "long-enough", ConsoleRole::Admin).await;
    refused(named, ErrorCode::InvalidName, "username: ");
    let nowhere = create(TenantId(9), "c", "long-enough", ConsoleRole::Admin).await;
    refused(nowhere, ErrorCode::NotFound, "9");

    service.delete_console_user(&by, ACME, "ann").await.unwrap();
    let gone = service.delete_console_user(&by, ACME, "ann").await;
    refused(gone, ErrorCode::NotFound, "");
    assert!(login(Some(ACME), "ann", "ann-password").await.is_err());
    assert!(login(Some(GLOBEX), "ann", "other-password").await.is_ok());
    service.delete_tenant(&by, GLOBEX).await.unwrap();
    assert!(service.console_users(GLOBEX).is_empty());
    assert!(login(Some(GLOBEX), "ann", "other-password").await.is_err());
}

#[tokio::test]
async fn a_person_changes_and_is_marked_anew_with_each_password() {
    let place = Place::new();
    let service = place.with_tenants().await;
    let by = caller();
    let made = service
        .create_console_user(&by, ACME, "ann", "ann-password", ConsoleRole::Viewer)
        .await
        .unwrap();
    let change = async |service: &TenantService, name: &str, password: Option<&str>, role| {
        let change = PersonChange {
            password: password.map(str::to_owned),
            role,
        };
        service.change_console_user(&by, ACME, name, change).await
    };
    let promoted = change(&service, "ann", None, Some(ConsoleRole::Admin))
        .await
        .unwrap();
    assert_eq!(promoted.role, ConsoleRole::Admin);
    assert_eq!(
        promoted.password_mark, made.password_mark,
        "the same password"
    );
    let same = change(&service, "ann", Some("ann-password"), None)
        .await
        .unwrap();
    assert_ne!(same.password_mark, made.password_mark, "set anew");
    assert_eq!(same.role, ConsoleRole::Admin, "what is not given stays");
    let other = change(&service, "ann", Some("new-password"), None)
        .await
        .unwrap();
    let service = place.open_again(service).await;
    assert_eq!(service.console_user(Some(ACME), "ann"), Some(other));
    let login = async |password| service.login(Some(ACME), "ann", password).await;
    assert!(login("new-password").await.is_ok());
    refused(login("ann-password").await, ErrorCode::Unauthenticated, "");

    let bad = ErrorCode::BadRequest;
    let operator = Some(ConsoleRole::Operator);
    refused(change(&service, "ann", None, operator).await, bad, "role: ");
    refused(
        change(&service, "ann", Some("short"), None).await,
        bad,
        "password: ",
    );
    refused(change(&service, "ann", None, None).await, bad, "password: ");
    let viewer = Some(ConsoleRole::Viewer);
    let nobody = change(&service, "operator", None, viewer).await;
    refused(nobody, ErrorCode::NotFound, "no such user");
    let rows = service.audit(Some(ACME), None, 3).await.unwrap();
    let told: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row.action.as_str(), row.detail.as_str()))
        .collect();
    let with = r#"{"password":true,"role":"admin"}"#;
    let without = r#"{"password":false,"role":"admin"}"#;
    let action = "consoleUser.change";
    assert_eq!(told, [(action, with), (action, with), (action, without)]);
}

#[tokio::test]
async fn revoked_tokens_are_kept_until_they_end() {
    let place = Place::new();
    let service = place.open().await;
    service
        .revoke_token("one", Timestamp(START_MS + 1000))
        .await
        .unwrap();
    service
        .revoke_token("two", Timestamp(START_MS + 2000))
        .await
        .unwrap();
    service
        .revoke_token("past", Timestamp(START_MS))
        .await
        .unwrap();
    let revoked = |service: &TenantService| {
        ["one", "two", "past", "other"].map(|id| service.is_token_revoked(id))
    };
    assert_eq!(revoked(&service), [true, true, false, false]);
    service.close().await;
    let service = place.open().await;
    assert_eq!(revoked(&service), [true, true, false, false]);
    place.clock.advance(Duration::from_millis(999));
    service.tick().await;
    assert_eq!(revoked(&service), [true, true, false, false]);
    place.clock.advance(Duration::from_millis(1));
    service.tick().await;
    assert_eq!(revoked(&service), [false, true, false, false]);
    service.close().await;
    assert_eq!(revoked(&*place.open().await), [false, true, false, false]);
}
