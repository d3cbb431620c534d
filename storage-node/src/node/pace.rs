//! Sends wait for the hot store when it is far behind the log: the log must not
//! grow without bound, and what it is longer by a restart has to read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use firn_protocol::error::{ApiError, ErrorCode};

use super::StorageNode;

/// How long a send waits before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl StorageNode {
    /// Waits while the hot store is far behind.
    ///
    /// # Errors
    /// `OVERLOADED` when that takes too long; nothing was done then.
    pub(super) async fn keep_pace(&self) -> Result<(), ApiError> {
        if !self.is_far_behind() {
            return Ok(());
        }
        let caught_up = async {
            loop {
                let filled = self.shared.filled_more();
                tokio::pin!(filled);
                filled.as_mut().enable();
                if !self.is_far_behind() {
                    return;
                }
                filled.await;
            }
        };
        tokio::select! {
            () = caught_up => Ok(()),
            () = self.clock.sleep(WAIT_MAX) => Err(ApiError::new(
                ErrorCode::Overloaded,
                "the node's hot store is behind; try again",
            )),
        }
    }

    fn is_far_behind(&self) -> bool {
        let lag = self.stores.metrics.lag_bytes.load(Ordering::Relaxed);
        let is_long = lag > self.config.fill_lag_bytes_max && self.shared.is_filled();
        is_long || self.shared.has_many_unfilled()
    }
}
