//! All routes. Both the server and the check of the API description read this
//! table.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::Method;

use super::answer::Answer;
use super::call::Call;
use crate::console;
use crate::management;
use crate::mq_http;

use super::{
    admin_groups, admin_instances, admin_people, admin_tenants, admin_tokens, admin_topics,
    admin_users, audit, auth, bills, consume, docs, files, messages, parked, peek, purge, queries,
    quota, sessions, stream, transactions, usage,
};

type Work = Pin<Box<dyn Future<Output = Answer>>>;
/// What a route does with a call.
pub(crate) type Handler = Arc<dyn Fn(Call) -> Work + Send + Sync>;

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}

pub(crate) fn route<F, W>(method: Method, path: &'static str, handler: F) -> Route
where
    F: Fn(Call) -> W + Send + Sync + 'static,
    W: Future<Output = Answer> + 'static,
{
    Route {
        method,
        path,
        handler: Arc::new(move |call| Box::pin(handler(call))),
    }
}

const TOPIC_MESSAGES: &str = "/v1/instances/{instance}/topics/{topic}/messages";
const TOPIC_PEEK: &str = "/v1/instances/{instance}/topics/{topic}/peek";
const TOPIC_PURGE: &str = "/v1/instances/{instance}/topics/{topic}/purge";
const TRANSACTIONS: &str = "/v1/instances/{instance}/topics/{topic}/transactions";
const TENANTS: &str = "/v1/tenants";
const TENANT: &str = "/v1/tenants/{tenant}";
const PEOPLE: &str = "/v1/tenants/{tenant}/users";
const PERSON: &str = "/v1/tenants/{tenant}/users/{username}";
const TENANT_TOKENS: &str = "/v1/tenants/{tenant}/tokens";
const TENANT_TOKEN: &str = "/v1/tenants/{tenant}/tokens/{token}";
const BILLS: &str = "/v1/tenants/{tenant}/bills";
const BILL: &str = "/v1/tenants/{tenant}/bills/{month}";
const BILL_VERIFY: &str = "/v1/tenants/{tenant}/bills/{month}/verify";
const PRICE_LISTS: &str = "/v1/price-lists";
const QUOTA: &str = "/v1/instances/{instance}/quota";
const USAGE: &str = "/v1/instances/{instance}/usage";
const PLANS: &str = "/v1/plans";
const INSTANCES: &str = "/v1/instances";
const INSTANCE: &str = "/v1/instances/{instance}";
const TOPICS: &str = "/v1/instances/{instance}/topics";
const TOPIC: &str = "/v1/instances/{instance}/topics/{topic}";
const TOPICS_EXPORT: &str = "/v1/instances/{instance}/topics/export";
const TOPICS_TEMPLATE: &str = "/v1/instances/{instance}/topics/template";
const TOPICS_IMPORT: &str = "/v1/instances/{instance}/topics/import";
const GROUPS_EXPORT: &str = "/v1/instances/{instance}/groups/export";
const GROUPS_TEMPLATE: &str = "/v1/instances/{instance}/groups/template";
const GROUPS_IMPORT: &str = "/v1/instances/{instance}/groups/import";
const GROUPS: &str = "/v1/instances/{instance}/groups";
const GROUP: &str = "/v1/instances/{instance}/groups/{group}";
const USERS: &str = "/v1/instances/{instance}/users";
const USER: &str = "/v1/instances/{instance}/users/{access_key}";
const API_TOKENS: &str = "/v1/instances/{instance}/tokens";
const API_TOKEN: &str = "/v1/instances/{instance}/tokens/{token}";

/// All routes of the public port.
pub(super) fn everything() -> Vec<Route> {
    let mut routes = described();
    routes.extend(mq_http::table());
    routes.extend(console::table());
    routes
}

/// Those that have a description: the APIs of JSON and a few pages.
pub(super) fn described() -> Vec<Route> {
    let mut routes = native();
    routes.extend(management::table());
    routes
}

fn native() -> Vec<Route> {
    let mut routes = messages();
    routes.extend(transactions());
    routes.extend(consumption());
    routes.extend(administration());
    routes.extend(of_tenants());
    routes.extend(billing());
    routes.extend(listings());
    routes.extend(about());
    routes
}

fn messages() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::POST, TOPIC_MESSAGES, messages::send),
        route(M::GET, TOPIC_MESSAGES, queries::in_topic),
        route(M::GET, TOPIC_PEEK, peek::peek),
        route(M::POST, TOPIC_PURGE, purge::purge),
        route(
            M::POST,
            "/v1/instances/{instance}/topics/{topic}/messages/recall",
            messages::recall,
        ),
    ]
}

fn transactions() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::POST, TRANSACTIONS, transactions::begin),
        route(M::GET, TRANSACTIONS, transactions::list),
        route(
            M::POST,
            "/v1/instances/{instance}/topics/{topic}/transactions/checks",
            transactions::checks,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/commit",
            transactions::commit,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/rollback",
            transactions::rollback,
        ),
    ]
}

fn listings() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::GET, TOPICS_EXPORT, files::export_topics),
        route(M::GET, TOPICS_TEMPLATE, files::topics_template),
        route(M::POST, TOPICS_IMPORT, files::import_topics),
        route(M::GET, GROUPS_EXPORT, files::export_groups),
        route(M::GET, GROUPS_TEMPLATE, files::groups_template),
        route(M::POST, GROUPS_IMPORT, files::import_groups),
    ]
}

fn consumption() -> Vec<Route> {
    use Method as M;
    vec![
        route(
            M::POST,
            "/v1/instances/{instance}/groups/{group}/topics/{topic}/receive",
            consume::receive,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/groups/{group}/topics/{topic}/ack",
            consume::ack,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/groups/{group}/topics/{topic}/visibility",
            consume::visibility,
        ),
        route(
            M::GET,
            "/v1/instances/{instance}/groups/{group}/topics/{topic}/stream",
            stream::stream,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/groups/{group}/topics/{topic}/seek",
            consume::seek,
        ),
        route(
            M::GET,
            "/v1/instances/{instance}/groups/{group}/lag",
            consume::lag,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/groups/{group}/dead-letters/redrive",
            consume::redrive,
        ),
        route(
            M::GET,
            "/v1/instances/{instance}/groups/{group}/parked",
            parked::list,
        ),
        route(
            M::POST,
            "/v1/instances/{instance}/groups/{group}/parked/release",
            parked::release,
        ),
        route(
            M::GET,
            "/v1/instances/{instance}/messages/{message_id}",
            queries::by_id,
        ),
    ]
}

fn administration() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::POST, "/v1/auth/token", auth::token),
        route(M::POST, "/v1/auth/login", auth::login),
        route(M::POST, "/v1/auth/refresh", auth::refresh),
        route(M::POST, "/v1/auth/logout", auth::logout),
        route(M::GET, TENANTS, admin_tenants::list),
        route(M::POST, TENANTS, admin_tenants::create),
        route(M::GET, TENANT, admin_tenants::show),
        route(M::PATCH, TENANT, admin_tenants::change),
        route(M::DELETE, TENANT, admin_tenants::remove),
        route(M::GET, PLANS, admin_tenants::plans),
        route(M::POST, PLANS, admin_tenants::create_plan),
        route(M::GET, "/v1/audit", audit::list),
        route(M::GET, INSTANCES, admin_instances::list),
        route(M::POST, INSTANCES, admin_instances::create),
        route(M::GET, INSTANCE, admin_instances::show),
        route(M::PATCH, INSTANCE, admin_instances::change),
        route(M::DELETE, INSTANCE, admin_instances::remove),
        route(M::GET, TOPICS, admin_topics::list),
        route(M::POST, TOPICS, admin_topics::create),
        route(M::GET, TOPIC, admin_topics::show),
        route(M::PATCH, TOPIC, admin_topics::change),
        route(M::DELETE, TOPIC, admin_topics::remove),
        route(M::GET, GROUPS, admin_groups::list),
        route(M::POST, GROUPS, admin_groups::create),
        route(M::GET, GROUP, admin_groups::show),
        route(M::PATCH, GROUP, admin_groups::change),
        route(M::DELETE, GROUP, admin_groups::remove),
        route(M::GET, USERS, admin_users::list),
        route(M::POST, USERS, admin_users::create),
        route(M::GET, USER, admin_users::show),
        route(M::PATCH, USER, admin_users::change),
        route(M::DELETE, USER, admin_users::remove),
        route(
            M::POST,
            "/v1/instances/{instance}/users/{access_key}/rotate",
            admin_users::rotate,
        ),
        route(M::GET, API_TOKENS, admin_tokens::list),
        route(M::POST, API_TOKENS, admin_tokens::create),
        route(M::DELETE, API_TOKEN, admin_tokens::remove),
        route(M::GET, "/v1/instances/{instance}/sessions", sessions::list),
    ]
}

fn of_tenants() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::GET, PEOPLE, admin_people::list),
        route(M::POST, PEOPLE, admin_people::create),
        route(M::GET, PERSON, admin_people::show),
        route(M::PATCH, PERSON, admin_people::change),
        route(M::DELETE, PERSON, admin_people::remove),
        route(M::GET, TENANT_TOKENS, admin_tokens::list_of_tenant),
        route(M::POST, TENANT_TOKENS, admin_tokens::create_of_tenant),
        route(M::DELETE, TENANT_TOKEN, admin_tokens::remove_of_tenant),
    ]
}

fn billing() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::GET, QUOTA, quota::quota),
        route(M::GET, USAGE, usage::usage),
        route(M::GET, BILLS, bills::list),
        route(M::GET, BILL, bills::show),
        route(M::POST, BILL_VERIFY, bills::verify),
        route(M::GET, PRICE_LISTS, bills::price_lists),
        route(M::POST, PRICE_LISTS, bills::add_prices),
    ]
}

fn about() -> Vec<Route> {
    use Method as M;
    vec![
        route(M::GET, "/openapi.json", docs::openapi),
        route(M::GET, "/docs", docs::page),
        route(M::GET, "/", docs::home),
        route(M::GET, "/console/", console::console),
    ]
}
