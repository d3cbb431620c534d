//! How many retries a store may be asked for. Every first attempt earns a
//! part of a retry and time earns some more, so retries are never more than a
//! fraction of the requests: a storm is not amplified by those it hits.

use std::time::Duration;

use firn_runtime::Clock;
use parking_lot::Mutex;

/// Thousandths of a retry.
const WHOLE: u64 = 1000;

/// What retries cost and earn.
#[derive(Clone, Copy, Debug)]
pub struct BudgetSettings {
    /// Retries that may be saved up; what a store begins with.
    pub retries_max: u64,
    /// Thousandths of a retry that each operation earns.
    pub earned_by_operation: u64,
    /// Thousandths of a retry that each second earns.
    pub earned_by_second: u64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            retries_max: 50,
            earned_by_operation: 100,
            earned_by_second: 1000,
        }
    }
}

pub(super) struct Budget {
    settings: BudgetSettings,
    clock: Clock,
    account: Mutex<Account>,
}

struct Account {
    saved: u64,
    counted_ms: u64,
}

impl Budget {
    pub(super) fn new(settings: BudgetSettings, clock: Clock) -> Self {
        let account = Account {
            saved: settings.retries_max * WHOLE,
            counted_ms: clock.now_ms(),
        };
        Self {
            settings,
            clock,
            account: Mutex::new(account),
        }
    }

    /// An operation begins.
    pub(super) fn earn(&self) {
        let mut account = self.account.lock();
        self.save(&mut account, self.settings.earned_by_operation);
    }

    /// Whether a retry may be made; takes it.
    pub(super) fn take(&self) -> bool {
        let mut account = self.account.lock();
        let now_ms = self.clock.now_ms();
        let passed = Duration::from_millis(now_ms.saturating_sub(account.counted_ms));
        let earned = passed.as_millis() as u64 * self.settings.earned_by_second / 1000;
        // Too short a time earns nothing yet, and is counted later.
        if earned > 0 {
            account.counted_ms = now_ms;
            self.save(&mut account, earned);
        }
        match account.saved.checked_sub(WHOLE) {
            Some(left) => {
                account.saved = left;
                true
            }
            None => false,
        }
    }

    fn save(&self, account: &mut Account, earned: u64) {
        let most = self.settings.retries_max * WHOLE;
        account.saved = most.min(account.saved.saturating_add(earned));
    }
}
