//! Deliberate faults, each of which a test of this crate must see (RULES 36).

use super::crash::{Plan, Story, random_story};
use super::damage::flip_is_seen;
use super::failure::superseded_tail_stays_dead;
use super::*;

/// Whether one of many random stories ends badly.
fn a_story_fails(mutant: Mutant) -> bool {
    (0..400).any(|seed| random_story(seed, Some(mutant)).is_err())
}

#[test]
fn answering_before_the_sync_is_seen() {
    assert!(a_story_fails(Mutant::AnswerBeforeSync));
}

#[test]
fn a_missing_sync_is_seen() {
    assert!(a_story_fails(Mutant::SkipSync));
}

#[test]
fn a_missing_directory_sync_is_seen() {
    let lost = (0..50).any(|seed| {
        let mut story = Story::new(seed, Some(Mutant::SkipDirSync));
        let run = |story: &mut Story| {
            story.live(Plan::Nothing, 40)?;
            story.disk.crash(seed);
            story.live(Plan::Nothing, 1)
        };
        run(&mut story).is_err()
    });
    assert!(lost);
}

#[test]
fn believing_after_a_failed_sync_is_seen() {
    assert!(a_story_fails(Mutant::IgnoreSyncError));
}

#[test]
fn accepting_an_earlier_incarnation_is_seen() {
    let fails = |mutant| (0..40).any(|seed| superseded_tail_stays_dead(seed, mutant).is_err());
    assert!(!fails(None));
    assert!(fails(Some(Mutant::AcceptOldIncarnation)));
}

#[test]
fn a_missing_terminator_is_seen() {
    assert!(a_story_fails(Mutant::NoTerminator));
}

/// A failed sync, a kill, an opening, and only then the power cut.
fn tail_after_failed_sync(seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
    let mut story = Story::new(seed, mutant);
    let opened = open(&story.disk);
    for _ in 0..3 {
        let (lsn, seq, answer) = story.model.submit(&opened.log).expect("taken");
        answer.blocking_recv().expect("answered").expect("commits");
        story.model.certain.insert(lsn, seq);
    }
    quiet(&opened.log);
    story.disk.fail_sync(1);
    let (_, _, answer) = story.model.submit(&opened.log).expect("taken");
    assert!(answer.blocking_recv().expect("answered").is_err());
    drop(opened);
    // The page cache still shows what the disk does not have.
    story.disk.restart();
    story.live(Plan::Nothing, 0)?;
    story.disk.crash(seed);
    story.live(Plan::Nothing, 0)
}

#[test]
fn believing_a_tail_that_was_only_read_is_seen() {
    let fails = |mutant| (0..40).any(|seed| tail_after_failed_sync(seed, mutant).is_err());
    assert!(!fails(None));
    assert!(fails(Some(Mutant::TrustTail)));
}

#[test]
fn cutting_damage_is_seen() {
    assert!(flip_is_seen(None).is_ok());
    assert!(flip_is_seen(Some(Mutant::CutDamageSilently)).is_err());
}
