//! C3 and T11: curves of the last 24 hours.

use std::collections::HashMap;

use firn_protocol::api::billing::CurvePoint;
use firn_protocol::api::usage::{Counts, SLOT_MS};
use firn_protocol::{ApiResult, BrokerId};

use super::depth::note_books;
use super::enter::{self, Entered};
use super::envelope::{self, Envelope, Failure, Rows};
use super::shapes::parameters::{AuthQuery, ClusterPath, TopicPath};
use super::shapes::progress::{TpsLists, TpsPoint};
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::Scope;
use crate::ops::curves::{self, Of, STEPS, per_second};

/// C3: messages a second of the instance, for each broker and step of two minutes.
#[utoipa::path(
    get, path = "/api/manager/cluster/{clusterName}/tps", tag = "management",
    operation_id = "management_c3", params(AuthQuery, ClusterPath),
    responses(
        (status = 200, description = "Oldest first", body = Envelope<Rows<TpsPoint>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn of_cluster(call: Call) -> Answer {
    let mut entered = Entered::with_right(&call, Action::ReadManaged)?;
    let (services, scope) = (call.services(), &entered.scope);
    let curve = curves::last_day(services, scope, Of::default()).await?;
    let points = curve.map(|curve| curve.points).unwrap_or_default();
    let known: HashMap<_, _> = points
        .iter()
        .map(|point| ((point.start, point.broker), point))
        .collect();
    let first = curves::first_step(services.now());
    let mut rows = Vec::new();
    for start in (0..STEPS).map(|step| first.plus_ms(step * SLOT_MS)) {
        for broker in &scope.instance.brokers {
            let point = known.get(&(start, broker.id));
            let rate = |counts: fn(&CurvePoint) -> Counts| {
                per_second(point.map_or(0, |point| count(counts(point))), 1)
            };
            rows.push(TpsPoint {
                in_tps: rate(|point| point.sent),
                out_tps: rate(|point| point.delivered),
                crt_time: start.0,
            });
        }
    }
    let mut warnings = entered.warnings();
    note_books(services, &mut warnings);
    envelope::rows((rows.len() as u64, rows), warnings)
}

/// T11: messages a second of a topic and a group.
#[utoipa::path(
    get, path = "/api/manager/topics/{clusterName}/{topicName}/tps", tag = "management",
    operation_id = "management_t11",
    params(
        AuthQuery, TopicPath,
        ("brokerName" = String, Query, description = "One broker; empty or `*` is all of them"),
        ("groupName" = String, Query, description = "May be empty: then what is sent alone"),
    ),
    responses(
        (status = 200, description = "Points with traffic, oldest first", body = Envelope<TpsLists>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn of_topic(call: Call) -> Answer {
    let mut entered = Entered::of(&call)?;
    let (services, scope, params) = (call.services(), &entered.scope, &entered.params);
    let topic = enter::target(services, scope, &call.segment("topicName")?)?;
    entered.identity.require(Action::ReadManaged)?;
    let broker = spread(scope, Some(params.present("brokerName")?))?;
    let group = match params.present("groupName")? {
        "" => None,
        name => Some(enter::group(services, scope, name)?.id),
    };
    let of = Of {
        broker,
        topic: Some(topic.key()),
        group,
    };
    let curve = curves::last_day(services, scope, of).await?;
    let mut points = summed(curve.map(|curve| curve.points).unwrap_or_default());
    if group.is_none() {
        points.iter_mut().for_each(|point| point.out_tps = 0.0);
    }
    points.retain(|point| point.in_tps > 0.0 || point.out_tps > 0.0);
    let mut warnings = entered.warnings();
    note_books(services, &mut warnings);
    let part = |is_wanted: fn(&TpsPoint) -> bool, part: fn(&TpsPoint) -> TpsPoint| {
        let wanted = points.iter().filter(|point| is_wanted(point));
        wanted.map(part).collect::<Vec<_>>()
    };
    envelope::success(TpsLists {
        total: points.len() as u64,
        taotal: points.len() as u64,
        in_tps_list: part(
            |point| point.in_tps > 0.0,
            |point| TpsPoint {
                out_tps: 0.0,
                ..point.clone()
            },
        ),
        out_tps_list: part(
            |point| point.out_tps > 0.0,
            |point| TpsPoint {
                in_tps: 0.0,
                ..point.clone()
            },
        ),
        total_tps_list: points,
        warnings,
    })
}

/// Points of one time added up over the brokers.
fn summed(points: Vec<CurvePoint>) -> Vec<TpsPoint> {
    let mut sums: Vec<TpsPoint> = Vec::new();
    for point in points {
        let (sent, delivered) = (count(point.sent), count(point.delivered));
        let (in_tps, out_tps) = (per_second(sent, 1), per_second(delivered, 1));
        match sums.iter_mut().find(|sum| sum.crt_time == point.start.0) {
            Some(sum) => {
                sum.in_tps += in_tps;
                sum.out_tps += out_tps;
            }
            None => sums.push(TpsPoint {
                in_tps,
                out_tps,
                crt_time: point.start.0,
            }),
        }
    }
    sums
}

fn count(counts: Counts) -> u64 {
    counts.messages.max(0) as u64
}

/// The broker of a name; none for all of them (SEED_SPEC I-52).
///
/// # Errors
/// `NOT_FOUND` for a name that the instance does not have.
pub(super) fn spread(scope: &Scope, name: Option<&str>) -> ApiResult<Option<BrokerId>> {
    match name {
        None | Some("" | "*") => Ok(None),
        Some(name) => scope.broker_named(name).map(Some),
    }
}
