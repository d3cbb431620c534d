//! Limits that several gateways keep together: the admission of gateways as it is, over
//! the one table that divides, by a clock that each step moves. One thing happens after
//! another, so that a seed tells the same story again.

mod http;
mod line;
mod world;

use line::Bug;
use world::{Dice, World};

const SEEDS: u64 = 60;
/// Of 10 ms each.
const STEPS: usize = 6_000;

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a thread").block_on(work)
}

/// A minute with everything that may happen.
fn life(seed: u64, bug: Bug) -> Result<(), String> {
    let mut dice = Dice(seed);
    let tps = [1, 7, 50, 1000, 5000, 20_000][dice.below(6) as usize];
    let burst_ms = [1, 100, 1000][dice.below(3) as usize];
    let mut world = World::new(tps, burst_ms, bug);
    for _ in 0..=dice.below(4) {
        world.join(0);
    }
    wait(async {
        let mut passed = 0;
        for _ in 0..STEPS {
            passed += world.step().await?;
            world.disturb(&mut dice).await;
        }
        match passed {
            0 => Err("nothing passed".to_owned()),
            _ => Ok(()),
        }
    })
}

#[test]
fn no_stretch_of_time_lets_more_pass_whatever_happens() {
    for seed in 0..SEEDS {
        if let Err(breach) = life(seed, Bug::None) {
            panic!("seed {seed}: {breach}");
        }
    }
}

#[test]
fn faults_of_sharing_are_noticed() {
    for bug in [
        Bug::TableForgets,
        Bug::HeldHidden,
        Bug::LongShare,
        Bug::BaseTwice,
        Bug::LeavesAndStays,
        Bug::Generous,
    ] {
        let breach = (0..SEEDS).find_map(|seed| life(seed, bug).err());
        let breach = breach.unwrap_or_else(|| panic!("nobody noticed {bug:?}"));
        assert!(breach.contains("too many"), "{bug:?}: {breach}");
    }
}

/// What passes in ten seconds, after some in which nothing changes.
fn steady(tps: u64, burst_ms: u64, wanted: &[u64]) -> u64 {
    let mut world = World::new(tps, burst_ms, Bug::None);
    wanted.iter().for_each(|wanted| world.join(*wanted));
    wait(async {
        let mut passed = 0;
        for step in 0..1600 {
            let now = world.step().await.expect("the bound holds");
            passed += if step < 600 { 0 } else { now };
        }
        passed
    })
}

#[test]
fn steady_demand_gets_the_rate_however_it_is_spread() {
    for tps in [100, 1000, 5000, 50_000] {
        // Messages that are wanted in 10 ms.
        let flood = tps / 20;
        let some = tps / 500;
        for wanted in [
            &[flood][..],
            &[flood, flood],
            &[flood, 0],
            &[flood, some, 0],
            &[some, flood, some],
            &[flood, flood / 3, flood / 4, flood / 5, 0],
        ] {
            let passed = steady(tps, 100, wanted);
            let share = passed as f64 / (tps * 10) as f64;
            assert!(
                (0.98..=1.02).contains(&share),
                "{passed} of {tps} a second for {wanted:?}"
            );
        }
    }
}

#[test]
fn what_fits_the_rate_passes_wherever_it_comes() {
    let tps = 10_000;
    for wanted in [&[40, 40][..], &[70, 10, 10], &[95, 0, 0], &[20, 20, 20, 20]] {
        let asked = wanted.iter().sum::<u64>() * 1000;
        let passed = steady(tps, 100, wanted);
        assert!(passed * 100 >= asked * 98, "{passed} of {asked}");
    }
}

/// One message a second, and three gateways that have more to do than that.
#[test]
fn a_tiny_rate_is_shared() {
    for wanted in [&[1, 1, 1][..], &[1, 0, 0], &[1, 1, 0]] {
        let passed = steady(1, 100, wanted);
        assert!((9..=11).contains(&passed), "{passed} for {wanted:?}");
    }
}

#[test]
fn a_share_follows_the_demand() {
    let mut world = World::new(5000, 100, Bug::None);
    world.join(100);
    world.join(0);
    world.join(0);
    wait(async {
        for _ in 0..600 {
            world.step().await.expect("the bound holds");
        }
        world.gateways[0].wanted = 0;
        world.gateways[1].wanted = 100;
        let mut passed = 0;
        for step in 0..400 {
            let now = world.step().await.expect("the bound holds");
            passed += if step < 200 { 0 } else { now };
        }
        assert!(passed >= 9_800, "{passed} in two seconds, after two more");
        let calls = world.gateways.iter().map(|g| g.line.seen.lock().calls);
        let most = calls.max().unwrap_or_default();
        assert!(most <= 25, "{most} calls in ten seconds");
    });
}

/// Gateways that die leave their share behind once it is void; one that leaves in
/// order, at once.
#[test]
fn a_share_of_the_dead_is_free_when_it_is_void() {
    for (is_orderly, wait_steps) in [(false, 650), (true, 220)] {
        let mut world = World::new(5000, 100, Bug::None);
        world.join(100);
        world.join(100);
        wait(async {
            for _ in 0..600 {
                world.step().await.expect("the bound holds");
            }
            let gone = world.gateways.remove(0);
            if is_orderly {
                gone.admission.leave().await;
            }
            let mut passed = 0;
            for step in 0..wait_steps + 200 {
                let now = world.step().await.expect("the bound holds");
                passed += if step < wait_steps { 0 } else { now };
            }
            assert!(passed >= 9_800, "{passed}, in order: {is_orderly}");
        });
    }
}

/// Without the tenant service each gateway has its base: together the whole rate.
#[test]
fn service_goes_on_without_the_tenant_service_and_after_it() {
    let mut world = World::new(5000, 100, Bug::None);
    for _ in 0..4 {
        world.join(100);
    }
    wait(async {
        for _ in 0..600 {
            world.step().await.expect("the bound holds");
        }
        let table = world.table.lock().take();
        assert!(table.is_some());
        let mut seconds = Vec::new();
        for second in 0..40 {
            if second == 20 {
                let table = firn_tenant_service::ShareTable::after_restart(world.clock.clone());
                *world.table.lock() = Some(std::sync::Arc::new(table));
            }
            let mut passed = 0;
            for _ in 0..100 {
                passed += world.step().await.expect("the bound holds");
            }
            seconds.push(passed);
        }
        for (second, passed) in seconds.iter().enumerate() {
            assert!(
                (4_900..=5_600).contains(passed),
                "{passed} in second {second}: {seconds:?}"
            );
        }
    });
}
