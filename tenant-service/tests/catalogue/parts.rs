//! The books leave part by part, and come back without their database.

use std::sync::Arc;

use firn_protocol::api::billing::{Bill, BillingApi as _, CallsEvent, UsageBy, UsageLine};
use firn_protocol::api::tenant::{InstanceChange, TenantApi as _};
use firn_protocol::api::usage::StoredBytes;
use firn_protocol::{BrokerId, InstanceId, Timestamp};
use firn_runtime::Clock;
use firn_tenant_service::{BooksPart, CatalogueExport, IdsInUse, Stamp, TenantService, Unpacked};

use crate::books::{HOUR_MS, event, pass, row, started};
use crate::place::{ACME, Place, START_MS, caller, new};

const MONTHS: [&str; 2] = ["2023-11", "2023-12"];

/// Writes what is new behind the parts that are there.
async fn leave(service: &TenantService, parts: &mut Vec<Vec<u8>>) {
    while let Some((number, part)) = service.next_books_part().await.unwrap() {
        assert_eq!(number, parts.len() as u64 + 1);
        parts.push(part.pack().unwrap());
        service
            .books_part_stored(number, part.head.to)
            .await
            .unwrap();
    }
}

async fn catalogue(service: &TenantService) -> Unpacked {
    let stamp = Stamp { owner: 1, nonce: 2 };
    let export = service.export().await.unwrap();
    let packed = export.pack(service.catalogue_id()).unwrap();
    CatalogueExport::unpack(&packed.stamped(stamp)).unwrap()
}

/// A service on another database, from what is not lost.
async fn come_back(
    (key_of, clock): (&Place, &Clock),
    to: &Place,
    found: &Unpacked,
    parts: &[Vec<u8>],
) -> Arc<TenantService> {
    let (key, clock) = (key_of.path("master.key"), clock.clone());
    let used = IdsInUse::default();
    let restored = TenantService::restore(to.config(), clock, found, Some(&key), used).await;
    let (service, _) = restored.unwrap();
    for (number, bytes) in (1..).zip(parts) {
        let part = BooksPart::unpack(bytes).unwrap();
        service.restore_books_part(number, &part).await.unwrap();
    }
    service.reopen_books().await.unwrap();
    service
}

#[derive(Debug, PartialEq)]
struct Seen {
    usage: Vec<Vec<UsageLine>>,
    /// Closed ones, with their corrections.
    hours: String,
    bills: Vec<Bill>,
    months: Vec<String>,
}

async fn seen(service: &TenantService, instance: InstanceId) -> Seen {
    let (from, to) = (Timestamp(0), Timestamp(u64::MAX));
    let mut usage = Vec::new();
    for by in [UsageBy::Hour, UsageBy::Topic] {
        usage.push(service.usage(instance, from, to, by).await.unwrap());
    }
    let mut bills = Vec::new();
    for month in MONTHS {
        bills.push(service.bill(ACME, month).await.unwrap());
    }
    Seen {
        usage,
        hours: service.export_hours(instance, from, to).await.unwrap(),
        bills,
        months: service.bill_months(ACME).await.unwrap(),
    }
}

async fn assert_proved(service: &TenantService) {
    for month in MONTHS {
        let verified = service.verify_bill(ACME, month).await.unwrap();
        assert_eq!(verified.differences, Vec::<String>::new(), "{month}");
        assert!(verified.events > 0);
    }
}

fn stored(instance: InstanceId, hot: u64, cold: u64) -> StoredBytes {
    StoredBytes {
        tenant: ACME,
        instance,
        broker: BrokerId(1),
        hot,
        cold,
    }
}

async fn store(place: &Place, service: &TenantService, instance: InstanceId, hot: u64) {
    let now = Timestamp(place.clock.now_ms());
    service
        .record_stored(now, &[stored(instance, hot, 3)])
        .await
        .unwrap();
}

/// Two months of books: a closed bill, closed hours, a correction, a change of plan, an
/// instance that is gone, and open hours of every kind.
async fn two_months(
    place: &Place,
    service: &TenantService,
    demo: InstanceId,
    parts: &mut Vec<Vec<u8>>,
) {
    let by = caller();
    let gone = service.create_instance(&by, new(ACME, "gone")).await;
    let gone = gone.unwrap().id;
    let rows = vec![row(START_MS, 1, None, 5), row(START_MS, 1, Some(9), 4)];
    let first = event(demo, 1, (0, 9), rows);
    service.record_usage(&[first]).await.unwrap();
    let other = event(gone, 7, (0, 3), vec![row(START_MS, 3, None, 8)]);
    service.record_usage(&[other]).await.unwrap();
    store(place, service, demo, 100).await;
    leave(service, parts).await;
    pass(place, HOUR_MS / 2);
    store(place, service, demo, 200).await;
    let calls = CallsEvent {
        source: [1; 16],
        number: 1,
        rows: vec![(demo, Timestamp(START_MS), 30)],
    };
    service.record_calls(&calls).await.unwrap();
    pass(place, 2 * HOUR_MS);
    service.close_books().await.unwrap();
    leave(service, parts).await;
    // The event went further meanwhile, and takes something back: a correction.
    let longer = vec![row(START_MS, 1, None, 4), row(START_MS, 2, None, 1)];
    service
        .record_usage(&[event(demo, 1, (0, 12), longer)])
        .await
        .unwrap();
    let change = InstanceChange {
        plan: Some("intermediate".to_owned()),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo, change).await.unwrap();
    pass(place, HOUR_MS);
    service.close_books().await.unwrap();
    service.delete_instance(&by, gone).await.unwrap();
    leave(service, parts).await;
    // 2023-12-02T01:00Z: November is closed.
    pass(place, 1_701_478_800_000 - place.clock.now_ms());
    service.close_books().await.unwrap();
    assert!(service.bill(ACME, MONTHS[0]).await.unwrap().is_closed);
    let now = place.clock.now_ms();
    let next = event(
        demo,
        1,
        (20, 30),
        vec![row(now, 1, None, 7), row(START_MS, 2, None, 2)],
    );
    service.record_usage(&[next]).await.unwrap();
    store(place, service, demo, 300).await;
    pass(place, 120_000);
    store(place, service, demo, 300).await;
    leave(service, parts).await;
}

#[tokio::test]
async fn bills_hours_and_what_is_open_outlive_the_database() {
    let (place, service, demo) = started().await;
    let mut parts = Vec::new();
    two_months(&place, &service, demo.id, &mut parts).await;
    assert!(parts.len() >= 4, "{}", parts.len());
    leave(&service, &mut parts).await;
    let count = parts.len();
    assert_proved(&service).await;
    let before = seen(&service, demo.id).await;
    let corrections = before
        .hours
        .lines()
        .filter(|line| line.contains(r#""revision":1"#));
    assert!(corrections.count() > 0, "{}", before.hours);
    let erasures = service.erasures();
    assert_eq!(erasures.len(), 1);
    let found = catalogue(&service).await;
    service.close().await;

    let other = Place::new();
    let copy = come_back((&place, &place.clock), &other, &found, &parts).await;
    assert_eq!(seen(&copy, demo.id).await, before);
    assert_eq!(copy.erasures(), erasures, "what was promised goes on");
    assert_proved(&copy).await;
    leave(&copy, &mut parts).await;
    assert_eq!(parts.len(), count, "all of it is stored");

    // What was counted is known; what is new goes on behind it.
    let first = event(demo.id, 1, (0, 12), vec![row(START_MS, 1, None, 4)]);
    copy.record_usage(&[first]).await.unwrap();
    assert_eq!(seen(&copy, demo.id).await, before);
    let now = place.clock.now_ms();
    let next = event(demo.id, 1, (40, 41), vec![row(now, 1, None, 1)]);
    copy.record_usage(&[next]).await.unwrap();
    // What was stored while nobody served is not billed, in the hour of the loss either.
    pass(&place, HOUR_MS / 6);
    store(&place, &copy, demo.id, 500).await;
    pass(&place, 60_000);
    store(&place, &copy, demo.id, 600).await;
    pass(&place, 2 * HOUR_MS);
    copy.close_books().await.unwrap();
    leave(&copy, &mut parts).await;
    assert_eq!(parts.len(), count + 1);
    assert_proved(&copy).await;
    let before = seen(&copy, demo.id).await;
    let found = catalogue(&copy).await;
    copy.close().await;

    // Lost once more.
    let third = Place::new();
    let copy = come_back((&other, &place.clock), &third, &found, &parts).await;
    assert_eq!(seen(&copy, demo.id).await, before);
    assert_proved(&copy).await;
}

#[tokio::test]
async fn an_attempt_is_known_again_and_another_machines_is_not() {
    let (place, service, demo) = started().await;
    let one = event(demo.id, 1, (0, 9), vec![row(START_MS, 1, None, 5)]);
    service.record_usage(&[one]).await.unwrap();
    let (number, part) = service.next_books_part().await.unwrap().unwrap();
    // Nobody said that it is stored: it is made again, with what came meanwhile.
    let two = event(demo.id, 1, (10, 19), vec![row(START_MS, 1, None, 6)]);
    service.record_usage(&[two]).await.unwrap();
    let (again, more) = service.next_books_part().await.unwrap().unwrap();
    assert_eq!((number, again), (1, 1));
    assert_eq!((part.head.line, part.head.after), (more.head.line, None));
    assert!(more.head.to > part.head.to);
    // The first attempt is there after all: the rest is the next part's.
    service.books_part_stored(1, part.head.to).await.unwrap();
    let (number, rest) = service.next_books_part().await.unwrap().unwrap();
    assert_eq!((number, rest.head.after), (2, Some(part.head.to)));
    let found = catalogue(&service).await;
    let parts = [part.pack().unwrap(), rest.pack().unwrap()];
    let other = Place::new();
    let copy = come_back((&place, &place.clock), &other, &found, &parts).await;
    let usage = copy.usage(demo.id, Timestamp(0), Timestamp(u64::MAX), UsageBy::Topic);
    assert_eq!(usage.await.unwrap()[0].sums.messages_in, 11);
    let three = event(demo.id, 1, (20, 29), vec![row(START_MS, 1, None, 1)]);
    for service in [&service, &copy] {
        service.books_part_stored(2, rest.head.to).await.unwrap();
        service
            .record_usage(std::slice::from_ref(&three))
            .await
            .unwrap();
    }
    let (of_old, old) = service.next_books_part().await.unwrap().unwrap();
    let (of_new, new) = copy.next_books_part().await.unwrap().unwrap();
    assert_eq!((of_old, of_new), (3, 3));
    assert_ne!(old.head.line, new.head.line);
}
