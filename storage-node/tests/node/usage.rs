//! Counts for the bill (RULES 26; B1 and B2): what the meter adds up is what was sent
//! and handed out, whatever befalls the node and the meter.

use std::collections::BTreeMap;

use firn_protocol::api::hold::{
    HoldApi as _, HoldRequest, PrepareRequest, UniqueMessage, UniqueRequest,
};
use firn_protocol::api::storage::{
    AppendRequest, GroupMode, GroupSpec, ReceiveRequest, StorageApi, VisibilityRequest,
};
use firn_protocol::api::usage::{Counts, EventKey, SLOT_MS, UsageApi as _, UsageEvent, UsageKey};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, TopicId, TopicKey, UniqueId};
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;

use crate::harness::{
    BROKERS, Bench, GROUP, START_MS, TOPIC, context, group, message, queue_key, receive,
};

/// What a meter keeps: of two events with one key, the one that goes further.
#[derive(Default)]
struct Meter(BTreeMap<EventKey, UsageEvent>);

impl Meter {
    async fn collect(&mut self, bench: &Bench) -> Vec<EventKey> {
        let events = bench.node().usage().await.expect("answered");
        let keys = events.iter().map(|event| event.key).collect();
        for event in events {
            assert!(event.key.from <= event.to && !event.rows.is_empty());
            match self.0.get(&event.key) {
                Some(known) if known.to >= event.to => {}
                _ => {
                    self.0.insert(event.key, event);
                }
            }
        }
        keys
    }

    async fn collect_and_tell(&mut self, bench: &Bench) {
        let keys = self.collect(bench).await;
        let told = bench.node().usage_taken(&keys).await;
        told.expect("taken");
    }

    fn rows(&self) -> BTreeMap<UsageKey, Counts> {
        let mut rows: BTreeMap<UsageKey, Counts> = BTreeMap::new();
        for (key, counts) in self.0.values().flat_map(|event| &event.rows) {
            let sum = rows.entry(*key).or_default();
            *sum = sum.plus(*counts);
        }
        rows
    }

    fn total(&self, group: Option<GroupId>) -> Counts {
        let rows = self.rows().into_iter();
        rows.filter(|(key, _)| key.group == group)
            .map(|(_, counts)| counts)
            .sum()
    }
}

fn topic() -> TopicKey {
    TopicKey::User(TopicId(TOPIC))
}

fn sized(n: u64, bytes: usize) -> NewMessage {
    NewMessage {
        body: vec![b'x'; bytes].into(),
        properties: vec![("p".to_owned(), "v".to_owned())],
        ..message(n, Some("tag"))
    }
}

async fn send(bench: &Bench, messages: Vec<NewMessage>) {
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages,
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.expect("sent");
}

/// Sends in every way; the half message. One of the sends is a repeat.
async fn send_all_ways(bench: &Bench) -> HeldPlace {
    // 5 bytes of tag, name and value each.
    send(bench, vec![sized(0, 4091), sized(1, 4092), sized(2, 0)]).await;
    let (ctx, node) = (context(1), bench.node().clone());
    let (broker, queue) = (BROKERS[0], queue_key(TOPIC, 0));
    let delayed = NewMessage {
        deliver_at: Some(Timestamp(bench.now() + 5_000)),
        ..sized(3, 10)
    };
    let hold = HoldRequest {
        broker,
        queue,
        messages: vec![delayed],
    };
    let held = node.hold(&ctx, hold).await.expect("answered").remove(0);
    held.expect("held");
    for _ in 0..2 {
        let unique = UniqueRequest {
            broker,
            queue,
            messages: vec![UniqueMessage {
                message: sized(5, 30),
                id: UniqueId::of(TopicId(TOPIC), "id"),
            }],
            routed: None,
        };
        let sent = node.append_unique(&ctx, unique).await.expect("answered");
        sent[0].as_ref().expect("stored");
    }
    let half = PrepareRequest {
        broker,
        queue,
        message: sized(4, 20),
        producers: "p".to_owned(),
        check_after_ms: 6_000,
    };
    node.prepare(&ctx, half).await.expect("begun").place
}

#[tokio::test]
async fn every_way_to_send_and_to_receive_counts_once() {
    let bench = Bench::new(|_| {});
    let mut meter = Meter::default();
    assert_eq!(meter.collect(&bench).await, []);
    let half = send_all_ways(&bench).await;
    meter.collect_and_tell(&bench).await;
    let bytes = [4096, 4097, 5, 15, 25, 35];
    let expected: Counts = bytes.into_iter().map(Counts::message).sum();
    assert_eq!(meter.total(None), expected);
    assert_eq!((expected.messages, expected.units), (6, 7));
    assert_eq!(meter.collect(&bench).await, [], "taken is taken");

    // A later slot: one is due, one is committed, and neither is sent again by that.
    let (ctx, node) = (context(1), bench.node().clone());
    bench.advance(SLOT_MS);
    let decided = node.decide(&ctx, half, true).await;
    decided.expect("decided");
    let got = bench.take(64, &Filter::All).await.deliveries;
    assert_eq!(got.len(), 6);
    let size = |at: usize| Counts::message(got[at].message.content_bytes());
    let back = vec![got[0].receipt];
    let given = node.give_back(&ctx, BROKERS[0], GROUP, back).await;
    given.expect("given back");
    let failed = VisibilityRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        receipt: got[1].receipt,
        invisible_ms: 0,
    };
    node.change_visibility(&ctx, failed).await.expect("failed");
    meter.collect_and_tell(&bench).await;
    assert_eq!(meter.total(None), expected);
    let out = expected.plus(size(0).negative());
    assert_eq!(meter.total(Some(GROUP)), out);
    bench.advance(10_000);
    // The one given back, and the one that failed.
    let mut again = 0;
    for _ in 0..2 {
        again += bench.take(64, &Filter::All).await.deliveries.len();
        // Answered once the copy that became due is durable.
        let lag = node.lag(&ctx, BROKERS[0], GROUP).await;
        lag.expect("answered");
    }
    assert_eq!(again, 2);
    meter.collect_and_tell(&bench).await;
    assert_eq!(meter.total(Some(GROUP)), expected.plus(size(1)));
    let rows = meter.rows().into_keys();
    let slots: Vec<_> = rows
        .map(|key| (key.group, key.start().0, key.topic))
        .collect();
    let begin = START_MS - START_MS % SLOT_MS;
    let later = begin + SLOT_MS;
    let written = [(None, begin, topic()), (Some(GROUP), later, topic())];
    assert_eq!(slots, written);
}

#[tokio::test]
async fn members_of_a_broadcast_count_for_their_group() {
    let bench = Bench::new(|_| {});
    send(&bench, vec![message(0, None)]).await;
    let mut meter = Meter::default();
    for name in ["m1", "m2"] {
        let request = ReceiveRequest {
            group: GroupSpec {
                id: GROUP.member(name),
                mode: GroupMode::Member { of: GROUP },
                ..group(GROUP)
            },
            member: name.to_owned(),
            ..receive(8, &Filter::All)
        };
        let got = bench.node().receive(&context(1), request).await;
        let receipt = got.expect("received").deliveries[0].receipt;
        if name == "m2" {
            let back = bench.node();
            let (ctx, receipts) = (context(1), vec![receipt]);
            let given = back.give_back(&ctx, BROKERS[0], GROUP, receipts);
            given.await.expect("given back");
        }
    }
    meter.collect(&bench).await;
    assert_eq!(meter.total(Some(GROUP)).messages, 1);
}

/// The meter dies before and after it keeps events, the node loses its power: no
/// message is counted twice, and none that is stored is missing.
#[tokio::test]
async fn no_crash_loses_or_doubles_a_count() {
    for seed in 0..40_u64 {
        let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |n: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % n
        };
        let mut bench = Bench::new(|_| {});
        let (mut meter, mut sent) = (Meter::default(), Vec::new());
        for step in 0..60 {
            match below(8) {
                0..=3 => {
                    let sizes: Vec<u64> = (0..=below(3)).map(|_| below(9000)).collect();
                    let messages = sizes.iter().map(|&size| sized(step, size as usize));
                    send(&bench, messages.collect()).await;
                    sent.extend(sizes);
                }
                4 => meter.collect_and_tell(&bench).await,
                5 => {
                    // It keeps them and dies before it tells, or dies before.
                    meter.collect(&bench).await;
                }
                6 => {
                    let keys = bench.node().usage().await.expect("answered");
                    assert!(keys.len() < 100);
                    bench.advance(1 + below(SLOT_MS));
                }
                _ if below(2) == 0 => {
                    bench.crash(seed + step, below(2) == 0).await;
                }
                _ => {
                    bench.close().await;
                    bench.open();
                }
            }
        }
        meter.collect_and_tell(&bench).await;
        let expected: Counts = sent.iter().map(|&n| Counts::message(n + 5)).sum();
        assert_eq!(meter.total(None), expected, "B1: seed {seed}");
        assert!(bench.node().usage().await.expect("answered").is_empty());
    }
}
