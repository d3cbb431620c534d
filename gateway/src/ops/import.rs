//! Makes the topics or groups that a file lists, each as a call of its own would.
//! A line that cannot be is told of and costs no other line (SEED_SPEC 7).

use std::collections::HashMap;

use firn_protocol::api::tenant::{GroupFields, TenantApi, TopicFields};
use firn_protocol::catalogue::Plan;
use firn_protocol::error::Detail;
use firn_protocol::{ApiError, ApiResult, Caller, ErrorCode, InstanceId, names};

use super::{Scope, Services, not_found};
use crate::files::{Line, Listing, Wanted};

/// How to go about it.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// Names of brokers for lines that name none; none means all.
    pub(crate) brokers: Vec<String>,
    /// Only look what would come of it.
    pub(crate) dry_run: bool,
}

/// What came of a file.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) lines: usize,
    /// Names, in the order of the file.
    pub(crate) created: Vec<String>,
    /// In the order of the file.
    pub(crate) errors: Vec<LineError>,
}

#[derive(Debug)]
pub(crate) struct LineError {
    pub(crate) line: u64,
    pub(crate) name: String,
    pub(crate) error: ApiError,
}

/// What a file can list.
pub(crate) trait Importable: PartialEq + Sized {
    /// As the plan and its errors call them: one, and several.
    const WORDS: (&'static str, &'static str);
    /// Whether each is carried by brokers of its own.
    const HAS_BROKERS: bool;

    fn is_known(tenants: &dyn TenantApi, instance: InstanceId, name: &str) -> bool;
    fn count(tenants: &dyn TenantApi, instance: InstanceId) -> usize;
    /// How many the plan allows; 0 means any number.
    fn allowed(plan: &Plan) -> u64;
    fn on(self, brokers: Vec<String>) -> Self;
    async fn create(
        self,
        tenants: &dyn TenantApi,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<()>;
}

/// One thing to make, of one or several lines.
struct Entry<F> {
    name: String,
    fields: F,
    /// Each line with the broker that it is about.
    lines: Vec<(u64, Option<String>)>,
}

/// # Errors
/// `NOT_FOUND` for a broker of the wish that the instance does not have; what the
/// catalogue answers when it can make nothing at all.
pub(crate) async fn import<F: Importable>(
    services: &Services,
    scope: &Scope,
    caller: &Caller,
    listing: Listing<F>,
    wish: &Wish,
) -> ApiResult<Imported> {
    for broker in &wish.brokers {
        scope.broker_named(broker)?;
    }
    let mut done = Imported {
        lines: listing.lines.len(),
        created: Vec::new(),
        errors: Vec::new(),
    };
    let entries = entries(listing.lines, &mut done);
    let mut maker = Maker {
        services,
        scope,
        caller,
        dry_run: wish.dry_run,
        away: None,
    };
    for mut entry in entries {
        if F::HAS_BROKERS {
            drop_unknown(scope, &mut entry, &mut done);
        }
        if entry.lines.is_empty() {
            continue;
        }
        let (name, lines) = (entry.name.clone(), entry.lines.clone());
        let brokers = brokers(scope, &entry, &wish.brokers);
        match maker.make(entry, brokers, done.created.len()).await {
            Ok(()) => done.created.push(name),
            Err(error) if maker.away.is_some() && done.created.is_empty() => return Err(error),
            Err(error) => {
                let failed = lines.into_iter().map(|(line, _)| LineError {
                    line,
                    name: name.clone(),
                    error: error.clone(),
                });
                done.errors.extend(failed);
            }
        }
    }
    done.errors.sort_by_key(|error| error.line);
    Ok(done)
}

/// Puts the lines of one name together, as an export has one for each broker.
fn entries<F: PartialEq>(lines: Vec<Line<F>>, done: &mut Imported) -> Vec<Entry<F>> {
    let mut entries: Vec<Entry<F>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for line in lines {
        let (number, name) = (line.number, line.name);
        let checked = line.fields.and_then(|fields| {
            names::check("name", &name)?;
            Ok(fields)
        });
        let placed = checked.and_then(|fields| match known.get(&name) {
            None => {
                known.insert(name.clone(), entries.len());
                entries.push(Entry {
                    name: name.clone(),
                    fields,
                    lines: vec![(number, line.broker)],
                });
                Ok(())
            }
            Some(at) => {
                let entry = &mut entries[*at];
                entry.require_same(&fields, line.broker.as_deref())?;
                entry.lines.push((number, line.broker));
                Ok(())
            }
        });
        if let Err(error) = placed {
            done.errors.push(LineError {
                line: number,
                name,
                error,
            });
        }
    }
    entries
}

impl<F: PartialEq> Entry<F> {
    /// # Errors
    /// `ALREADY_EXISTS` unless it is the same on another broker.
    fn require_same(&self, fields: &F, broker: Option<&str>) -> ApiResult<()> {
        let (first, _) = &self.lines[0];
        let twice = |why: &str| {
            let text = format!("name: line {first} has it already{why}");
            Err(ApiError::new(ErrorCode::AlreadyExists, text))
        };
        let is_known = self.lines.iter().any(|(_, known)| known.is_none());
        let Some(broker) = broker.filter(|_| !is_known) else {
            return twice("");
        };
        let mut known = self.lines.iter();
        if known.any(|(_, known)| known.as_deref() == Some(broker)) {
            return twice(", on the same broker");
        }
        match self.fields == *fields {
            true => Ok(()),
            false => twice(", and differs in more than the broker"),
        }
    }
}

/// Lines about brokers that the instance does not have.
fn drop_unknown<F>(scope: &Scope, entry: &mut Entry<F>, done: &mut Imported) {
    let name = &entry.name;
    entry.lines.retain(|(line, broker)| {
        let checked = match broker {
            Some(broker) => scope.broker_named(broker).map(drop),
            None => Ok(()),
        };
        let Err(error) = checked else { return true };
        done.errors.push(LineError {
            line: *line,
            name: name.clone(),
            error,
        });
        false
    });
}

/// What carries it; none means all brokers, also those that come later.
fn brokers<F>(scope: &Scope, entry: &Entry<F>, wished: &[String]) -> Vec<String> {
    let own = entry.lines.iter().filter_map(|(_, broker)| broker.clone());
    let own: Vec<String> = own.collect();
    let chosen = if own.is_empty() { wished } else { &own };
    let all = scope.instance.brokers.iter();
    let named = |name: &String| chosen.contains(name);
    if all.clone().all(|broker| named(&broker.name)) {
        return Vec::new();
    }
    let chosen = all.filter(|broker| named(&broker.name));
    chosen.map(|broker| broker.name.clone()).collect()
}

struct Maker<'a> {
    services: &'a Services,
    scope: &'a Scope,
    caller: &'a Caller,
    dry_run: bool,
    /// Why the catalogue cannot be changed; it is not asked again.
    away: Option<ApiError>,
}

impl Maker<'_> {
    /// `made` were made of this file before.
    async fn make<F: Importable>(
        &mut self,
        entry: Entry<F>,
        brokers: Vec<String>,
        made: usize,
    ) -> ApiResult<()> {
        let (tenants, instance) = (&*self.services.tenants, self.scope.instance.id);
        if self.dry_run {
            return self.check::<F>(&entry.name, made);
        }
        if let Some(error) = &self.away {
            return Err(error.clone());
        }
        let fields = entry.fields.on(brokers);
        let created = fields.create(tenants, self.caller, instance, &entry.name);
        let created = created.await;
        if let Err(error) = &created {
            self.away = Some(error.clone()).filter(|error| error.code.http_status() >= 500);
        }
        created
    }

    /// What the catalogue would refuse.
    fn check<F: Importable>(&self, name: &str, made: usize) -> ApiResult<()> {
        let (tenants, instance) = (&*self.services.tenants, &self.scope.instance);
        let (one, several) = F::WORDS;
        if F::is_known(tenants, instance.id, name) {
            let text = format!("{one} '{name}' exists already");
            return Err(ApiError::new(ErrorCode::AlreadyExists, text));
        }
        let Some(plan) = tenants.plan(&instance.plan) else {
            return Ok(());
        };
        let (limit, wanted) = (F::allowed(&plan), F::count(tenants, instance.id) + made + 1);
        if limit == 0 || wanted as u64 <= limit {
            return Ok(());
        }
        let text = format!("the plan '{}' allows {limit} {several}", plan.name);
        Err(ApiError::new(ErrorCode::QuotaExceeded, text).with("limit", Detail::Number(limit)))
    }
}

impl Importable for TopicFields {
    const WORDS: (&'static str, &'static str) = ("topic", "topics");
    const HAS_BROKERS: bool = true;

    fn is_known(tenants: &dyn TenantApi, instance: InstanceId, name: &str) -> bool {
        tenants.topic(instance, name).is_some()
    }

    fn count(tenants: &dyn TenantApi, instance: InstanceId) -> usize {
        tenants.topics(instance).len()
    }

    fn allowed(plan: &Plan) -> u64 {
        plan.topics
    }

    fn on(mut self, brokers: Vec<String>) -> Self {
        self.brokers = Some(brokers);
        self
    }

    async fn create(
        self,
        tenants: &dyn TenantApi,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<()> {
        let made = tenants.create_topic(caller, instance, name, self);
        made.await.map(drop)
    }
}

impl Importable for GroupFields {
    const WORDS: (&'static str, &'static str) = ("group", "groups");
    const HAS_BROKERS: bool = false;

    fn is_known(tenants: &dyn TenantApi, instance: InstanceId, name: &str) -> bool {
        tenants.group(instance, name).is_some()
    }

    fn count(tenants: &dyn TenantApi, instance: InstanceId) -> usize {
        tenants.groups(instance).len()
    }

    fn allowed(plan: &Plan) -> u64 {
        plan.groups
    }

    fn on(self, _: Vec<String>) -> Self {
        self
    }

    async fn create(
        self,
        tenants: &dyn TenantApi,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<()> {
        let made = tenants.create_group(caller, instance, name, self);
        made.await.map(drop)
    }
}

/// # Errors
/// `NOT_FOUND` for a name of a selection that the instance does not have.
pub(crate) fn require_known<F: Importable>(
    services: &Services,
    scope: &Scope,
    names: &[Wanted],
    brokers: &[String],
) -> ApiResult<()> {
    let named = names.iter().filter_map(|wanted| wanted.broker.as_ref());
    for broker in brokers.iter().chain(named) {
        scope.broker_named(broker)?;
    }
    let tenants = &*services.tenants;
    let unknown = names
        .iter()
        .map(|wanted| &wanted.name)
        .find(|name| !F::is_known(tenants, scope.instance.id, name));
    match unknown {
        None => Ok(()),
        Some(name) => Err(not_found(format!("{} '{name}' does not exist", F::WORDS.0))),
    }
}
