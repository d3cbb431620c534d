//! What this gateway may use of limits, and until when (docs/decisions/0022). Pure: the
//! caller says what time it is.

use firn_protocol::api::shares::Part;
use firn_protocol::limits::SHARE_GRACE_MS;

use super::bucket::Rate;

/// The last answer about shares, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    /// Its number; shares of an earlier one are void.
    pub(super) answer: u64,
    /// Of every burst always, and of every rate while the gateway is cut off.
    pub(super) base: Part,
    /// Of every rate without a share of its own.
    pub(super) every: Part,
    /// Since when it has been so.
    pub(super) every_since_ms: u64,
    /// When shares and `every` are void.
    pub(super) until_ms: u64,
    /// A call after that one was not answered. Somebody who slept over the end of the
    /// shares is not cut off before having asked.
    pub(super) is_cut_off: bool,
}

impl Hold {
    /// Of a gateway that shares with nobody.
    pub(super) fn alone() -> Self {
        Self {
            answer: 0,
            base: Part::WHOLE,
            every: Part::WHOLE,
            every_since_ms: 0,
            until_ms: u64::MAX,
            is_cut_off: false,
        }
    }

    /// Of one that was told nothing yet.
    pub(super) fn nothing() -> Self {
        Self {
            answer: 0,
            base: Part::NONE,
            every: Part::NONE,
            every_since_ms: 0,
            until_ms: 0,
            is_cut_off: false,
        }
    }

    /// The part of a limit that may be used now.
    pub(super) fn part(&self, share: Option<Part>, now_ms: u64) -> Part {
        let own = share.unwrap_or(self.every);
        if now_ms < self.until_ms {
            own
        } else if !self.is_cut_off {
            Part::NONE
        } else if now_ms < self.grace_end_ms() {
            own.min(self.base)
        } else {
            self.base
        }
    }

    /// The part in use of limits without a share, as the tenant service is told it.
    pub(super) fn every_in_use(&self, now_ms: u64) -> Part {
        match now_ms < self.until_ms {
            true => self.every,
            false if self.is_cut_off => self.base,
            false => Part::NONE,
        }
    }

    /// What comes into a bucket between two times.
    pub(super) fn fills(&self, rate: Rate, share: Option<Part>, from_ms: u64, to_ms: u64) -> u64 {
        let own = share.unwrap_or(self.every);
        let own_from_ms = match share {
            Some(_) => from_ms,
            None => from_ms.max(self.every_since_ms),
        };
        let mut more = rate.fills(own, own_from_ms, to_ms.min(self.until_ms));
        if self.is_cut_off {
            let end_ms = self.grace_end_ms();
            let (from_ms, least) = (from_ms.max(self.until_ms), own.min(self.base));
            more = more
                .saturating_add(rate.fills(least, from_ms, to_ms.min(end_ms)))
                .saturating_add(rate.fills(self.base, from_ms.max(end_ms), to_ms));
        }
        more
    }

    /// From here on no other gateway that lost the service at the same time uses more
    /// than its base.
    fn grace_end_ms(&self) -> u64 {
        self.until_ms.saturating_add(SHARE_GRACE_MS)
    }
}
