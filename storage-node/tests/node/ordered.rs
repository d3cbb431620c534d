//! Ordered groups: within a message group one after the other, whatever fails
//! (R5, RULES 19).

use std::collections::{BTreeMap, BTreeSet};

use firn_protocol::api::admin::{AdminApi, Release, ReleaseRequest};
use firn_protocol::api::storage::*;
use firn_protocol::catalogue::OnPoison;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset};
use firn_protocol::message::NewMessage;
use firn_protocol::receipt::Receipt;
use firn_storage_node::config::Mutant;

use crate::harness::*;
use crate::power::Dice;

fn ordered(on_poison: OnPoison) -> GroupSpec {
    GroupSpec {
        mode: GroupMode::Ordered(on_poison),
        ..group(GROUP)
    }
}

/// Sends messages of message groups, `(number, group)`.
pub(crate) async fn send(bench: &Bench, messages: &[(u64, &str)]) {
    let messages = messages.iter().map(|&(n, message_group)| NewMessage {
        message_group: (!message_group.is_empty()).then(|| message_group.to_owned()),
        ..message(n, None)
    });
    bench.send_all(messages.collect()).await;
}

pub(crate) struct Member<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) spec: GroupSpec,
    pub(crate) filter: Filter,
}

impl<'a> Member<'a> {
    pub(crate) fn new(bench: &'a Bench, on_poison: OnPoison) -> Self {
        Self {
            bench,
            spec: ordered(on_poison),
            filter: Filter::All,
        }
    }

    pub(crate) async fn take(&self, max: usize, run_max: usize) -> Vec<Delivery> {
        let request = ReceiveRequest {
            group: self.spec,
            run_max,
            ..receive(max, &self.filter)
        };
        let received = self.bench.node().receive(&context(1), request).await;
        received.expect("received").deliveries
    }

    pub(crate) async fn fail(&self, receipt: Receipt) -> VisibilityAnswer {
        let request = VisibilityRequest {
            broker: BROKERS[0],
            group: self.spec,
            receipt,
            invisible_ms: 0,
        };
        let ctx = context(1);
        let answer = self.bench.node().change_visibility(&ctx, request).await;
        answer.expect("answered")
    }

    /// A new deadline, so many ms from now.
    pub(crate) async fn renew(&self, receipt: Receipt, invisible_ms: u64) -> AckStatus {
        let request = VisibilityRequest {
            broker: BROKERS[0],
            group: self.spec,
            receipt,
            invisible_ms,
        };
        let ctx = context(1);
        let answer = self.bench.node().change_visibility(&ctx, request).await;
        match answer.expect("answered") {
            VisibilityAnswer::Changed { .. } => AckStatus::Ok,
            VisibilityAnswer::Refused(status) => status,
        }
    }

    async fn parked(&self) -> Vec<(u64, u32)> {
        let ctx = context(1);
        let parked = self.bench.node().parked(&ctx, BROKERS[0], GROUP);
        let parked = parked.await.expect("answered").into_iter();
        parked
            .map(|one| (one.message.offset.0, one.message.attempt))
            .collect()
    }

    async fn release(&self, offset: u64, how: Release) {
        let request = ReleaseRequest {
            broker: BROKERS[0],
            group: GROUP,
            queue: queue_key(TOPIC, 0),
            offset: Offset(offset),
            how,
        };
        let released = self.bench.node().release(&context(1), request).await;
        released.expect("released");
    }
}

/// Offset and attempt of each.
pub(crate) fn places(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
    let deliveries = deliveries.iter();
    deliveries
        .map(|one| (one.message.offset.0, one.message.attempt))
        .collect()
}

pub(crate) async fn ack_all(bench: &Bench, deliveries: &[Delivery]) {
    for delivery in deliveries {
        assert_eq!(bench.ack(delivery.receipt).await, AckStatus::Ok);
    }
}

#[tokio::test]
async fn the_next_comes_once_the_one_before_is_acked() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(
        &bench,
        &[(0, "a"), (1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c")],
    )
    .await;
    let first = member.take(10, 1).await;
    assert_eq!(places(&first), [(0, 1), (2, 1), (5, 1)]);
    assert_eq!(places(&member.take(10, 1).await), []);
    assert_eq!(bench.ack(first[1].receipt).await, AckStatus::Ok);
    assert_eq!(places(&member.take(10, 1).await), [(4, 1)]);
    assert_eq!(bench.ack(first[0].receipt).await, AckStatus::Ok);
    let next = member.take(10, 1).await;
    assert_eq!(places(&next), [(1, 1)]);
    ack_all(&bench, &next).await;
    assert_eq!(places(&member.take(10, 1).await), [(3, 1)]);
}

#[tokio::test]
async fn records_without_a_message_group_are_one() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(&bench, &[(0, ""), (1, ""), (2, "x"), (3, "")]).await;
    for expected in [[0, 2].as_slice(), &[1], &[3]] {
        let got = member.take(10, 1).await;
        let offsets: Vec<u64> = places(&got).iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, expected);
        ack_all(&bench, &got).await;
    }
}

#[tokio::test]
async fn a_failure_blocks_its_message_group_for_a_second_and_no_other() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(&bench, &[(0, "a"), (1, "a"), (2, "b"), (3, "b")]).await;
    let mut got = member.take(1, 1).await;
    for attempt in 1..=20 {
        assert_eq!(places(&got), [(0, attempt)], "more than all redeliveries");
        let answer = member.fail(got[0].receipt).await;
        let VisibilityAnswer::Changed {
            invisible_until, ..
        } = answer
        else {
            panic!("{answer:?}");
        };
        assert_eq!(invisible_until.0, bench.now() + 1000);
        assert_eq!(bench.ack(got[0].receipt).await, AckStatus::LeaseExpired);
        bench.advance(999);
        let others = member.take(10, 1).await;
        if attempt <= 2 {
            assert_eq!(places(&others), [(1 + u64::from(attempt), 1)]);
            ack_all(&bench, &others).await;
        } else {
            assert_eq!(places(&others), []);
        }
        bench.advance(1);
        got = member.take(1, 1).await;
    }
    ack_all(&bench, &got).await;
    assert_eq!(places(&member.take(10, 1).await), [(1, 1)]);
}

#[tokio::test]
async fn a_lease_that_passes_gives_the_same_record_again_at_once() {
    let mut bench = Bench::new(|_| {});
    send(&bench, &[(0, "a"), (1, "a")]).await;
    let spec = Member::new(&bench, OnPoison::Block).take(2, 1).await;
    bench.advance(30_000);
    let late = spec[0].receipt;
    let again = Member::new(&bench, OnPoison::Block).take(2, 1).await;
    assert_eq!(places(&again), [(0, 2)]);
    assert_eq!(bench.ack(late).await, AckStatus::LeaseExpired);
    bench.crash(3, false).await;
    let member = Member::new(&bench, OnPoison::Block);
    assert_eq!(
        places(&member.take(2, 1).await),
        [],
        "the lease outlives it"
    );
    bench.advance(30_000);
    let again = member.take(2, 1).await;
    assert_eq!(places(&again), [(0, 3)]);
    ack_all(&bench, &again).await;
    assert_eq!(places(&member.take(2, 1).await), [(1, 1)]);
}

#[tokio::test]
async fn a_run_is_handed_out_together_and_fails_together() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(&bench, &[(0, "a"), (1, "b"), (2, "a"), (3, "a"), (4, "a")]).await;
    let run = member.take(10, 3).await;
    assert_eq!(places(&run), [(0, 1), (2, 1), (3, 1), (1, 1)]);
    ack_all(&bench, &run[..1]).await;
    assert_eq!(places(&member.take(10, 3).await), [], "the run is not over");
    member.fail(run[1].receipt).await;
    assert_eq!(
        bench.ack(run[2].receipt).await,
        AckStatus::Ok,
        "given back, and done"
    );
    bench.advance(1_000);
    let run = member.take(10, 3).await;
    assert_eq!(places(&run), [(2, 2)], "up to the one that is done");
    ack_all(&bench, &run).await;
    assert_eq!(places(&member.take(10, 3).await), [(4, 1)]);
}

#[tokio::test]
async fn a_poison_message_parks_its_message_group() {
    for how in [Release::Retry, Release::Skip, Release::DeadLetter] {
        let mut bench = Bench::new(|_| {});
        send(&bench, &[(0, "a"), (1, "a"), (2, "b")]).await;
        for attempt in 1..=3 {
            let member = Member::new(&bench, OnPoison::Park);
            let got = member.take(1, 1).await;
            assert_eq!(places(&got), [(0, attempt)]);
            assert_eq!(member.parked().await, []);
            member.fail(got[0].receipt).await;
            bench.advance(1_000);
        }
        bench.restart(how == Release::Retry).await;
        let member = Member::new(&bench, OnPoison::Park);
        assert_eq!(member.parked().await, [(0, 3)], "two redeliveries");
        bench.advance(86_400_000);
        let other = member.take(10, 1).await;
        assert_eq!(places(&other), [(2, 1)], "another message group goes on");
        ack_all(&bench, &other).await;
        member.release(0, how).await;
        assert_eq!(member.parked().await, []);
        let got = member.take(10, 1).await;
        let expected = if how == Release::Retry {
            (0, 1)
        } else {
            (1, 1)
        };
        assert_eq!(places(&got), [expected], "{how:?}");
        let dead = firn_protocol::ids::TopicKey::DeadLetter(GROUP);
        let bounds = bench.node().bounds(&context(1), BROKERS[0], dead).await;
        let letters = bounds.expect("answered").len();
        assert_eq!(letters, usize::from(how == Release::DeadLetter));
        ack_all(&bench, &got).await;
        bench.close().await;
        bench.check_snapshots();
    }
}

#[tokio::test]
async fn a_poison_message_becomes_a_dead_letter_if_the_group_says_so() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::DeadLetter);
    send(&bench, &[(0, "a"), (1, "a")]).await;
    for attempt in 1..=3 {
        let got = member.take(1, 1).await;
        assert_eq!(places(&got), [(0, attempt)]);
        if attempt == 2 {
            bench.advance(30_000);
        } else {
            member.fail(got[0].receipt).await;
            bench.advance(1_000);
        }
    }
    assert_eq!(places(&member.take(10, 1).await), [(1, 1)]);
    let dead = firn_protocol::ids::QueueKey {
        topic: firn_protocol::ids::TopicKey::DeadLetter(GROUP),
        queue: firn_protocol::ids::QueueId(0),
    };
    let ctx = context(1);
    let letters = bench.node().read(&ctx, BROKERS[0], dead, Offset(0), 9);
    let letters = letters.await.expect("read");
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0].content.body[..], letters[0].attempt),
        (&b"body 0"[..], 3)
    );
}

#[tokio::test]
async fn whoever_waits_is_woken_by_an_ack_and_by_the_second() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(&bench, &[(0, "a"), (1, "a")]).await;
    let first = member.take(1, 1).await;
    let wait = || async {
        let request = ReceiveRequest {
            group: member.spec,
            ..receive(1, &Filter::All)
        };
        let received = bench.node().receive(&context(1), request).await;
        let seen = received.expect("received").seen;
        WaitRequest {
            group: GROUP,
            topic: topic(1),
            brokers: vec![(BROKERS[0], seen)],
            filter: Filter::All,
            until: firn_protocol::time::Timestamp(bench.now() + 3_600_000),
        }
    };
    let ctx = context(1);
    let mut parked = Box::pin(bench.node().wait(&ctx, wait().await));
    assert!(poll_once(&mut parked).is_pending());
    assert_eq!(bench.ack(first[0].receipt).await, AckStatus::Ok);
    assert_eq!(parked.await.expect("woken"), Some(BROKERS[0]));
    let second = member.take(1, 1).await;
    assert_eq!(places(&second), [(1, 1)]);
    member.fail(second[0].receipt).await;
    let mut parked = Box::pin(bench.node().wait(&ctx, wait().await));
    assert!(poll_once(&mut parked).is_pending());
    bench.advance(1_000);
    // As the node's timers do.
    assert_eq!(places(&member.take(1, 1).await), [(1, 2)]);
    assert_eq!(parked.await.expect("woken"), Some(BROKERS[0]));
}

#[tokio::test]
async fn members_with_other_filters_keep_the_order_among_them() {
    let bench = Bench::new(|_| {});
    let member = |filter: Filter| Member {
        filter,
        ..Member::new(&bench, OnPoison::Block)
    };
    let (x, y) = (member(tags(&["x"])), member(tags(&["y"])));
    assert_eq!(places(&x.take(1, 1).await), []);
    assert_eq!(places(&y.take(1, 1).await), []);
    let tagged = [("x", "a"), ("y", "a"), ("z", "a"), ("x", "a"), ("y", "b")];
    let messages = (0..)
        .zip(tagged)
        .map(|(n, (tag, message_group))| NewMessage {
            message_group: Some(message_group.to_owned()),
            ..message(n, Some(tag))
        });
    bench.send_all(messages.collect()).await;
    let first = x.take(10, 5).await;
    assert_eq!(places(&first), [(0, 1)], "the second is another member's");
    let other = y.take(10, 5).await;
    assert_eq!(places(&other), [(4, 1)]);
    ack_all(&bench, &first).await;
    assert_eq!(places(&x.take(10, 5).await), []);
    let second = y.take(10, 5).await;
    assert_eq!(places(&second), [(1, 1)]);
    ack_all(&bench, &second).await;
    assert_eq!(
        places(&x.take(10, 5).await),
        [(3, 1)],
        "nobody wants the third"
    );
}

#[tokio::test]
async fn a_seek_starts_the_order_over() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    send(&bench, &[(0, "a"), (1, "a"), (2, "b")]).await;
    let got = member.take(10, 1).await;
    ack_all(&bench, &got[..1]).await;
    member.fail(got[1].receipt).await;
    bench.seek_earliest().await;
    assert_eq!(places(&member.take(10, 1).await), [(0, 1), (2, 1)]);
}

async fn send_some(bench: &Bench, dice: &mut Dice, sent: &mut Vec<&str>) {
    const LINES: [&str; 4] = ["a", "b", "c", ""];
    let new: Vec<_> = (0..=dice.below(4))
        .map(|n| (sent.len() as u64 + n, LINES[dice.below(4) as usize]))
        .collect();
    send(bench, &new).await;
    sent.extend(new.iter().map(|(_, line)| *line));
}

/// What should not have been handed out now.
fn misplaced(got: &[Delivery], sent: &[&str], acked: &BTreeSet<u64>) -> Option<String> {
    let offsets: BTreeSet<u64> = got.iter().map(|d| d.message.offset.0).collect();
    for &offset in &offsets {
        let line = sent[offset as usize];
        let before = (0..offset).filter(|&o| sent[o as usize] == line);
        let mut open = before.filter(|o| !acked.contains(o));
        if let Some(first) = open.find(|o| !offsets.contains(o)) {
            return Some(format!("{offset} before {first} of '{line}'"));
        }
        if acked.contains(&offset) {
            return Some(format!("{offset} again after its ack"));
        }
    }
    None
}

/// Random members, failures, passing leases, restarts and crashes. `None` if all
/// was well, else what was not.
async fn random_life(seed: u64, mutant: Option<Mutant>) -> Option<String> {
    let mut dice = Dice(seed);
    let mut bench = Bench::new(|config| config.mutant = mutant);
    let mut sent: Vec<&str> = Vec::new();
    let mut acked: BTreeSet<u64> = BTreeSet::new();
    // What is under way.
    let mut held: BTreeMap<u64, Receipt> = BTreeMap::new();
    let policy = OnPoison::Block;
    for step in 0..150 {
        let member = Member::new(&bench, policy);
        match dice.below(12) {
            0 | 1 => {
                send_some(&bench, &mut dice, &mut sent).await;
            }
            2..=5 => {
                let run_max = 1 + dice.below(3) as usize;
                let got = member.take(1 + dice.below(6) as usize, run_max).await;
                if let Some(wrong) = misplaced(&got, &sent, &acked) {
                    return Some(format!("step {step}: {wrong}"));
                }
                let new = got.iter().map(|d| (d.message.offset.0, d.receipt));
                held.extend(new);
            }
            6..=8 if !held.is_empty() => {
                let at = dice.below(held.len() as u64) as usize;
                let (&offset, &receipt) = held.iter().nth(at).expect("held");
                // A run is acked in order.
                let line = sent[offset as usize];
                let mut before = held.keys().filter(|&&o| o < offset);
                if before.any(|&o| sent[o as usize] == line) {
                    continue;
                }
                match bench.ack(receipt).await {
                    AckStatus::Ok => {
                        acked.insert(offset);
                    }
                    AckStatus::LeaseExpired => {}
                    status @ (AckStatus::AlreadyAcked | AckStatus::Invalid) => {
                        return Some(format!("step {step}: ack of {offset}: {status:?}"));
                    }
                }
                held.remove(&offset);
            }
            9 if !held.is_empty() => {
                let at = dice.below(held.len() as u64) as usize;
                let (&offset, &receipt) = held.iter().nth(at).expect("held");
                member.fail(receipt).await;
                let line = sent[offset as usize];
                held.retain(|&o, _| o < offset || sent[o as usize] != line);
            }
            10 => {
                bench.advance(dice.below(40_000));
                if dice.one_in(2) {
                    held.clear();
                    bench.advance(30_000);
                }
            }
            11 if dice.one_in(3) => bench.crash(dice.next(), dice.one_in(2)).await,
            11 => bench.restart(dice.one_in(2)).await,
            _ => {}
        }
    }
    let missing = drain(&bench, policy, sent.len(), &mut acked).await;
    bench.close().await;
    if mutant.is_none() {
        bench.check_snapshots();
    }
    missing.map(|offset| format!("{offset} never came"))
}

/// Everything comes to its end; the first record that does not.
async fn drain(
    bench: &Bench,
    policy: OnPoison,
    count: usize,
    acked: &mut BTreeSet<u64>,
) -> Option<u64> {
    for _ in 0..count + 5 {
        bench.advance(31_000);
        for delivery in Member::new(bench, policy).take(256, 4).await {
            assert_eq!(bench.ack(delivery.receipt).await, AckStatus::Ok);
            acked.insert(delivery.message.offset.0);
        }
    }
    (0..count as u64).find(|offset| !acked.contains(offset))
}

#[tokio::test]
async fn random_lives_keep_the_order() {
    for seed in 0x0DE2_u64..0x0DE2 + 16 {
        let found = random_life(seed, None).await;
        assert_eq!(found, None, "seed {seed:#x}");
    }
}

#[tokio::test]
async fn broken_order_is_seen() {
    for seed in 0..20 {
        if random_life(seed, Some(Mutant::BreakOrder)).await.is_some() {
            return;
        }
    }
    panic!("nobody noticed");
}

#[tokio::test]
async fn two_groups_do_not_wait_for_each_other() {
    let bench = Bench::new(|_| {});
    let member = Member::new(&bench, OnPoison::Block);
    let other = Member {
        spec: GroupSpec {
            id: GroupId(8),
            ..ordered(OnPoison::Block)
        },
        ..Member::new(&bench, OnPoison::Block)
    };
    send(&bench, &[(0, "a"), (1, "a")]).await;
    assert_eq!(places(&member.take(9, 1).await), [(0, 1)]);
    assert_eq!(places(&other.take(9, 1).await), [(0, 1)]);
}
