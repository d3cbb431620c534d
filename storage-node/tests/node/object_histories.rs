//! Random histories of instances of the class `object`: the object store fails
//! at every step, processes die, and every other time the machine is lost with
//! its disk. What was answered, or seen, is there all the same.

use std::cell::RefCell;
use std::time::Duration;

use firn_protocol::api::storage::StorageApi as _;
use firn_protocol::catalogue::Durability;
use firn_storage_node::cold::wal::WalSettings;
use firn_storage_node::config::TierMutant;

use crate::cold::{join, keep, rest, spoil, time};
use crate::crash::{Tier, seed_of, seeds};
use crate::history::{Breach, History};
use crate::power::{BROKERS, Dice, Life, TOPIC, World, ctx, passes, pause, set_class};
use crate::work::work;

/// Objects and queues so small that all of them turn over.
pub(crate) fn small_wal() -> WalSettings {
    WalSettings {
        object_bytes_max: 3 << 10,
        in_flight_max: 3,
        pending_bytes_max: 16 << 10,
        pause_first: Duration::from_millis(20),
        pause_max: Duration::from_millis(200),
        delete_batch: 2,
        delete_after: Duration::from_secs(6),
        ..WalSettings::default()
    }
}

/// Waits until both brokers answer; false if the power goes off, or never.
pub(crate) async fn ready(world: &World, life: &Life) -> bool {
    for _ in 0..5_000 {
        let mut well = true;
        for broker in BROKERS {
            well &= life.node.bounds(&ctx(), broker, TOPIC.key).await.is_ok();
        }
        if well || world.disk.is_off() {
            return well;
        }
        world.clock.advance(Duration::from_millis(50));
        pause().await;
    }
    false
}

async fn run(seed: u64, mutant: Option<TierMutant>) -> Result<(u64, u64), Breach> {
    set_class(Durability::Object);
    let mut dice = Dice(seed);
    let mut world = World::new(seed, None);
    let tier = Tier {
        mutant,
        ..Tier::default()
    };
    join(&mut world, tier);
    world.wal = small_wal();
    let history = RefCell::new(History::default());
    let mut moves = 0;
    for n in 0..4 {
        let life = live(&mut world, &history, &mut dice).await?;
        match dice.one_in(3) {
            true => close(&world, life).await,
            false => life.kill(&world).await,
        }
        if dice.one_in(2) {
            moves += 1;
            relocate(&mut world, seed + n).await?;
        } else if dice.one_in(2) {
            world.disk.restart();
        } else {
            world.disk.crash(dice.next());
        }
    }
    let mut history = history.into_inner();
    let mut life = world.open().map_err(|error| format!("L1: {error}"))?;
    life.start();
    let outcome = async {
        if !ready(&world, &life).await {
            return Err("L1: the node is well and does not answer".to_owned());
        }
        history.verify(&life.node).await?;
        history.drain(&world, &life.node).await?;
        history.verify_index(&life.node).await
    };
    let outcome = tokio::select! {
        outcome = outcome => outcome,
        never = time(&world) => match never {},
    };
    close(&world, life).await;
    outcome?;
    Ok((history.answered, moves))
}

async fn close(world: &World, life: Life) {
    tokio::select! {
        () = life.close() => {}
        never = time(world) => match never {},
    }
}

/// The disk is lost; another machine goes on.
async fn relocate(world: &mut World, seed: u64) -> Result<(), Breach> {
    let clock = world.clock.clone();
    let passes = passes(clock, Duration::from_millis(20));
    tokio::select! {
        moved = world.move_machine(seed) => moved.map_err(|error| format!("L1: not restored: {error}")),
        never = passes => match never {},
    }
}

async fn live(
    world: &mut World,
    history: &RefCell<History>,
    dice: &mut Dice,
) -> Result<Life, Breach> {
    let mut life = world.open().map_err(|error| format!("L1: {error}"))?;
    life.start();
    let mut known = history.take();
    let verified = async {
        if !ready(world, &life).await {
            return Err("L1: the node is well and does not answer".to_owned());
        }
        known.verify(&life.node).await
    };
    let verified = tokio::select! {
        verified = verified => verified,
        never = time(world) => match never {},
    };
    history.replace(known);
    if let Err(breach) = verified {
        life.kill(world).await;
        return Err(breach);
    }
    spoil(&world.objects, dice);
    if dice.one_in(3) {
        world.disk.power_off_at_change(1 + dice.below(150));
    }
    if dice.one_in(4) {
        world.disk.fail_sync(1 + dice.below(12));
    }
    for _ in 0..2 {
        let worked = work(world, &life, history, dice.next(), 8);
        let keeper = keep(world, &life, true, dice.next());
        let worked = tokio::select! {
            worked = worked => worked,
            never = keeper => match never {},
        };
        if let Err(breach) = worked {
            life.kill(world).await;
            return Err(breach);
        }
        if dice.one_in(3) {
            rest(world, &life).await;
        }
    }
    Ok(life)
}

#[tokio::test]
async fn histories_of_the_class_object_survive_the_loss_of_machines() {
    let (count, mut answered, mut moves) = (seeds(8), 0, 0);
    for n in 0..count {
        let seed = seed_of(30_000 + n);
        match run(seed, None).await {
            Ok((more, moved)) => {
                answered += more;
                moves += moved;
            }
            Err(breach) => panic!("seed {seed:#x}: {breach}"),
        }
    }
    println!(
        "seeds {:#x}..{:#x}: {answered} answered, {moves} machines lost",
        seed_of(30_000),
        seed_of(30_000 + count)
    );
    assert!(answered > 10 * count && moves > count);
}

#[tokio::test]
#[ignore = "takes minutes: make nightly"]
async fn the_checks_catch_each_deliberate_fault_of_the_class() {
    let mut missed = Vec::new();
    for mutant in [
        TierMutant::AnswerBeforePut,
        TierMutant::ShowBeforePut,
        TierMutant::KeepTailLocal,
        TierMutant::ForgetUncovered,
    ] {
        let mut found = None;
        for n in 0..150 {
            if let Err(breach) = run(seed_of(40_000 + n), Some(mutant)).await {
                found = Some((n, breach));
                break;
            }
        }
        match found {
            Some((n, breach)) => println!("{mutant:?}: history {n}: {breach}"),
            None => missed.push(mutant),
        }
    }
    assert_eq!(missed, []);
}
