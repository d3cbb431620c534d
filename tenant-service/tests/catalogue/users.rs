//! Application users and their secrets.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_protocol::api::tenant::{AuditFilter, Denied, TenantApi as _, UserFields};
use firn_protocol::{ErrorCode, TenantId, Timestamp};
use firn_tenant_service::TenantService;

use crate::place::{ACME, GLOBEX, Place, START_MS, caller, new, refused, strings};

fn with_secret(secret: &str) -> UserFields {
    UserFields {
        secret_key: Some(secret.to_owned()),
        ..UserFields::default()
    }
}

#[tokio::test]
async fn a_user_is_who_knows_the_secret() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let given = service.create_user(&by, demo.id, "demo", with_secret("demo-secret"));
    let given = given.await.unwrap();
    assert_eq!(given.secret_key, "demo-secret");
    assert_eq!((given.user.tenant, given.user.instance), (ACME, demo.id));
    assert_eq!(given.user.created_at.0, START_MS);
    let made = service
        .create_user(&by, demo.id, "made", UserFields::default())
        .await
        .unwrap();
    assert_eq!(made.secret_key.len(), 88);
    assert_eq!(STANDARD.decode(&made.secret_key).unwrap().len(), 64);
    let is = |key: &str, secret: &str| {
        service
            .authenticate(key, secret)
            .map(|u| u.access_key.clone())
    };
    assert_eq!(is("demo", "demo-secret").as_deref(), Some("demo"));
    assert_eq!(is("made", &made.secret_key).as_deref(), Some("made"));
    let long = "x".repeat(1 << 20);
    let decoy = "=".repeat(88);
    for (key, secret) in [
        ("demo", ""),
        ("demo", "demo-secre"),
        ("demo", "demo-secret "),
        ("demo", "Demo-secret"),
        ("demo", &long),
        ("demo", &made.secret_key),
        ("made", "demo-secret"),
        ("Demo", "demo-secret"),
        ("", ""),
        ("nobody", ""),
        ("nobody", &decoy),
    ] {
        assert_eq!(is(key, secret), None, "{key}");
    }

    let rotated = service.rotate_user(&by, demo.id, "demo", 0).await.unwrap();
    assert_eq!(rotated.secret_key.len(), 88);
    assert_eq!(is("demo", "demo-secret"), None, "the old one stops at once");
    assert!(is("demo", &rotated.secret_key).is_some());
    let shown = service.reveal_user(&by, demo.id, "demo").await.unwrap();
    assert_eq!(shown.secret_key, rotated.secret_key);
    service.delete_user(&by, demo.id, "demo").await.unwrap();
    assert_eq!(is("demo", &rotated.secret_key), None);
    assert!(service.user("demo").is_none());
}

#[tokio::test]
async fn the_secret_of_before_is_valid_until_its_time() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let user = service.create_user(&by, demo.id, "u", with_secret("first"));
    user.await.unwrap();
    let rotate = async |grace| service.rotate_user(&by, demo.id, "u", grace).await;
    refused(
        rotate(604_801).await,
        ErrorCode::BadRequest,
        "graceSeconds: from 0 to 604800",
    );
    let second = rotate(3600).await.unwrap();
    let end = Timestamp(START_MS + 3_600_000);
    assert_eq!(second.user.previous_valid_until, Some(end));
    let service = place.open_again(service).await;
    let is = |service: &TenantService, secret: &str| service.authenticate("u", secret).is_some();
    place.clock.advance(Duration::from_millis(3_599_999));
    assert!(is(&service, "first") && is(&service, &second.secret_key));
    // A change of anything else leaves both as they are.
    let other = UserFields {
        description: Some("d".to_owned()),
        ..UserFields::default()
    };
    service.change_user(&by, demo.id, "u", other).await.unwrap();
    let shown = service.reveal_user(&by, demo.id, "u").await.unwrap();
    assert_eq!(shown.secret_key, second.secret_key);
    assert!(is(&service, "first"));
    place.clock.advance(Duration::from_millis(1));
    assert!(!is(&service, "first") && is(&service, &second.secret_key));
    // What has ended is forgotten.
    assert!(service.user("u").unwrap().previous_valid_until.is_some());
    service.tick().await;
    assert!(service.user("u").unwrap().previous_valid_until.is_none());

    // Another rotation drops the older one, whatever its time.
    let rotate = async |grace| service.rotate_user(&by, demo.id, "u", grace).await.unwrap();
    let third = rotate(604_800).await;
    let fourth = rotate(60).await;
    assert!(!is(&service, &second.secret_key));
    assert!(is(&service, &third.secret_key) && is(&service, &fourth.secret_key));
    let fifth = rotate(0).await;
    assert!(!is(&service, &third.secret_key) && !is(&service, &fourth.secret_key));
    assert!(is(&service, &fifth.secret_key));
    let row = &service.audit(Some(ACME), None, 1).await.unwrap()[0];
    let detail = r#"{"graceSeconds":0,"previousValidUntil":null}"#;
    assert_eq!(
        (row.action.as_str(), row.detail.as_str()),
        ("user.rotate", detail)
    );
    let service = place.open_again(service).await;
    assert!(is(&service, &fifth.secret_key) && !is(&service, &fourth.secret_key));
}

#[tokio::test]
async fn users_are_checked() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let other = service
        .create_instance(&by, new(GLOBEX, "demo"))
        .await
        .unwrap();
    let create = async |key: &str, fields| service.create_user(&by, demo.id, key, fields).await;
    create("u", UserFields::default()).await.unwrap();
    refused(
        create("u", UserFields::default()).await,
        ErrorCode::AlreadyExists,
        "'u'",
    );
    let elsewhere = service.create_user(&by, other.id, "u", UserFields::default());
    refused(elsewhere.await, ErrorCode::AlreadyExists, "'u'");
    refused(
        create("a b", UserFields::default()).await,
        ErrorCode::InvalidName,
        "accessKey: ",
    );
    let bad = ErrorCode::BadRequest;
    for secret in ["", "with blank", "tab\t", "密", &"x".repeat(129)] {
        refused(create("v", with_secret(secret)).await, bad, "secretKey: ");
    }
    for address in [
        "",
        "10.0.0",
        "10.0.0.0/33",
        "::1/129",
        "host",
        "10.0.0.1/",
        "1.2.3.4/+8",
    ] {
        let fields = UserFields {
            ip_allow: Some(strings([address])),
            ..UserFields::default()
        };
        refused(create("v", fields).await, bad, "ipAllow: ");
    }
    let fields = UserFields {
        topics: Some(strings(["a b"])),
        ..UserFields::default()
    };
    refused(
        create("v", fields).await,
        ErrorCode::InvalidName,
        "topics: ",
    );
    let fields = UserFields {
        description: Some("x".repeat(513)),
        ..UserFields::default()
    };
    refused(create("v", fields).await, bad, "description: ");
    assert_eq!(service.users(demo.id).len(), 1);

    // Through another instance a user does not exist.
    let missing = ErrorCode::NotFound;
    refused(
        service.rotate_user(&by, other.id, "u", 0).await,
        missing,
        "",
    );
    refused(service.reveal_user(&by, other.id, "u").await, missing, "");
    refused(service.delete_user(&by, other.id, "u").await, missing, "");
    refused(
        service
            .change_user(&by, other.id, "u", UserFields::default())
            .await,
        missing,
        "",
    );
    refused(service.reveal_user(&by, demo.id, "v").await, missing, "");
}

#[tokio::test]
async fn a_change_of_a_user_keeps_secret_and_the_rest() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    service
        .create_user(&by, demo.id, "u", with_secret("s"))
        .await
        .unwrap();
    let change = async |fields| service.change_user(&by, demo.id, "u", fields).await;
    let changed = change(UserFields {
        topics: Some(strings(["t"])),
        description: Some("d".to_owned()),
        ip_allow: Some(strings(["10.0.0.0/8", "::1", "fd00::/8"])),
        ..UserFields::default()
    });
    let changed = changed.await.unwrap();
    assert!(changed.may_use("t") && !changed.may_use("u") && !changed.may_manage());
    assert_eq!(change(UserFields::default()).await.unwrap(), changed);
    assert_eq!(service.authenticate("u", "s"), Some(changed));
    refused(
        change(with_secret("x")).await,
        ErrorCode::BadRequest,
        "rotation",
    );
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what_and_no_secret() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    service
        .create_user(&by, demo.id, "u", with_secret("the-secret-of-u"))
        .await
        .unwrap();
    let rotated = service.rotate_user(&by, demo.id, "u", 0).await.unwrap();
    service.reveal_user(&by, demo.id, "u").await.unwrap();
    let refused_one = service.rotate_user(&by, demo.id, "nobody", 0).await;
    refused(refused_one, ErrorCode::NotFound, "");
    let rows = service.audit(Some(ACME), None, 100).await.unwrap();
    let actions: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
    let expected = [
        "user.reveal",
        "user.rotate",
        "user.create",
        "instance.create",
        "tenant.create",
    ];
    assert_eq!(actions, expected);
    assert_eq!(rows[0].object, format!("{}/users/u", demo.uid));
    assert_eq!(
        (rows[0].caller.as_str(), rows[0].request_id.as_str()),
        ("operator", "request-1")
    );
    assert_eq!((rows[0].at.0, rows[0].tenant), (START_MS, Some(ACME)));
    let text = format!("{rows:?}");
    assert!(!text.contains("the-secret-of-u") && !text.contains(&rotated.secret_key));
    let later = service
        .audit(Some(ACME), Some(rows[2].id), 1)
        .await
        .unwrap();
    assert_eq!(later, rows[3..4]);
    let others = service.audit(Some(GLOBEX), None, 100).await.unwrap();
    assert_eq!(others.len(), 1, "its own creation alone");
    assert!(service.audit(None, None, 100).await.unwrap().len() > rows.len());
}

#[tokio::test]
async fn the_audit_log_is_searched() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let user = service.create_user(&by, demo.id, "u", with_secret("s"));
    user.await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let denied = |tenant: u64, caller: &str| Denied {
        tenant: Some(TenantId(tenant)),
        caller: caller.to_owned(),
        object: "GET /v1/instances/x'y%".to_owned(),
        route: "GET /v1/instances/{instance}".to_owned(),
        code: "FORBIDDEN",
        count: 7,
        first: Timestamp(START_MS + 1),
        last: Timestamp(START_MS + 2),
        request_id: "r".to_owned(),
    };
    let rows = [denied(ACME.0, "user:u"), denied(GLOBEX.0, "user:v")];
    service.note_denied(&rows).await.unwrap();
    let any = AuditFilter {
        max: 100,
        ..AuditFilter::default()
    };
    let find = async |filter: AuditFilter| {
        let rows = service.find_audit(&filter).await.unwrap();
        let names = rows
            .iter()
            .map(|row| (row.action.clone(), row.caller.clone()));
        names.collect::<Vec<_>>()
    };
    let pair = |action: &str, caller: &str| (action.to_owned(), caller.to_owned());
    let (u, v) = (pair("denied", "user:u"), pair("denied", "user:v"));
    let made = pair("user.create", "operator");
    let text = |text: &str| Some(text.to_owned());
    let cases: [(AuditFilter, Vec<(String, String)>); 9] = [
        (
            // No tenant can have this number; no database can hold it.
            AuditFilter {
                tenant: Some(TenantId(u64::MAX)),
                ..any.clone()
            },
            Vec::new(),
        ),
        (
            AuditFilter {
                action: text("denied"),
                ..any.clone()
            },
            vec![v.clone(), u.clone()],
        ),
        (
            AuditFilter {
                caller: text("user:u"),
                ..any.clone()
            },
            vec![u.clone()],
        ),
        (
            AuditFilter {
                action: text("denied"),
                tenant: Some(ACME),
                ..any.clone()
            },
            vec![u.clone()],
        ),
        (
            AuditFilter {
                object: Some(format!("{}/users/", demo.uid)),
                ..any.clone()
            },
            vec![made.clone()],
        ),
        (
            AuditFilter {
                object: text("GET /v1/instances/x'y%"),
                max: 1,
                ..any.clone()
            },
            vec![v.clone()],
        ),
        (
            AuditFilter {
                object: text("GET%"),
                ..any.clone()
            },
            vec![],
        ),
        (
            AuditFilter {
                from: Some(Timestamp(START_MS + 60_000)),
                ..any.clone()
            },
            vec![v, u],
        ),
        (
            AuditFilter {
                to: Some(Timestamp(START_MS)),
                action: text("user.create"),
                from: Some(Timestamp(START_MS)),
                ..any.clone()
            },
            vec![made],
        ),
    ];
    for (filter, expected) in cases {
        let described = format!("{filter:?}");
        let whole = AuditFilter {
            max: 100,
            ..filter.clone()
        };
        let paged = AuditFilter {
            before: Some(1),
            ..filter.clone()
        };
        let counted = service.count_audit(&paged).await.unwrap();
        assert_eq!(counted, find(whole).await.len() as u64, "{described}");
        assert_eq!(find(filter).await, expected, "{described}");
    }
    let huge = AuditFilter {
        from: Some(Timestamp(u64::MAX)),
        ..any
    };
    assert_eq!(find(huge).await, []);
    let row = &service.audit(Some(GLOBEX), None, 1).await.unwrap()[0];
    assert_eq!(
        (row.at.0, row.request_id.as_str()),
        (START_MS + 60_000, "r")
    );
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap();
    let expected = serde_json::json!({
        "route": "GET /v1/instances/{instance}", "code": "FORBIDDEN", "count": 7,
        "first": START_MS + 1, "last": START_MS + 2,
    });
    assert_eq!(detail, expected);
    // They are kept for a shorter time than what was done.
    place.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let service = place.open_again(service).await;
    let rows = service.audit(None, None, 100).await.unwrap();
    assert!(rows.iter().any(|row| row.action == "user.create"));
    assert!(rows.iter().all(|row| row.action != "denied"));
}
