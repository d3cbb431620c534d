//! Random lives of a writer, each with a death of some kind, then what a replay
//! shows. A failure names its seed; the seeds are the same in every run.

use super::*;
use crate::cold::Chances;

const SEEDS: u64 = 150;
const STEPS: u64 = 60;
/// Frames of a life in which nothing ends the pushing.
const FRAMES_MAX: usize = 300;

/// How the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// At a named point.
    At(&'static str),
    BeforeChange(u64),
    AfterChange(u64),
    /// Between two of its steps, whatever is under way.
    Killed,
    /// Not at all: somebody else only believes so.
    Alive,
}

/// What a test remembers of a life.
struct Life {
    seed: u64,
    random: u64,
    rig: Rig,
    pushed: Vec<WalFrame>,
    needed: Lsn,
    told: Vec<(Lsn, Told)>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = seed;
        let settings = WalSettings {
            object_bytes_max: [300, 2_000, 8 << 20][next(&mut random) as usize % 3],
            in_flight_max: 1 + next(&mut random) as usize % 4,
            delete_batch: 2 + next(&mut random) % 4,
            delete_after: Duration::from_secs(5),
            ..paced()
        };
        let rig = Rig::seeded(seed, settings);
        rig.faulty.set_latency(ms(0), ms(next(&mut random) % 400));
        let bad = next(&mut random) as u32 % 3;
        rig.faulty.set_chances(Chances {
            busy: 60 * bad,
            answer_lost: 100 * bad,
            broken: 60 * bad,
        });
        Self {
            seed,
            random,
            rig,
            pushed: Vec::new(),
            needed: Lsn(0),
            told: Vec::new(),
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        next(&mut self.random) % n
    }

    fn death(&mut self) -> Death {
        match self.below(7) {
            0 => Death::At("wal.before_put"),
            1 => Death::At("wal.after_put"),
            2 => Death::At("wal.before_delete"),
            3 => Death::BeforeChange(1 + self.below(8)),
            4 => Death::AfterChange(1 + self.below(8)),
            5 => Death::Killed,
            _ => Death::Alive,
        }
    }

    fn arm(&self, death: Death) {
        let faulty = &self.rig.faulty;
        match death {
            Death::At(point) => faulty.crash_at(point),
            Death::BeforeChange(n) => faulty.crash_before_change(n),
            Death::AfterChange(n) => faulty.crash_after_change(n),
            Death::Killed => self.rig.kill.cancel(),
            Death::Alive => {}
        }
    }

    fn push(&mut self) {
        let mut lsn = self.pushed.last().map_or(0, |frame| frame.lsn.0);
        let mut some = Vec::new();
        for _ in 0..=self.below(4) {
            // Mostly the next one; entries of the class `local` leave gaps.
            lsn += 1 + self.below(4) / 3;
            some.push(frame(lsn));
        }
        self.pushed.extend(some.iter().cloned());
        let is_urgent = self.below(4) > 0;
        self.rig.writer.push(some, is_urgent);
        let told = self.rig.wait(lsn);
        self.told.push((Lsn(lsn), told));
    }

    async fn step(&mut self) {
        match self.below(10) {
            0..5 => self.push(),
            5 => {
                let durable = self.rig.writer.durable().0;
                self.needed = Lsn(self.needed.0.max(self.below(durable + 2)));
                self.rig.writer.forget_before(self.needed);
            }
            6 => pass(&self.rig.clock, ms(2_000), ms(50)).await,
            _ => {
                let time = ms(self.below(150));
                pass(&self.rig.clock, time, ms(10)).await;
            }
        }
        settle().await;
    }

    /// All that anybody was told to be durable.
    fn answered(&self) -> Lsn {
        let durable = self.rig.writer.durable();
        for (lsn, told) in &self.told {
            match told.get() {
                Some(Ok(())) => assert!(*lsn <= durable, "seed {}: {lsn}", self.seed),
                Some(Err(_)) => assert!(*lsn > durable, "seed {}: {lsn}", self.seed),
                None => {}
            }
        }
        durable
    }

    /// What a replay has shown is what was pushed without a gap, and reaches
    /// from what is needed to what was answered.
    fn check(&self, shown: &[WalFrame], answered: Lsn) {
        let seed = self.seed;
        let place = |lsn: Lsn| self.pushed.partition_point(|frame| frame.lsn < lsn);
        if let Some(first) = shown.first() {
            let begin = place(first.lsn);
            let expected = self.pushed.iter().skip(begin).take(shown.len());
            assert!(shown.iter().eq(expected), "seed {seed}: {:?}", lsns(shown));
        }
        let has = |frame: &WalFrame| {
            shown
                .binary_search_by_key(&frame.lsn, |one| one.lsn)
                .is_ok()
        };
        let must = self
            .pushed
            .iter()
            .filter(|frame| self.needed <= frame.lsn && frame.lsn <= answered);
        for frame in must {
            assert!(
                has(frame),
                "seed {seed}: {} of {:?}",
                frame.lsn,
                lsns(shown)
            );
        }
    }
}

/// Fences and replays, until the store lets it.
async fn insist(clock: &Clock, store: &ColdStore) -> (u64, Vec<WalFrame>) {
    loop {
        let end = match driven(clock, fence(store, NODE, WAL.incarnation)).await {
            Ok(end) => end,
            Err(error) if error.is_retryable() => continue,
            Err(error) => panic!("{error:?}"),
        };
        match driven(clock, shown(store, end)).await {
            Ok(shown) => return (end, shown),
            Err(error) if error.is_retryable() => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn live_and_die(seed: u64) {
    let mut life = Life::new(seed);
    let death = life.death();
    let arm_at = life.below(STEPS);
    for step in 0..STEPS {
        if step == arm_at {
            life.arm(death);
        }
        life.step().await;
        if life.rig.faulty.is_crashed() || life.rig.kill.is_cancelled() {
            break;
        }
    }
    if death != Death::Alive {
        life.rig.kill.cancel();
        settle().await;
    }
    let answered = life.answered();
    // Lists lag for who knows when objects were written: the same store.
    let (faulty, store) = if death == Death::Alive {
        life.rig.other()
    } else {
        (life.rig.faulty.clone(), life.rig.store.clone())
    };
    faulty.heal();
    faulty.set_stale_lists(ms(life.below(5_000)));
    faulty.set_chances(Chances {
        busy: 50,
        answer_lost: 50,
        broken: 50,
    });
    faulty.set_latency(ms(0), ms(200));
    let clock = life.rig.clock.clone();
    let recovering = insist(&clock, &store);
    tokio::pin!(recovering);
    let (end, shown) = loop {
        tokio::select! {
            biased;
            found = &mut recovering => break found,
            // The old owner goes on, if it lives.
            () = settle() => if death == Death::Alive && life.pushed.len() < FRAMES_MAX {
                life.push();
            },
        }
    };
    life.check(&shown, answered);
    pass(&clock, Duration::from_secs(120), ms(500)).await;
    // Also what it answered while it was fenced.
    life.check(&shown, life.answered());
    if death == Death::Alive {
        let result = life.rig.result.lock().clone();
        let is_over = matches!(result, None | Some(Err(WalError::Fenced { .. })));
        assert!(is_over, "seed {seed}: {result:?}");
    }
    let (again, shown_again) = insist(&clock, &store).await;
    assert_eq!(
        (again, shown_again.len()),
        (end, shown.len()),
        "seed {seed}, {death:?}"
    );
}

#[tokio::test]
async fn a_replay_shows_a_prefix_with_all_that_was_answered() {
    for seed in 0..SEEDS {
        live_and_die(seed).await;
    }
}
