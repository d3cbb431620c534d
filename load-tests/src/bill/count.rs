//! What happened, counted by who did it.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use firn_protocol::api::usage::Counts;
use serde_json::Value;

use super::clients::User;
use crate::driver::firn::bootstrap;

/// What was sent and handed out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) sent: Counts,
    pub(super) delivered: Counts,
}

impl Sums {
    /// By the names of the books.
    pub(super) fn fields(self) -> [(&'static str, i64); 6] {
        [
            ("messagesIn", self.sent.messages),
            ("unitsIn", self.sent.units),
            ("bytesIn", self.sent.bytes),
            ("messagesOut", self.delivered.messages),
            ("unitsOut", self.delivered.units),
            ("bytesOut", self.delivered.bytes),
        ]
    }
}

impl Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), |all, one| Self {
            sent: all.sent.plus(one.sent),
            delivered: all.delivered.plus(one.delivered),
        })
    }
}

/// A message whose send was not answered.
pub(super) struct Open {
    pub(super) topic: &'static str,
    pub(super) key: String,
    pub(super) counts: Counts,
}

/// Everything that happened.
#[derive(Default)]
pub(super) struct Count {
    pub(super) topics: BTreeMap<&'static str, Sums>,
    pub(super) redelivered: u64,
    pub(super) unanswered: u64,
    pub(super) unanswered_stored: u64,
    pub(super) open: Vec<Open>,
    /// Makes keys that no message had before.
    pub(super) keys: u64,
}

impl Count {
    pub(super) fn sent(&mut self, topic: &'static str, counts: Counts) {
        let sums = self.topics.entry(topic).or_default();
        sums.sent = sums.sent.plus(counts);
    }

    pub(super) fn delivered(&mut self, topic: &'static str, counts: Counts, attempt: u64) {
        let sums = self.topics.entry(topic).or_default();
        sums.delivered = sums.delivered.plus(counts);
        self.redelivered += u64::from(attempt > 1);
    }

    /// Looks up what became of sends that were not answered.
    ///
    /// # Errors
    /// The look-up fails.
    pub(super) async fn settle(&mut self, address: SocketAddr) -> Result<()> {
        let user = bootstrap::basic(User::ALL[0].name());
        for open in std::mem::take(&mut self.open) {
            let instance = bootstrap::INSTANCE;
            let path = format!(
                "/v1/instances/{instance}/topics/{}/messages?key={}",
                open.topic, open.key
            );
            let found = super::ask(address, "GET", &path, &user, &Value::Null).await?;
            let found = found["messages"].as_array().context("a list")?.len() as u64;
            self.unanswered += 1;
            self.unanswered_stored += found;
            for _ in 0..found {
                self.sent(open.topic, open.counts);
            }
        }
        Ok(())
    }
}
