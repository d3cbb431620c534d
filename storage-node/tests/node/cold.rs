//! Random histories in which object storage takes part and fails: slow, busy,
//! answers lost after the fact, parts and uploads lost, lists that lag, and the
//! process killed at any request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::catalogue::Durability;
use firn_storage_node::cold::{Chances, FaultyObjects};
use firn_storage_node::config::{TierConfig, TierMutant};
use firn_storage_node::retention::FixedRules;
use firn_storage_node::segment::Cut;

use crate::crash::{Plan, Reached, Tier, check, find, seed_of, seeds};
use crate::power::{Dice, FILE_BYTES, Life, World, class, pause};
use crate::work::off;

/// Bytes of a log file: so small that files are given back all the time.
const LOG_FILE_BYTES: u64 = FILE_BYTES / 2;

/// How long records are kept where they expire.
const RETENTION_MS: u64 = 1500;

/// Lets object storage take part.
pub(crate) fn join(world: &mut World, tier: Tier) {
    world.log.file_bytes = LOG_FILE_BYTES;
    world.log.zero_bytes = LOG_FILE_BYTES;
    world.tier = TierConfig {
        seal_bytes: 6 << 10,
        carry_bytes_max: 2 << 10,
        carry_age: Duration::from_secs(2),
        log_bytes_max: 2 * LOG_FILE_BYTES,
        cut: Cut {
            chunk_bytes: 1 << 10,
            ..Cut::default()
        },
        merge_segments_min: 3,
        merge_bytes: 24 << 10,
        expire_every: Duration::ZERO,
        release_grace: Duration::from_secs(2),
        rules: Arc::new(FixedRules {
            retention: tier.retention_ms.map(Duration::from_millis),
            ..FixedRules::default()
        }),
        mutant: tier.mutant,
        ..TierConfig::default()
    };
}

/// Faults for one life.
pub(crate) fn spoil(objects: &FaultyObjects, dice: &mut Dice) {
    objects.set_chances(Chances {
        busy: dice.below(200) as u32,
        answer_lost: dice.below(150) as u32,
        broken: dice.below(100) as u32,
    });
    if dice.one_in(3) {
        objects.crash_before_change(1 + dice.below(30));
    }
    if dice.one_in(3) {
        objects.set_latency(Duration::ZERO, Duration::from_millis(200));
        objects.set_slow_complete(Duration::from_millis(300));
    }
    if dice.one_in(3) {
        objects.set_stale_lists(Duration::from_secs(5));
    }
    if dice.one_in(4) {
        objects.lose_part(1 + dice.below(4));
    }
    if dice.one_in(4) {
        objects.lose_upload(1 + dice.below(4));
    }
}

/// Tiers again and again while clients work.
pub(crate) async fn keep(world: &World, life: &Life, takes_part: bool, seed: u64) -> Infallible {
    if !takes_part {
        return std::future::pending().await;
    }
    let work = async {
        let mut dice = Dice(seed);
        loop {
            match dice.below(5) {
                0 => drop(life.node.seal_all().await),
                1 => drop(life.node.settle_stores().await),
                2 => life.node.merge_step().await,
                _ => life.node.tier_step().await,
            }
            pause().await;
        }
    };
    tokio::select! {
        never = time(world) => never,
        never = work => never,
    }
}

/// Lets time pass for those who wait for an answer.
pub(crate) async fn time(world: &World) -> Infallible {
    loop {
        pause().await;
        // Waits for the object store are long, and bounded by this clock.
        let step = match class() {
            Durability::Local => 20,
            Durability::Object => 100,
        };
        world.clock.advance(Duration::from_millis(step));
    }
}

/// Nothing else is going on: all is sealed and what nobody needs is given back,
/// unless the power goes off.
pub(crate) async fn rest(world: &World, life: &Life) {
    let work = async {
        for _ in 0..2 {
            life.node.seal_all().await;
            let _ = life.node.settle_stores().await;
            life.node.tier_step().await;
            life.node.merge_step().await;
        }
    };
    tokio::select! {
        () = work => {}
        () = off(&world.disk) => {}
        never = time(world) => match never {},
    }
}

#[tokio::test]
async fn histories_with_object_storage_keep_every_promise() {
    let (count, reached) = (seeds(60), Reached::default());
    let plan = Plan {
        tier: Some(Tier::default()),
        ..Plan::default()
    };
    let mut answered = 0;
    for n in 0..count {
        answered += check(seed_of(20_000 + n), plan, &reached).await.answered;
    }
    println!(
        "seeds {:#x}..{:#x}: {answered} answered",
        seed_of(20_000),
        seed_of(20_000 + count)
    );
    assert!(answered > 20 * count);
}

#[tokio::test]
async fn the_checks_catch_each_deliberate_fault_of_tiering() {
    let mutants = [
        TierMutant::CarryBeforeManifest,
        TierMutant::ManifestBeforeSegment,
    ];
    let mut missed = Vec::new();
    for mutant in mutants {
        let plan = Plan {
            tier: Some(Tier {
                mutant: Some(mutant),
                ..Tier::default()
            }),
            ..Plan::default()
        };
        match find(plan, 150).await {
            Some((n, breach)) => println!("{mutant:?}: history {n}: {breach}"),
            None => missed.push(mutant),
        }
    }
    assert_eq!(missed, []);
}

/// What is missing is old, and all the rest is as it was.
#[tokio::test]
async fn histories_in_which_records_expire_keep_every_promise() {
    let (count, reached) = (seeds(40), Reached::default());
    let expiring = |mutant| Plan {
        tier: Some(Tier {
            mutant,
            retention_ms: Some(RETENTION_MS),
        }),
        ..Plan::default()
    };
    let (mut answered, mut gone) = (0, 0);
    for n in 0..count {
        let tally = check(seed_of(30_000 + n), expiring(None), &reached).await;
        answered += tally.answered;
        gone += tally.gone;
    }
    println!(
        "seeds {:#x}..{:#x}: {answered} answered, {gone} gone",
        seed_of(30_000),
        seed_of(30_000 + count)
    );
    assert!(gone > count && gone < answered);
    let found = find(expiring(Some(TierMutant::TrimOneMore)), 150).await;
    let (n, breach) = found.expect("a deliberate fault is seen");
    println!("history {n}: {breach}");
}
