//! Lists of topics and groups as files, for people with spreadsheets.
//!
//! `export`, `template` and `import` may also be names: what these paths do not mean
//! otherwise, they mean as the topic or group of that name, see [`super::router`].

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use firn_protocol::api::tenant::{GroupFields, TopicFields};
use firn_protocol::limits::NAMES_LISTED_MAX;
use firn_protocol::{ApiError, ApiResult, ErrorCode};

use super::answer::{self, Answer};
use super::call::{Call, excerpt};
use super::query::Query;
use super::shapes::error::ErrorAnswer;
use super::shapes::import::{FileForm, ImportJson};
use super::shapes::paths::InstancePath;
use super::shapes::words::{ColumnsWord, FormatWord};
use super::{admin_groups, admin_topics, upload};
use crate::auth::{Action, Identity};
use crate::files::{Format, Listing, Selection, Wanted, groups, topics};
use crate::ops::Scope;
use crate::ops::import::{self, Importable, Wish};

/// Topics of an instance as a file: a line for each topic and broker.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics/export", tag = "topics",
    params(
        InstancePath,
        ("format" = inline(FormatWord), Query),
        ("names" = Option<String>, Query, description = "Topics, separated by commas; `name@broker` for its line of one broker; default all"),
        ("brokers" = Option<String>, Query, description = "Lines of these brokers alone, separated by commas"),
        ("columns" = inline(Option<ColumnsWord>), Query, description = "`all`: further columns for what the others cannot say"),
    ),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn export_topics(call: Call) -> Answer {
    if is_name(&call)? {
        return admin_topics::show(call).await;
    }
    let (scope, mut query) = managed(&call)?;
    let format = take_format(&mut query)?;
    let selection = selection::<TopicFields>(&call, &scope, query)?;
    let mut all = call.services().tenants.topics(scope.instance.id);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let all = all.iter().map(|topic| &**topic);
    let file = topics::export(format, &scope.instance, all, &selection)?;
    Ok(download(format, "topics", file))
}

/// An empty list of topics to fill in, with two samples.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/topics/template", tag = "topics",
    params(InstancePath, ("format" = inline(FormatWord), Query)),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn topics_template(call: Call) -> Answer {
    if is_name(&call)? {
        return admin_topics::show(call).await;
    }
    let (_, mut query) = managed(&call)?;
    let format = take_format(&mut query)?;
    query.finish()?;
    Ok(download(
        format,
        "topics-template",
        topics::template(format)?,
    ))
}

/// Make the topics that a file lists, in CSV or xlsx, in the form of the template or
/// of the export. A line that is wrong makes nothing, and the others go on.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/topics/import", tag = "topics",
    params(
        InstancePath,
        ("dryRun" = Option<bool>, Query, description = "`true`: say what would come of it, and make nothing"),
        ("brokers" = Option<String>, Query, description = "Brokers for lines that name none, separated by commas; default all"),
    ),
    request_body(content(
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (FileForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "What came of it", body = ImportJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn import_topics(call: Call) -> Answer {
    import(call, topics::read).await
}

/// Groups of an instance as a file: a line for each group and broker.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups/export", tag = "groups",
    params(
        InstancePath,
        ("format" = inline(FormatWord), Query),
        ("names" = Option<String>, Query, description = "Groups, separated by commas; `name@broker` for its line of one broker; default all"),
        ("brokers" = Option<String>, Query, description = "Lines of these brokers alone, separated by commas"),
        ("columns" = inline(Option<ColumnsWord>), Query, description = "`all`: further columns for what the others cannot say"),
    ),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn export_groups(call: Call) -> Answer {
    if is_name(&call)? {
        return admin_groups::show(call).await;
    }
    let (scope, mut query) = managed(&call)?;
    let format = take_format(&mut query)?;
    let selection = selection::<GroupFields>(&call, &scope, query)?;
    let mut all = call.services().tenants.groups(scope.instance.id);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let all = all.iter().map(|group| &**group);
    let file = groups::export(format, &scope.instance, all, &selection)?;
    Ok(download(format, "groups", file))
}

/// An empty list of groups to fill in, with two samples.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/groups/template", tag = "groups",
    params(InstancePath, ("format" = inline(FormatWord), Query)),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn groups_template(call: Call) -> Answer {
    if is_name(&call)? {
        return admin_groups::show(call).await;
    }
    let (_, mut query) = managed(&call)?;
    let format = take_format(&mut query)?;
    query.finish()?;
    Ok(download(
        format,
        "groups-template",
        groups::template(format)?,
    ))
}

/// Make the groups that a file lists, in CSV or xlsx, in the form of the template or
/// of the export. A line that is wrong makes nothing, and the others go on.
#[utoipa::path(
    post, path = "/v1/instances/{instance}/groups/import", tag = "groups",
    params(
        InstancePath,
        ("dryRun" = Option<bool>, Query, description = "`true`: say what would come of it, and make nothing"),
    ),
    request_body(content(
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (FileForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "What came of it", body = ImportJson),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn import_groups(call: Call) -> Answer {
    import(call, groups::read).await
}

async fn import<F: Importable + Send + 'static>(
    mut call: Call,
    read: fn(&[u8]) -> ApiResult<Listing<F>>,
) -> Answer {
    let file = upload::read(&mut call).await?;
    let identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::Manage)?;
    let mut query = call.query()?;
    let mut wish = Wish {
        brokers: Vec::new(),
        dry_run: query.take_flag("dryRun")?,
    };
    if F::HAS_BROKERS {
        wish.brokers = take_names(&mut query, "brokers")?;
    }
    query.finish()?;
    let listing = taken_apart(&call, file, read).await?;
    let caller = call.caller(&identity);
    let ignored = listing.ignored.clone();
    let done = import::import(call.services(), &scope, &caller, listing, &wish).await?;
    answer::ok(&ImportJson::new(done, wish.dry_run, ignored))
}

/// Off the threads that serve requests, a few at a time.
async fn taken_apart<F: Send + 'static>(
    call: &Call,
    file: Bytes,
    read: fn(&[u8]) -> ApiResult<Listing<F>>,
) -> ApiResult<Listing<F>> {
    let overloaded = || ApiError::new(ErrorCode::Overloaded, "no thread to read the file");
    let permit = call.services().files.acquire().await;
    let _permit = permit.map_err(|_| overloaded())?;
    let read = actix_web::web::block(move || read(&file)).await;
    read.map_err(|_| overloaded())?
}

/// Whether the path's last segment is a name here: no format is asked for, and there
/// is a topic or group of this name.
fn is_name(call: &Call) -> ApiResult<bool> {
    let raw = call.query().is_ok_and(|query| query.has("format"));
    if raw {
        return Ok(false);
    }
    let scope = call.scope(&call.identity()?)?;
    let is_topic = call.topic(&scope).is_ok();
    Ok(is_topic || call.group(&scope).is_ok())
}

/// The instance, for a caller who may see its topics and groups.
fn managed(call: &Call) -> ApiResult<(Scope, Query)> {
    let identity: Identity = call.identity()?;
    let scope = call.scope(&identity)?;
    identity.require(Action::ReadManaged)?;
    Ok((scope, call.query()?))
}

fn take_format(query: &mut Query) -> ApiResult<Format> {
    let text = query.take("format");
    let text = text.ok_or_else(|| ApiError::field("format", "missing: csv or xlsx"))?;
    Format::named(&text)
}

fn selection<F: Importable>(call: &Call, scope: &Scope, mut query: Query) -> ApiResult<Selection> {
    let all_columns = match query.take("columns").as_deref() {
        None => false,
        Some("all") => true,
        Some(_) => return Err(ApiError::field("columns", "only all")),
    };
    let selection = Selection {
        names: take_wanted(&mut query)?,
        brokers: take_names(&mut query, "brokers")?,
        all_columns,
    };
    query.finish()?;
    let (names, brokers) = (&selection.names, &selection.brokers);
    import::require_known::<F>(call.services(), scope, names, brokers)?;
    Ok(selection)
}

fn take_wanted(query: &mut Query) -> ApiResult<Vec<Wanted>> {
    let listed = take_list(query, "names")?;
    Ok(listed.iter().map(|text| Wanted::read(text)).collect())
}

fn take_names(query: &mut Query, parameter: &str) -> ApiResult<Vec<String>> {
    let listed = take_list(query, parameter)?;
    Ok(listed.iter().map(|name| excerpt(name)).collect())
}

fn take_list(query: &mut Query, parameter: &str) -> ApiResult<Vec<String>> {
    let text = query.take(parameter).unwrap_or_default();
    let listed = text.split(',').filter(|name| !name.is_empty());
    let listed: Vec<String> = listed.map(str::to_owned).collect();
    if listed.len() > NAMES_LISTED_MAX {
        let rule = format_args!("at most {NAMES_LISTED_MAX} names");
        return Err(ApiError::field(parameter, rule));
    }
    Ok(listed)
}

fn download(format: Format, name: &str, file: Vec<u8>) -> HttpResponse {
    let extension = format.extension();
    HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((
            "content-disposition",
            format!("attachment; filename=\"{name}.{extension}\""),
        ))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(file)
}
