//! What may happen, as plain data that shrinks: everything is named by small
//! numbers which find their object when they are applied.

use firn_protocol::filter::Filter;
use proptest::prelude::*;

use crate::harness::sql;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Append {
        broker: usize,
        topic: usize,
        queue: u16,
        /// Tag and key of each message.
        messages: Vec<(u8, u8)>,
    },
    Receive {
        broker: usize,
        group: usize,
        topic: usize,
        max: usize,
        invisible_ms: u64,
        filter: u8,
    },
    /// Handles are counted from the newest.
    Ack(Vec<usize>),
    /// A handle that was changed, or is used by another group.
    Forge(usize, u8),
    Renew(usize, u64),
    Fail(usize),
    GiveBack(Vec<usize>),
    Advance(u64),
    /// To the next lease or pause that ends, or just before it.
    AdvanceToNext {
        early: bool,
    },
    Seek {
        broker: usize,
        group: usize,
        topic: usize,
        target: Target,
        dry_run: bool,
    },
    Redrive {
        broker: usize,
        group: usize,
        topic: Option<usize>,
        named: bool,
        max: u64,
    },
    Query {
        broker: usize,
        topic: usize,
        queue: u16,
        offset: u64,
        max: usize,
        key: u8,
    },
    Stranger,
    Restart {
        keep_stores: bool,
    },
    Crash {
        seed: u64,
        keep_stores: bool,
    },
    DropTopic(usize),
    DropGroup(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Earliest,
    Latest,
    /// Milliseconds after the start of the clock.
    Time(u64),
    Offsets(Vec<(u16, u64)>),
}

pub(crate) const QUEUES: [u16; 2] = [3, 1];
const TAGS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

pub(crate) fn tag(index: u8) -> Option<&'static str> {
    TAGS[usize::from(index) % TAGS.len()]
}

pub(crate) fn filter(index: u8) -> Filter {
    match index {
        0 => Filter::All,
        1 => Filter::Tags(vec!["a".into()]),
        2 => Filter::Tags(vec!["b".into()]),
        3 => Filter::Tags(vec!["a".into(), "c".into()]),
        4 => sql("TAGS IS NULL OR TAGS = 'b'"),
        _ => sql("KEYS = 'key 1' AND TAGS <> 'a'"),
    }
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Earliest),
        Just(Target::Latest),
        (0..200_000_u64).prop_map(Target::Time),
        prop::collection::vec((0..3_u16, 0..6_u64), 1..3).prop_map(Target::Offsets),
    ]
}

fn append() -> impl Strategy<Value = Op> {
    let messages = prop::collection::vec((0..4_u8, 0..3_u8), 1..4);
    (0..2_usize, 0..2_usize, 0..3_u16, messages).prop_map(|(broker, topic, queue, messages)| {
        Op::Append {
            broker,
            topic,
            queue: queue % QUEUES[topic],
            messages,
        }
    })
}

fn receive() -> impl Strategy<Value = Op> {
    let invisible = prop::sample::select(vec![1_000_u64, 10_000, 30_000, 60_000]);
    let filter = prop_oneof![3 => Just(0_u8), 2 => 1..6_u8];
    (
        0..2_usize,
        0..2_usize,
        0..2_usize,
        1..5_usize,
        invisible,
        filter,
    )
        .prop_map(
            |(broker, group, topic, max, invisible_ms, filter)| Op::Receive {
                broker,
                group,
                topic,
                max,
                invisible_ms,
                filter,
            },
        )
}

fn rare() -> impl Strategy<Value = Op> {
    let seek = (0..2_usize, 0..2_usize, 0..2_usize, target(), any::<bool>());
    let redrive = (
        0..2_usize,
        0..2_usize,
        prop::option::of(0..2_usize),
        any::<bool>(),
        1..4_u64,
    );
    let query = (
        0..2_usize,
        0..2_usize,
        0..3_u16,
        0..8_u64,
        0..5_usize,
        0..3_u8,
    );
    prop_oneof![
        3 => seek.prop_map(|(broker, group, topic, target, dry_run)| Op::Seek {
            broker, group, topic, target, dry_run,
        }),
        5 => redrive.prop_map(|(broker, group, topic, named, max)| Op::Redrive {
            broker, group, topic, named, max,
        }),
        3 => query.prop_map(|(broker, topic, queue, offset, max, key)| Op::Query {
            broker, topic, queue, offset, max, key,
        }),
        1 => Just(Op::Stranger),
        2 => any::<bool>().prop_map(|keep_stores| Op::Restart { keep_stores }),
        4 => (any::<u64>(), any::<bool>())
            .prop_map(|(seed, keep_stores)| Op::Crash { seed, keep_stores }),
        1 => (0..2_usize).prop_map(Op::DropTopic),
        1 => (0..2_usize).prop_map(Op::DropGroup),
    ]
}

/// An operation, and whether everything is looked at behind it.
pub(crate) fn op() -> impl Strategy<Value = (Op, bool)> {
    let handle = || 0..6_usize;
    let handles = || prop::collection::vec(handle(), 1..4);
    let ms = || prop::sample::select(vec![1_u64, 999, 1_000, 9_999, 29_000, 30_001, 60_000]);
    let op = prop_oneof![
        8 => append(),
        12 => receive(),
        5 => handles().prop_map(Op::Ack),
        2 => (handle(), 0..7_u8).prop_map(|(at, how)| Op::Forge(at, how)),
        2 => (handle(), ms()).prop_map(|(at, ms)| Op::Renew(at, ms)),
        6 => handle().prop_map(Op::Fail),
        3 => handles().prop_map(Op::GiveBack),
        2 => ms().prop_map(Op::Advance),
        6 => prop::bool::weighted(0.2).prop_map(|early| Op::AdvanceToNext { early }),
        6 => rare(),
    ];
    (op, prop::bool::weighted(0.5))
}
