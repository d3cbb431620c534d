//! The end of a life: all faults are over, and everything comes to everybody.

use serde_json::json;

use super::filters::{WISHES, Wish};
use super::model::{Held, Reader};
use super::world::{READERS, World};

impl World {
    /// All faults are over: everything comes to everybody (L1, L2, R1).
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.calm_down();
        // Often little is left but object storage.
        match self.below(3) {
            0 => self.lose_machine()?,
            1 => self.give_back_log(),
            _ => {}
        }
        for (number, id) in std::mem::take(&mut self.open) {
            let path = format!("topics/money/transactions/{id}/commit");
            self.post(&path, &json!({})).ok();
            if let Some(message) = self.model.messages.get_mut(&number) {
                message.is_visible = true;
            }
        }
        self.heal_claims()?;
        for _ in 0..100 {
            self.stack.advance_ms(301_000);
            self.expire();
            for reader in READERS {
                self.drain(reader, None)?;
            }
            let missing = |reader: &Reader| !self.model.missing(*reader).is_empty();
            if !READERS.iter().any(missing) {
                return Ok(());
            }
        }
        let missing = READERS.map(|reader| (reader, self.model.missing(reader)));
        let missing: Vec<_> = missing
            .iter()
            .filter(|(_, numbers)| !numbers.is_empty())
            .collect();
        Err(format!("R1: {missing:?}"))
    }

    /// As long as every filter has its member, each gets all that it wants: in
    /// steps in which no filter lapses.
    fn heal_claims(&mut self) -> Result<(), String> {
        let missing = |world: &Self| {
            let missing = WISHES.iter().flat_map(|wish| {
                let group = wish.reader.group;
                let numbers = world.model.missing(wish.reader).into_iter();
                let claimed = numbers.filter(move |number| {
                    let mark = world.model.messages[number].mark;
                    world.claims.has(group, *number, mark)
                });
                claimed.map(move |number| (group, number))
            });
            missing.collect::<std::collections::BTreeSet<_>>()
        };
        for _ in 0..30 {
            for wish in &WISHES {
                self.drain(wish.reader, Some(wish))?;
            }
            if missing(self).is_empty() {
                return Ok(());
            }
            self.stack.advance_ms(5_000);
            self.expire();
        }
        Err(format!(
            "R9: wanted all the time, and never given: {:?}",
            missing(self)
        ))
    }

    fn drain(&mut self, reader: Reader, wish: Option<&Wish>) -> Result<(), String> {
        while self.receive_for(reader, wish, 64)? > 0 {
            let held: Vec<Held> = self.model.given[&reader].held.values().cloned().collect();
            for held in held {
                self.ack_one(reader, &held)?;
            }
        }
        Ok(())
    }
}
