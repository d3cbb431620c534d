//! Who waits for which frame.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::error::WalError;
use crate::log::Lsn;

/// Tells one who waits how it went.
pub(super) type Answer = oneshot::Sender<Result<(), WalError>>;
/// One who waits.
pub(super) type Ticket = (Lsn, u64);

/// All who wait, in the order of their frames.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: BTreeMap<Ticket, Answer>,
    next: u64,
}

impl Waiters {
    pub(super) fn add(&mut self, lsn: Lsn, answer: Answer) -> Ticket {
        let ticket = (lsn, self.next);
        self.next += 1;
        self.waiting.insert(ticket, answer);
        ticket
    }

    /// Somebody went away; a long outage must not gather those who gave up.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Those whose frame is at or before `durable`, in order.
    pub(super) fn until(&mut self, durable: Lsn) -> Vec<Answer> {
        let rest = self.waiting.split_off(&(durable.next(), 0));
        let ready = std::mem::replace(&mut self.waiting, rest);
        ready.into_values().collect()
    }

    /// All of them.
    pub(super) fn drain(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}
