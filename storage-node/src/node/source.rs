//! The log as the filler reads it when it has fallen behind.

use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::broker::entry::Entry;
use crate::hot::BrokerKey;
use crate::hot::fill::{FillItem, LogSource};
use crate::log::{Log, LogError, Lsn};

/// Ends a replay that has shown enough.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

pub(super) struct Source(pub(super) Log);

impl LogSource for Source {
    fn read(
        &self,
        from: Lsn,
        upto: Lsn,
        visit: &mut dyn FnMut(FillItem) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let outcome = self.0.replay_committed(from, &mut |frame| {
            if frame.lsn >= upto {
                return Err(Box::new(Enough));
            }
            let Ok(entry) = Entry::decode(&Bytes::copy_from_slice(frame.payload)) else {
                return Ok(());
            };
            let (Some(queue), Some(run)) = (entry.head.run_queue(), entry.run) else {
                return Ok(());
            };
            let broker = BrokerKey {
                tenant: frame.header.tenant,
                instance: frame.header.instance,
                broker: frame.header.broker,
            };
            match visit(FillItem {
                lsn: frame.lsn,
                broker,
                queue,
                run,
            }) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Box::new(Enough)),
            }
        });
        match outcome {
            Ok(_) | Err(LogError::Visit(_)) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
