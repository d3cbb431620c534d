//! What befalls the service: jumps of the clock and power cuts.

use std::collections::BTreeSet;

use super::clients::is_last;
use super::filters::WISHES;
use super::world::{READERS, World};

impl World {
    pub(super) fn pass_time(&mut self) {
        let span = [2_000, 40_000, 4_000_000][self.below(3) as usize];
        let ms = 1 + self.below(span);
        self.stack.advance_ms(ms);
        self.expire();
        self.note("time");
    }

    /// Leases whose last redelivery passed are dead letters: the reader cannot know.
    pub(super) fn expire(&mut self) {
        let now = self.now();
        let sides = [&mut self.own, &mut self.other].into_iter();
        for (reader, given) in sides.flat_map(|side| &mut side.model.given) {
            let gone = given.held.values().filter(|held| held.until <= now);
            let gone = gone.filter(|held| is_last(*reader, held.attempt));
            let gone: Vec<u64> = gone.map(|held| held.number).collect();
            for number in gone {
                given.held.remove(&number);
                given.buried.insert(number);
            }
        }
        self.settle();
    }

    /// What was due is done, and seen, before anything else is asked: else it would
    /// depend on the machine's threads what the next call finds.
    pub(super) fn settle(&mut self) {
        let is_stormy = self.is_stormy;
        self.stack.wait(async |node| {
            // What the hot store lacks, after a start above all, is looked for in
            // object storage.
            let settled = node.settle_stores().await;
            settled.expect("the log and the stores are well");
            for _ in 0..100 {
                node.timer_step().await;
                // What is in object storage has to wait for better weather.
                if is_stormy || !node.has_due() {
                    return;
                }
            }
            panic!("what is due is not done");
        });
        for _ in 0..2 {
            let readers = READERS.into_iter().chain(WISHES.map(|wish| wish.reader));
            let groups: BTreeSet<&str> = readers.map(|reader| reader.group).collect();
            for group in groups {
                let answer = self.get(&format!("groups/{group}/lag"));
                if !self.is_away(&answer) {
                    answer.ok();
                }
            }
            self.turn();
        }
        // What is due by now is closed before anything is counted.
        self.stack.close_books();
    }

    /// The service has started, and has found what there was.
    pub(super) fn after_start(&mut self) {
        let found = self.stack.wait(async |node| node.wait_wals().await);
        found.expect("object storage is well");
        self.small.gateway_started();
        self.expire();
    }

    pub(super) fn cut_power(&mut self) {
        let seed = self.below(u64::MAX);
        self.calm_down();
        // Nobody waits for the entries of leases: whether the log has them by now is
        // the machine's chance, and `storage-node/tests/node/power.rs` tries both.
        self.settle();
        self.stack.cut_power(seed);
        self.own.model.crash();
        self.other.model.crash();
        self.after_start();
        self.note("power");
    }
}
