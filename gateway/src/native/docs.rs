//! The API's description, generated from the handlers, and pages made of it.

mod complete;
mod forms;

use std::fmt::Write as _;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::answer::Answer;
use super::call::Call;
use super::{
    admin_groups, admin_instances, admin_people, admin_tenants, admin_tokens, admin_topics,
    admin_users, audit, auth, bills, consume, files, messages, parked, peek, purge, queries, quota,
    sessions, stream, transactions, usage,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Firn",
        description = "Multi-tenant messaging with RocketMQ semantics over HTTP. Times are ms since 1970 UTC. Every answer has a Firn-Request-Id."
    ),
    paths(
        messages::send, messages::recall, purge::purge, peek::peek, queries::in_topic, transactions::begin,
        transactions::commit, transactions::rollback, transactions::checks, transactions::list,
        consume::receive, consume::ack, consume::visibility,
        stream::stream, consume::seek, consume::lag, consume::redrive, parked::list, parked::release, queries::by_id,
        auth::token, auth::login, auth::refresh, auth::logout,
        admin_tenants::list, admin_tenants::create, admin_tenants::show, admin_tenants::change,
        admin_tenants::remove, admin_tenants::plans, admin_tenants::create_plan,
        admin_instances::list, admin_instances::create, admin_instances::show,
        admin_instances::change, admin_instances::remove,
        admin_topics::list, admin_topics::create, admin_topics::show, admin_topics::change,
        admin_topics::remove,
        admin_groups::list, admin_groups::create, admin_groups::show, admin_groups::change,
        admin_groups::remove,
        admin_users::list, admin_users::create, admin_users::show, admin_users::change,
        admin_users::remove, admin_users::rotate, audit::list, sessions::list,
        admin_tokens::list, admin_tokens::create, admin_tokens::remove,
        admin_tokens::list_of_tenant, admin_tokens::create_of_tenant,
        admin_tokens::remove_of_tenant, admin_people::list, admin_people::create,
        admin_people::show, admin_people::change, admin_people::remove,
        files::export_topics, files::topics_template, files::import_topics,
        files::export_groups, files::groups_template, files::import_groups,
        quota::quota, usage::usage, bills::list, bills::show, bills::verify, bills::price_lists,
        bills::add_prices,
        openapi, page, home, crate::console::console,
    ),
    modifiers(&Credentials),
    security(("basic" = []), ("bearer" = []))
)]
struct Api;

struct Credentials;

impl utoipa::Modify for Credentials {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let scheme = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
        components.add_security_scheme("basic", scheme(HttpAuthScheme::Basic));
        components.add_security_scheme("bearer", scheme(HttpAuthScheme::Bearer));
        for name in ["accessKey", "secretKey"] {
            let key = ApiKey::Query(ApiKeyValue::new(name));
            components.add_security_scheme(name, SecurityScheme::ApiKey(key));
        }
    }
}

static JSON: LazyLock<String> = LazyLock::new(|| described().to_string());
static PAGE: LazyLock<String> = LazyLock::new(render);

fn described() -> Value {
    let mut api = Api::openapi();
    api.merge(crate::management::description());
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    complete::complete(&mut document);
    document
}

pub(super) fn openapi_json() -> String {
    JSON.clone()
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "about", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(super) async fn openapi(_: Call) -> Answer {
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(JSON.as_str()))
}

/// This description as a page.
#[utoipa::path(
    get, path = "/docs", tag = "about", security(()),
    responses((status = 200, description = "A page", content_type = "text/html"))
)]
pub(super) async fn page(_: Call) -> Answer {
    Ok(html(&PAGE))
}

/// A page that says where things are.
#[utoipa::path(
    get, path = "/", tag = "about", security(()),
    responses((status = 200, description = "A page", content_type = "text/html"))
)]
pub(super) async fn home(_: Call) -> Answer {
    Ok(html(HOME))
}

fn html(page: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'",
        ))
        .body(page)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#223}\
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f3f5f8;border-radius:4px}code{padding:.1em .3em}\
pre{padding:.7rem;overflow:auto}details{border-top:1px solid #dde2ea;padding:.4rem 0}summary{cursor:pointer}\
b.m{display:inline-block;width:4.5rem}td,th{text-align:left;padding:.1rem .8rem .1rem 0;vertical-align:top}";

const HOME: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Firn</title>\
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style>\
<h1>Firn</h1><p>Messaging with RocketMQ semantics over HTTP.</p><ul>\
<li><a href=\"/console/\">/console/</a>: the web console</li>\
<li><a href=\"/docs\">/docs</a>: the API, call by call</li>\
<li><a href=\"/openapi.json\">/openapi.json</a>: the same for programs</li>\
<li><code>/v1/…</code>: the API itself; Basic credentials are accessKey and secretKey</li>\
<li>metrics and health are on the operator's port: <code>/metrics</code>, <code>/livez</code>, <code>/readyz</code></li>\
</ul></html>\n";

/// The whole description as one page without scripts or foreign parts.
fn render() -> String {
    let api: Value = serde_json::from_str(&JSON).unwrap_or_default();
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Firn API</title>\
         <style>{STYLE}</style><h1>Firn API</h1><p>{}</p>",
        escaped(text(&api["info"]["description"]))
    );
    let mut tag = "";
    for (path, methods) in api["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let own = text(&operation["tags"][0]);
            if own != tag {
                tag = own;
                // Writing to a string cannot fail.
                let _ = write!(page, "<h2>{}</h2>", escaped(tag));
            }
            render_operation(&mut page, &api, (method, path), operation);
        }
    }
    page.push_str("<h1>Shapes</h1>");
    for (name, schema) in api["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let json = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(
            page,
            "<details id=\"{0}\"><summary>{0}</summary><pre>{1}</pre></details>",
            escaped(name),
            escaped(&json)
        );
    }
    page.push_str("</html>\n");
    page
}

fn render_operation(
    page: &mut String,
    api: &Value,
    (method, path): (&str, &str),
    operation: &Value,
) {
    let _ = write!(
        page,
        "<details><summary><b class=\"m\">{}</b> <code>{}</code></summary><p>{} {}</p>",
        method.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"])),
        escaped(text(&operation["description"])),
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    page.push_str("<table>");
    for parameter in parameters {
        let _ = write!(
            page,
            "<tr><td><code>{}</code><td>{}<td>{}",
            escaped(text(&parameter["name"])),
            escaped(text(&parameter["in"])),
            escaped(text(&parameter["description"])),
        );
    }
    page.push_str("</table>");
    let body = shape(&operation["requestBody"]["content"]);
    if let Some(name) = body {
        let _ = write!(page, "<p>Body: <a href=\"#{0}\">{0}</a></p>", escaped(name));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let pointer = text(&response["$ref"]).trim_start_matches('#');
        let shared = api.pointer(pointer).filter(|_| !pointer.is_empty());
        let response = shared.unwrap_or(response);
        let _ = write!(
            page,
            "<p>{}: {}",
            escaped(status),
            escaped(text(&response["description"]))
        );
        if let Some(name) = shape(&response["content"]) {
            let _ = write!(page, " <a href=\"#{0}\">{0}</a>", escaped(name));
        }
        page.push_str("</p>");
    }
    page.push_str("</details>");
}

/// Name of the shape that a body has, if it has a name.
fn shape(content: &Value) -> Option<&str> {
    let (_, media) = content.as_object()?.iter().next()?;
    media["schema"]["$ref"].as_str()?.rsplit('/').next()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
