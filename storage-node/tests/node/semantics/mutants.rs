//! The machine sees deliberate faults, or it proves nothing (RULES 36).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firn_storage_node::config::Mutant;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;

use super::model::Checked;
use super::ops::Op;
use super::{Sequence, System};

const CASES: u32 = 64;
const SHRINKS_MAX: u32 = 1000;

fn life(tail_bytes: u64, ops: &[Op], seen: Option<Arc<AtomicUsize>>, mutant: Mutant) -> Checked {
    let mut system = System::new(tail_bytes, Some(mutant));
    system.begin_brokers()?;
    for op in ops {
        // What comes behind the breach is let go first.
        if let Some(seen) = &seen {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        system.run(op)?;
    }
    system.heal()
}

/// The first breach that is found, and the operations that are left of its case.
fn find(mutant: Mutant) -> Option<(String, Vec<Op>)> {
    let config = Config {
        cases: CASES,
        max_shrink_iters: SHRINKS_MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let dice = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, dice);
    let cases = Sequence::sequential_strategy(1..60);
    let outcome = runner.run(&cases, |(tail_bytes, ops, seen)| {
        life(tail_bytes, &ops, seen, mutant).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(breach, (_, ops, _))) => Some((breach.to_string(), ops)),
        Err(TestError::Abort(reason)) => panic!("{mutant:?}: {reason}"),
    }
}

#[test]
fn the_machine_catches_each_deliberate_fault() {
    let mutants = [
        (Mutant::FireEarly, "R8"),
        (Mutant::BreakOrder, "R5"),
        (Mutant::SkipRetry, "R1"),
        (Mutant::AckAnyLease, "R6"),
        (Mutant::ForgetHalf, "R14"),
        (Mutant::ForgetIds, "R16"),
    ];
    let mut missed = Vec::new();
    for (mutant, rule) in mutants {
        match find(mutant) {
            Some((breach, ops)) if breach.starts_with(rule) => {
                println!(
                    "{mutant:?}: {breach}\n  after {} operations: {ops:?}",
                    ops.len()
                );
            }
            found => missed.push((mutant, found)),
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
