//! Object storage that fails, other owners, other machines, damage.

use bytes::Bytes;
use firn_protocol::api::storage::{AppendRequest, ReceiveRequest, StorageApi, TopicSpec};
use firn_protocol::error::{Detail, ErrorCode};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{Generation, Offset, Position};
use firn_storage_node::cold::Operation;
use firn_storage_node::cold::paths::{NodeId, Nonce, ObjectName, Prefix, SegmentName};
use firn_storage_node::config::TierMutant;
use firn_storage_node::node::{ColdParts, Restorable};

use crate::harness::{BROKERS, Bench, GROUP, TOPIC, context, offsets, queue_key, receive};
use crate::tiers::{BIG, big, check_all, faulty, objects, read, seal, send, small};

#[tokio::test]
async fn a_crash_at_any_request_loses_nothing() {
    for step in 1.. {
        let mut bench = Bench::new(small);
        let (objects, parts) = faulty(&bench.clock);
        bench.cold = parts;
        bench.restart(true).await;
        send(&bench, 0..40).await;
        seal(&bench).await;
        send(&bench, 40..90).await;
        objects.crash_before_change(step);
        let whole = bench.node().seal_all().await;
        bench.crash(step, step % 2 == 0).await;
        objects.heal();
        check_all(&bench, 90).await;
        send(&bench, 90..95).await;
        // The first may only find what the crash left behind.
        for _ in 0..2 {
            bench.node().seal_all().await;
        }
        bench.restart(false).await;
        check_all(&bench, 95).await;
        if whole {
            assert!(step > 3, "parts, an end, a manifest");
            return;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_does_not_fence_the_owner() {
    for step in 1..=12 {
        let mut bench = Bench::new(small);
        let (objects, parts) = faulty(&bench.clock);
        bench.cold = parts;
        bench.restart(true).await;
        send(&bench, 0..50).await;
        objects.lose_answer(step);
        bench.node().seal_all().await;
        objects.heal();
        for _ in 0..2 {
            bench.node().seal_all().await;
        }
        send(&bench, 50..60).await;
        seal(&bench).await;
        bench.restart(false).await;
        check_all(&bench, 60).await;
    }
}

#[tokio::test]
async fn an_owner_that_was_replaced_answers_no_more() {
    assert_eq!(replaced(None).await, Ok(()));
    let unfenced = replaced(Some(TierMutant::NoFence)).await;
    unfenced.expect_err("a deliberate fault is seen");
}

async fn replaced(mutant: Option<TierMutant>) -> Result<(), String> {
    let bench = Bench::new(|config| {
        small(config);
        config.tier.mutant = mutant;
    });
    send(&bench, 0..40).await;
    seal(&bench).await;
    let mut other = Bench::new(small);
    other.cold = ColdParts {
        owner: NodeId(2),
        ..bench.cold.clone()
    };
    restore(&mut other).await;
    send(&other, 40..50).await;
    send(&bench, 40..43).await;
    if bench.node().seal_all().await {
        return Err("the number is taken, and it was sealed".to_owned());
    }
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC, 0),
        messages: vec![big(99)],
    };
    let refused = bench.node().append(&context(1), request).await;
    assert_eq!(refused.expect_err("refused").code, ErrorCode::NotOwner);
    seal(&other).await;
    check_all(&other, 50).await;
    Ok(())
}

/// An empty machine takes over what the bucket has.
pub(crate) async fn restore(bench: &mut Bench) {
    let found = Restorable::read(&bench.cold.store).await.expect("readable");
    bench.config.log.first_incarnation = found.next_generation().0.into();
    bench.start_empty().await;
    bench.node().restore(found).await.expect("restored");
}

#[tokio::test]
async fn a_bucket_alone_gives_everything_back() {
    let mut bench = Bench::new(small);
    send(&bench, 0..200).await;
    let taken = bench.take(10, &Filter::All).await;
    for delivery in &taken.deliveries[..4] {
        bench.ack(delivery.receipt).await;
    }
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    check_all(&bench, 200).await;
    // Acks survive, leases too.
    let next = bench.take(3, &Filter::All).await;
    assert_eq!(offsets(&next), [10, 11, 12]);
    bench.advance(31_000);
    let mut again: Vec<u64> = Vec::new();
    for _ in 0..2 {
        let taken = bench.take(100, &Filter::All).await;
        again.extend(taken.deliveries.iter().map(|d| d.message.content.born_at.0));
        // Copies are handed out once they are durable, as this waits for.
        let lag = bench.node().lag(&context(1), BROKERS[0], GROUP).await;
        lag.expect("lag");
    }
    assert!(
        (4..13).all(|offset| again.contains(&(offset * 2))),
        "{again:?}"
    );
    assert!(
        (0..4).all(|offset| !again.contains(&(offset * 2))),
        "{again:?}"
    );
    // Positions that a lost tail may have given out are not given out again.
    send(&bench, 200..202).await;
    let new = read(&bench, 0, 100, 1).await;
    assert!(new[0].position >= Position(1 << 32));
    for keep in [true, false] {
        bench.crash(1, keep).await;
        check_all(&bench, 202).await;
    }
    seal(&bench).await;
    bench.restart(false).await;
    check_all(&bench, 202).await;
}

#[tokio::test]
async fn a_damaged_segment_is_named_with_its_offsets() {
    let mut bench = Bench::new(small);
    send(&bench, 0..60).await;
    seal(&bench).await;
    let name = objects(&bench).await;
    let segment = *name
        .iter()
        .find(|name| matches!(name, ObjectName::Segment(..)))
        .expect("a segment");
    let whole = bench.cold.store.get(segment).await.expect("there");
    for at in [70, whole.len() / 3, whole.len() - 300, whole.len() - 100] {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 4;
        let stored = [Bytes::from(bytes)];
        bench
            .cold
            .store
            .put_unique(segment, stored)
            .await
            .expect("spoiled");
        bench.close().await;
        restore(&mut bench).await;
        let mut wrong = 0;
        for queue in 0..2 {
            let (ctx, queue) = (context(1), queue_key(TOPIC, queue));
            let read = bench.node().read(&ctx, BROKERS[0], queue, Offset(0), 30);
            match read.await {
                Ok(messages) => assert!(messages.iter().all(|m| m.content.body.len() == BIG)),
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::DataDamaged, "{error}");
                    wrong += 1;
                    if at < whole.len() / 2 {
                        let first = &error.details[0];
                        assert!(
                            matches!(first, ("firstOffset", Detail::Number(_))),
                            "{error:?}"
                        );
                    }
                }
            }
        }
        let is_read = at != whole.len() - 300;
        assert!(
            wrong > 0 || !is_read,
            "a flipped bit at {at} is not noticed"
        );
        bench
            .cold
            .store
            .put_unique(segment, [whole.clone()])
            .await
            .expect("repaired");
    }
    // With the right bytes everything is served again.
    bench.close().await;
    restore(&mut bench).await;
    check_all(&bench, 60).await;
}

/// Attempts that failed, states that were replaced and old manifests go; what is
/// named stays, and so does what is not ours.
#[tokio::test]
async fn what_nothing_names_is_swept() {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let mut bench = Bench::new(small);
    let (_, parts) = faulty(&bench.clock);
    bench.cold = parts;
    bench.restart(true).await;
    send(&bench, 0..40).await;
    seal(&bench).await;
    let key = objects(&bench).await[0].broker().expect("of a broker");
    let orphan = |nonce| {
        let name = SegmentName {
            generation: Generation(1),
            first_sequence: 1,
            nonce: Nonce(nonce),
        };
        ObjectName::Segment(key, name)
    };
    let body = Bytes::from_static(b"an attempt that failed");
    let put = |name| bench.cold.store.put_unique(name, [body.clone()]);
    put(orphan(1)).await.expect("stored");
    bench.advance(8 * DAY_MS);
    put(orphan(2)).await.expect("stored");
    bench.advance(DAY_MS / 24);
    send(&bench, 40..80).await;
    seal(&bench).await;
    let there = objects(&bench).await;
    assert!(!there.contains(&orphan(1)), "older than a day");
    assert!(
        there.contains(&orphan(2)),
        "it may be on its way into a manifest"
    );
    let manifests = there
        .iter()
        .filter(|name| matches!(name, ObjectName::Manifest(..)));
    assert_eq!(
        manifests.count(),
        1,
        "the first one is more than a week old"
    );
    check_all(&bench, 80).await;
    // Not again on the same day, though much is sealed.
    put(orphan(3)).await.expect("stored");
    let before = requests(&bench, Operation::List);
    for round in 0..5 {
        send(&bench, 80 + round * 20..100 + round * 20).await;
        seal(&bench).await;
    }
    assert_eq!(requests(&bench, Operation::List), before);
    bench.advance(2 * DAY_MS);
    send(&bench, 180..200).await;
    seal(&bench).await;
    let there = objects(&bench).await;
    assert!(![2, 3].iter().any(|&nonce| there.contains(&orphan(nonce))));
    bench.restart(false).await;
    check_all(&bench, 200).await;
}

fn requests(bench: &Bench, operation: Operation) -> u64 {
    bench.cold.store.metrics().requests(operation)
}

/// A node whose object storage is away goes on, and catches up by itself.
#[tokio::test]
async fn object_storage_that_is_away_stops_no_send() {
    let mut bench = Bench::new(small);
    let (objects, parts) = faulty(&bench.clock);
    bench.cold = parts;
    bench.restart(true).await;
    objects.storm(u64::MAX);
    for round in 0..5 {
        send(&bench, round * 50..round * 50 + 50).await;
        bench.node().tier_step().await;
    }
    check_all(&bench, 250).await;
    objects.heal();
    bench.node().tier_step().await;
    assert!(
        bench
            .cold
            .store
            .list(Prefix::All)
            .await
            .expect("listed")
            .len()
            >= 2
    );
    bench.restart(false).await;
    check_all(&bench, 250).await;
}

/// What is due of one group, and lies in an object store that is away, is no reason to
/// keep another one waiting.
#[tokio::test]
async fn a_cold_redelivery_holds_up_no_other_receive() {
    let mut bench = Bench::new(small);
    let (objects, parts) = faulty(&bench.clock);
    bench.cold = parts;
    bench.restart(true).await;
    send(&bench, 0..40).await;
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    let leased = bench.take(1, &Filter::All).await;
    assert_eq!(offsets(&leased), [0]);
    // Nothing that was read stays in memory.
    bench.restart(true).await;
    let other = TopicSpec {
        key: queue_key(TOPIC + 1, 0).topic,
        queues: 1,
    };
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(TOPIC + 1, 0),
        messages: vec![big(1), big(2)],
    };
    let sent = bench.node().append(&context(1), request).await;
    sent.expect("sent");
    objects.storm(u64::MAX);
    bench.advance(31_000);
    for _ in 0..2 {
        let request = ReceiveRequest {
            topic: other,
            ..receive(1, &Filter::All)
        };
        let got = bench.node().receive(&context(1), request).await;
        assert_eq!(got.expect("received").deliveries.len(), 1);
    }
    objects.heal();
    bench.advance(1_000);
    for _ in 0..2 {
        bench.node().timer_step().await;
        bench.settle_stores().await;
    }
    let again = bench.take(64, &Filter::All).await;
    assert_eq!(again.deliveries[0].message.attempt, 2);
}
