//! Who is granted which part, call by call.

use std::time::Duration;

use firn_protocol::{TopicId, TopicKey};
use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;

const LIMIT: LimitKey = LimitKey::Instance(InstanceId(1));
const OTHER: LimitKey = LimitKey::Topic(InstanceId(1), TopicKey::User(TopicId(1)));
const HALF: Part = Part::new(1 << 15);

/// A gateway that does what the table says, and says so.
struct Caller {
    ask: ShareAsk,
}

impl Caller {
    fn new(id: u128) -> Self {
        Self {
            ask: ShareAsk {
                gateway: GatewayId(id),
                number: 0,
                base: Part::NONE,
                every: Part::NONE,
                demands: Some(Vec::new()),
                connections: Vec::new(),
            },
        }
    }

    fn wants(&mut self, limit: LimitKey, wanted: Part) {
        let demands = self.ask.demands.get_or_insert_default();
        match demands.iter_mut().find(|demand| demand.limit == limit) {
            Some(demand) => demand.wanted = wanted,
            None => demands.push(ShareDemand {
                limit,
                held: Part::NONE,
                wanted,
            }),
        }
    }

    /// A call whose answer is lost.
    fn lose(&mut self, table: &ShareTable) -> ApiResult<ShareAnswer> {
        self.ask.number += 1;
        let called = table.shares(self.ask.clone()).now_or_never();
        called.expect("the table answers at once")
    }

    fn call(&mut self, table: &ShareTable) -> ApiResult<ShareAnswer> {
        let answer = self.lose(table)?;
        (self.ask.base, self.ask.every) = (answer.base, answer.every);
        let demands = self.ask.demands.iter_mut().flatten();
        for (at, demand) in demands.enumerate() {
            demand.held = answer.shares.get(at).copied().unwrap_or_default();
        }
        Ok(answer)
    }

    fn share(&mut self, table: &ShareTable) -> Part {
        self.call(table).expect("an answer").shares[0]
    }
}

fn table() -> (ShareTable, Clock) {
    let clock = Clock::manual(1_000_000);
    (ShareTable::new(clock.clone()), clock)
}

fn pass(clock: &Clock, ms: u64) {
    clock.advance(Duration::from_millis(ms));
}

#[test]
fn the_only_gateway_has_everything_at_once() {
    let (table, clock) = table();
    let mut only = Caller::new(1);
    only.ask.demands = None;
    for _ in 0..3 {
        let answer = only.call(&table).expect("an answer");
        assert_eq!((answer.base, answer.every), (Part::WHOLE, Part::WHOLE));
        assert!(!answer.is_shared);
        pass(&clock, 1000);
    }
    assert_eq!(
        table.counts(),
        ShareCounts {
            gateways: 1,
            shares: 0
        }
    );
}

#[test]
fn a_second_gateway_gets_what_the_first_says_that_it_gave_up() {
    let (table, _) = table();
    let (mut first, mut second) = (Caller::new(1), Caller::new(2));
    first.ask.demands = None;
    first.call(&table).expect("an answer");
    second.wants(LIMIT, Part::WHOLE);
    let answer = second.call(&table).expect("an answer");
    assert_eq!((answer.base, answer.shares[0]), (Part::NONE, Part::NONE));
    // Told that there are others, it keeps what it has until it says what it needs.
    let answer = first.call(&table).expect("an answer");
    assert_eq!((answer.is_shared, answer.every), (true, Part::WHOLE));
    first.wants(LIMIT, Part::WHOLE);
    let answer = first.call(&table).expect("an answer");
    assert_eq!((answer.every, answer.shares[0]), (Part::NONE, HALF));
    assert_eq!(second.share(&table), Part::NONE, "the answer may be lost");
    first.call(&table).expect("an answer");
    assert_eq!(second.share(&table), HALF);
    assert_eq!((first.ask.base, second.ask.base), (HALF, HALF));
}

#[test]
fn what_a_lost_answer_took_counts_as_held() {
    let (table, clock) = table();
    let (mut first, mut second) = (Caller::new(1), Caller::new(2));
    second.call(&table).expect("an answer");
    first.wants(LIMIT, Part::WHOLE);
    assert_eq!(
        first.share(&table),
        Part::NONE,
        "the second has everything yet"
    );
    second.call(&table).expect("an answer");
    second.call(&table).expect("an answer");
    assert_eq!(first.share(&table), Part::WHOLE);
    second.wants(LIMIT, Part::WHOLE);
    assert_eq!(second.share(&table), Part::NONE);
    // The first does not hear that it has half.
    assert_eq!(first.lose(&table).expect("an answer").shares[0], HALF);
    assert_eq!(second.share(&table), Part::NONE);
    pass(&clock, SHARE_VALID_MS);
    assert_eq!(second.share(&table), Part::NONE, "clocks may differ");
    pass(&clock, SHARE_MARGIN_MS);
    second.call(&table).expect("an answer");
    assert_eq!(second.ask.every, Part::WHOLE, "the first is gone");
}

#[test]
fn a_table_that_starts_anew_listens_first() {
    let clock = Clock::manual(1_000_000);
    let table = ShareTable::after_restart(clock.clone());
    let (mut first, mut second, mut third) = (Caller::new(1), Caller::new(2), Caller::new(3));
    for caller in [&mut first, &mut second] {
        caller.wants(LIMIT, Part::WHOLE);
        caller.ask.base = HALF;
    }
    third.wants(LIMIT, Part::WHOLE);
    let error = first.call(&table).expect_err("not yet");
    assert_eq!(error.code, ErrorCode::CatalogueUnavailable);
    pass(&clock, IN_FORCE_MS - 1);
    assert!(second.call(&table).is_err() && first.call(&table).is_err());
    pass(&clock, 1);
    assert_eq!(third.share(&table), Part::NONE, "two may use their bases");
    // They are cut off by now, and say so.
    (first.ask.every, second.ask.every) = (HALF, HALF);
    assert_eq!(first.share(&table), HALF);
    second.call(&table).expect("an answer");
    let all: u32 = [&mut first, &mut second, &mut third]
        .map(|caller| caller.share(&table).parts())
        .iter()
        .sum();
    assert!(all <= Part::WHOLE.parts(), "{all}");
}

/// The service was away from all, and did not start anew.
#[test]
fn after_it_was_away_the_bases_of_all_are_heard_first() {
    let (table, clock) = table();
    let mut callers = [Caller::new(1), Caller::new(2)];
    for caller in &mut callers {
        caller.wants(LIMIT, Part::WHOLE);
        (caller.ask.base, caller.ask.every) = (HALF, HALF);
        assert!(caller.call(&table).is_err());
    }
    pass(&clock, 2 * SHARE_RENEWAL_MS);
    let [first, second] = &mut callers;
    assert_eq!(first.share(&table), HALF);
    assert_eq!(second.share(&table), HALF);
    // One that was cut off alone does not stop the others.
    let mut third = Caller::new(3);
    third.ask.every = HALF;
    third.call(&table).expect("an answer");
}

#[test]
fn calls_that_were_overtaken_count_for_nothing() {
    let (table, _) = table();
    let mut first = Caller::new(1);
    let early = ShareAsk {
        number: 1,
        ..first.ask.clone()
    };
    first.ask.number = 1;
    first.call(&table).expect("an answer");
    let late = table.shares(early).now_or_never().expect("at once");
    assert_eq!(late.expect_err("refused").code, ErrorCode::Conflict);
}

#[test]
fn who_leaves_leaves_everything() {
    let (table, _) = table();
    let (mut first, mut second) = (Caller::new(1), Caller::new(2));
    first.call(&table).expect("an answer");
    second.call(&table).expect("an answer");
    table.leave(GatewayId(1)).now_or_never().expect("at once");
    let answer = second.call(&table).expect("an answer");
    assert_eq!((answer.every, answer.base), (Part::WHOLE, Part::WHOLE));
}

#[test]
fn limits_that_are_not_listed_are_given_back() {
    let (table, _) = table();
    let (mut first, mut second) = (Caller::new(1), Caller::new(2));
    first.call(&table).expect("an answer");
    second.call(&table).expect("an answer");
    first.wants(LIMIT, Part::WHOLE);
    first.wants(OTHER, Part::WHOLE);
    first.call(&table).expect("an answer");
    first.call(&table).expect("an answer");
    assert_eq!(table.counts().shares, 2);
    second.wants(OTHER, Part::WHOLE);
    assert_eq!(second.share(&table), Part::NONE);
    first.ask.demands = Some(Vec::new());
    first.call(&table).expect("an answer");
    assert_eq!(second.share(&table), Part::WHOLE);
    assert_eq!(table.counts().shares, 1);
}

#[test]
fn gateways_are_bounded() {
    let (table, _) = table();
    for id in 0..GATEWAYS_MAX as u128 {
        Caller::new(id).call(&table).expect("an answer");
    }
    let error = Caller::new(u128::MAX).call(&table).expect_err("too many");
    assert_eq!(error.code, ErrorCode::Overloaded);
}

#[test]
fn connections_of_others_are_told() {
    let (table, clock) = table();
    let (one, two) = (InstanceId(1), InstanceId(2));
    let (mut first, mut second, mut third) = (Caller::new(1), Caller::new(2), Caller::new(3));
    first.ask.connections = vec![(one, 5)];
    second.ask.connections = vec![(two, 1), (one, 7)];
    third.ask.connections = vec![(one, 100)];
    third.call(&table).expect("an answer");
    pass(&clock, IN_FORCE_MS - 1);
    let elsewhere = |caller: &mut Caller| {
        let answer = caller.call(&table).expect("an answer");
        answer.connections_elsewhere
    };
    assert_eq!(elsewhere(&mut first), [100]);
    pass(&clock, 1);
    assert_eq!(elsewhere(&mut second), [0, 5], "the third is gone");
    assert_eq!(elsewhere(&mut first), [7]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Nobody gets more than is fair, everybody what it wants if there is enough, and
    /// nothing is left while somebody wants more.
    #[test]
    fn a_division_is_fair(wants in proptest::collection::vec(0_u32..=1 << 16, 1..9)) {
        let wants: Vec<Part> = wants.into_iter().map(Part::new).collect();
        let fair: Vec<u32> = (0..wants.len())
            .map(|own| {
                let others = wants.iter().enumerate().filter(|(at, _)| *at != own);
                divide::fair(wants[own], others.map(|(_, want)| *want)).parts()
            })
            .collect();
        let (sum, count) = (fair.iter().sum::<u32>(), wants.len() as u32);
        let whole = Part::WHOLE.parts();
        prop_assert!(sum <= whole && sum > whole - count, "{fair:?} of {wants:?}");
        let least = fair.iter().copied().min().unwrap_or_default();
        let most = fair.iter().copied().max().unwrap_or_default();
        for (want, got) in wants.iter().zip(&fair) {
            // Less than it wants has only who has most.
            prop_assert!(*got >= want.parts() || *got == most, "{fair:?} of {wants:?}");
        }
        prop_assert!(least <= whole / count);
    }
}
