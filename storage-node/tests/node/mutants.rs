//! The checks see deliberate faults, or they prove nothing (RULES 36).

use firn_storage_node::log::Mutant;

use crate::crash::find_breach;

#[tokio::test]
async fn the_checks_catch_each_deliberate_fault() {
    let mutants = [
        Mutant::AnswerBeforeSync,
        Mutant::SkipSync,
        Mutant::SkipDirSync,
        Mutant::IgnoreSyncError,
        Mutant::AcceptOldIncarnation,
        Mutant::NoTerminator,
        Mutant::TrustTail,
    ];
    let mut missed = Vec::new();
    for mutant in mutants {
        match find_breach(mutant, 150).await {
            Some((n, breach)) => println!("{mutant:?}: history {n}: {breach}"),
            None => missed.push(mutant),
        }
    }
    assert_eq!(missed, []);
}
