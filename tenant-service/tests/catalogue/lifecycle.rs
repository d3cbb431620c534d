//! The end of an instance (SEED_SPEC 10).

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::tenant::{InstanceChange, NewInstance, TenantApi as _, TopicFields};
use firn_protocol::catalogue::{Instance, InstanceStatus};
use firn_protocol::{ErrorCode, TenantId, Timestamp};
use firn_tenant_service::TenantService;

use crate::place::{ACME, Place, START_MS, caller, new, refused};

const DAY_MS: u64 = 24 * 3600 * 1000;

async fn with_end(place: &Place, at: u64) -> (Arc<TenantService>, Arc<Instance>) {
    let service = place.with_tenants().await;
    let new = NewInstance {
        expires_at: Some(Timestamp(at)),
        ..new(ACME, "demo")
    };
    let made = service.create_instance(&caller(), new).await.unwrap();
    (service, made)
}

fn status(service: &TenantService) -> Option<InstanceStatus> {
    let all = service.instances(None);
    all.first().map(|instance| instance.status)
}

async fn actions(service: &TenantService, tenant: TenantId) -> Vec<String> {
    let rows = service.audit(Some(tenant), None, 100).await.unwrap();
    rows.into_iter().map(|row| row.action).collect()
}

fn until(at: u64) -> InstanceChange {
    InstanceChange {
        expires_at: Some(Timestamp(at)),
        ..InstanceChange::default()
    }
}

fn set(status: InstanceStatus) -> InstanceChange {
    InstanceChange {
        status: Some(status),
        ..InstanceChange::default()
    }
}

#[tokio::test]
async fn an_instance_is_frozen_at_its_end_and_removed_a_week_later() {
    let place = Place::new();
    let end = START_MS + DAY_MS;
    let (service, demo) = with_end(&place, end).await;
    let by = caller();
    let topic = service.create_topic(&by, demo.id, "orders", TopicFields::default());
    topic.await.unwrap();
    let pass = async |ms: u64| {
        place.clock.advance(Duration::from_millis(ms));
        service.tick().await;
    };
    pass(DAY_MS - 1).await;
    assert_eq!(status(&service), Some(InstanceStatus::Running));
    pass(1).await;
    assert_eq!(status(&service), Some(InstanceStatus::Frozen));
    pass(7 * DAY_MS - 1).await;
    assert_eq!(status(&service), Some(InstanceStatus::Frozen));
    assert_eq!(service.erasures(), []);
    pass(1).await;
    assert_eq!(status(&service), None);
    assert!(service.topic(demo.id, "orders").is_none());

    // What is to be erased is remembered until it is.
    let service = place.open_again(service).await;
    let [erasure] = &service.erasures()[..] else {
        panic!("one instance is to be erased");
    };
    let brokers: Vec<_> = demo.brokers.iter().map(|broker| broker.id).collect();
    assert_eq!((erasure.instance, erasure.tenant), (demo.id, ACME));
    assert_eq!((&erasure.uid, &erasure.brokers), (&demo.uid, &brokers));
    service.erased(demo.id, 7, 1234).await.unwrap();
    service.erased(demo.id, 7, 1234).await.unwrap();
    assert_eq!(service.erasures(), []);
    let told = actions(&service, ACME).await;
    let told: Vec<&str> = told.iter().map(String::as_str).take(3).collect();
    assert_eq!(
        told,
        ["instance.erased", "instance.expire", "instance.freeze"]
    );
    let row = service.audit(Some(ACME), None, 1).await.unwrap().remove(0);
    assert!(
        row.detail.contains("1234") && row.object == demo.uid,
        "{row:?}"
    );
    assert_eq!(place.open_again(service).await.erasures(), []);
}

#[tokio::test]
async fn a_later_end_sets_it_going_again() {
    let place = Place::new();
    let end = START_MS + DAY_MS;
    let (service, demo) = with_end(&place, end).await;
    place.clock.advance(Duration::from_millis(2 * DAY_MS));
    service.tick().await;
    assert_eq!(status(&service), Some(InstanceStatus::Frozen));
    let by = caller();
    let change = async |change| service.change_instance(&by, demo.id, change).await;
    let refused_now = change(set(InstanceStatus::Running)).await;
    refused(refused_now, ErrorCode::Conflict, "status: ");
    let later = START_MS + 30 * DAY_MS;
    let changed = change(until(later)).await.unwrap();
    assert_eq!(changed.status, InstanceStatus::Running);
    place.clock.advance(Duration::from_millis(20 * DAY_MS));
    service.tick().await;
    assert_eq!(status(&service), Some(InstanceStatus::Running));
    // An end that has passed already counts at once.
    let over = change(until(START_MS + DAY_MS)).await.unwrap();
    assert_eq!(over.status, InstanceStatus::Frozen);
}

#[tokio::test]
async fn an_operator_freezes_and_lets_go_on() {
    let place = Place::new();
    let (service, demo) = with_end(&place, START_MS + 90 * DAY_MS).await;
    let by = caller();
    let change = async |change| service.change_instance(&by, demo.id, change).await;
    change(set(InstanceStatus::Frozen)).await.unwrap();
    service.tick().await;
    assert_eq!(status(&service), Some(InstanceStatus::Frozen));
    // A later end is no reason to go on.
    let later = change(until(START_MS + 99 * DAY_MS)).await.unwrap();
    assert_eq!(later.status, InstanceStatus::Frozen);
    change(set(InstanceStatus::Running)).await.unwrap();
    assert_eq!(status(&service), Some(InstanceStatus::Running));
}
