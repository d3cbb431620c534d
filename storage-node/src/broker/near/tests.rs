//! Random sends, loads and firings: what is due is found, in order, and no more
//! is kept than may be.

use proptest::prelude::*;

use super::*;
use crate::consume::delay::{SLOT_MS, slot_of, slot_start};

const KEPT: usize = 4;

/// The slots and what waits in them.
#[derive(Default)]
struct World {
    delayed: Delayed,
    near: Near,
    records: BTreeMap<QueueId, Vec<Timestamp>>,
}

impl World {
    fn send(&mut self, due: Timestamp) {
        let (slot, start) = (slot_of(due), slot_start(due));
        self.delayed.hold(slot, start);
        let records = self.records.entry(slot).or_default();
        let offset = records.len() as u64;
        records.push(due);
        self.near.note(start, NearDue { due, slot, offset });
    }

    fn end(&self, slot: QueueId) -> u64 {
        self.records.get(&slot).map_or(0, |it| it.len() as u64)
    }

    /// Loads whatever is to be loaded at a time.
    fn load(&mut self, now: Timestamp) {
        for _ in 0..1000 {
            let to_load = self.near.to_load(&self.delayed, now, |slot| self.end(slot));
            let Some(slot) = to_load else { return };
            self.near.begin_load(slot);
            let mut earliest = Earliest::default();
            for (offset, &due) in self.records[&slot].iter().enumerate() {
                if self.delayed.is_waiting(slot, offset as u64) {
                    earliest.push((due, offset as u64), KEPT);
                }
            }
            let (found, upto) = earliest.finish();
            assert!(found.len() <= KEPT);
            self.near.end_load(slot, found, upto);
        }
        panic!("loading does not end");
    }

    /// Fires all that is due at a time; the times, in the order of firing.
    fn fire(&mut self, now: Timestamp) -> Vec<Timestamp> {
        let mut fired = Vec::new();
        for _ in 0..1000 {
            self.load(now);
            let ripe = self.near.ripe(now, 3);
            for one in &ripe {
                assert!(self.delayed.is_waiting(one.slot, one.offset), "fired twice");
                assert_eq!(self.records[&one.slot][one.offset as usize], one.due);
                self.delayed.fire(one.slot, one.offset);
                fired.push(one.due);
            }
            self.near.remove(&ripe);
            if ripe.is_empty() {
                let (records, near) = (&self.records, &mut self.near);
                let ends = |slot| records.get(&slot).map_or(0, |it| it.len() as u64);
                near.rearm(&self.delayed, ends);
                return fired;
            }
        }
        panic!("firing does not end");
    }
}

proptest! {
    #[test]
    fn all_is_fired_once_and_in_time(
        steps in proptest::collection::vec((0..3_u8, 0..4 * SLOT_MS), 1..60),
        restart in 0..60_usize,
    ) {
        let mut world = World::default();
        let mut now = Timestamp(7 * SLOT_MS);
        let mut waiting: Vec<Timestamp> = Vec::new();
        for (number, (kind, ms)) in steps.into_iter().enumerate() {
            if number == restart {
                world.near = Near::new(&world.delayed);
            }
            match kind {
                0 | 1 => {
                    let due = now.plus_ms(ms / u64::from(kind * 30 + 1));
                    world.send(due);
                    waiting.push(due);
                }
                _ => {
                    // As the timers do: at each wake up to the new time.
                    let until = now.plus_ms(ms);
                    let mut fired = Vec::new();
                    for _ in 0..1000 {
                        let wake = world.near.wake();
                        let Some(wake) = wake.filter(|wake| *wake <= until) else { break };
                        now = now.max(wake);
                        let some = world.fire(now);
                        prop_assert!(some.iter().all(|due| *due <= now), "early");
                        prop_assert!(some.iter().all(|due| *due >= now || waiting.contains(due)));
                        fired.extend(some);
                    }
                    now = until;
                    let mut expected: Vec<_> = waiting.iter().copied().filter(|due| *due <= now).collect();
                    waiting.retain(|due| *due > now);
                    expected.sort_unstable();
                    fired.sort_unstable();
                    prop_assert_eq!(fired, expected, "up to {}", now);
                }
            }
        }
    }
}
