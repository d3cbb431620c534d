//! The copy of the catalogue that answers every read. Owns the indexes;
//! changes only by [`Change`]s that are in the database already.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use firn_protocol::catalogue::{Erasure, Group, Instance, Plan, Tenant, TokenReach, Topic};
use firn_protocol::{
    ApiError, ApiResult, ErrorCode, GroupId, InstanceId, TenantId, Timestamp, TopicId,
};
use rustc_hash::FxHashMap;

use super::{Change, ConsoleRow, TokenRow, UserRow};
use crate::billing::price::PriceLists;

/// All rows. Maps keyed by names that tenants choose use the standard hasher,
/// which cannot be flooded with colliding names.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) tenants: BTreeMap<TenantId, Arc<Tenant>>,
    pub(crate) plans: BTreeMap<String, Arc<Plan>>,
    pub(crate) prices: PriceLists,
    instances: FxHashMap<InstanceId, Contents>,
    by_uid: HashMap<String, InstanceId>,
    /// At most one for each tenant under one name.
    by_name: HashMap<String, Vec<Arc<Instance>>>,
    pub(crate) users: HashMap<String, UserRow>,
    console: BTreeMap<(Option<TenantId>, String), ConsoleRow>,
    revoked: HashMap<String, Timestamp>,
    api_tokens: HashMap<String, TokenRow>,
    pub(crate) erasures: BTreeMap<InstanceId, Arc<Erasure>>,
}

/// An instance and what is in it.
#[derive(Clone)]
pub(crate) struct Contents {
    pub(crate) instance: Arc<Instance>,
    pub(crate) topics: Rows<TopicId, Topic>,
    pub(crate) groups: Rows<GroupId, Group>,
    /// Access keys.
    pub(crate) users: BTreeSet<String>,
}

/// Something with a name that is unique in its instance.
pub(crate) trait Named {
    type Id: Copy + Eq + std::hash::Hash;
    fn name(&self) -> &str;
    fn id(&self) -> Self::Id;
}

impl Named for Topic {
    type Id = TopicId;
    fn name(&self) -> &str {
        &self.name
    }
    fn id(&self) -> TopicId {
        self.id
    }
}

impl Named for Group {
    type Id = GroupId;
    fn name(&self) -> &str {
        &self.name
    }
    fn id(&self) -> GroupId {
        self.id
    }
}

/// Rows found by name or number. The name is stored once, in the row: a
/// million of them cost two pointers and a number each beside the rows.
#[derive(Clone)]
pub(crate) struct Rows<I, T: Named> {
    by_name: BTreeSet<ByName<T>>,
    by_id: FxHashMap<I, Arc<T>>,
}

impl<T: Named> Default for Rows<T::Id, T> {
    fn default() -> Self {
        Self {
            by_name: BTreeSet::new(),
            by_id: FxHashMap::default(),
        }
    }
}

impl<T: Named> Rows<T::Id, T> {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<T>> {
        self.by_name.get(name).map(|row| &row.0)
    }

    pub(crate) fn by_id(&self, id: T::Id) -> Option<&Arc<T>> {
        self.by_id.get(&id)
    }

    /// In the order of names.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.by_name.iter().map(|row| row.0.clone()).collect()
    }

    pub(crate) fn len(&self) -> u64 {
        self.by_id.len() as u64
    }

    fn put(&mut self, row: &Arc<T>) {
        self.by_name.replace(ByName(row.clone()));
        self.by_id.insert(row.id(), row.clone());
    }

    fn remove(&mut self, row: &T) {
        self.by_name.remove(row.name());
        self.by_id.remove(&row.id());
    }
}

struct ByName<T>(Arc<T>);

impl<T> Clone for ByName<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Named> Borrow<str> for ByName<T> {
    fn borrow(&self) -> &str {
        self.0.name()
    }
}

impl<T: Named> Ord for ByName<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name().cmp(other.0.name())
    }
}

impl<T: Named> PartialOrd for ByName<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Named> PartialEq for ByName<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl<T: Named> Eq for ByName<T> {}

impl Memory {
    /// The instance and its contents.
    ///
    /// # Errors
    /// `INSTANCE_NOT_FOUND`.
    pub(crate) fn contents(&self, id: InstanceId) -> ApiResult<&Contents> {
        self.instances
            .get(&id)
            .ok_or_else(|| ApiError::new(ErrorCode::InstanceNotFound, "no such instance"))
    }

    pub(crate) fn tenant(&self, id: TenantId) -> ApiResult<&Arc<Tenant>> {
        self.tenants
            .get(&id)
            .ok_or_else(|| ApiError::new(ErrorCode::NotFound, format!("no tenant {id}")))
    }

    /// By name, then by tenant.
    pub(crate) fn all_instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().map(|contents| &*contents.instance)
    }

    pub(crate) fn instances(&self, tenant: Option<TenantId>) -> Vec<Arc<Instance>> {
        let mut found: Vec<_> = self
            .instances
            .values()
            .map(|contents| &contents.instance)
            .filter(|instance| tenant.is_none_or(|tenant| instance.tenant == tenant))
            .cloned()
            .collect();
        found.sort_by(|a, b| (&a.name, a.tenant).cmp(&(&b.name, b.tenant)));
        found
    }

    /// See [`firn_protocol::api::tenant::TenantApi::find_instance`].
    pub(crate) fn find_instance(
        &self,
        tenant: Option<TenantId>,
        name_or_uid: &str,
    ) -> ApiResult<Arc<Instance>> {
        let visible = |instance: &&Arc<Instance>| tenant.is_none_or(|t| instance.tenant == t);
        // No name looks like an id (RULES 15), so one text cannot mean both.
        if let Some(id) = self.by_uid.get(name_or_uid) {
            let instance = self.instances.get(id).map(|contents| &contents.instance);
            return instance
                .filter(visible)
                .cloned()
                .ok_or_else(instance_unknown);
        }
        let named = self.by_name.get(name_or_uid).into_iter().flatten();
        let mut found = named.filter(visible);
        let first = found.next().ok_or_else(instance_unknown)?;
        if found.next().is_some() {
            let text = "several tenants have an instance of this name, use its id";
            return Err(ApiError::new(ErrorCode::Conflict, text));
        }
        Ok(first.clone())
    }

    pub(crate) fn console_user(
        &self,
        tenant: Option<TenantId>,
        username: &str,
    ) -> Option<&ConsoleRow> {
        self.console.get(&(tenant, username.to_owned()))
    }

    pub(crate) fn console_users(&self, tenant: TenantId) -> impl Iterator<Item = &ConsoleRow> {
        let of_tenant = (Some(tenant), String::new())..;
        self.console
            .range(of_tenant)
            .take_while(move |((owner, _), _)| *owner == Some(tenant))
            .map(|(_, row)| row)
    }

    /// All people: the operator first, then by tenant and name.
    pub(crate) fn people(&self) -> impl Iterator<Item = &ConsoleRow> {
        self.console.values()
    }

    /// Tokens that were revoked and when they end, in any order.
    pub(crate) fn revocations(&self) -> impl Iterator<Item = (&String, &Timestamp)> {
        self.revoked.iter()
    }

    pub(crate) fn api_token(&self, id: &str) -> Option<&TokenRow> {
        self.api_tokens.get(id)
    }

    /// In any order.
    pub(crate) fn api_tokens(&self) -> impl Iterator<Item = &TokenRow> {
        self.api_tokens.values()
    }

    /// Those of exactly this reach, in any order.
    pub(crate) fn tokens_of(&self, reach: TokenReach) -> impl Iterator<Item = &TokenRow> {
        self.api_tokens()
            .filter(move |row| row.token.reach() == reach)
    }

    pub(crate) fn is_revoked(&self, token: &str) -> bool {
        self.revoked.contains_key(token)
    }

    pub(crate) fn earliest_revocation_end(&self) -> Option<Timestamp> {
        self.revoked.values().min().copied()
    }

    /// Rows by table, for the metrics.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 6] {
        let contents = || self.instances.values();
        [
            ("tenant", self.tenants.len() as u64),
            ("instance", self.instances.len() as u64),
            ("topic", contents().map(|c| c.topics.len()).sum()),
            ("group", contents().map(|c| c.groups.len()).sum()),
            ("user", self.users.len() as u64),
            ("consoleUser", self.console.len() as u64),
        ]
    }

    /// Carries out a change that is in the database.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::AddTenant(tenant) | Change::SetTenant(tenant) => {
                self.tenants.insert(tenant.id, tenant.clone());
            }
            Change::DropTenant(id) => {
                self.tenants.remove(id);
                self.console.retain(|(tenant, _), _| *tenant != Some(*id));
                self.api_tokens.retain(|_, row| row.token.tenant != *id);
            }
            Change::AddPlan(plan) => {
                self.plans.insert(plan.name.clone(), plan.clone());
            }
            Change::AddPrices(list) => self.prices.add(list),
            Change::AddInstance(instance) | Change::SetInstance(instance) => {
                self.put_instance(instance);
            }
            Change::DropInstance(id) => self.drop_instance(*id),
            Change::AddErasure(erasure) => {
                self.erasures.insert(erasure.instance, erasure.clone());
            }
            Change::DropErasure(id) => {
                self.erasures.remove(id);
            }
            Change::AddTopic(topic) | Change::SetTopic(topic) => {
                self.within(topic.instance, |contents| contents.topics.put(topic));
            }
            Change::DropTopic(topic) => {
                self.within(topic.instance, |contents| contents.topics.remove(topic));
            }
            Change::AddGroup(group) | Change::SetGroup(group) => {
                self.within(group.instance, |contents| contents.groups.put(group));
            }
            Change::DropGroup(group) => {
                self.within(group.instance, |contents| contents.groups.remove(group));
            }
            Change::AddUser(row) | Change::SetUser(row) => self.put_user(row),
            Change::DropUser(user) => {
                self.users.remove(&user.access_key);
                self.within(user.instance, |contents| {
                    contents.users.remove(&user.access_key);
                });
            }
            Change::AddConsoleUser(row) | Change::SetConsoleUser(row) => {
                let key = (row.user.tenant, row.user.username.clone());
                self.console.insert(key, row.clone());
            }
            Change::DropConsoleUser(user) => {
                self.console.remove(&(user.tenant, user.username.clone()));
            }
            Change::AddApiToken(row) => {
                self.api_tokens.insert(row.token.id.clone(), row.clone());
            }
            Change::DropApiToken(id) => {
                self.api_tokens.remove(id);
            }
            Change::NoteApiToken(id, at) => {
                if let Some(row) = self.api_tokens.get_mut(id) {
                    row.noted_ms = at.0;
                }
            }
            Change::RevokeToken(id, until) => {
                self.revoked.insert(id.clone(), *until);
            }
            Change::PruneTokens(now) => self.revoked.retain(|_, until| *until > *now),
        }
    }

    fn within(&mut self, instance: InstanceId, change: impl FnOnce(&mut Contents)) {
        let contents = self.instances.get_mut(&instance);
        change(contents.expect("rules and foreign keys keep rows within an instance"));
    }

    fn put_instance(&mut self, instance: &Arc<Instance>) {
        let named = self.by_name.entry(instance.name.clone()).or_default();
        named.retain(|other| other.id != instance.id);
        named.push(instance.clone());
        self.by_uid.insert(instance.uid.clone(), instance.id);
        match self.instances.get_mut(&instance.id) {
            Some(contents) => contents.instance = instance.clone(),
            None => {
                let contents = Contents {
                    instance: instance.clone(),
                    topics: Rows::default(),
                    groups: Rows::default(),
                    users: BTreeSet::new(),
                };
                self.instances.insert(instance.id, contents);
            }
        }
    }

    fn drop_instance(&mut self, id: InstanceId) {
        let Some(gone) = self.instances.remove(&id) else {
            return;
        };
        self.by_uid.remove(&gone.instance.uid);
        if let Some(named) = self.by_name.get_mut(&gone.instance.name) {
            named.retain(|other| other.id != id);
            if named.is_empty() {
                self.by_name.remove(&gone.instance.name);
            }
        }
        self.api_tokens
            .retain(|_, row| row.token.instance != Some(id));
        for access_key in &gone.users {
            self.users.remove(access_key);
        }
    }

    fn put_user(&mut self, row: &UserRow) {
        let access_key = row.user.access_key.clone();
        self.within(row.user.instance, |contents| {
            contents.users.insert(access_key.clone());
        });
        self.users.insert(access_key, row.clone());
    }
}

fn instance_unknown() -> ApiError {
    ApiError::new(ErrorCode::InstanceNotFound, "no such instance")
}
