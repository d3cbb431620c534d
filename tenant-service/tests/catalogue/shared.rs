//! Several services on one database: their changes have one order, and each sees
//! those of the others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::tenant::{GroupFields, TenantApi as _, TopicFields};
use firn_protocol::catalogue::{Instance, Plan, Topic};
use firn_protocol::{ApiResult, ErrorCode, InstanceId, Timestamp};
use firn_tenant_service::TenantService;
use futures_util::future::join_all;

use crate::database::cluster;
use crate::place::{ACME, Place, START_MS, caller, new, refused};
use crate::restart::{fill, seen};

/// Two services on one catalogue; `None` where there is no PostgreSQL.
async fn two(place: &Place) -> Option<[Arc<TenantService>; 2]> {
    cluster()?;
    Some([place.with_tenants().await, place.open().await])
}

async fn instance(service: &TenantService) -> Arc<Instance> {
    let made = service.create_instance(&caller(), new(ACME, "demo")).await;
    made.unwrap()
}

async fn create(
    service: &TenantService,
    instance: InstanceId,
    name: String,
) -> ApiResult<Arc<Topic>> {
    let fields = TopicFields::default();
    service
        .create_topic(&caller(), instance, &name, fields)
        .await
}

#[tokio::test]
async fn each_sees_what_the_other_changed() {
    let place = Place::new();
    let Some([one, other]) = two(&place).await else {
        return;
    };
    let by = caller();
    fill(&one).await;
    assert_ne!(seen(&other), seen(&one), "not told yet");
    let (mut here, mut there) = (one.changes(), other.changes());
    other.tick().await;
    assert_eq!(seen(&other), seen(&one));
    assert!(there.has_changed().unwrap());
    assert!(other.authenticate("demo", "secret-of-demo").is_some());
    let demo = other.find_instance(Some(ACME), "demo").unwrap();
    other.delete_topic(&by, demo.id, "plain").await.unwrap();
    other.delete_user(&by, demo.id, "demo").await.unwrap();
    other
        .revoke_token("t", Timestamp(u64::MAX >> 1))
        .await
        .unwrap();
    one.tick().await;
    assert_eq!(seen(&one), seen(&other));
    assert!(one.authenticate("demo", "secret-of-demo").is_none());
    assert!(one.is_token_revoked("t"));
    // Nothing new is no news.
    here.mark_unchanged();
    there.mark_unchanged();
    one.tick().await;
    other.tick().await;
    assert!(!here.has_changed().unwrap() && !there.has_changed().unwrap());
    // One log of all that was done.
    let rows = one.audit(None, None, 100).await.unwrap();
    assert_eq!(other.audit(None, None, 100).await.unwrap(), rows);
    let actions: HashSet<_> = rows.iter().map(|row| row.action.as_str()).collect();
    assert!(actions.contains("topic.create") && actions.contains("topic.delete"));
}

#[tokio::test]
async fn the_service_follows_by_itself() {
    let place = Place::new();
    let Some([one, other]) = two(&place).await else {
        return;
    };
    let mut tasks = firn_runtime::Tasks::new();
    other.start(&mut tasks);
    let changes = other.changes();
    instance(&one).await;
    // Each second of its clock, which goes by when the task waits for it.
    while !changes.has_changed().unwrap() {
        place.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert!(other.find_instance(None, "demo").is_ok());
    tasks.join(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_rule_sees_the_newest_catalogue() {
    let place = Place::new();
    let Some([one, other]) = two(&place).await else {
        return;
    };
    let by = caller();
    let demo = instance(&one).await;
    // Never told of the instance, the topic, or that it went.
    let made = other.create_topic(&by, demo.id, "t", TopicFields::default());
    let made = made.await.unwrap();
    let group = one.create_group(&by, demo.id, "g", GroupFields::default());
    group.await.unwrap();
    one.delete_topic(&by, demo.id, "t").await.unwrap();
    let gone = other.delete_topic(&by, demo.id, "t").await;
    refused(gone, ErrorCode::TopicNotFound, "");
    let again = other.create_topic(&by, demo.id, "t", TopicFields::default());
    assert!(again.await.unwrap().id > made.id, "no number twice");
    // A refusal shows what it was founded on, too.
    assert!(other.group(demo.id, "g").is_some());
}

#[tokio::test]
async fn a_name_is_given_once() {
    let place = Place::new();
    let Some(services) = two(&place).await else {
        return;
    };
    let demo = instance(&services[0]).await;
    let create = |n: usize| create(&services[n % 2], demo.id, format!("t{}", n / 4));
    let made = join_all((0..40).map(create)).await;
    let (good, bad): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (10, 30));
    for answer in bad {
        refused(answer, ErrorCode::AlreadyExists, "t");
    }
    let ids: HashSet<_> = good.into_iter().map(|topic| topic.unwrap().id).collect();
    assert_eq!(ids.len(), 10);
    for service in &services {
        service.tick().await;
        assert_eq!(service.topics(demo.id).len(), 10);
    }
}

#[tokio::test]
async fn a_plan_is_not_overshot() {
    let place = Place::new();
    let Some(services) = two(&place).await else {
        return;
    };
    let by = caller();
    let basic = services[0].plan("basic").unwrap();
    let plan = Plan {
        name: "five".to_owned(),
        topics: 5,
        ..Plan::clone(&basic)
    };
    services[0].create_plan(&by, plan).await.unwrap();
    let mut wanted = new(ACME, "demo");
    wanted.plan = Some("five".to_owned());
    let demo = services[0].create_instance(&by, wanted).await.unwrap();
    let create = |n: usize| create(&services[n % 2], demo.id, format!("t{n}"));
    let made = join_all((0..16).map(create)).await;
    let (good, bad): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (5, 11));
    for answer in bad {
        refused(answer, ErrorCode::QuotaExceeded, "5 topics");
    }
}

#[tokio::test]
async fn two_first_starts_make_one_catalogue() {
    let place = Place::new();
    if cluster().is_none() {
        return;
    }
    let mut config = place.config();
    config.operator_password = None;
    let open = || TenantService::open(config.clone(), place.clock.clone());
    let (one, other) = tokio::join!(open(), open());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.catalogue_id(), other.catalogue_id());
    assert_eq!(one.derived_key("receipt"), other.derived_key("receipt"));
    let passwords = [
        one.take_generated_password(),
        other.take_generated_password(),
    ];
    let [password] = &passwords.into_iter().flatten().collect::<Vec<_>>()[..] else {
        panic!("one of them made the operator")
    };
    one.tick().await;
    for service in [one, other] {
        let login = service.login(None, "operator", password.expose()).await;
        assert!(login.is_ok());
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_holds_up_nobody() {
    let place = Place::new();
    let Some([one, other]) = two(&place).await else {
        return;
    };
    let by = caller();
    let demo = instance(&one).await;
    for polls in 0..30 {
        let name = format!("maybe{polls}");
        let mut change = one.create_topic(&by, demo.id, &name, TopicFields::default());
        for _ in 0..polls {
            if futures_util::poll!(&mut change).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(change);
        let name = format!("t{polls}");
        let made = other.create_topic(&by, demo.id, &name, TopicFields::default());
        made.await.unwrap();
    }
    // Behind whatever is under way still.
    one.revoke_token("t", Timestamp(START_MS + 1))
        .await
        .unwrap();
    other.tick().await;
    assert_eq!(seen(&one), seen(&other));
    let names: Vec<_> = one.topics(demo.id).iter().map(|t| t.name.clone()).collect();
    let whole = |n: usize| names.contains(&format!("t{n}"));
    assert!((0..30).all(whole), "{names:?}");
}

#[tokio::test]
async fn what_ends_by_itself_is_no_news() {
    let place = Place::new();
    let Some([one, other]) = two(&place).await else {
        return;
    };
    one.revoke_token("t", Timestamp(START_MS + 1))
        .await
        .unwrap();
    other.tick().await;
    assert!(other.is_token_revoked("t"));
    let (here, there) = (one.changes(), other.changes());
    place.clock.advance(Duration::from_millis(1));
    one.tick().await;
    other.tick().await;
    assert!(!one.is_token_revoked("t") && !other.is_token_revoked("t"));
    assert!(!here.has_changed().unwrap() && !there.has_changed().unwrap());
}
