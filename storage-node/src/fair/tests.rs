//! Fairness, order, bounds, and that nobody is lost or left waiting.

use std::collections::BTreeMap;

use firn_protocol::ids::InstanceId;
use proptest::prelude::*;

use super::*;
use crate::log::Lsn;

const QUANTUM: u64 = 100;

fn rounds<T>(waiting_bytes_max: u64) -> Rounds<T> {
    Rounds::new(RoundsLimits {
        quantum_bytes: QUANTUM,
        waiting_bytes_max,
    })
}

fn all<T>(_: InstanceId, _: u64, _: &T) -> bool {
    true
}

/// Who was served with how much, as long as all have somebody waiting.
fn served(rounds: &mut Rounds<u64>, instances: u64) -> Vec<(InstanceId, u64)> {
    let mut order = Vec::new();
    while (1..=instances).all(|it| rounds.has_line(InstanceId(it))) {
        let (instance, bytes, _) = rounds.next(all).expect("somebody waits");
        order.push((instance, bytes));
    }
    order
}

proptest! {
    /// The bound of the paper: of two that both always have somebody waiting, none
    /// is ahead by more than what a round gives and the largest request.
    #[test]
    fn lines_share_by_bytes_however_they_are_cut(
        sizes in prop::collection::vec(prop::collection::vec(1_u64..1000, 20..60), 2..5),
    ) {
        let mut rounds = rounds(u64::MAX);
        let instances = sizes.len() as u64;
        let largest = sizes.iter().flatten().copied().max().unwrap_or(0);
        for (line, sizes) in (1..).zip(&sizes) {
            for (nth, bytes) in (0..).zip(sizes) {
                rounds.join(InstanceId(line), *bytes, nth).expect("room");
            }
        }
        let mut got = vec![0; sizes.len()];
        for (instance, bytes) in served(&mut rounds, instances) {
            got[instance.0 as usize - 1] += bytes;
            let (least, most) = (got.iter().min(), got.iter().max());
            let apart = most.unwrap_or(&0) - least.unwrap_or(&0);
            prop_assert!(apart <= 2 * QUANTUM + largest, "{got:?}");
        }
    }

    /// Whatever happens: a line goes in its order, nobody is lost or served twice, the
    /// bounds hold, and whoever may pass does.
    #[test]
    fn a_line_goes_in_its_order_and_loses_nobody(
        steps in prop::collection::vec((0_u8..4, 1_u64..5, 1_u64..5000), 1..200),
    ) {
        const ROOM: u64 = 40_000;
        let mut rounds = rounds(ROOM);
        let mut model: BTreeMap<u64, Vec<(u64, u64, Ticket)>> = BTreeMap::new();
        let cost = |lines: &BTreeMap<u64, Vec<(u64, u64, Ticket)>>| -> u64 {
            lines.values().flatten().map(|it| it.1 + WAITER_BYTES).sum()
        };
        for (nth, (kind, line, bytes)) in (0_u64..).zip(steps) {
            let instance = InstanceId(line);
            match kind {
                // One that may not pass changes nothing for the others.
                0 => match rounds.next(|it, _, _| it != instance) {
                    Some((found, bytes, item)) => {
                        prop_assert_ne!(found, instance);
                        let line = model.get_mut(&found.0).expect("a line");
                        let (first, its_bytes, _) = line.remove(0);
                        prop_assert_eq!((first, its_bytes), (item, bytes));
                    }
                    None => prop_assert!(
                        model.iter().all(|(it, waiting)| *it == line || waiting.is_empty())
                    ),
                },
                1 => {
                    let line = model.entry(line).or_default();
                    let at = bytes as usize % line.len().max(1);
                    if at < line.len() {
                        let (item, _, ticket) = line.remove(at);
                        prop_assert_eq!(rounds.leave(ticket), Some(item));
                        prop_assert_eq!(rounds.leave(ticket), None);
                    }
                }
                _ => {
                    let free = ROOM - cost(&model);
                    let own = model.entry(line).or_default();
                    let used: u64 = own.iter().map(|it| it.1 + WAITER_BYTES).sum();
                    let fits = used + bytes + WAITER_BYTES <= free;
                    match rounds.join(instance, bytes, nth) {
                        Ok(ticket) => {
                            prop_assert!(fits);
                            own.push((nth, bytes, ticket));
                        }
                        Err(Full) => prop_assert!(!fits),
                    }
                }
            }
            prop_assert_eq!(rounds.waiting_bytes(), cost(&model));
            prop_assert!(rounds.waiting_bytes() <= ROOM);
        }
        let left: usize = model.values().map(Vec::len).sum();
        for _ in 0..left {
            let (instance, _, item) = rounds.next(all).expect("nobody is left waiting");
            let line = model.get_mut(&instance.0).expect("a line");
            prop_assert_eq!(line.remove(0).0, item);
        }
        prop_assert!(rounds.next(all).is_none() && rounds.is_empty());
    }

    /// A stage has no more than its windows and a request of each who had nothing in
    /// it, and forgets what has left.
    #[test]
    fn a_stage_is_bounded_and_lets_in_who_has_little(
        steps in prop::collection::vec((any::<bool>(), 1_u64..40, 1_u64..500), 1..400),
    ) {
        const WINDOW: u64 = 3200;
        let mut stage = Stage::new(WINDOW);
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for (puts, instance, bytes) in steps {
            let own = model.entry(instance).or_default();
            let id = InstanceId(instance);
            if !puts {
                stage.take(id, bytes);
                *own -= bytes.min(*own);
            } else if stage.has_room(id, bytes, stage.bytes()) {
                let is_spared = *own == 0 || *own + bytes <= WINDOW / 32;
                prop_assert!(stage.bytes() < WINDOW || is_spared && stage.bytes() < 2 * WINDOW);
                stage.put(id, bytes);
                *own += bytes;
            } else {
                prop_assert!(stage.bytes() >= WINDOW);
                prop_assert!(*own > 0 || stage.bytes() >= 2 * WINDOW);
            }
            prop_assert_eq!(stage.own(id), *own);
            prop_assert_eq!(stage.bytes(), model.values().sum::<u64>());
            prop_assert!(stage.bytes() < 2 * WINDOW + 500);
        }
    }

    /// What a ledger has noted leaves once, when the stage is past it and not before,
    /// but for what is put together with a page that is not full.
    #[test]
    fn a_ledger_lets_everything_leave_once(
        batches in prop::collection::vec(prop::collection::vec((1_u64..4, 1_u64..300), 0..4), 1..60),
        settled in any::<prop::sample::Index>(),
    ) {
        const PAGE: u64 = 500;
        let mut stage = Stage::new(1);
        let mut ledger = Ledger::new(PAGE);
        let bytes_of = |batches: &[Vec<(u64, u64)>]| -> u64 {
            batches.iter().flatten().map(|it| it.1).sum()
        };
        for (nth, batch) in (1..).zip(&batches) {
            for (instance, bytes) in batch {
                stage.put(InstanceId(*instance), *bytes);
            }
            ledger.note(Lsn(nth), batch.iter().map(|it| (InstanceId(it.0), it.1)));
        }
        prop_assert!(ledger.pages() as u64 <= bytes_of(&batches) / PAGE + 1);
        let nth = settled.index(batches.len());
        ledger.settle(Lsn(nth as u64), &mut stage);
        let (behind, left) = (bytes_of(&batches[nth..]), stage.bytes());
        // A page that was begun has less than its size, and one batch more.
        prop_assert!((behind..behind + PAGE + 1200).contains(&left), "{behind} {left}");
        ledger.restore(&mut stage);
        prop_assert_eq!(stage.bytes(), left);
        ledger.settle(Lsn(batches.len() as u64), &mut stage);
        prop_assert_eq!(stage.bytes(), 0);
    }
}

#[test]
fn a_few_bytes_do_not_wait_for_many() {
    let mut rounds = rounds(u64::MAX);
    for nth in 0..100 {
        rounds.join(InstanceId(1), 10_000, nth).expect("room");
    }
    rounds.join(InstanceId(2), 50, 0).expect("room");
    let first = rounds.next(all).expect("somebody").0;
    let second = rounds.next(all).expect("somebody").0;
    assert!(first == InstanceId(2) || second == InstanceId(2));
}

#[test]
fn large_requests_come_to_their_turn_among_small_ones() {
    let mut rounds = rounds(u64::MAX);
    rounds.join(InstanceId(1), 50 * QUANTUM, 0).expect("room");
    let mut small = 0;
    for nth in 0.. {
        rounds.join(InstanceId(2), QUANTUM, nth).expect("room");
        if rounds.next(all).expect("somebody").0 == InstanceId(1) {
            break;
        }
        small += 1;
        assert!(small <= 50, "a large request starves");
    }
    assert!(small >= 49, "after {small} small ones it is ahead");
}

#[test]
fn one_flood_leaves_room_for_those_that_come_later() {
    let mut rounds = rounds(64 * (WAITER_BYTES + 1));
    let mut fill = |instance: u64| {
        let joins = (0..1000).map_while(|nth| rounds.join(InstanceId(instance), 1, nth).ok());
        joins.count()
    };
    let found: Vec<usize> = [1, 2, 3, 1].map(&mut fill).into();
    assert_eq!(found, [32, 16, 8, 0]);
}
