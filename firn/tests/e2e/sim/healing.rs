//! The end of a life: all faults are over, and everything comes to everybody.

use std::collections::BTreeSet;

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
        self.for_each_tenant(|world| {
            world.commit_open();
            Ok(())
        })?;
        self.heal_claims()?;
        for _ in 0..100 {
            self.stack.advance_ms(301_000);
            self.expire();
            self.for_each_tenant(|world| {
                READERS
                    .into_iter()
                    .try_for_each(|reader| world.drain(reader, None))
            })?;
            if self.missing().is_empty() {
                return Ok(());
            }
        }
        Err(format!("R1: {:?}", self.missing()))
    }

    /// Does it in the place of each tenant.
    pub(super) fn for_each_tenant(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        work(self)?;
        self.turn();
        let done = work(self);
        self.turn();
        done
    }

    fn commit_open(&mut self) {
        for (number, id) in std::mem::take(&mut self.own.open) {
            let path = format!("topics/money/transactions/{id}/commit");
            self.post(&path, &json!({})).ok();
            if let Some(message) = self.own.model.messages.get_mut(&number) {
                message.is_visible = true;
            }
        }
    }

    /// Who lacks what, of either tenant.
    fn missing(&self) -> Vec<(&'static str, Reader, Vec<u64>)> {
        let sides = [&self.own, &self.other].into_iter();
        let missing = sides.flat_map(|side| {
            READERS.map(|reader| (side.tenant.mark, reader, side.model.missing(reader)))
        });
        missing
            .filter(|(_, _, numbers)| !numbers.is_empty())
            .collect()
    }

    /// As long as every filter has its member, each gets all that it wants: in
    /// steps in which no filter lapses.
    fn heal_claims(&mut self) -> Result<(), String> {
        for _ in 0..30 {
            self.for_each_tenant(|world| {
                let mut wishes = WISHES.iter();
                wishes.try_for_each(|wish| world.drain(wish.reader, Some(wish)))
            })?;
            if self.claimed().is_empty() {
                return Ok(());
            }
            self.stack.advance_ms(5_000);
            self.expire();
        }
        Err(format!(
            "R9: wanted all the time, and never given: {:?}",
            self.claimed()
        ))
    }

    /// What some filter had a claim on all the time, and did not get.
    fn claimed(&self) -> BTreeSet<(&'static str, &'static str, u64)> {
        let mut found = BTreeSet::new();
        for side in [&self.own, &self.other] {
            for wish in &WISHES {
                let group = wish.reader.group;
                let claimed = side.model.missing(wish.reader).into_iter();
                let claimed = claimed.filter(|number| {
                    let mark = side.model.messages[number].mark;
                    side.claims.has(group, *number, mark)
                });
                found.extend(claimed.map(|number| (side.tenant.mark, group, number)));
            }
        }
        found
    }

    fn drain(&mut self, reader: Reader, wish: Option<&Wish>) -> Result<(), String> {
        while self.receive_for(reader, wish, 64)? > 0 {
            let given = &self.own.model.given[&reader];
            let held: Vec<Held> = given.held.values().cloned().collect();
            for held in held {
                self.ack_one(reader, &held)?;
            }
        }
        Ok(())
    }
}
