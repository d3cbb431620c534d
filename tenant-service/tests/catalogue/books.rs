//! The meter's books as the meter and the gateway see them (RELIABILITY B1 to B3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::billing::{BillingApi as _, CallsEvent, CurveQuery, UsageBy, UsageSums};
use firn_protocol::api::usage::{Counts, EventKey, SLOT_MS, StoredBytes, UsageEvent, UsageKey};
use firn_protocol::catalogue::Instance;
use firn_protocol::{BrokerId, Generation, GroupId, InstanceId, Timestamp, TopicId, TopicKey};
use firn_tenant_service::TenantService;

use crate::place::{ACME, Place, START_MS};

pub(crate) const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;
/// The hour in which the books of these tests begin, at 22:13 of 2023-11-14.
pub(crate) const FIRST_HOUR_MS: u64 = START_MS / HOUR_MS * HOUR_MS;

fn topic(id: u64) -> TopicKey {
    TopicKey::User(TopicId(id))
}

pub(crate) fn row(at: u64, id: u64, group: Option<u64>, messages: i64) -> (UsageKey, Counts) {
    let key = UsageKey::at(Timestamp(at), topic(id), group.map(GroupId));
    let counts = Counts {
        messages,
        units: 2 * messages,
        bytes: 5000 * messages,
    };
    (key, counts)
}

pub(crate) fn event(
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

pub(crate) fn pass(place: &Place, ms: u64) {
    place.clock.advance(Duration::from_millis(ms));
}

pub(crate) async fn started() -> (Place, Arc<TenantService>, Arc<Instance>) {
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
async fn a_broker_that_was_empty_for_a_while_is_verified() {
    let (place, service, demo) = started().await;
    let stored = |hot| StoredBytes {
        tenant: ACME,
        instance: demo.id,
        broker: BrokerId(1),
        hot,
        cold: 0,
    };
    // Empty, and gone.
    for samples in [
        vec![stored(10)],
        vec![stored(0)],
        vec![stored(20)],
        vec![],
        vec![stored(30)],
        vec![stored(30)],
    ] {
        let at = Timestamp(place.clock.now_ms());
        service.record_stored(at, &samples).await.unwrap();
        pass(&place, 100_000);
    }
    let all = (Timestamp(0), Timestamp(u64::MAX));
    let lines = service.usage(demo.id, all.0, all.1, UsageBy::Hour).await;
    let sums: Vec<_> = lines
        .unwrap()
        .iter()
        .map(|line| line.sums.stored_byte_seconds_hot)
        .collect();
    assert_eq!(sums, [100 * (10 + 20 + 30)]);
    let verified = service.verify_bill(ACME, "2023-11").await.unwrap();
    assert_eq!(verified.differences, [] as [String; 0]);
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
