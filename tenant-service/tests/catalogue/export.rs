//! A catalogue that leaves as an export and comes back from it elsewhere.

use std::path::Path;
use std::sync::Arc;

use firn_protocol::ErrorCode;
use firn_protocol::api::tenant::{GroupFields, NewToken, TenantApi as _, TopicFields, UserFields};
use firn_protocol::catalogue::{ConsoleRole, TokenReach, TokenScope};
use firn_tenant_service::{
    CatalogueExport, IdsInUse, OpenError, Restored, Stamp, TenantService, Unpacked,
};

use crate::place::{ACME, Place, caller, new, refused};
use crate::restart::{fill, seen, topic_versions};

const STAMP: Stamp = Stamp { owner: 1, nonce: 2 };

async fn stored(service: &TenantService) -> Vec<u8> {
    let export = service.export().await.unwrap();
    let packed = export.pack(service.catalogue_id()).unwrap();
    packed.stamped(STAMP)
}

async fn digest(service: &TenantService) -> [u8; 32] {
    let export = service.export().await.unwrap();
    export.pack(service.catalogue_id()).unwrap().digest
}

async fn exported(service: &TenantService) -> Unpacked {
    CatalogueExport::unpack(&stored(service).await).unwrap()
}

async fn restore(
    to: &Place,
    found: &Unpacked,
    key: Option<&Path>,
) -> Result<(Arc<TenantService>, Restored), OpenError> {
    let mut config = to.config();
    config.operator_password = None;
    let used = IdsInUse::default();
    TenantService::restore(config, to.clock.clone(), found, key, used).await
}

#[tokio::test]
async fn with_the_key_everything_is_as_before() {
    let (place, other) = (Place::new(), Place::new());
    let service = place.with_tenants().await;
    fill(&service).await;
    let demo = service.find_instance(Some(ACME), "demo").unwrap().id;
    let by = caller();
    let rotated = service.rotate_user(&by, demo, "demo", 60).await;
    let rotated = rotated.unwrap().secret_key;
    let robot = NewToken {
        name: "robot".to_owned(),
        scopes: vec![TokenScope::Produce],
        ..NewToken::default()
    };
    let made = service.create_api_token(&by, demo.into(), robot).await;
    let (token, robot) = made.unwrap();
    let everywhere = NewToken {
        name: "everywhere".to_owned(),
        scopes: vec![TokenScope::Read],
        ..NewToken::default()
    };
    let made = service.create_api_token(&by, TokenReach::Tenant(ACME), everywhere);
    let (of_all, everywhere) = made.await.unwrap();
    let ended = service.revoke_token("token-1", firn_protocol::Timestamp(u64::MAX >> 1));
    ended.await.unwrap();
    let found = exported(&service).await;
    let key = place.path("master.key");
    let (copy, restored) = restore(&other, &found, Some(&key)).await.unwrap();
    assert!(restored.has_old_secrets && restored.new_secrets.is_empty());
    assert_eq!(seen(&copy), seen(&service));
    // Brokers that have seen the versions of before take these.
    let [before, after] = [&service, &copy].map(|it| topic_versions(it));
    assert!(after.iter().min() > before.iter().max() && after.len() == before.len());
    assert_eq!(copy.derived_key("receipt"), service.derived_key("receipt"));
    assert_eq!(copy.catalogue_id(), service.catalogue_id());
    assert!(copy.authenticate("demo", "secret-of-demo").is_some());
    assert!(copy.authenticate("demo", &rotated).is_some());
    assert_eq!(copy.api_token(&robot), Some(token));
    assert_eq!(copy.api_token(&everywhere), Some(of_all));
    assert!(copy.login(Some(ACME), "ann", "ann-password").await.is_ok());
    assert!(
        copy.login(None, "operator", "operator-password")
            .await
            .is_ok()
    );
    assert!(copy.is_token_revoked("token-1"));
    assert!(copy.take_generated_password().is_none());
    // The key went along: nothing but the folder is needed from here on.
    copy.close().await;
    drop(copy);
    let copy = other.open().await;
    assert_eq!(seen(&copy), seen(&service));
    let audit = copy.audit(None, None, 1).await.unwrap();
    assert_eq!(audit[0].action, "catalogue.restore");
}

#[tokio::test]
async fn without_the_key_secrets_are_issued_anew() {
    let (place, other) = (Place::new(), Place::new());
    let service = place.with_tenants().await;
    fill(&service).await;
    let found = exported(&service).await;
    let (copy, restored) = restore(&other, &found, None).await.unwrap();
    assert_eq!(seen(&copy), seen(&service), "only secrets differ");
    assert!(!restored.has_old_secrets);
    assert!(copy.authenticate("demo", "secret-of-demo").is_none());
    let [user, person] = &restored.new_secrets[..] else {
        panic!("{:?}", restored.new_secrets)
    };
    assert_eq!(
        (user.tenant.as_str(), user.instance.as_deref()),
        ("acme", Some("demo"))
    );
    assert_eq!(user.name, "demo");
    assert!(copy.authenticate("demo", user.secret.expose()).is_some());
    assert_eq!(
        (person.name.as_str(), person.instance.as_deref()),
        ("ann", None)
    );
    let refused_one = copy.login(Some(ACME), "ann", "ann-password").await;
    refused(refused_one, ErrorCode::Unauthenticated, "");
    let login = copy.login(Some(ACME), "ann", person.secret.expose()).await;
    assert_eq!(login.unwrap().role, ConsoleRole::Viewer);
    let operator = copy.take_generated_password().unwrap();
    assert!(
        copy.login(None, "operator", operator.expose())
            .await
            .is_ok()
    );
    assert_ne!(copy.derived_key("receipt"), service.derived_key("receipt"));
    assert!(!format!("{restored:?}").contains(user.secret.expose()));
}

#[tokio::test]
async fn another_key_or_a_catalogue_that_exists_is_refused() {
    let (place, other, third) = (Place::new(), Place::new(), Place::new());
    let service = place.with_tenants().await;
    let found = exported(&service).await;
    other.open().await.close().await;
    let key = other.path("master.key");
    let error = restore(&third, &found, Some(&key)).await.err().unwrap();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    let missing = third.path("no.key");
    let error = restore(&third, &found, Some(&missing)).await.err().unwrap();
    assert!(matches!(error, OpenError::KeyMissing { .. }), "{error}");
    assert!(!missing.exists() && !third.path("catalogue.db").exists());
    let error = restore(&other, &found, None).await.err().unwrap();
    assert!(matches!(error, OpenError::Exists { .. }), "{error}");
}

#[tokio::test]
async fn no_secret_leaves_in_the_clear() {
    let place = Place::new();
    let service = place.with_tenants().await;
    fill(&service).await;
    let bytes = stored(&service).await;
    let body = zstd::stream::decode_all(&bytes[58..bytes.len() - 4]).unwrap();
    let holds = |text: &str| body.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds("demo") && holds("ann"), "the search works");
    let key = std::fs::read_to_string(place.path("master.key")).unwrap();
    let master = hex::decode(key.trim()).unwrap();
    assert!(!body.windows(32).any(|it| it == master));
    let secrets = [
        "secret-of-demo",
        "ann-password",
        "operator-password",
        "$argon2",
        key.trim(),
    ];
    for secret in secrets {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn numbers_go_on_behind_all_that_is_in_use() {
    let (place, other) = (Place::new(), Place::new());
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let found = exported(&service).await;
    // Given out after the export, and known to the bucket or to nobody.
    let late = service
        .create_instance(&by, new(ACME, "late"))
        .await
        .unwrap();
    let fields = TopicFields::default;
    let topic = service
        .create_topic(&by, demo.id, "late", fields())
        .await
        .unwrap();
    let used = IdsInUse {
        topic: 1 << 30,
        ..IdsInUse::default()
    };
    let key = place.path("master.key");
    let opened = TenantService::restore(
        other.config(),
        other.clock.clone(),
        &found,
        Some(&key),
        used,
    );
    let (copy, _) = opened.await.unwrap();
    let again = copy.create_instance(&by, new(ACME, "again")).await.unwrap();
    assert!(again.id > late.id && again.brokers[0].id > late.brokers[0].id);
    let again = copy
        .create_topic(&by, demo.id, "again", fields())
        .await
        .unwrap();
    assert!(again.id > topic.id && again.id.0 > 1 << 30, "{}", again.id);
    let group = copy
        .create_group(&by, demo.id, "g", GroupFields::default())
        .await;
    assert!(group.unwrap().id.0 > 1);
}

#[tokio::test]
async fn changes_are_announced_and_nothing_else_is() {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    let by = caller();
    let mut changes = service.changes();
    let before = digest(&service).await;
    let mut changed = || {
        let is_new = changes.has_changed().unwrap();
        changes.mark_unchanged();
        is_new
    };
    let create = || service.create_topic(&by, demo.id, "t", TopicFields::default());
    create().await.unwrap();
    assert!(changed());
    let after = digest(&service).await;
    assert_ne!(after, before);
    refused(create().await, ErrorCode::AlreadyExists, "t");
    service.tick().await;
    assert!(!changed(), "a refusal changes nothing");
    assert_eq!(digest(&service).await, after);
    let user = UserFields::default();
    service.create_user(&by, demo.id, "u", user).await.unwrap();
    assert!(changed());
    let before = digest(&service).await;
    service.reveal_user(&by, demo.id, "u").await.unwrap();
    assert!(!changed(), "a look changes nothing");
    service.rotate_user(&by, demo.id, "u", 0).await.unwrap();
    assert!(changed());
    assert_ne!(digest(&service).await, before, "a new secret is a change");
    // The same catalogue gives the same export, also after a restart.
    let before = digest(&service).await;
    service.close().await;
    drop(service);
    let service = place.open().await;
    assert_eq!(digest(&service).await, before);
}
