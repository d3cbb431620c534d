//! The meter's books: usage in hours, curves, price lists, bills (DESIGN 6,
//! RULES 26, docs/decisions/0019-books.md). Owns every rule of what is counted
//! to which hour, when hours and months close, and what is owed; promises that
//! whatever comes twice counts once and that what is closed never changes. Leaves
//! statements to [`crate::store`] and collecting to the meter.

mod api;
pub(crate) mod bill;
pub(crate) mod event;
pub(crate) mod part;
pub(crate) mod price;
pub(crate) mod stored;
pub(crate) mod time;
mod verify;

use std::collections::BTreeMap;

use firn_protocol::api::billing::UsageSums;
use firn_protocol::api::usage::Counts;
use firn_protocol::{BrokerId, GroupId, InstanceId, TopicKey};
use time::Hour;

/// How long events are kept: a bill can be verified from them until then.
pub(crate) const EVENTS_KEPT_MS: u64 = 40 * 24 * 3600 * 1000;
/// How long curves are kept: the last 24 hours, and the one that begins.
pub(crate) const CURVES_KEPT_MS: u64 = 25 * 3600 * 1000;
/// An hour closes so long after its end, a correction so long after it was opened.
pub(crate) const CLOSE_AFTER_MS: u64 = 600_000;
/// A bill closes so long after its month's end.
pub(crate) const BILL_AFTER_MS: u64 = 24 * 3600 * 1000;

/// A deliberate fault of the books, to prove that the tests see it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BooksMutant {
    /// What comes late is added to the hour that was closed.
    ReopenHours,
    /// What comes late is kept, and added to no hour.
    DropLate,
    /// An event that comes again counts again.
    CountAgain,
}

/// What is added to the books at once: sums by hour and topic.
pub(crate) type Additions = BTreeMap<(InstanceId, Hour), BTreeMap<Option<TopicKey>, UsageSums>>;

/// A step of a curve of one receiver; `None` for what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CurveKey {
    pub(crate) instance: InstanceId,
    pub(crate) slot: u32,
    pub(crate) broker: BrokerId,
    pub(crate) topic: TopicKey,
    pub(crate) receiver: Option<GroupId>,
}

pub(crate) type Curves = BTreeMap<CurveKey, Counts>;

pub(crate) fn add(
    additions: &mut Additions,
    instance: InstanceId,
    hour: Hour,
    topic: Option<TopicKey>,
    sums: UsageSums,
) {
    let hours = additions.entry((instance, hour)).or_default();
    let sum = hours.entry(topic).or_default();
    *sum = sum.plus(sums);
}
