//! Simulation of the whole service: gateway, catalogue and storage node over a
//! disk that forgets what was not synced, under a clock that the seed moves. One
//! thing happens after another, so that a seed tells the same story again.

mod clients;
mod faults;
mod filters;
mod healing;
mod model;
mod world;

use std::process::Command;

use firn_storage_node::config::Mutant;
use world::World;

/// The first seed; the others follow.
const SEEDS_FROM: u64 = 0x0F17_0004;
const STEPS: usize = 120;

#[allow(
    clippy::disallowed_methods,
    reason = "a test's own knob, not a setting"
)]
fn seeds() -> u64 {
    let given = std::env::var("FIRN_SIM_SEEDS");
    given.ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

#[test]
fn seeds_keep_the_invariants() {
    for seed in SEEDS_FROM..SEEDS_FROM + seeds() {
        if let Err(breach) = World::new(seed, None).run(STEPS) {
            panic!("seed {seed:#x}: {breach}");
        }
    }
}

/// Each deliberate fault is noticed, by the rule that it breaks.
#[test]
fn faults_are_noticed() {
    let faults = [
        (Mutant::FireEarly, "R8"),
        (Mutant::BreakOrder, "R5"),
        (Mutant::SkipRetry, "R9"),
        (Mutant::AckAnyLease, "R"),
        (Mutant::ForgetHalf, "R1"),
        (Mutant::ForgetIds, "R16"),
        (Mutant::ForgetFilter, "R9"),
    ];
    for (fault, rule) in faults {
        let lives = SEEDS_FROM..SEEDS_FROM + 20;
        let breach = lives.into_iter().find_map(|seed| {
            let life = World::new(seed, Some(fault)).run(STEPS);
            life.err().map(|breach| (seed, breach))
        });
        let (seed, breach) = breach.unwrap_or_else(|| panic!("nobody noticed {fault:?}"));
        assert!(
            breach.starts_with(rule),
            "{fault:?}, seed {seed:#x}: {breach}"
        );
    }
}

/// Prints the story of a seed for the test below.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn tell() {
    let story = World::new(SEEDS_FROM, None).run(STEPS).expect("it is well");
    println!("story: {}", story.replace('\n', ";"));
}

/// D0: the same seed gives the same story in two processes.
#[test]
fn a_seed_tells_the_same_story_again() {
    let told = || {
        let this = std::env::current_exe().expect("this program");
        let mut command = Command::new(this);
        command.args(["--exact", "sim::tell", "--ignored", "--nocapture"]);
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.contains("story: "))
            .map(str::to_owned);
        line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    assert_eq!(told(), told());
}
