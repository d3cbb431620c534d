//! What may happen, as plain data that shrinks: everything is named by small
//! numbers which find their object when they are applied.

use firn_protocol::api::admin::Release;
use firn_protocol::api::storage::{GroupMode, GroupSpec};
use firn_protocol::catalogue::{OnPoison, StartPosition};
use firn_protocol::ids::GroupId;
use proptest::prelude::*;

/// Days in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

/// Where a message goes: broker, topic and message group. The message group says
/// which queue, as the gateway does it; 0 is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To {
    pub(crate) broker: usize,
    pub(crate) topic: usize,
    pub(crate) line: u8,
}

/// How much is asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) broker: usize,
    pub(crate) reader: usize,
    pub(crate) topic: usize,
    pub(crate) max: usize,
    pub(crate) run_max: usize,
    pub(crate) invisible_ms: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// So many messages.
    Send(To, usize),
    /// Delayed messages, by their place in [`DELAYS_MS`].
    Hold(To, Vec<usize>),
    /// Held messages are counted from the newest; forged is a handle that is none.
    Recall {
        broker: usize,
        pick: usize,
        forged: bool,
    },
    Begin(To, u8),
    Decide {
        broker: usize,
        pick: usize,
        commit: bool,
    },
    Check {
        broker: usize,
        topic: usize,
        producers: u8,
        max: usize,
    },
    /// Producers are asked when it is time, and so many times over.
    CheckRounds {
        broker: usize,
        topic: usize,
        rounds: usize,
    },
    /// Sends under ids, without message group, perhaps delayed.
    Unique {
        broker: usize,
        topic: usize,
        queue: u16,
        ids: Vec<u8>,
        delay: Option<usize>,
    },
    Receive(Ask),
    /// Handles are counted from the newest.
    Ack(Vec<usize>),
    Fail(usize),
    Release {
        broker: usize,
        pick: usize,
        how: u8,
    },
    Redrive {
        broker: usize,
        reader: usize,
        named: bool,
        max: u64,
    },
    /// Before a time behind the start of the clock, if there is one.
    Purge {
        broker: usize,
        topic: usize,
        before_ms: Option<u64>,
    },
    Advance(u64),
    /// To the next thing that is due, or just before it.
    AdvanceToNext {
        early: bool,
    },
    Timers,
    Look,
    Restart {
        keep_stores: bool,
    },
    Crash {
        seed: u64,
        keep_stores: bool,
    },
}

/// Topics of the bench; each has [`QUEUES`] queues on each broker.
pub(crate) const TOPICS: [u64; 2] = [10, 11];
pub(crate) const QUEUES: u16 = 2;
/// Within a slot, at its end, in others, and days ahead.
pub(crate) const DELAYS_MS: [u64; 10] = [
    1,
    500,
    1_000,
    7_000,
    599_999,
    600_000,
    3_600_000,
    DAY_MS,
    3 * DAY_MS,
    40 * DAY_MS,
];

/// Whoever receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderKind {
    pub(crate) group: u64,
    pub(crate) max_retries: u32,
    pub(crate) order: Option<OnPoison>,
    /// Of a broadcast.
    pub(crate) member: Option<&'static str>,
}

const fn reader(group: u64, max_retries: u32, order: Option<OnPoison>) -> ReaderKind {
    ReaderKind {
        group,
        max_retries,
        order,
        member: None,
    }
}

const fn member(name: &'static str) -> ReaderKind {
    ReaderKind {
        member: Some(name),
        ..reader(24, 1, None)
    }
}

pub(crate) const READERS: [ReaderKind; 6] = [
    reader(20, 1, None),
    reader(21, 1, Some(OnPoison::Block)),
    reader(22, 1, Some(OnPoison::Park)),
    reader(23, 1, Some(OnPoison::DeadLetter)),
    member("x"),
    member("y"),
];

impl ReaderKind {
    pub(crate) fn id(&self) -> GroupId {
        let group = GroupId(self.group);
        self.member.map_or(group, |name| group.member(name))
    }

    pub(crate) fn spec(&self) -> GroupSpec {
        GroupSpec {
            id: self.id(),
            max_retries: self.max_retries,
            start: StartPosition::Earliest,
            mode: match (self.order, self.member) {
                (Some(on_poison), _) => GroupMode::Ordered(on_poison),
                (None, Some(_)) => GroupMode::Member {
                    of: GroupId(self.group),
                },
                (None, None) => GroupMode::Unordered,
            },
            version: 1,
        }
    }

    /// Whether after this delivery there is no other.
    pub(crate) fn is_last(&self, attempt: u32) -> bool {
        attempt > self.max_retries && self.order != Some(OnPoison::Block)
    }
}

pub(crate) fn release(how: u8) -> Release {
    match how {
        0 => Release::Retry,
        1 => Release::Skip,
        _ => Release::DeadLetter,
    }
}

/// Mostly the first of two.
fn two() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0_usize), 1 => Just(1_usize)]
}

fn to() -> impl Strategy<Value = To> {
    (two(), two(), 0..4_u8).prop_map(|(broker, topic, line)| To {
        broker,
        topic,
        line,
    })
}

fn delay() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..4_usize, 2 => 4..DELAYS_MS.len()]
}

fn receive() -> impl Strategy<Value = Op> {
    let invisible = prop::sample::select(vec![1_000_u64, 10_000, 30_000]);
    (
        two(),
        0..READERS.len(),
        two(),
        1..5_usize,
        1..4_usize,
        invisible,
    )
        .prop_map(|(broker, reader, topic, max, run_max, invisible_ms)| {
            Op::Receive(Ask {
                broker,
                reader,
                topic,
                max,
                run_max,
                invisible_ms,
            })
        })
}

fn held() -> impl Strategy<Value = Op> {
    let recall = (two(), 0..4_usize, prop::bool::weighted(0.1));
    let decide = (two(), 0..4_usize, any::<bool>());
    let check = (two(), two(), 0..2_u8, 1..4_usize);
    let rounds = (two(), two(), 1..18_usize);
    prop_oneof![
        4 => (to(), prop::collection::vec(delay(), 1..4)).prop_map(|(to, delays)| Op::Hold(to, delays)),
        3 => recall.prop_map(|(broker, pick, forged)| Op::Recall { broker, pick, forged }),
        4 => (to(), 0..2_u8).prop_map(|(to, producers)| Op::Begin(to, producers)),
        5 => decide.prop_map(|(broker, pick, commit)| Op::Decide { broker, pick, commit }),
        2 => check.prop_map(|(broker, topic, producers, max)| Op::Check {
            broker, topic, producers, max,
        }),
        1 => rounds.prop_map(|(broker, topic, rounds)| Op::CheckRounds { broker, topic, rounds }),
    ]
}

fn rare() -> impl Strategy<Value = Op> {
    let release = (two(), 0..3_usize, 0..3_u8);
    let redrive = (two(), 0..READERS.len(), any::<bool>(), 1..4_u64);
    let before = prop::option::weighted(
        0.3,
        prop::sample::select(vec![1_u64, 1_001, 10_000, 700_000]),
    );
    prop_oneof![
        3 => release.prop_map(|(broker, pick, how)| Op::Release { broker, pick, how }),
        4 => redrive.prop_map(|(broker, reader, named, max)| Op::Redrive {
            broker, reader, named, max,
        }),
        2 => (two(), two(), before).prop_map(|(broker, topic, before_ms)| Op::Purge {
            broker, topic, before_ms,
        }),
        2 => any::<bool>().prop_map(|keep_stores| Op::Restart { keep_stores }),
        4 => (any::<u64>(), any::<bool>())
            .prop_map(|(seed, keep_stores)| Op::Crash { seed, keep_stores }),
    ]
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let unique = (
        two(),
        two(),
        0..QUEUES,
        prop::collection::vec(0..3_u8, 1..3),
        prop::option::weighted(0.3, delay()),
    );
    let ms = vec![
        1_u64,
        999,
        1_000,
        6_000,
        9_999,
        10_000,
        29_999,
        30_000,
        599_999,
        600_000,
        DAY_MS,
        4 * DAY_MS,
    ];
    prop_oneof![
        6 => (to(), 1..4_usize).prop_map(|(to, count)| Op::Send(to, count)),
        9 => held(),
        3 => unique.prop_map(|(broker, topic, queue, ids, delay)| Op::Unique {
            broker, topic, queue, ids, delay,
        }),
        12 => receive(),
        5 => prop::collection::vec(0..6_usize, 1..4).prop_map(Op::Ack),
        6 => (0..6_usize).prop_map(Op::Fail),
        3 => prop::sample::select(ms).prop_map(Op::Advance),
        6 => prop::bool::weighted(0.2).prop_map(|early| Op::AdvanceToNext { early }),
        1 => Just(Op::Timers),
        2 => Just(Op::Look),
        6 => rare(),
    ]
}
