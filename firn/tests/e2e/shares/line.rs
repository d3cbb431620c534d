//! What lies between a gateway and the one table that divides limits: calls and answers
//! get lost or come late, and the table is away or starts anew.

use std::sync::Arc;

use async_trait::async_trait;
use firn_protocol::api::shares::{GatewayId, Part, ShareAnswer, ShareAsk, SharesApi};
use firn_protocol::{ApiError, ApiResult, ErrorCode};
use firn_runtime::Clock;
use firn_tenant_service::ShareTable;
use parking_lot::Mutex;

/// What happens to calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// They never arrive.
    CallLost,
    /// They are answered, and the answers never arrive.
    AnswerLost,
    /// They arrive after the gateway has given up.
    Late,
}

/// A deliberate fault, of the table or of the gateway as the table sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// A table that was started anew divides at once.
    TableForgets,
    /// The gateway does not say what it holds, so that only what it was granted last counts.
    HeldHidden,
    /// The gateway uses a share for longer than the table believes.
    LongShare,
    /// The gateway's bases are larger than they were granted.
    BaseTwice,
    /// A gateway that sleeps has left before, and goes on as if it had not.
    LeavesAndStays,
    /// Whoever asks gets all that was wanted.
    Generous,
}

/// The one table, if it is there.
pub(crate) type Shared = Arc<Mutex<Option<Arc<ShareTable>>>>;

pub(crate) struct Line {
    pub(crate) clock: Clock,
    pub(crate) table: Shared,
    pub(crate) bug: Bug,
    pub(crate) trouble: Mutex<Trouble>,
    late: Mutex<Option<ShareAsk>>,
    pub(crate) seen: Mutex<Seen>,
}

/// What a gateway was told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) id: Option<GatewayId>,
    pub(crate) base: Part,
    /// By how much the base has risen, in parts, since somebody looked.
    pub(crate) base_rise: u32,
    /// When the last call was sent that was answered.
    pub(crate) sent_ms: u64,
    pub(crate) calls: u64,
}

impl Line {
    pub(crate) fn new(clock: &Clock, table: &Shared, bug: Bug) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            table: table.clone(),
            bug,
            trouble: Mutex::new(Trouble::None),
            late: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    fn table(&self) -> ApiResult<Arc<ShareTable>> {
        self.table.lock().clone().ok_or_else(away)
    }

    /// Delivers a call that is late.
    pub(crate) async fn deliver(&self) {
        let late = self.late.lock().take();
        if let (Some(ask), Ok(table)) = (late, self.table()) {
            // Nobody waits for the answer.
            let _ = table.shares(ask).await;
        }
    }
}

fn away() -> ApiError {
    ApiError::new(ErrorCode::CatalogueUnavailable, "no answer")
}

#[async_trait]
impl SharesApi for Line {
    async fn shares(&self, mut ask: ShareAsk) -> ApiResult<ShareAnswer> {
        {
            let mut seen = self.seen.lock();
            seen.id = Some(ask.gateway);
            seen.calls += 1;
        }
        let wanted = ask.demands.clone();
        if self.bug == Bug::HeldHidden {
            ask.every = Part::NONE;
            let demands = ask.demands.iter_mut().flatten();
            demands.for_each(|demand| demand.held = Part::NONE);
        }
        let trouble = *self.trouble.lock();
        match trouble {
            Trouble::CallLost => return Err(away()),
            Trouble::Late => {
                *self.late.lock() = Some(ask);
                return Err(away());
            }
            Trouble::None | Trouble::AnswerLost => {}
        }
        let mut answer = self.table()?.shares(ask).await?;
        if trouble == Trouble::AnswerLost {
            return Err(away());
        }
        match self.bug {
            Bug::LongShare => answer.valid_ms *= 4,
            Bug::BaseTwice => answer.base = Part::new(answer.base.parts() * 2),
            Bug::Generous => {
                let demands = wanted.unwrap_or_default();
                answer.shares = demands.iter().map(|demand| demand.wanted).collect();
            }
            Bug::None | Bug::TableForgets | Bug::HeldHidden | Bug::LeavesAndStays => {}
        }
        let mut seen = self.seen.lock();
        // The bug is in what the gateway makes of it.
        let base = match self.bug == Bug::BaseTwice {
            true => Part::new(answer.base.parts() / 2),
            false => answer.base,
        };
        seen.base_rise += base.parts().saturating_sub(seen.base.parts());
        seen.base = base;
        seen.sent_ms = self.clock.now_ms();
        Ok(answer)
    }

    async fn leave(&self, gateway: GatewayId) {
        if let Ok(table) = self.table() {
            table.leave(gateway).await;
        }
    }
}
