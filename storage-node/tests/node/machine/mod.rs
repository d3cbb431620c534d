//! Random sequences of calls against the model, with restarts and power loss.
//! Timers do not run by themselves here: what is due is settled by the next
//! receive, so every step has one outcome.

mod fate;
mod leases;
mod look;
mod ops;
mod steps;

use std::collections::BTreeMap;

use firn_protocol::api::storage::{GroupSpec, TopicSpec};
use firn_protocol::catalogue::StartPosition;
use firn_protocol::ids::{GroupId, TopicId, TopicKey};
use firn_protocol::receipt::Receipt;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::harness::Bench;
use crate::model::{BrokerModel, Key};
use ops::{Op, QUEUES};

/// The sequence needs no state to be made: objects are found when it is run.
struct Sequence;

impl ReferenceStateMachine for Sequence {
    type State = u64;
    type Transition = (Op, bool);

    fn init_state() -> BoxedStrategy<u64> {
        // Bytes of records that stay in memory: none, a few, all.
        prop::sample::select(vec![0_u64, 300, 1 << 20]).boxed()
    }

    fn transitions(_: &u64) -> BoxedStrategy<(Op, bool)> {
        ops::op().boxed()
    }

    fn apply(state: u64, _: &(Op, bool)) -> u64 {
        state
    }
}

/// A delivery that was handed out.
#[derive(Clone, Debug)]
struct Handle {
    broker: usize,
    group: u64,
    key: Key,
    receipt: Receipt,
}

type Models = [BrokerModel; 2];

struct System {
    runtime: tokio::runtime::Runtime,
    bench: Bench,
    models: Models,
    /// What held before each step that nobody has waited for.
    history: Vec<Models>,
    handles: Vec<Handle>,
    topics: [u64; 2],
    groups: [u64; 2],
    next_id: u64,
    sent: u64,
    /// Committed offsets that were shown, and the last position given.
    committed: BTreeMap<(usize, u64, u64, u16), u64>,
    positions: [Option<u64>; 2],
}

/// Redeliveries of each group.
const MAX_RETRIES: [u32; 2] = [2, 0];

impl System {
    fn group_spec(&self, slot: usize) -> GroupSpec {
        self.spec_of(self.groups[slot])
    }

    fn spec_of(&self, group: u64) -> GroupSpec {
        GroupSpec {
            id: GroupId(group),
            max_retries: MAX_RETRIES[group as usize % 2],
            start: StartPosition::Earliest,
            mode: firn_protocol::api::storage::GroupMode::Unordered,
            version: 1,
        }
    }

    fn topic_spec(&self, slot: usize) -> TopicSpec {
        TopicSpec {
            key: TopicKey::User(TopicId(self.topics[slot])),
            queues: QUEUES[slot],
        }
    }
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Sequence;

    fn init_test(tail_bytes: &u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let mut system = Self {
            runtime,
            bench: Bench::new(|config| config.tail_bytes_max = *tail_bytes),
            models: Models::default(),
            history: Vec::new(),
            handles: Vec::new(),
            topics: [10, 11],
            groups: [20, 21],
            next_id: 100,
            sent: 0,
            committed: BTreeMap::new(),
            positions: [None; 2],
        };
        // A broker belongs to whoever writes to it first.
        for broker in 0..2 {
            system.run(&Op::Append {
                broker,
                topic: 0,
                queue: 0,
                messages: vec![(0, 0)],
            });
        }
        system
    }

    fn apply(mut state: Self, _: &u64, (op, look): (Op, bool)) -> Self {
        state.run(&op);
        if look {
            state.look();
        }
        state
    }

    fn teardown(mut self_: Self, _: u64) {
        self_.drain();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.runtime.block_on(self.bench.close());
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_broker_does_what_the_model_says(sequential 1..60 => System);
}
