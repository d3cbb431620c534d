//! C1 and C2: an instance and its brokers.

use std::collections::BTreeMap;

use firn_protocol::ApiResult;
use firn_protocol::api::admin::BrokerFacts;
use firn_protocol::catalogue::Broker;
use firn_protocol::client::ClientKind;
use futures_util::future::try_join_all;

use super::clients::group_names;
use super::depth::note_books;
use super::enter::Entered;
use super::envelope::{self, Data, Envelope, Failure};
use super::runtime::{Traffic, runtime};
use super::shapes::cluster::{Base, Brokers, Detail};
use super::shapes::parameters::Auth;
use crate::auth::Action;
use crate::native::answer::Answer;
use crate::native::call::Call;
use crate::ops::{Scope, Services};

/// C1: basic data of an instance.
#[utoipa::path(
    get, path = "/api/manager/cluster/base", tag = "management", operation_id = "management_c1",
    params(Auth),
    responses(
        (status = 200, description = "A list of one", body = Envelope<Data<Vec<Base>>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn base(call: Call) -> Answer {
    let mut entered = Entered::with_right(&call, Action::ReadManaged)?;
    let (services, scope) = (call.services(), &entered.scope);
    let facts = facts(services, scope).await?;
    let online = |kind| group_names(services, scope, kind, None).len() as u64;
    let base = Base {
        main_broker_nums: scope.instance.brokers.len() as u64,
        slave_broker_nums: 0,
        produce_group_nums: online(ClientKind::Producer),
        consume_group_nums: online(ClientKind::Consumer),
        msg_history_nums: facts.iter().map(|(_, facts)| facts.accepted).sum(),
        msg_now_nums: facts.iter().map(|(_, facts)| facts.stored).sum(),
        cluster_name: scope.instance.name.clone(),
        namesrv_addr: String::new(),
        remark: scope.instance.remark.clone(),
    };
    envelope::data([base], entered.warnings())
}

/// C2: brokers of an instance with what they do.
#[utoipa::path(
    get, path = "/api/manager/cluster/detail", tag = "management", operation_id = "management_c2",
    params(Auth),
    responses(
        (status = 200, description = "The brokers", body = Envelope<Data<Detail>>),
        (status = "default", description = "An error", body = Failure),
    ),
)]
pub(super) async fn detail(call: Call) -> Answer {
    let mut entered = Entered::with_right(&call, Action::ReadManaged)?;
    let (services, scope) = (call.services(), &entered.scope);
    let traffic = Traffic::read(services, scope).await?;
    let facts = facts(services, scope).await?;
    let mut brokers = BTreeMap::new();
    for (broker, facts) in &facts {
        let runtime = runtime(services, scope, broker, facts, &traffic);
        brokers.insert(
            broker.name.clone(),
            BTreeMap::from([("0".to_owned(), runtime)]),
        );
    }
    let listed = Brokers {
        broker_map: brokers,
        broker_list: facts.iter().map(|(it, _)| it.name.clone()).collect(),
    };
    let detail = Detail {
        broker_info_map: BTreeMap::from([(scope.instance.name.clone(), listed)]),
    };
    let mut warnings = entered.warnings();
    note_books(services, &mut warnings);
    envelope::data(detail, warnings)
}

async fn facts<'a>(
    services: &Services,
    scope: &'a Scope,
) -> ApiResult<Vec<(&'a Broker, BrokerFacts)>> {
    let work = scope.instance.brokers.iter().map(|broker| async move {
        let facts = services.storage.broker_facts(&scope.ctx, broker.id).await?;
        Ok::<_, firn_protocol::ApiError>((broker, facts))
    });
    try_join_all(work).await
}
