//! A broker with little in no segment is carried to the head of the log, so that
//! it pins no file and no tiny segment is made of it (RULES 5).

use std::sync::Arc;

use bytes::Bytes;
use firn_protocol::ids::QueueKey;

use super::cut::Tiering;
use super::error::TierError;
use crate::broker::entry::Head;
use crate::broker::owner::Broker;
use crate::node::StorageNode;
use crate::record::{Run, runs_of};

impl StorageNode {
    /// Writes again what only the log has of a broker, with its state; the log
    /// before is then not needed for it.
    pub(in crate::node) async fn carry_forward(
        &self,
        broker: &Arc<Broker>,
    ) -> Result<(), TierError> {
        let (_tiering, cut) = Tiering::begin(broker, &self.log)?;
        self.settled(cut.mark).await?;
        let mut again: Vec<(QueueKey, Bytes)> = Vec::new();
        for (&queue, range) in &cut.ranges {
            let mut at = range.start;
            while at < range.end {
                let (runs, upto) = self.next_runs(broker, queue, at..range.end).await?;
                again.extend(runs.into_iter().map(|piece| (queue, piece)));
                at = upto;
            }
        }
        let mark = {
            let mut core = broker.lock()?;
            if !cut.is_current(&core) {
                return Err(TierError::Interrupted);
            }
            for (queue, runs) in again {
                for run in runs_of(runs).map_err(|source| TierError::State {
                    broker: broker.key.broker,
                    source,
                })? {
                    // Dropped meanwhile: nobody will ask for it.
                    if core.state.queues.contains_key(&queue) {
                        self.write_again(broker, &mut core, queue, &run)?;
                    }
                }
            }
            let mut tier = core.state.tier.clone();
            tier.needed_from = cut.log_from.0;
            self.carry(broker, &mut core, tier)?
        };
        Ok(self.settled(mark).await?)
    }

    pub(super) fn write_again(
        &self,
        broker: &Broker,
        core: &mut crate::broker::owner::Core,
        queue: QueueKey,
        run: &Run,
    ) -> Result<(), TierError> {
        let head = Head::Again { queue };
        let records = run.records_bytes();
        self.submit(broker, core, &head, Some((&run.header, records)), None)?;
        Ok(())
    }
}
