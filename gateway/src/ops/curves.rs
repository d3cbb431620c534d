//! Rates and counts of the last day, from the meter's books. They are kept in steps of
//! two minutes; a rate is that of the last whole step, since the one that runs is not
//! counted to its end.

use firn_protocol::api::billing::{CurvePoint, CurveQuery};
use firn_protocol::api::usage::SLOT_MS;
use firn_protocol::{ApiResult, BrokerId, GroupId, Timestamp, TopicKey};

use super::{Scope, Services};

pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
/// Steps of a day.
pub(crate) const STEPS: u64 = DAY_MS / SLOT_MS;

/// What a curve is of; all of the instance where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Of {
    pub(crate) broker: Option<BrokerId>,
    pub(crate) topic: Option<TopicKey>,
    pub(crate) group: Option<GroupId>,
}

/// Points of a curve, oldest first.
pub(crate) struct Curve {
    now: Timestamp,
    pub(crate) points: Vec<CurvePoint>,
}

/// Messages in a time, never fewer than none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) delivered: u64,
}

/// The steps of the last day, the one that runs being the last; `None` when nobody
/// keeps books.
///
/// # Errors
/// As `BillingApi::curve`.
pub(crate) async fn last_day(
    services: &Services,
    scope: &Scope,
    of: Of,
) -> ApiResult<Option<Curve>> {
    since(services, scope, of, first_step(services.now())).await
}

/// From a time on, as far back as books are kept.
///
/// # Errors
/// As [`last_day`].
pub(crate) async fn since(
    services: &Services,
    scope: &Scope,
    of: Of,
    from: Timestamp,
) -> ApiResult<Option<Curve>> {
    let Some(billing) = services.billing.get() else {
        return Ok(None);
    };
    let now = services.now();
    let query = CurveQuery {
        instance: scope.instance.id,
        broker: of.broker,
        topic: of.topic,
        group: of.group,
        from,
        to: now,
    };
    let points = billing.curve(query).await?;
    Ok(Some(Curve { now, points }))
}

/// When the first of the last day's steps begins.
pub(crate) fn first_step(now: Timestamp) -> Timestamp {
    Timestamp((step(now) + 1).saturating_sub(STEPS) * SLOT_MS)
}

/// When the last whole steps before now begin.
pub(crate) fn steps_ago(now: Timestamp, steps: u64) -> Timestamp {
    Timestamp(step(now).saturating_sub(steps) * SLOT_MS)
}

fn step(time: Timestamp) -> u64 {
    time.0 / SLOT_MS
}

/// Messages a second in one step.
pub(crate) fn per_second(messages: u64, steps: u64) -> f64 {
    messages as f64 / ((steps.max(1) * SLOT_MS) as f64 / 1000.0)
}

impl Curve {
    /// All points of a broker, or of all brokers, that begin in a time.
    pub(crate) fn flow(&self, broker: Option<BrokerId>, from: Timestamp, to: Timestamp) -> Flow {
        let counted = |count: i64| count.max(0) as u64;
        let points = self.points.iter().filter(|point| {
            broker.is_none_or(|broker| point.broker == broker) && (from..to).contains(&point.start)
        });
        points.fold(Flow::default(), |sum, point| Flow {
            sent: sum.sent + counted(point.sent.messages),
            sent_bytes: sum.sent_bytes + counted(point.sent.bytes),
            delivered: sum.delivered + counted(point.delivered.messages),
        })
    }

    /// Everything in the last day.
    pub(crate) fn day(&self, broker: Option<BrokerId>) -> Flow {
        self.flow(broker, first_step(self.now), self.now.plus_ms(1))
    }

    /// The last whole steps before now.
    pub(crate) fn recent(&self, broker: Option<BrokerId>, steps: u64) -> Flow {
        let end = Timestamp(step(self.now) * SLOT_MS);
        let start = Timestamp(end.0.saturating_sub(steps * SLOT_MS));
        self.flow(broker, start, end)
    }
}

#[cfg(test)]
mod tests {
    use firn_protocol::api::usage::Counts;

    use super::*;

    fn point(broker: u32, start: u64, sent: i64, delivered: i64) -> CurvePoint {
        let counts = |messages| Counts {
            messages,
            units: messages,
            bytes: 10 * messages,
        };
        CurvePoint {
            broker: BrokerId(broker),
            start: Timestamp(start),
            sent: counts(sent),
            delivered: counts(delivered),
        }
    }

    #[test]
    fn rates_are_of_whole_steps_and_counts_of_the_day() {
        let now = Timestamp(10 * DAY_MS + SLOT_MS / 2);
        let start = 10 * DAY_MS;
        let points = vec![
            point(1, start - DAY_MS, 7, 7),
            point(1, start + SLOT_MS - DAY_MS, 1, 0),
            point(1, start - 2 * SLOT_MS, 60, 2),
            point(1, start - SLOT_MS, 240, -3),
            point(2, start - SLOT_MS, 120, 5),
            point(1, start, 500, 500),
        ];
        let curve = Curve { now, points };
        assert_eq!(first_step(now).0, start + SLOT_MS - DAY_MS);
        assert_eq!(curve.recent(Some(BrokerId(1)), 1).sent, 240);
        assert_eq!(curve.recent(None, 1).sent, 360);
        assert_eq!(curve.recent(Some(BrokerId(1)), 2).sent, 300);
        assert_eq!(curve.day(Some(BrokerId(1))).sent, 801);
        assert_eq!(
            curve.day(None).delivered,
            507,
            "what was taken back is not below nothing"
        );
        assert!((per_second(240, 1) - 2.0).abs() < 1e-9);
    }
}
