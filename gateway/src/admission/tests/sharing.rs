//! What passes at a gateway that has a part of a limit.

use std::collections::VecDeque;

use async_trait::async_trait;
use firn_protocol::ErrorCode;
use firn_protocol::api::shares::{GatewayId, Part, ShareAnswer, ShareAsk, SharesApi};
use firn_protocol::limits::{SHARE_GRACE_MS, SHARE_VALID_MS};
use futures_util::FutureExt as _;
use parking_lot::Mutex;

use super::*;

const HALF: Part = Part::new(1 << 15);
const QUARTER: Part = Part::new(1 << 14);

/// Answers as it is told, and fails when it was told nothing.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<ShareAnswer>>,
    asked: Mutex<Vec<ShareAsk>>,
    left: Mutex<usize>,
}

#[async_trait]
impl SharesApi for Script {
    async fn shares(&self, ask: ShareAsk) -> ApiResult<ShareAnswer> {
        self.asked.lock().push(ask);
        let answer = self.answers.lock().pop_front();
        answer.ok_or_else(|| ApiError::new(ErrorCode::CatalogueUnavailable, "away"))
    }

    async fn leave(&self, _: GatewayId) {
        *self.left.lock() += 1;
    }
}

/// A place whose topic takes 1000 messages a second, 100 at once.
fn shared() -> (Place, Arc<Script>) {
    let (place, script) = (Place::new(0, 1000, 100), Arc::new(Script::default()));
    place.admission.share(script.clone());
    (place, script)
}

fn answer(base: Part, every: Part, shares: &[Part]) -> ShareAnswer {
    ShareAnswer {
        valid_ms: SHARE_VALID_MS,
        base,
        every,
        unused_ms: 0,
        is_shared: !every.is_whole(),
        shares: shares.to_vec(),
        connections_elsewhere: Vec::new(),
    }
}

fn renew(place: &Place, script: &Script, answers: impl IntoIterator<Item = ShareAnswer>) {
    script.answers.lock().extend(answers);
    let renewed = place.admission.renew().now_or_never();
    assert!(renewed.is_some(), "it answers at once");
    script.answers.lock().clear();
}

/// Two gateways, and this one has this part of the topic.
fn with_share(share: Part) -> (Place, Arc<Script>) {
    let (place, script) = shared();
    renew(
        &place,
        &script,
        [answer(HALF, Part::NONE, &[]), answer(HALF, Part::NONE, &[])],
    );
    assert_eq!(
        place.accept(ORDERS, 1000),
        25,
        "the base's part of the burst"
    );
    renew(&place, &script, [answer(HALF, Part::NONE, &[share])]);
    (place, script)
}

#[test]
fn nothing_passes_before_a_gateway_has_asked() {
    let (place, script) = shared();
    let grant = place.take(ORDERS, 10);
    assert_eq!(grant.count(), 0);
    let limit = RateLimit::of(&grant.refused()).expect("a limit");
    assert_eq!((limit.tps, limit.retry_after_ms), (1000, 1000));
    drop(grant);
    renew(&place, &script, [answer(Part::WHOLE, Part::WHOLE, &[])]);
    place.pass(50);
    assert_eq!(place.accept(ORDERS, 1000), 50, "from then on the rate");
    place.pass(1000);
    assert_eq!(place.accept(ORDERS, 1000), 100);
}

#[test]
fn a_part_of_a_rate_is_exact() {
    let (place, _) = with_share(QUARTER);
    let mut passed = 0;
    for _ in 0..3_000 {
        place.pass(1);
        passed += place.accept(ORDERS, 10);
    }
    assert_eq!(passed, 750);
}

#[test]
fn what_is_wanted_and_held_is_said() {
    let (place, script) = with_share(QUARTER);
    place.pass(1000);
    place.accept(ORDERS, 2000);
    renew(&place, &script, [answer(HALF, Part::NONE, &[QUARTER])]);
    let asked = script.asked.lock();
    let last = asked.last().expect("asked");
    assert_eq!((last.base, last.every), (HALF, Part::NONE));
    let demands = last.demands.as_deref().expect("listed");
    assert_eq!(demands.len(), 1);
    let limit = LimitKey::Topic(InstanceId(1), ORDERS);
    assert_eq!((demands[0].limit, demands[0].held), (limit, QUARTER));
    assert_eq!(demands[0].wanted, Part::WHOLE);
    let mut numbers = asked.iter().map(|ask| ask.number);
    let first = numbers.next().expect("asked");
    assert!(numbers.zip(first + 1..).all(|(number, due)| number == due));
}

#[test]
fn a_share_that_grows_brings_nothing_at_once_and_one_that_shrinks_takes() {
    let (place, script) = with_share(QUARTER);
    place.pass(1000);
    renew(&place, &script, [answer(HALF, Part::NONE, &[HALF])]);
    assert_eq!(
        place.accept(ORDERS, 1000),
        37,
        "what a quarter's bucket held"
    );
    place.pass(1000);
    renew(
        &place,
        &script,
        [
            answer(QUARTER, Part::NONE, &[QUARTER]),
            answer(QUARTER, Part::NONE, &[QUARTER]),
        ],
    );
    assert_eq!(
        place.accept(ORDERS, 1000),
        25,
        "half of the burst's quarters"
    );
}

#[test]
fn who_sleeps_over_the_end_of_a_share_does_not_use_it() {
    let (place, script) = with_share(HALF);
    place.accept(ORDERS, 1000);
    place.pass(SHARE_VALID_MS - 1);
    assert_eq!(place.accept(ORDERS, 1000), 50, "valid to the last");
    place.pass(10_000);
    let passed = place.accept(ORDERS, 1000);
    assert_eq!(
        passed, 0,
        "half a millisecond's worth came, and nothing since"
    );
    place.pass(10_000);
    assert_eq!(place.accept(ORDERS, 1000), 0);
    renew(&place, &script, [answer(HALF, Part::NONE, &[HALF])]);
    place.pass(20);
    assert_eq!(place.accept(ORDERS, 1000), 10);
}

#[test]
fn who_is_cut_off_has_its_base() {
    let (place, script) = with_share(QUARTER);
    place.accept(ORDERS, 1000);
    renew(&place, &script, []);
    assert!(place.admission.is_cut_off());
    place.pass(100);
    assert_eq!(place.accept(ORDERS, 1000), 25, "the share is valid yet");
    place.pass(SHARE_VALID_MS - 100);
    place.accept(ORDERS, 1000);
    place.pass(100);
    assert_eq!(place.accept(ORDERS, 1000), 25, "then the smaller of both");
    assert_eq!(
        place.accept(BILLS, 1000),
        25,
        "and bursts of what had no share"
    );
    place.pass(SHARE_GRACE_MS - 100);
    place.accept(ORDERS, 1000);
    place.pass(100);
    assert_eq!(place.accept(ORDERS, 1000), 50, "then the base");
    place.pass(3_600_000);
    assert_eq!(place.accept(ORDERS, 1000), 50);
    assert_eq!(place.accept(BILLS, 1000), 50, "of everything");
    let back = answer(HALF, Part::NONE, &[QUARTER; 2]);
    renew(&place, &script, [back.clone(), back]);
    let asked = script.asked.lock();
    let every: Vec<Part> = asked.iter().rev().map(|ask| ask.every).collect();
    assert_eq!(
        every[..2],
        [Part::NONE, HALF],
        "and says at once that it is over"
    );
    assert!(!place.admission.is_cut_off());
}

#[test]
fn who_leaves_lets_nothing_pass() {
    let (place, script) = with_share(HALF);
    assert!(place.admission.leave().now_or_never().is_some());
    assert_eq!(*script.left.lock(), 1);
    place.pass(1000);
    assert_eq!(place.accept(ORDERS, 1000), 0);
}
