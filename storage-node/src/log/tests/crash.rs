//! Power loss, kills and failed syncs at every place: nothing answered is lost,
//! nothing else appears.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A reproducible choice of numbers.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// What goes wrong in a life of the log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    Nothing,
    /// The power goes off at the n-th time a place is reached.
    Point(CrashPoint, u64),
    /// The power goes off at the n-th change.
    Change(u64),
    Sync(u64),
    SyncDir(u64),
    Write(u64),
}

impl Plan {
    fn any(dice: &mut Dice) -> Self {
        let n = 1 + dice.below(30);
        match dice.below(8) {
            0 => Self::Nothing,
            1 | 2 => {
                let all = CrashPoint::ALL;
                let point = all[dice.below(all.len() as u64) as usize];
                Self::Point(point, 1 + n % 4)
            }
            3 => Self::Change(n),
            // Early enough to hit the opening.
            4 => Self::Change(1 + n % 8),
            5 => Self::Sync(n),
            6 => Self::SyncDir(1 + n % 3),
            _ => Self::Write(n),
        }
    }

    fn apply(self, disk: &FaultyDisk, config: &mut LogConfig) {
        match self {
            Self::Nothing => {}
            Self::Point(wanted, n) => {
                let (disk, left) = (disk.clone(), AtomicU64::new(n));
                config.crash_points = CrashPoints::new(move |point| {
                    let hit = point == wanted && left.fetch_sub(1, Ordering::Relaxed) == 1;
                    if hit {
                        disk.power_off();
                    }
                    !hit
                });
            }
            Self::Change(n) => disk.power_off_at_change(n),
            Self::Sync(n) => disk.fail_sync(n),
            Self::SyncDir(n) => disk.fail_sync_dir(n),
            Self::Write(n) => disk.fail_write(n),
        }
    }
}

/// A log through several lives, and what must be true of it.
pub(super) struct Story {
    pub(super) disk: FaultyDisk,
    pub(super) model: Model,
    dice: Dice,
    mutant: Option<Mutant>,
    /// How often something was stopped or failed.
    troubles: u64,
}

impl Story {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        Self {
            disk: FaultyDisk::new(seed),
            model: Model::default(),
            dice: Dice::new(seed + 1),
            mutant,
            troubles: 0,
        }
    }

    /// Opens, works, and stops as the plan says.
    pub(super) fn live(&mut self, plan: Plan, steps: u64) -> Result<(), String> {
        let mut config = config();
        config.mutant = self.mutant;
        plan.apply(&self.disk, &mut config);
        let opened = match try_open(&self.disk, config, self.model.truncated) {
            Ok(opened) => opened,
            Err(error @ LogError::Io { .. }) => {
                let _ = error;
                self.troubles += 1;
                return Ok(());
            }
            Err(error) => return Err(format!("does not open: {error}")),
        };
        let recovery = &opened.recovery;
        if !recovery.damage.is_empty() {
            return Err(format!("damage without cause: {:?}", recovery.damage));
        }
        let last = opened.frames.last().map(|(lsn, ..)| *lsn);
        if last.is_some_and(|last| last != recovery.end) {
            return Err(format!("ends at {last:?}, told {}", recovery.end));
        }
        let from = recovery.first.max(self.model.truncated);
        self.model.check(from, &opened.frames)?;
        for _ in 0..steps {
            self.step(&opened.log)?;
            if self.disk.is_off() {
                self.troubles += 1;
                return Ok(());
            }
        }
        if self.dice.below(2) == 0 {
            // May meet the planned fault.
            let _ = opened.log.close();
        }
        Ok(())
    }

    fn step(&mut self, log: &Log) -> Result<(), String> {
        let mut waiting = Vec::new();
        for _ in 0..1 + self.dice.below(6) {
            waiting.extend(self.model.submit(log));
        }
        let mut failed = false;
        for (lsn, seq, mut answer) in waiting {
            match answer_or_off(&self.disk, &mut answer) {
                Some(Ok(_)) => {
                    self.model.certain.insert(lsn, seq);
                }
                Some(Err(CommitError::OutcomeUnknown)) => failed = true,
                None => {}
            }
        }
        if failed && !self.disk.is_off() {
            self.troubles += 1;
            self.recover(log)?;
        }
        if self.dice.below(8) == 0 {
            // What is certain may go when it is no longer wanted.
            let below = Lsn(self.dice.below(log.durable().0 + 2));
            self.model.truncated = self.model.truncated.max(below);
            if log.truncate_before(below).is_err() {
                self.troubles += 1;
            }
        }
        Ok(())
    }

    /// As the node does it: rebuild from what is committed, then go on.
    fn recover(&mut self, log: &Log) -> Result<(), String> {
        let mut frames = Vec::new();
        let from = self.model.truncated;
        let replayed = log.replay_committed(from, &mut |frame| {
            frames.push((frame.lsn, frame.header, frame.payload.to_vec()));
            Ok(())
        });
        let Ok(replayed) = replayed else {
            return Ok(());
        };
        if replayed.end != log.durable() || !replayed.damage.is_empty() {
            return Err(format!("{replayed:?}, durable {}", log.durable()));
        }
        if let Some((first, ..)) = frames.first() {
            let first = *first;
            let mut possible = self.model.possible.clone();
            self.model.check(first, &frames)?;
            std::mem::swap(&mut self.model.possible, &mut possible);
        }
        if log.recover().is_ok() {
            // The suspect tail is superseded for ever.
            let durable = log.durable();
            self.model.possible.retain(|lsn, _| *lsn <= durable);
        }
        Ok(())
    }

    /// What happens to the machine between two lives.
    fn between(&mut self) {
        let seed = self.dice.below(u64::MAX);
        match self.dice.below(4) {
            0 => self.disk.restart(),
            _ => self.disk.crash(seed),
        }
    }

    /// The last word: an undisturbed opening, twice.
    fn end(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            self.between();
            self.live(Plan::Nothing, 2)?;
        }
        Ok(())
    }
}

/// Several lives with random trouble in each.
pub(super) fn random_story(seed: u64, mutant: Option<Mutant>) -> Result<u64, String> {
    let mut story = Story::new(seed, mutant);
    for _ in 0..2 + story.dice.below(4) {
        let plan = Plan::any(&mut story.dice);
        let steps = story.dice.below(12);
        story.live(plan, steps)?;
        story.between();
    }
    story.end()?;
    Ok(story.troubles)
}

#[test]
fn random_lives_lose_nothing_and_make_nothing_up() {
    let mut troubles = 0;
    for seed in 0..400 {
        match random_story(seed, None) {
            Ok(n) => troubles += n,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(
        troubles > 400,
        "only {troubles} troubles: the test tests little"
    );
}

#[test]
fn every_crash_point_can_be_survived() {
    for point in CrashPoint::ALL {
        let mut hits = 0;
        for seed in 0..24 {
            let mut story = Story::new(seed, None);
            let run = |story: &mut Story| {
                story.live(Plan::Nothing, seed % 5)?;
                story.between();
                story.live(Plan::Point(point, 1 + seed % 3), 40)?;
                story.between();
                // And once more, perhaps while recovering.
                story.live(Plan::Point(point, 1), 10)?;
                story.end()
            };
            if let Err(error) = run(&mut story) {
                panic!("{point:?}, seed {seed}: {error}");
            }
            hits += story.troubles;
        }
        assert!(hits > 0, "{point:?} was never reached");
    }
}

#[test]
fn power_may_go_off_before_any_change_of_the_disk() {
    for kill in [false, true] {
        let mut n = 1;
        loop {
            let mut story = Story::new(n, None);
            let run = |story: &mut Story| {
                story.live(Plan::Change(n), 12)?;
                let off = story.disk.is_off();
                if kill {
                    story.disk.restart();
                } else {
                    story.disk.crash(n);
                }
                // The next opening is cut short too.
                story.live(Plan::Change(1 + n % 7), 3)?;
                story.end()?;
                Ok::<_, String>(off)
            };
            match run(&mut story) {
                Ok(true) => n += 1,
                Ok(false) => break,
                Err(error) => panic!("change {n}, kill {kill}: {error}"),
            }
        }
        assert!(n > 40, "only {n} changes");
    }
}
