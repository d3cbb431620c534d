//! Deliberate faults of the class `object`: each is seen by what the scenes check.

use std::time::Duration;

use firn_storage_node::config::TierMutant;

use crate::object_class::{begin_with, bodies, end, lose_machine, numbers, passing, send, start};
use crate::power::{BROKERS, World, pause};

/// Whether an answer, or a reader, comes before the object store has it.
async fn comes_early(mutant: Option<TierMutant>) -> (bool, bool) {
    let (world, life) = begin_with(mutant).await;
    world.objects.storm(u64::MAX);
    let answered = passing(&world, send(&life, BROKERS[0], 0)).await.is_ok();
    let seen = end(&life, BROKERS[0]).await > 0;
    life.kill(&world).await;
    (answered, seen)
}

/// Whether what a machine showed after its restart is there on the next one.
async fn outlives(mutant: Option<TierMutant>) -> bool {
    let (mut world, life) = begin_with(mutant).await;
    world.objects.storm(u64::MAX);
    let _ = passing(&world, send(&life, BROKERS[0], 0)).await;
    life.kill(&world).await;
    world.disk.restart();
    let life = start(&mut world).await;
    assert_eq!(bodies(&life, BROKERS[0]).await, numbers(1));
    lose_machine(&mut world, life).await;
    let life = start(&mut world).await;
    let is_there = bodies(&life, BROKERS[0]).await == numbers(1);
    life.close().await;
    is_there
}

/// Whether a restore finds all that was answered and never sealed.
async fn stays_until_covered(mutant: Option<TierMutant>) -> bool {
    let (mut world, life) = begin_with(mutant).await;
    let pass = async |world: &World| {
        for _ in 0..20 {
            passing(world, life.node.tier_step()).await;
            world.clock.advance(Duration::from_secs(20));
            pause().await;
        }
    };
    for n in 0..10 {
        let sent = passing(&world, send(&life, BROKERS[0], n)).await;
        sent.expect("answered");
        world.clock.advance(Duration::from_millis(100));
    }
    pass(&world).await;
    passing(&world, send(&life, BROKERS[0], 10))
        .await
        .expect("answered");
    lose_machine(&mut world, life).await;
    let life = start(&mut world).await;
    let is_there = bodies(&life, BROKERS[0]).await == numbers(11);
    life.close().await;
    is_there
}

#[tokio::test]
async fn each_deliberate_fault_of_the_class_is_seen() {
    assert_eq!(comes_early(None).await, (false, false));
    assert!(comes_early(Some(TierMutant::AnswerBeforePut)).await.0);
    assert!(comes_early(Some(TierMutant::ShowBeforePut)).await.1);
    assert!(outlives(None).await);
    assert!(!outlives(Some(TierMutant::KeepTailLocal)).await);
    assert!(stays_until_covered(None).await);
    assert!(!stays_until_covered(Some(TierMutant::ForgetUncovered)).await);
}
