//! How a node is shared by its instances: plain state, no locks and no waiting.
//!
//! Behind a send lie *stages*: the log's queue, the hot store's backlog, the
//! WAL's queue. Each is first in, first out, and stays so; what is bounded is
//! how much lies in it. A send that finds no room in a stage waits in the line of
//! its instance ([`Rounds`]), and lines take turns by bytes. An instance that
//! has little in a stage finds room there even when others have filled it
//! ([`Stage`]). So what a flood puts in front of a neighbour is bounded, and the
//! rest of it waits where only the flood waits.

mod ledger;
mod rounds;
mod stage;
#[cfg(test)]
mod tests;

pub use ledger::Ledger;
pub use rounds::{Full, Rounds, RoundsLimits, Ticket, WAITER_BYTES};
pub use stage::Stage;

use firn_protocol::limits::{KIB, MIB, REQUEST_BYTES_MAX};

/// How much of whom lies where.
#[derive(Clone, Copy, Debug)]
pub struct FairSettings {
    /// Bytes of sends in the log's queue with which others wait for their turn.
    pub log_bytes: u64,
    /// The same for frames that are not in the object store yet.
    pub wal_bytes: u64,
    /// Bytes of all sends that wait; one instance alone gets half of them.
    pub waiting_bytes_max: u64,
    /// Bytes by which each line may go on in each round.
    pub quantum_bytes: u64,
}

impl Default for FairSettings {
    fn default() -> Self {
        Self {
            // A disk of 150 MB/s writes it in 28 ms; half of it is enough for a
            // commit to be worth its sync.
            log_bytes: 4 * MIB,
            // Two full objects.
            wal_bytes: 16 * MIB,
            waiting_bytes_max: WAITING_BYTES_DEFAULT,
            quantum_bytes: 64 * KIB,
        }
    }
}

const WAITING_BYTES_DEFAULT: u64 = 64 * MIB;

// Whoever finds others waiting can still wait with the largest request there is.
const _: () = assert!(WAITING_BYTES_DEFAULT >= 4 * (REQUEST_BYTES_MAX + WAITER_BYTES));
