//! Sends keep pace with what lies behind them: the log's queue, the hot store and
//! the WAL in the object store. They wait for room there, a line for each
//! instance, so that one instance's flood is its own line's wait (DESIGN 6).

use std::time::Duration;

use firn_protocol::error::{ApiError, ErrorCode};
use firn_runtime::clock::Stopwatch;

use super::StorageNode;
use super::entrance::{Load, Place};
use crate::broker::owner::Broker;
use crate::metrics::Refusal;

/// How long a send waits before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl StorageNode {
    /// Waits until there is room for a send of so many bytes, in turn with other
    /// instances. The place is kept until the entry has been submitted.
    ///
    /// # Errors
    /// `OVERLOADED` when too much of the instance waits already, and when its turn
    /// does not come; nothing was done then.
    pub(super) async fn enter(&self, broker: &Broker, bytes: u64) -> Result<Place<'_>, ApiError> {
        let load = Load {
            instance: broker.key.instance,
            bytes,
            is_object: broker.in_wal(),
        };
        let metrics = &self.metrics.fair;
        let Ok(mut place) = self.shared.entrance.enter(&self.shared, load) else {
            metrics.refused(Refusal::Share).inc();
            return Err(overloaded("too much of the instance waits already"));
        };
        if place.is_waiting() {
            metrics.waited.inc();
            let watch = Stopwatch::start();
            tokio::select! {
                () = place.turn() => metrics.wait_seconds.observe(watch.elapsed().as_secs_f64()),
                () = self.clock.sleep(WAIT_MAX) => {
                    metrics.refused(Refusal::Time).inc();
                    return Err(overloaded("its log or a store is behind"));
                }
            }
        }
        Ok(place)
    }
}

fn overloaded(why: &str) -> ApiError {
    let text = format!("the storage node is overloaded, {why}; try again");
    ApiError::new(ErrorCode::Overloaded, text)
}
