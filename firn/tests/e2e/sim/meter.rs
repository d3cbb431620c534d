//! The meter: what was sent and handed out is counted, and once (B1, B2), whatever
//! befalls the service and the meter in between.

use std::collections::BTreeMap;

use firn_protocol::api::usage::{EventKey, UsageApi as _, UsageEvent};

use super::world::World;

/// What the meter keeps: of two events with one key, the one that goes further.
#[derive(Default)]
pub(super) struct Meter {
    events: BTreeMap<EventKey, UsageEvent>,
    /// Deliveries that clients have seen.
    pub(super) delivered: u64,
}

impl World {
    /// The meter collects, and says so, or dies before it does.
    pub(super) fn collect(&mut self) {
        let tells = self.below(3) > 0;
        self.collect_usage(tells);
        self.note("collected");
    }

    fn collect_usage(&mut self, tells: bool) {
        let events = self.stack.wait(async |node| node.usage().await);
        let events = events.expect("the log is well");
        let keys: Vec<EventKey> = events.iter().map(|event| event.key).collect();
        for event in events {
            let known = self.meter.events.get(&event.key);
            if known.is_none_or(|known| known.to < event.to) {
                self.meter.events.insert(event.key, event);
            }
        }
        if tells {
            let told = self.stack.wait(async |node| node.usage_taken(&keys).await);
            told.expect("the log is well");
        }
    }

    /// All is over: the books are what happened.
    pub(super) fn check_usage(&mut self) -> Result<(), String> {
        self.collect_usage(true);
        let (mut sent, mut delivered, mut units) = (0, 0, 0);
        for (key, counts) in self.meter.events.values().flat_map(|event| &event.rows) {
            match key.group {
                None => sent += counts.messages,
                Some(_) => delivered += counts.messages,
            }
            units += counts.units;
        }
        if sent != self.sent as i64 {
            return Err(format!(
                "B1: {sent} sends are metered, {} were answered",
                self.sent
            ));
        }
        if delivered != self.meter.delivered as i64 {
            let seen = self.meter.delivered;
            return Err(format!(
                "B2: {delivered} deliveries are metered, {seen} were seen"
            ));
        }
        // Each of them is a small one.
        if units != sent + delivered {
            return Err(format!(
                "B2: {units} units for {} messages",
                sent + delivered
            ));
        }
        Ok(())
    }
}
