//! The calls as the API's description has them.

use utoipa::OpenApi;

use super::{account, clients, cluster, depth, groups, messages, reset, topic_views, topics, tps};

#[derive(OpenApi)]
#[openapi(paths(
    account::show,
    cluster::base,
    cluster::detail,
    tps::of_cluster,
    topics::create,
    topics::remove,
    topics::change,
    topic_views::one,
    topic_views::all,
    topic_views::stats,
    depth::queues,
    depth::of_topic,
    clients::producers,
    clients::consumers,
    tps::of_topic,
    reset::reset,
    groups::create,
    groups::change,
    groups::remove,
    groups::detail,
    groups::all,
    groups::switch,
    depth::of_group,
    clients::consumer_instances,
    clients::producer_instances,
    messages::by_id,
    messages::body,
    messages::by_offset,
    messages::by_key,
    messages::in_topic,
))]
struct Management;

pub(crate) fn description() -> utoipa::openapi::OpenApi {
    Management::openapi()
}
