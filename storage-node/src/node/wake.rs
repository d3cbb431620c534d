//! Who is woken for what has become durable. Runs on the commit thread, so it
//! looks at little: a wake is only a hint.

use std::cell::RefCell;

use bytes::Bytes;
use firn_protocol::filter::Filter;
use firn_protocol::filter::sql::SqlFilter;
use firn_protocol::ids::{BrokerId, TopicKey};

use crate::broker::entry::Head;
use crate::broker::owner::Core;
use crate::record::Run;

/// Larger runs are not looked into for an expression, which is taken to match.
const EVALUATED_BYTES_MAX: usize = 64 << 10;

/// Wakes those who wait for what a run brings.
pub(super) fn wake(broker: BrokerId, core: &mut Core, head: &Head, run: &Bytes) {
    let look = Look::new(run);
    let matches = |filter: &Filter| look.may_match(filter);
    match head {
        Head::Append { queue } => core.waiters.wake_each_group(broker, queue.topic, &matches),
        Head::Unique(unique) => {
            core.waiters
                .wake_each_group(broker, unique.queue.topic, &matches);
        }
        Head::Held(held) => {
            if let Some(queue) = held.shown_queue() {
                core.waiters.wake_each_group(broker, queue.topic, &matches);
            }
        }
        Head::Transfer(transfer) => match transfer.to.topic {
            TopicKey::Retry(group) => {
                let topic = transfer.copy.topic;
                core.waiters.wake_one(broker, group, topic, &matches);
            }
            TopicKey::DeadLetter(_) | TopicKey::User(_) => {
                core.waiters
                    .wake_each_group(broker, transfer.to.topic, &matches);
            }
            TopicKey::Waiting => {}
        },
        Head::Subscribe(_)
        | Head::Unsubscribe { .. }
        | Head::Receive(_)
        | Head::Ack { .. }
        | Head::Renew { .. }
        | Head::GiveBack { .. }
        | Head::Seek { .. }
        | Head::DropTopic { .. }
        | Head::DropGroup { .. }
        | Head::Carry(_)
        | Head::Again { .. }
        | Head::Class(_)
        | Head::Trim(_)
        | Head::InPlace(_)
        | Head::Shape { .. }
        | Head::Usage(_)
        | Head::Erase => {}
    }
}

/// A run, and what has been found out about it.
struct Look<'a> {
    run: &'a Bytes,
    /// Many may wait with the same expression.
    known: RefCell<Vec<(SqlFilter, bool)>>,
}

impl<'a> Look<'a> {
    fn new(run: &'a Bytes) -> Self {
        Self {
            run,
            known: RefCell::default(),
        }
    }

    /// Whether any record may pass a filter.
    fn may_match(&self, filter: &Filter) -> bool {
        match filter {
            Filter::All => true,
            Filter::Tags(_) => self.has_any(filter),
            Filter::Sql(_) if self.run.len() > EVALUATED_BYTES_MAX => true,
            Filter::Sql(sql) => {
                let mut known = self.known.borrow_mut();
                if let Some((_, found)) = known.iter().find(|(it, _)| it == sql) {
                    return *found;
                }
                let found = self.has_any(filter);
                known.push((sql.clone(), found));
                found
            }
        }
    }

    /// Whether any record passes a filter; a run that cannot be read is left to
    /// the reader to report.
    fn has_any(&self, filter: &Filter) -> bool {
        Run::parse(self.run.clone()).is_ok_and(|run| {
            run.records().flatten().any(|record| {
                record
                    .summary()
                    .is_ok_and(|summary| filter.matches(&summary))
            })
        })
    }
}
