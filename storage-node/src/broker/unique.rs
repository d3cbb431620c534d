//! The entry of a message that was sent under an id: see
//! [`crate::consume::dedup`].

use firn_protocol::ids::{QueueKey, UniqueId};
use serde::{Deserialize, Serialize};

use super::held::Hold;
use super::state::BrokerState;
use crate::consume::dedup::First;
use crate::record::RunHeader;

/// Stores the run, one message, in a queue or, delayed, in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueHead {
    /// The slot's queue if it is delayed.
    pub queue: QueueKey,
    pub hold: Option<Hold>,
    pub id: UniqueId,
}

impl BrokerState {
    pub(super) fn change_unique(&mut self, head: &UniqueHead, run: Option<&RunHeader>) {
        if let Some(hold) = &head.hold {
            self.hold(hold);
        }
        if let Some(run) = run {
            let first = First {
                queue: head.queue,
                offset: run.first_offset.0,
                position: run.first_position.0,
                at: run.stored_at,
            };
            self.dedup.note(head.id, first);
        }
    }
}
