//! The meter's books as the meter and the gateway see them (RELIABILITY B1 to B3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::billing::{
    BillingApi as _, CallsEvent, CurveQuery, Price, PriceList, UsageBy, UsageSums,
};
use firn_protocol::api::tenant::{InstanceChange, TenantApi as _};
use firn_protocol::api::usage::{Counts, EventKey, SLOT_MS, StoredBytes, UsageEvent, UsageKey};
use firn_protocol::catalogue::Instance;
use firn_protocol::{
    BrokerId, ErrorCode, Generation, GroupId, InstanceId, TenantId, Timestamp, TopicId, TopicKey,
};
use firn_tenant_service::TenantService;

use crate::place::{ACME, Place, START_MS, caller, new, refused};

const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;
/// The hour in which the books of these tests begin, at 22:13 of 2023-11-14.
const FIRST_HOUR_MS: u64 = START_MS / HOUR_MS * HOUR_MS;

fn topic(id: u64) -> TopicKey {
    TopicKey::User(TopicId(id))
}

fn row(at: u64, id: u64, group: Option<u64>, messages: i64) -> (UsageKey, Counts) {
    let key = UsageKey::at(Timestamp(at), topic(id), group.map(GroupId));
    let counts = Counts {
        messages,
        units: 2 * messages,
        bytes: 5000 * messages,
    };
    (key, counts)
}

fn event(
    instance: InstanceId,
    broker: u32,
    (from, to): (u64, u64),
    rows: Vec<(UsageKey, Counts)>,
) -> UsageEvent {
    UsageEvent {
        tenant: ACME,
        instance,
        key: EventKey {
            broker: BrokerId(broker),
            generation: Generation(1),
            from,
        },
        to,
        rows,
    }
}

async fn sums(service: &TenantService, instance: InstanceId) -> UsageSums {
    let all = service.usage(instance, Timestamp(0), Timestamp(u64::MAX), UsageBy::Hour);
    all.await.unwrap().into_iter().map(|line| line.sums).sum()
}

async fn export(service: &TenantService, instance: InstanceId) -> String {
    let all = service.export_hours(instance, Timestamp(0), Timestamp(u64::MAX));
    all.await.unwrap()
}

fn pass(place: &Place, ms: u64) {
    place.clock.advance(Duration::from_millis(ms));
}

async fn started() -> (Place, Arc<TenantService>, Arc<Instance>) {
    let place = Place::new();
    let (service, demo) = place.with_instance().await;
    (place, service, demo)
}

#[tokio::test]
async fn an_event_counts_once_and_the_one_that_goes_further_counts_the_rest() {
    let (place, service, demo) = started().await;
    let first = event(demo.id, 1, (10, 20), vec![row(START_MS, 1, None, 3)]);
    for _ in 0..3 {
        service
            .record_usage(&[first.clone(), first.clone()])
            .await
            .unwrap();
    }
    assert_eq!(sums(&service, demo.id).await.messages_in, 3);
    // The next generation closed it anew, with more, and without what was taken back.
    let rows = vec![row(START_MS, 1, None, 4), row(START_MS, 1, Some(9), 2)];
    let longer = event(demo.id, 1, (10, 25), rows);
    service
        .record_usage(&[first.clone(), longer.clone()])
        .await
        .unwrap();
    let shorter = event(demo.id, 1, (10, 22), vec![row(START_MS, 1, None, 99)]);
    service.record_usage(&[shorter, first]).await.unwrap();
    // Known after a restart, too.
    service.close().await;
    let service = place.open().await;
    service.record_usage(&[longer]).await.unwrap();
    let expected = UsageSums {
        messages_in: 4,
        units_in: 8,
        bytes_in: 20_000,
        messages_out: 2,
        units_out: 4,
        bytes_out: 10_000,
        ..UsageSums::default()
    };
    assert_eq!(sums(&service, demo.id).await, expected);
}

#[tokio::test]
async fn usage_is_told_by_hour_day_and_topic() {
    let (_place, service, demo) = started().await;
    let next = FIRST_HOUR_MS + HOUR_MS;
    let late = FIRST_HOUR_MS + 2 * HOUR_MS;
    let rows = vec![
        row(START_MS, 1, None, 1),
        row(START_MS, 2, None, 2),
        row(next, 1, Some(5), 4),
        row(late, 1, None, 8),
    ];
    service
        .record_usage(&[event(demo.id, 1, (0, 9), rows)])
        .await
        .unwrap();
    let calls = CallsEvent {
        source: [1; 16],
        number: 1,
        rows: vec![
            (demo.id, Timestamp(next), 3),
            (demo.id, Timestamp(next + 9), 4),
        ],
    };
    for _ in 0..2 {
        service.record_calls(&calls).await.unwrap();
    }
    let lines = async |from, to, by| {
        let lines = service
            .usage(demo.id, Timestamp(from), Timestamp(to), by)
            .await
            .unwrap();
        let lines = lines.into_iter().map(|line| {
            let sums = line.sums;
            let start = line.start.map(|start| start.0);
            (
                start,
                line.topic,
                sums.messages_in,
                sums.messages_out,
                sums.api_calls,
            )
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        lines(0, u64::MAX, UsageBy::Hour).await,
        [
            (Some(FIRST_HOUR_MS), None, 3, 0, 0),
            (Some(next), None, 0, 4, 7),
            (Some(late), None, 8, 0, 0)
        ]
    );
    let day = 24 * HOUR_MS;
    assert_eq!(
        lines(0, u64::MAX, UsageBy::Day).await,
        [
            (Some(late / day * day - day), None, 3, 4, 7),
            (Some(late / day * day), None, 8, 0, 0)
        ]
    );
    assert_eq!(
        lines(0, u64::MAX, UsageBy::Topic).await,
        [
            (None, None, 0, 0, 7),
            (None, Some(topic(1)), 9, 4, 0),
            (None, Some(topic(2)), 2, 0, 0)
        ]
    );
    // Both ends included, by hours.
    assert_eq!(
        lines(FIRST_HOUR_MS + 1, next, UsageBy::Topic).await,
        [
            (None, None, 0, 0, 7),
            (None, Some(topic(1)), 1, 4, 0),
            (None, Some(topic(2)), 2, 0, 0)
        ]
    );
    let other = service.usage(
        InstanceId(99),
        Timestamp(0),
        Timestamp(u64::MAX),
        UsageBy::Hour,
    );
    assert_eq!(other.await.unwrap(), []);
}

#[tokio::test]
async fn what_comes_late_is_a_correction_and_closed_hours_never_change() {
    let (place, service, demo) = started().await;
    let send = async |from: u64, messages| {
        let rows = vec![row(START_MS, 1, None, messages)];
        service
            .record_usage(&[event(demo.id, 1, (from, from), rows)])
            .await
            .unwrap();
    };
    send(1, 1).await;
    // The hour ends, and stays open for ten minutes more.
    pass(
        &place,
        FIRST_HOUR_MS + HOUR_MS + 10 * MINUTE_MS - 1 - START_MS,
    );
    service.close_books().await.unwrap();
    assert_eq!(export(&service, demo.id).await, "");
    send(2, 2).await;
    // What was added just now keeps it open no longer: it was opened long ago.
    pass(&place, 1);
    service.close_books().await.unwrap();
    let closed = export(&service, demo.id).await;
    assert_eq!(closed.lines().count(), 1);
    assert!(closed.contains("\"messagesIn\":3") && closed.contains("\"bill\":\"2023-11\""));
    send(3, 4).await;
    send(4, -1).await;
    assert_eq!(export(&service, demo.id).await, closed);
    assert_eq!(sums(&service, demo.id).await.messages_in, 6);
    pass(&place, 10 * MINUTE_MS);
    service.close_books().await.unwrap();
    let corrected = export(&service, demo.id).await;
    assert!(corrected.starts_with(&closed), "{corrected}");
    let correction = &corrected[closed.len()..];
    assert!(correction.contains("\"messagesIn\":3") && correction.contains("\"revision\":1"));
    service.close().await;
    let service = place.open().await;
    assert_eq!(export(&service, demo.id).await, corrected);
    let checked = service.verify_bill(ACME, "2023-11").await.unwrap();
    assert_eq!(checked.differences, Vec::<String>::new());
    assert_eq!((checked.events, checked.hours), (4, 1));
}

/// splitmix64.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Any order, repetition and interruption of events, while hours close.
#[tokio::test]
async fn hours_are_the_sum_of_the_events_whatever_befalls_the_meter() {
    let (place, service, demo) = started().await;
    for seed in 0..25 {
        let mut choices = Choices(seed);
        let instance = InstanceId(1000 + seed);
        let mut furthest: BTreeMap<EventKey, UsageEvent> = BTreeMap::new();
        let mut offered = Vec::new();
        for _ in 0..12 {
            let from = choices.below(8) * 10;
            let rows = (0..choices.below(4)).map(|_| {
                let at = FIRST_HOUR_MS + choices.below(40) * 7 * MINUTE_MS;
                let group = Some(1 + choices.below(2)).filter(|_| choices.below(2) == 0);
                row(at, 1 + choices.below(2), group, choices.below(9) as i64 - 2)
            });
            let rows = rows.collect();
            let broker = 5000 + seed as u32;
            let event = event(instance, broker, (from, from + choices.below(10)), rows);
            // Of two that go as far the first one counts: a node makes no two.
            if offered
                .iter()
                .all(|other: &UsageEvent| (other.key, other.to) != (event.key, event.to))
            {
                offered.push(event);
            }
        }
        let mut exported = String::new();
        for _ in 0..40 {
            let picked: Vec<_> = (0..1 + choices.below(3))
                .map(|_| offered[choices.below(offered.len() as u64) as usize].clone())
                .collect();
            let mut work = service.record_usage(&picked);
            let is_interrupted = choices.below(3) == 0;
            let mut is_done = false;
            for _ in 0..choices.below(30) {
                if futures_util::poll!(&mut work).is_ready() {
                    is_done = true;
                    break;
                }
                tokio::task::yield_now().await;
            }
            if !is_done && !is_interrupted {
                work.await.unwrap();
                is_done = true;
            } else {
                drop(work);
            }
            // What was cut off may or may not have happened: the meter brings it again.
            if !is_done {
                service.record_usage(&picked).await.unwrap();
            }
            for event in picked {
                let known = furthest.entry(event.key).or_insert_with(|| event.clone());
                if event.to > known.to {
                    *known = event;
                }
            }
            pass(&place, choices.below(20) * MINUTE_MS);
            if choices.below(3) == 0 {
                service.close_books().await.unwrap();
                let now = export(&service, instance).await;
                assert!(
                    exported.lines().all(|line| now.contains(line)),
                    "seed {seed}"
                );
                exported = now;
            }
        }
        let mut expected: BTreeMap<(u64, TopicKey), (Counts, Counts)> = BTreeMap::new();
        for (key, counts) in furthest.values().flat_map(|event| &event.rows) {
            let hour = key.start().0 / HOUR_MS * HOUR_MS;
            let (sent, received) = expected.entry((hour, key.topic)).or_default();
            let sum = if key.group.is_none() { sent } else { received };
            *sum = sum.plus(*counts);
        }
        let mut found = BTreeMap::new();
        for hour in 0..6 {
            let at = Timestamp(FIRST_HOUR_MS + hour * HOUR_MS);
            let lines = service
                .usage(instance, at, at, UsageBy::Topic)
                .await
                .unwrap();
            for line in lines {
                let s = line.sums;
                let sent = Counts {
                    messages: s.messages_in,
                    units: s.units_in,
                    bytes: s.bytes_in,
                };
                let received = Counts {
                    messages: s.messages_out,
                    units: s.units_out,
                    bytes: s.bytes_out,
                };
                found.insert((at.0, line.topic.unwrap()), (sent, received));
            }
        }
        let is_news = |_: &_, sums: &mut (Counts, Counts)| *sums != Default::default();
        expected.retain(is_news);
        found.retain(is_news);
        assert_eq!(found, expected, "seed {seed}");
    }
    assert_eq!(sums(&service, demo.id).await, UsageSums::default());
}

#[tokio::test]
async fn stored_bytes_count_by_the_second_in_their_hours() {
    let (place, service, demo) = started().await;
    let sample = async |hot, cold| {
        let stored = [StoredBytes {
            tenant: ACME,
            instance: demo.id,
            broker: BrokerId(1),
            hot,
            cold,
        }];
        let at = Timestamp(place.clock.now_ms());
        for _ in 0..2 {
            service.record_stored(at, &stored).await.unwrap();
        }
    };
    // 100 s before the hour's end.
    pass(&place, FIRST_HOUR_MS + HOUR_MS - 100_000 - START_MS);
    sample(10, 0).await;
    pass(&place, 30_000);
    sample(20, 1).await;
    // Over the border.
    pass(&place, 100_000);
    sample(20, 1).await;
    // The meter is away; as much was stored as before.
    pass(&place, 2 * HOUR_MS);
    sample(0, 5).await;
    pass(&place, 60_000);
    // The broker is gone.
    service
        .record_stored(Timestamp(place.clock.now_ms()), &[])
        .await
        .unwrap();
    pass(&place, HOUR_MS);
    service
        .record_stored(Timestamp(place.clock.now_ms()), &[])
        .await
        .unwrap();
    let lines = service
        .usage(demo.id, Timestamp(0), Timestamp(u64::MAX), UsageBy::Hour)
        .await;
    let lines = lines.unwrap();
    let found: Vec<_> = lines
        .iter()
        .map(|l| {
            (
                l.sums.stored_byte_seconds_hot,
                l.sums.stored_byte_seconds_cold,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (10 * 30 + 20 * 70, 70),
            (20 * 3600, 3600),
            (20 * 3600, 3600),
            (20 * 30, 30 + 5 * 60),
        ]
    );
    let verified = service.verify_bill(ACME, "2023-11").await.unwrap();
    assert_eq!(verified.differences, Vec::<String>::new());
    assert_eq!(verified.hours, 4);
}

#[tokio::test]
async fn curves_show_a_day_by_broker_topic_and_group() {
    let (place, service, demo) = started().await;
    let slot = START_MS / SLOT_MS * SLOT_MS;
    let first = vec![
        row(slot, 1, None, 1),
        row(slot, 1, Some(5), 2),
        row(slot, 2, Some(6), 4),
    ];
    let second = vec![row(slot + SLOT_MS, 1, None, 8)];
    let old = vec![row(slot - 26 * HOUR_MS, 1, None, 16)];
    let events = [
        event(demo.id, 1, (0, 9), first),
        event(demo.id, 2, (0, 9), second),
        event(demo.id, 1, (20, 29), old),
    ];
    service.record_usage(&events).await.unwrap();
    let all = CurveQuery {
        instance: demo.id,
        broker: None,
        topic: None,
        group: None,
        from: Timestamp(0),
        to: Timestamp(u64::MAX >> 2),
    };
    let points = async |query| {
        let points = service.curve(query).await.unwrap();
        let points = points.into_iter().map(|point| {
            (
                point.start.0,
                point.broker.0,
                point.sent.messages,
                point.delivered.messages,
            )
        });
        points.collect::<Vec<_>>()
    };
    let (one, two) = ((slot, 1, 1, 6), (slot + SLOT_MS, 2, 8, 0));
    assert_eq!(points(all).await, [one, two]);
    let only = |change: fn(&mut CurveQuery)| {
        let mut query = all;
        change(&mut query);
        points(query)
    };
    assert_eq!(only(|q| q.broker = Some(BrokerId(2))).await, [two]);
    assert_eq!(only(|q| q.topic = Some(topic(2))).await, [(slot, 1, 0, 4)]);
    assert_eq!(
        only(|q| q.group = Some(GroupId(5))).await,
        [(slot, 1, 1, 2), two]
    );
    assert_eq!(
        points(CurveQuery {
            from: Timestamp(slot + SLOT_MS),
            ..all
        })
        .await,
        [two]
    );
    assert_eq!(
        points(CurveQuery {
            to: Timestamp(slot),
            ..all
        })
        .await,
        [one]
    );
    // Forgotten after 25 hours; the hours stay.
    pass(&place, 25 * HOUR_MS + SLOT_MS);
    service.close_books().await.unwrap();
    assert_eq!(points(all).await, [two]);
    assert_eq!(sums(&service, demo.id).await.messages_in, 25);
}

fn list(valid_from: u64, prices: &[(&str, u64, u64)]) -> PriceList {
    let prices = prices.iter().map(|(item, micros, per)| Price {
        item: (*item).to_owned(),
        micros: *micros,
        per: *per,
    });
    PriceList {
        name: "standard".to_owned(),
        version: 0,
        valid_from: Timestamp(valid_from),
        currency: "EUR".to_owned(),
        prices: prices.collect(),
    }
}

#[tokio::test]
async fn a_month_is_billed_closed_and_corrected_in_the_next() {
    let (place, service, demo) = started().await;
    let by = caller();
    // 2023-11-15T00:00Z.
    let midnight = FIRST_HOUR_MS + 2 * HOUR_MS;
    let cheap = list(midnight, &[("unitsIn", 1, 2), ("instanceMonth", 720, 1)]);
    let cheap = service.add_prices(&by, cheap).await.unwrap();
    assert_eq!(cheap.version, 2);
    let early = list(FIRST_HOUR_MS, &[]);
    refused(
        service.add_prices(&by, early).await,
        ErrorCode::BadRequest,
        "has begun",
    );
    let rows = vec![
        row(START_MS, 1, None, 500_000),
        row(midnight, 1, None, 2),
        row(midnight + HOUR_MS, 2, None, 1),
    ];
    service
        .record_usage(&[event(demo.id, 1, (0, 9), rows)])
        .await
        .unwrap();
    // Half a month later the instance goes; it is on its last bill.
    pass(&place, midnight + 10 * 24 * HOUR_MS - START_MS);
    service.delete_instance(&by, demo.id).await.unwrap();
    let bill = service.bill(ACME, "2023-11").await.unwrap();
    let lines = |bill: &firn_protocol::api::billing::Bill| -> Vec<_> {
        let lines = bill.lines.iter();
        lines
            .map(|line| {
                (
                    line.item.clone(),
                    line.price_version,
                    line.quantity,
                    line.amount_micros,
                    line.is_correction,
                )
            })
            .collect()
    };
    let line = |item: &str, version, quantity, amount, late| {
        (item.to_owned(), version, quantity, amount, late)
    };
    let expected = [
        // 2 h at 10.00 for 720 h: 27,777.7… micros.
        line("instanceMonth", 1, 2, 27_778, false),
        line("instanceMonth", 2, 240, 240, false),
        line("unitsIn", 1, 1_000_000, 400_000, false),
        line("unitsIn", 2, 6, 3, false),
    ];
    assert_eq!(lines(&bill), expected);
    assert_eq!(
        (bill.total_micros, bill.currency.as_str()),
        (428_021, "EUR")
    );
    assert_eq!(
        (bill.is_closed, bill.lines[0].instance_name.as_str()),
        (false, "demo")
    );
    assert_eq!(service.bill_months(ACME).await.unwrap(), ["2023-11"]);
    refused(
        service.bill(ACME, "2023-12").await,
        ErrorCode::NotFound,
        "2023-12",
    );
    refused(
        service.bill(ACME, "2023-10").await,
        ErrorCode::NotFound,
        "2023-10",
    );
    refused(
        service.bill(ACME, "november").await,
        ErrorCode::BadRequest,
        "YYYY-MM",
    );

    // 24 h after the month's end, and not before.
    let december = 1_701_388_800_000;
    pass(&place, december + 24 * HOUR_MS - 1 - place.clock.now_ms());
    service.close_books().await.unwrap();
    assert!(!service.bill(ACME, "2023-11").await.unwrap().is_closed);
    pass(&place, 1);
    service.close_books().await.unwrap();
    let closed = service.bill(ACME, "2023-11").await.unwrap();
    assert!(closed.is_closed);
    assert_eq!(lines(&closed), expected);
    // What comes now is on the next bill, at the price of its hour.
    let late = vec![row(midnight, 1, None, 5), row(START_MS, 1, None, -1)];
    service
        .record_usage(&[event(demo.id, 1, (20, 29), late)])
        .await
        .unwrap();
    assert_eq!(service.bill(ACME, "2023-11").await.unwrap(), closed);
    pass(&place, HOUR_MS);
    service.close_books().await.unwrap();
    assert_eq!(service.bill(ACME, "2023-11").await.unwrap(), closed);
    let next = service.bill(ACME, "2023-12").await.unwrap();
    assert_eq!(
        lines(&next),
        [
            line("unitsIn", 1, -2, -1, true),
            line("unitsIn", 2, 10, 5, true)
        ]
    );
    assert_eq!(
        service.bill_months(ACME).await.unwrap(),
        ["2023-12", "2023-11"]
    );
    for month in ["2023-11", "2023-12"] {
        let verified = service.verify_bill(ACME, month).await.unwrap();
        assert_eq!(verified.differences, Vec::<String>::new(), "{month}");
    }
    // Nobody else pays.
    refused(
        service.bill(TenantId(67), "2023-11").await,
        ErrorCode::NotFound,
        "67",
    );
    // Months go by; each closes once, and everything stays as it was.
    pass(&place, 100 * 24 * HOUR_MS);
    service.close_books().await.unwrap();
    service.close().await;
    let service = place.open().await;
    assert_eq!(service.bill(ACME, "2023-11").await.unwrap(), closed);
    let december = service.bill(ACME, "2023-12").await.unwrap();
    assert!(december.is_closed);
    assert_eq!(december.lines, next.lines);
    assert_eq!(service.price_lists().len(), 2);
    let verified = service.verify_bill(ACME, "2023-11").await.unwrap();
    assert_eq!(
        (verified.differences.len(), verified.hours),
        (0, 0),
        "events are forgotten"
    );
}

#[tokio::test]
async fn a_change_of_plan_or_end_date_is_on_the_bill() {
    let (place, service, demo) = started().await;
    let by = caller();
    pass(&place, FIRST_HOUR_MS + 2 * HOUR_MS - START_MS);
    let change = InstanceChange {
        plan: Some("serverless".to_owned()),
        remark: Some("r".to_owned()),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    let change = InstanceChange {
        remark: Some("another".to_owned()),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    let end = Timestamp(place.clock.now_ms() + 3 * HOUR_MS);
    let change = InstanceChange {
        expires_at: Some(end),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    pass(&place, 24 * HOUR_MS);
    let bill = service.bill(ACME, "2023-11").await.unwrap();
    let lines: Vec<_> = bill
        .lines
        .iter()
        .map(|l| (l.plan.as_str(), l.quantity))
        .collect();
    assert_eq!(lines, [("basic", 2), ("serverless", 3)]);
}

#[tokio::test]
async fn old_instances_are_not_billed_for_the_time_before_the_books() {
    let (place, service, _) = started().await;
    pass(&place, 3 * HOUR_MS);
    let other = service
        .create_instance(&caller(), new(ACME, "other"))
        .await
        .unwrap();
    let bill = service.bill(ACME, "2023-11").await.unwrap();
    let hours: Vec<_> = bill
        .lines
        .iter()
        .map(|l| (l.instance, l.quantity))
        .collect();
    assert_eq!(hours, [(InstanceId(1), 4), (other.id, 1)]);
}

const FILE: &str = r#"
[[price_list]]
name = "own"
currency = "CNY"
price = [{ item = "apiCalls", micros = 5, per = 1 }]
[[price_list]]
name = "own"
valid_from = 1700006400000
currency = "CNY"
[[plan]]
name = "cheap"
price_list = "own"
"#;

#[tokio::test]
async fn price_lists_come_with_the_bootstrap_file_and_stay() {
    let place = Place::new();
    let service = place.open().await;
    // The second version's hour may have begun long ago on a new machine.
    pass(&place, 24 * HOUR_MS);
    let report = service.apply_bootstrap(FILE).await.unwrap();
    assert_eq!(report.created["priceList"], 2);
    let again = service.apply_bootstrap(FILE).await.unwrap();
    assert!(
        again.created.is_empty() && again.differences.is_empty(),
        "{again:?}"
    );
    let dearer = FILE.replace("micros = 5", "micros = 6");
    let report = service.apply_bootstrap(&dearer).await.unwrap();
    assert!(report.created.is_empty());
    assert!(
        report.differences[0].contains("price_list[0].price"),
        "{report:?}"
    );
    let third = format!(
        "{FILE}[[price_list]]\nname = 'own'\nvalid_from = 1700010000000\ncurrency = 'CNY'\n"
    );
    let error = service
        .apply_bootstrap(&third)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("price_list[2].valid_from") && error.contains("has begun"),
        "{error}"
    );
    let lists = async |service: &TenantService| {
        let lists = service.price_lists();
        lists
            .iter()
            .map(|l| (l.name.clone(), l.version, l.currency.clone()))
            .collect::<Vec<_>>()
    };
    let own = |version| ("own".to_owned(), version, "CNY".to_owned());
    let expected = [own(1), own(2), ("standard".to_owned(), 1, "CNY".to_owned())];
    assert_eq!(lists(&service).await, expected);
    service.close().await;
    assert_eq!(lists(&*place.open().await).await, expected);
}
