//! The routes, in the order of SEED_SPEC 5.0. Paths that are tolerated come to these, see
//! `paths`.

use actix_web::http::Method as M;

use super::{account, clients, cluster, depth, groups, messages, reset, topic_views, topics, tps};
use crate::native::table::{Route, route};

const TOPICS: &str = "/api/manager/topics";
const TOPIC: &str = "/api/manager/topics/{clusterName}/{topicName}";
const GROUPS: &str = "/api/manager/subscriptions/{clusterName}";
const GROUP: &str = "/api/manager/subscriptions/{clusterName}/{groupName}";

pub(crate) fn table() -> Vec<Route> {
    let mut routes = vec![
        route(M::GET, "/api/access/account", account::show),
        route(M::GET, "/api/manager/cluster/base", cluster::base),
        route(M::GET, "/api/manager/cluster/detail", cluster::detail),
        route(
            M::GET,
            "/api/manager/cluster/{clusterName}/tps",
            tps::of_cluster,
        ),
    ];
    routes.extend(of_topics());
    routes.extend(of_groups());
    routes.extend(of_messages());
    routes
}

fn of_topics() -> Vec<Route> {
    vec![
        route(M::POST, TOPICS, topics::create),
        route(M::DELETE, TOPIC, topics::remove),
        route(M::POST, TOPIC, topics::change),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/basedata/{topicName}",
            topic_views::one,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/basedatas",
            topic_views::all,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/{topicName}/stats",
            topic_views::stats,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/{topicName}/queues",
            depth::queues,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/{topicName}/depth",
            depth::of_topic,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/{topicName}/producers",
            clients::producers,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/{topicName}/consumers",
            clients::consumers,
        ),
        route(
            M::GET,
            "/api/manager/topics/{clusterName}/{topicName}/tps",
            tps::of_topic,
        ),
        route(M::POST, "/api/manager/topics/consumeOffset", reset::reset),
    ]
}

fn of_groups() -> Vec<Route> {
    vec![
        route(M::POST, GROUPS, groups::create),
        route(M::POST, GROUP, groups::change),
        route(M::DELETE, GROUP, groups::remove),
        route(
            M::GET,
            "/api/manager/subscriptions/{clusterName}/{groupName}/detail",
            groups::detail,
        ),
        route(
            M::GET,
            "/api/manager/subscriptions/{clusterName}/basedatas",
            groups::all,
        ),
        route(
            M::POST,
            "/api/manager/subscriptions/{clusterName}/{groupName}/openStatus",
            groups::switch,
        ),
        route(
            M::GET,
            "/api/manager/subscriptions/{clusterName}/{groupName}/depth",
            depth::of_group,
        ),
        route(
            M::GET,
            "/api/manager/subscriptions/{clusterName}/{groupName}/instances",
            clients::consumer_instances,
        ),
        route(
            M::GET,
            "/api/manager/producers/{clusterName}/{groupName}/instances",
            clients::producer_instances,
        ),
    ]
}

fn of_messages() -> Vec<Route> {
    vec![
        route(M::GET, "/api/manager/messages/{msgId}", messages::by_id),
        route(M::GET, "/api/manager/messages/{msgId}/body", messages::body),
        route(M::GET, "/api/manager/messages/offset", messages::by_offset),
        route(M::GET, "/api/manager/messages/key", messages::by_key),
        route(M::GET, "/api/manager/messages/topic", messages::in_topic),
    ]
}
