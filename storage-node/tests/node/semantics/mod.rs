//! Random sequences of everything but the plain consumption that `machine` covers:
//! delayed and half messages, ordered groups, broadcasts, ids, purges. What each
//! answer may be follows from the answers before; see `model`. Timers do not run by
//! themselves here.

mod consume;
mod failures;
mod fate;
mod model;
mod mutants;
mod ops;
mod readers;
mod seen;
mod send;

use std::future::Future;

use firn_protocol::receipt::Receipt;
use firn_storage_node::config::Mutant;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::harness::Bench;
use model::{BrokerModel, Checked, Key};
use ops::{Op, TOPICS, To};

/// The sequence needs no state to be made: objects are found when it is run.
struct Sequence;

impl ReferenceStateMachine for Sequence {
    type State = u64;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<u64> {
        // Bytes of records that stay in memory: none, a few, all.
        prop::sample::select(vec![0_u64, 300, 1 << 20]).boxed()
    }

    fn transitions(_: &u64) -> BoxedStrategy<Op> {
        ops::op().boxed()
    }

    fn apply(state: u64, _: &Op) -> u64 {
        state
    }
}

/// A delivery that was handed out.
#[derive(Clone, Debug)]
struct Handle {
    broker: usize,
    reader: usize,
    key: Key,
    receipt: Receipt,
}

struct System {
    runtime: tokio::runtime::Runtime,
    bench: Bench,
    models: [BrokerModel; 2],
    handles: Vec<Handle>,
    sent: u64,
}

impl System {
    fn new(tail_bytes: u64, mutant: Option<Mutant>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        Self {
            runtime,
            bench: Bench::new(|config| {
                config.tail_bytes_max = tail_bytes;
                config.mutant = mutant;
            }),
            models: Default::default(),
            handles: Vec::new(),
            sent: 0,
        }
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn now(&self) -> u64 {
        self.bench.now()
    }

    /// A broker belongs to whoever writes to it first.
    fn begin_brokers(&mut self) -> Checked {
        for broker in 0..self.models.len() {
            let (topic, line) = (0, 0);
            let to = To {
                broker,
                topic,
                line,
            };
            self.send(to, 1)?;
        }
        Ok(())
    }

    fn run(&mut self, op: &Op) -> Checked {
        match op.clone() {
            Op::Send(to, count) => self.send(to, count)?,
            Op::Hold(to, delays) => self.hold(to, &delays)?,
            Op::Recall {
                broker,
                pick,
                forged,
            } => self.recall(broker, pick, forged)?,
            Op::Begin(to, producers) => self.begin(to, producers)?,
            Op::Decide {
                broker,
                pick,
                commit,
            } => self.decide(broker, pick, commit)?,
            Op::Check {
                broker,
                topic,
                producers,
                max,
            } => self.check(broker, topic, producers, max)?,
            Op::CheckRounds {
                broker,
                topic,
                rounds,
            } => self.check_rounds(broker, topic, rounds)?,
            Op::Unique {
                broker,
                topic,
                queue,
                ids,
                delay,
            } => self.unique(broker, (TOPICS[topic], queue), &ids, delay)?,
            Op::Receive(ask) => {
                self.receive(ask)?;
            }
            Op::Ack(picks) => self.ack(&picks)?,
            Op::Fail(pick) => self.fail(pick)?,
            Op::Release { broker, pick, how } => self.release(broker, pick, how)?,
            Op::Redrive {
                broker,
                reader,
                named,
                max,
            } => self.redrive(broker, reader, named, max)?,
            Op::Purge {
                broker,
                topic,
                before_ms,
            } => self.purge(broker, topic, before_ms)?,
            Op::Advance(ms) => self.advance(ms),
            Op::AdvanceToNext { early } => self.advance_to_next(early),
            Op::Timers => self.timers(),
            Op::Look => self.look()?,
            Op::Restart { keep_stores } => self.restart(keep_stores)?,
            Op::Crash { seed, keep_stores } => self.crash(seed, keep_stores)?,
        }
        Ok(())
    }
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Sequence;

    fn init_test(tail_bytes: &u64) -> Self {
        let mut system = Self::new(*tail_bytes, None);
        let begun = system.begin_brokers();
        begun.unwrap_or_else(|breach| panic!("{breach}"));
        system
    }

    fn apply(mut state: Self, _: &u64, op: Op) -> Self {
        let done = state.run(&op);
        done.unwrap_or_else(|breach| panic!("{breach}"));
        state
    }

    fn teardown(mut state: Self, _: u64) {
        let healed = state.heal();
        healed.unwrap_or_else(|breach| panic!("{breach}"));
        let work = state.bench.close();
        state.runtime.block_on(work);
        state.bench.check_snapshots();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.runtime.block_on(self.bench.close());
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        // A case costs four times what one of the other machine does.
        cases: ProptestConfig::default().cases.div_ceil(4),
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn held_and_ordered_messages_do_what_the_model_says(sequential 1..60 => System);
}
