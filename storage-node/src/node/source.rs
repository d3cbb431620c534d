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
    ) -> io::Result<Lsn> {
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
            // A commit is pushed before the log shows it.
            Ok(replayed) => Ok(replayed.end.next().min(upto)),
            Err(LogError::Visit(_)) => Ok(upto),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use firn_protocol::ids::{BrokerId, Generation, InstanceId, TenantId};
    use parking_lot::Mutex;

    use super::*;
    use crate::disk::FaultyDisk;
    use crate::log::{CommitSink, CommittedBatch, FrameClass, FrameHeader, LogConfig};

    /// Reads the log when the filler may: as soon as a commit was pushed.
    #[derive(Default)]
    struct Reads {
        log: OnceLock<Log>,
        /// Up to where it was asked for, and shown.
        reads: Mutex<Vec<(Lsn, Lsn)>>,
    }

    impl CommitSink for Reads {
        fn committed(&self, batch: CommittedBatch) {
            let upto = batch.frames.last().expect("a frame").lsn.next();
            let source = Source(self.log.get().expect("opened").clone());
            let shown = source.read(Lsn(1), upto, &mut |_| ControlFlow::Continue(()));
            self.reads.lock().push((upto, shown.expect("read")));
        }
    }

    /// Nobody may take it that all that was pushed was shown: the rest would never
    /// be in the hot store.
    #[test]
    fn a_commit_that_the_log_does_not_show_yet_is_not_said_to_be_shown() {
        let sink = Arc::new(Reads::default());
        let config = LogConfig::new("log");
        let disk = Arc::new(FaultyDisk::new(1));
        let opened = Log::open(disk, config, sink.clone(), Lsn::ZERO, &mut |_| Ok(()));
        let (log, _) = opened.expect("opens");
        assert!(sink.log.set(log.clone()).is_ok());
        for seq in 1..=3 {
            let header = FrameHeader {
                tenant: TenantId(1),
                instance: InstanceId(1),
                broker: BrokerId(1),
                generation: Generation(1),
                seq,
                kind: 1,
            };
            let (done, committed) = tokio::sync::oneshot::channel();
            log.submit(header, FrameClass::Send, &[b"x"], Some(done))
                .expect("taken");
            let lsn = committed.blocking_recv().expect("told").expect("committed");
            assert_eq!(lsn, Lsn(seq));
        }
        log.close().expect("closes");
        let upto_and_shown = [(2, 1), (3, 2), (4, 3)].map(|(a, b)| (Lsn(a), Lsn(b)));
        assert_eq!(*sink.reads.lock(), upto_and_shown);
        let all = Source(log).read(Lsn(1), Lsn(4), &mut |_| ControlFlow::Continue(()));
        assert_eq!(all.expect("read"), Lsn(4));
    }
}
