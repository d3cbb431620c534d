//! What befalls the service: jumps of the clock and power cuts.

use serde_json::json;

use super::clients::is_last;
use super::filters::WISHES;
use super::world::{READERS, World};
use crate::stack::ACME;

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
        for (reader, given) in &mut self.model.given {
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
    fn settle(&mut self) {
        // Whoever asks a broker for messages has it do what is due first.
        for _ in 0..2 {
            self.post("groups/idle/topics/empty/receive", &json!({}))
                .ok();
        }
        for reader in READERS.into_iter().chain(WISHES.map(|wish| wish.reader)) {
            let path = format!("groups/{}/lag", reader.group);
            self.http().get(&format!("{ACME}/{path}")).ok();
        }
    }

    pub(super) fn cut_power(&mut self) {
        let seed = self.below(u64::MAX);
        self.stack.cut_power(seed);
        self.model.crash();
        self.settle();
        self.note("power");
    }
}
