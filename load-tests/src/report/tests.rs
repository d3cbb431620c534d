use super::*;
use crate::disk::SyncRate;
use crate::machine::Machine;
use crate::run::Sample;
use crate::verify::Faults;
use crate::workload::Workload;

const CELL: &str = "single sends, 64 in flight";

fn outcome(samples: Vec<Sample>) -> Outcome {
    let disk = SyncRate {
        per_second: 5000.0,
        p50_us: 200.0,
        p99_us: 900.0,
    };
    Outcome {
        machine: Machine::describe(),
        workload: Workload::load(None, false).unwrap(),
        systems: [Kind::Floor, Kind::Firn]
            .map(|k| (k, "1".to_owned()))
            .into(),
        skipped: vec![(Kind::Redis, "it is not there".to_owned())],
        disk_before: disk,
        disk_after: disk,
        samples,
    }
}

fn sample(system: Kind, round: usize, rate: f64) -> Sample {
    let figures = Figures {
        rate,
        p99_us: 1e6 / rate,
        server_cpu_us: 31.0,
        ..Figures::default()
    };
    Sample {
        cell: CELL.to_owned(),
        system,
        round,
        result: CellResult::Measured {
            figures,
            verdict: Some(Verdict {
                sent: 10,
                received: 10,
                faults: Faults::default(),
            }),
        },
    }
}

fn judged(outcome: &Outcome) -> Vec<[String; 5]> {
    let cell = outcome
        .workload
        .cells
        .iter()
        .find(|c| c.name == CELL)
        .unwrap();
    let targets = cell.targets.iter();
    targets.map(|target| judge(outcome, cell, target)).collect()
}

#[test]
fn targets_are_judged_by_medians() {
    let rates = [
        (Kind::Floor, [1000.0, 40_000.0, 50_000.0]),
        (Kind::Firn, [900_000.0, 36_000.0, 30_000.0]),
    ];
    let samples = rates
        .iter()
        .flat_map(|(kind, rates)| {
            let numbered = rates.iter().enumerate();
            numbered.map(|(round, rate)| sample(*kind, round, *rate))
        })
        .collect();
    let rows = judged(&outcome(samples));
    assert_eq!(rows[0], ["36,000", "floor 40,000", "0.90", "≥ 0.9", "yes"]);
    assert_eq!(
        rows[1],
        ["36,000", "redis –", "–", "≥ 1", "–"],
        "a peer that is not there"
    );
    assert_eq!(rows[2][2..], ["1.11", "≤ 2", "yes"]);
    assert_eq!(rows[3], ["31.0", "–", "–", "≤ 30", "NO"]);
}

#[test]
fn a_system_without_samples_is_judged_by_nothing() {
    for row in judged(&outcome(vec![])) {
        assert_eq!((row[0].as_str(), row[4].as_str()), ("–", "–"));
    }
}

#[test]
fn the_report_names_what_was_skipped_and_what_failed() {
    let mut failed = sample(Kind::Firn, 0, 1.0);
    failed.result = CellResult::Failed("connection refused".to_owned());
    let outcome = outcome(vec![sample(Kind::Floor, 0, 41_234.0), failed]);
    assert!(outcome.has_faults());
    let text = render(&outcome);
    for part in [
        "redis: SKIPPED, it is not there",
        "FAILED: connection refused",
        "41,234",
        &outcome.machine.commit,
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn a_faulty_round_is_never_hidden_by_clean_ones() {
    let clean = Verdict {
        sent: 1000,
        received: 1000,
        faults: Faults::default(),
    };
    let faulty = Verdict {
        received: 999,
        faults: Faults {
            missing: 1,
            ..Faults::default()
        },
        ..clean
    };
    assert_eq!(judge_contents(&[Some(clean), Some(clean)]), "all 2,000 ok");
    let text = judge_contents(&[Some(clean), Some(faulty), Some(clean)]);
    assert!(
        text.starts_with("FAULTY: 1000 sent, 999 received, 1 missing"),
        "{text}"
    );
    assert_eq!(judge_contents(&[None]), "answers checked");
}

#[test]
fn numbers_are_shown_for_people() {
    for (value, text) in [
        (0.0, "0.0"),
        (99.94, "99.9"),
        (100.0, "100"),
        (999.6, "1,000"),
        (1_234_567.0, "1,234,567"),
    ] {
        assert_eq!(thousands(value), text);
    }
    for (value, text) in [
        (999.0, "999 µs"),
        (1500.0, "1.50 ms"),
        (25_000.0, "25.0 ms"),
        (2e6, "2.00 s"),
    ] {
        assert_eq!(micros(value), text);
    }
}
