//! Bills of tenants, and price lists.

use std::sync::Arc;

use actix_web::HttpResponse;
use firn_protocol::api::billing::{Bill, PriceList};

use super::admin_tenants::named;
use super::answer::{self, Answer};
use super::bill_text;
use super::call::Call;
use super::json;
use super::listing::Paging;
use super::shapes::admin::{Empty, List};
use super::shapes::billing::{BillJson, MonthJson, PriceListForm, PriceListJson, VerificationJson};
use super::shapes::error::ErrorAnswer;
use super::shapes::paths::{BillPath, TenantPath};
use crate::auth::Action;

/// Months that a tenant has bills of, newest first.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/bills", tag = "billing", params(TenantPath),
    responses(
        (status = 200, description = "All of them", body = List<MonthJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = named(&call, &identity)?;
    identity.require(Action::ReadBills)?;
    call.query()?.finish()?;
    let months = call.services().tenants.bill_months(tenant.id).await?;
    answer::ok(&List {
        total: months.len(),
        items: months
            .into_iter()
            .map(|month| MonthJson { month })
            .collect(),
        cursor: None,
    })
}

/// A bill. By `accept` it is JSON, `text/csv` or a page (`text/html`). It closes 24 h
/// after the end of its month, and never changes afterwards.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/bills/{month}", tag = "billing", params(BillPath),
    responses(
        (status = 200, description = "The bill", content(
            (BillJson = "application/json"), (String = "text/csv"), (String = "text/html"),
        )),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let identity = call.identity()?;
    let tenant = named(&call, &identity)?;
    identity.require(Action::ReadBills)?;
    call.query()?.finish()?;
    let month = call.segment("month")?;
    let bill = call.services().tenants.bill(tenant.id, &month).await?;
    encoded(&bill, call.header("accept"))
}

/// Works a bill out anew from the events of its hours, as far as these are kept (40
/// days), and tells every difference.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/bills/{month}/verify", tag = "billing", params(BillPath), request_body = Empty,
    responses(
        (status = 200, description = "What was found", body = VerificationJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn verify(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<Empty>(&body)?;
    let identity = call.identity()?;
    let tenant = named(&call, &identity)?;
    identity.require(Action::ReadBills)?;
    form?;
    let month = call.segment("month")?;
    let found = call
        .services()
        .tenants
        .verify_bill(tenant.id, &month)
        .await?;
    answer::ok(&VerificationJson::from(found))
}

/// Price lists of the caller's plans; all for the operator.
#[utoipa::path(
    get, path = "/v1/price-lists", tag = "billing",
    params(("max" = Option<u64>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "A page", body = List<PriceListJson>),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn price_lists(call: Call) -> Answer {
    let identity = call.identity()?;
    identity.require(Action::ReadInstance)?;
    let paging = Paging::read(call.query()?)?;
    let tenants = &call.services().tenants;
    let mut lists = tenants.price_lists();
    if identity.tenant().is_some() {
        let own = super::admin_instances::visible(&call, &identity);
        let plans = own
            .iter()
            .filter_map(|instance| tenants.plan(&instance.plan));
        let names: Vec<String> = plans.map(|plan| plan.price_list.clone()).collect();
        lists.retain(|list| names.contains(&list.name));
    }
    let name = |list: &Arc<PriceList>| format!("{}/{:010}", list.name, list.version);
    answer::ok(&paging.page(lists, name, |list| PriceListJson::from(&**list)))
}

/// Add the next version of a price list.
#[utoipa::path(
    post, path = "/v1/price-lists", tag = "billing", request_body = PriceListForm,
    responses(
        (status = 201, description = "Added", body = PriceListJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn add_prices(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<PriceListForm>(&body)?;
    let identity = call.identity()?;
    identity.require(Action::Deployment)?;
    let list = form?.into();
    let caller = call.caller(&identity);
    let added = call.services().tenants.add_prices(&caller, list).await?;
    answer::created(&PriceListJson::from(&*added))
}

/// The first type of the header that there is; JSON for none.
fn encoded(bill: &Bill, accept: Option<&[u8]>) -> Answer {
    let accept = accept.and_then(|value| std::str::from_utf8(value).ok());
    let types = accept.unwrap_or_default().split(',');
    let mut names = types.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let found =
        names.find(|name| ["application/json", "text/csv", "text/html", "*/*"].contains(name));
    let text = match found {
        Some("text/csv") => (
            "text/csv; charset=utf-8; header=present",
            bill_text::csv(bill),
        ),
        Some("text/html") => ("text/html; charset=utf-8", bill_text::html(bill)),
        Some(_) | None => {
            return answer::json(actix_web::http::StatusCode::OK, &BillJson::from(bill), 2048);
        }
    };
    Ok(HttpResponse::Ok()
        .content_type(text.0)
        .insert_header((
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'",
        ))
        .insert_header(("vary", "accept"))
        .body(text.1))
}
