//! API tokens as the catalogue keeps them.

use std::time::Duration;

use firn_protocol::api::tenant::{NewToken, TenantApi as _};
use firn_protocol::catalogue::{TokenReach, TokenScope};
use firn_protocol::{ErrorCode, Timestamp};

use crate::place::{ACME, GLOBEX, Place, START_MS, caller, new, refused, strings};

fn named(name: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        scopes: vec![TokenScope::Consume, TokenScope::Read],
        topics: strings(["orders"]),
        ..NewToken::default()
    }
}

#[tokio::test]
async fn a_token_is_proved_by_its_text_until_it_ends_or_is_removed() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let wanted = NewToken {
        expires_at: Some(Timestamp(START_MS + 7_200_000)),
        ..named("robot")
    };
    let (token, text) = service
        .create_api_token(&by, demo.id.into(), wanted)
        .await
        .unwrap();
    assert_eq!((token.tenant, token.instance), (ACME, Some(demo.id)));
    assert_eq!(token.scopes, [TokenScope::Read, TokenScope::Consume]);
    assert_eq!(text, format!("firn_{}_{}", token.id, &text[22..]));
    assert_eq!(text.len(), 22 + 64);
    let is = |service: &firn_tenant_service::TenantService, text: &str| service.api_token(text);
    assert_eq!(is(&service, &text), Some(token.clone()));
    let other = format!("{}0", &text[..text.len() - 1]);
    let other = if other == text {
        format!("{}1", &text[..text.len() - 1])
    } else {
        other
    };
    for wrong in [
        "",
        "firn_",
        "firn__",
        &text[..86 - 1],
        &other,
        &format!("{text}0"),
    ] {
        assert_eq!(is(&service, wrong), None, "{wrong}");
    }
    // Kept roughly: the first use, and one an hour later.
    let used = async |service: &firn_tenant_service::TenantService| {
        service.tick().await;
        service.api_tokens(demo.id.into())[0].last_used_at
    };
    assert_eq!(used(&service).await, Some(Timestamp(START_MS)));
    place.clock.advance(Duration::from_secs(60));
    assert!(is(&service, &text).is_some());
    assert_eq!(used(&service).await, Some(Timestamp(START_MS + 60_000)));
    let service = place.open_again(service).await;
    assert_eq!(
        used(&service).await,
        Some(Timestamp(START_MS)),
        "within an hour"
    );
    assert_eq!(service.api_tokens(demo.id.into())[0].token, token);
    place.clock.advance(Duration::from_millis(7_140_000 - 1));
    assert!(is(&service, &text).is_some());
    assert!(used(&service).await > Some(Timestamp(START_MS + 3_600_000)));
    place.clock.advance(Duration::from_millis(1));
    assert_eq!(is(&service, &text), None);
    // It is shown until another one is made.
    assert_eq!(service.api_tokens(demo.id.into()).len(), 1);
    let (second, text) = service
        .create_api_token(&by, demo.id.into(), named("robot"))
        .await
        .unwrap();
    assert_eq!(service.api_tokens(demo.id.into()).len(), 1);
    let elsewhere = service
        .create_instance(&by, new(GLOBEX, "demo"))
        .await
        .unwrap();
    let foreign = service
        .delete_api_token(&by, elsewhere.id.into(), &second.id)
        .await;
    refused(foreign, ErrorCode::NotFound, "no such token");
    assert!(is(&service, &text).is_some());
    service
        .delete_api_token(&by, demo.id.into(), &second.id)
        .await
        .unwrap();
    assert_eq!(is(&service, &text), None);
    let again = service
        .delete_api_token(&by, demo.id.into(), &second.id)
        .await;
    refused(again, ErrorCode::NotFound, "no such token");
    let rows = service.audit(Some(ACME), None, 2).await.unwrap();
    let actions: Vec<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["token.delete", "token.create"]);
    assert!(!format!("{rows:?}").contains(&text[22..]));
    // With its instance it goes.
    let (_, text) = service
        .create_api_token(&by, demo.id.into(), named("last"))
        .await
        .unwrap();
    service.delete_instance(&by, demo.id).await.unwrap();
    assert_eq!(is(&service, &text), None);
    let service = place.open_again(service).await;
    assert_eq!(is(&service, &text), None);
}

#[tokio::test]
async fn tokens_are_checked_and_counted() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let create = async |new| service.create_api_token(&by, demo.id.into(), new).await;
    let bad = ErrorCode::BadRequest;
    refused(
        create(NewToken {
            name: "a b".to_owned(),
            ..named("")
        })
        .await,
        ErrorCode::InvalidName,
        "name",
    );
    for scopes in [vec![], vec![TokenScope::Read, TokenScope::Read]] {
        refused(
            create(NewToken {
                scopes,
                ..named("t")
            })
            .await,
            bad,
            "scopes: ",
        );
    }
    let scopes = vec![TokenScope::Manage];
    refused(
        create(NewToken {
            scopes,
            ..named("t")
        })
        .await,
        bad,
        "no limit",
    );
    let two_years = START_MS + 2 * 366 * 24 * 3_600_000;
    for end in [0, START_MS, two_years + 1] {
        let expires_at = Some(Timestamp(end));
        refused(
            create(NewToken {
                expires_at,
                ..named("t")
            })
            .await,
            bad,
            "expiresAt: ",
        );
    }
    let (token, _) = create(named("t0")).await.unwrap();
    assert_eq!(token.expires_at.0, START_MS + 90 * 24 * 3_600_000);
    refused(create(named("t0")).await, ErrorCode::AlreadyExists, "t0");
    for number in 1..100 {
        create(named(&format!("t{number}"))).await.unwrap();
    }
    refused(create(named("more")).await, ErrorCode::QuotaExceeded, "100");
    place.clock.advance(Duration::from_secs(91 * 24 * 3600));
    create(named("more")).await.unwrap();
    assert_eq!(service.api_tokens(demo.id.into()).len(), 1);
}

#[tokio::test]
async fn a_token_of_a_tenant_is_no_instances_own_and_outlives_them() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let (all, own) = (TokenReach::Tenant(ACME), TokenReach::Instance(demo.id));
    let (token, text) = service
        .create_api_token(&by, all, named("robot"))
        .await
        .unwrap();
    assert_eq!((token.tenant, token.instance), (ACME, None));
    // The name is free in an instance, and taken here.
    let made = service.create_api_token(&by, own, named("robot")).await;
    let (in_demo, _) = made.unwrap();
    let again = service.create_api_token(&by, all, named("robot")).await;
    refused(again, ErrorCode::AlreadyExists, "robot");
    let nowhere = TokenReach::Tenant(firn_protocol::TenantId(9));
    let made = service.create_api_token(&by, nowhere, named("x")).await;
    refused(made, ErrorCode::NotFound, "9");
    let ids = |reach| -> Vec<String> {
        let listed = service.api_tokens(reach).into_iter();
        listed.map(|it| it.token.id.clone()).collect()
    };
    assert_eq!(
        (ids(all), ids(own)),
        (vec![token.id.clone()], vec![in_demo.id.clone()])
    );
    assert!(ids(TokenReach::Tenant(GLOBEX)).is_empty());
    for elsewhere in [own, TokenReach::Tenant(GLOBEX)] {
        let removed = service.delete_api_token(&by, elsewhere, &token.id).await;
        refused(removed, ErrorCode::NotFound, "no such token");
    }
    service.delete_instance(&by, demo.id).await.unwrap();
    let service = place.open_again(service).await;
    assert_eq!(service.api_token(&text), Some(token));
    let rows = service.audit(Some(ACME), None, 10).await.unwrap();
    let made = rows.iter().filter(|row| row.action == "token.create");
    let objects: Vec<&str> = made.map(|row| row.object.as_str()).collect();
    assert!(objects[1].starts_with("tokens/"), "{objects:?}");
    // With its tenant it goes.
    service.delete_tenant(&by, ACME).await.unwrap();
    assert_eq!(service.api_token(&text), None);
    let service = place.open_again(service).await;
    assert_eq!(service.api_token(&text), None);
}
