//! A catalogue in memory: just enough to serve the gateway's calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use firn_protocol::api::tenant::*;
use firn_protocol::catalogue::*;
use firn_protocol::*;
use parking_lot::Mutex;

use crate::fake_changes::{apply_group, apply_topic, set};

#[derive(Default)]
pub(crate) struct Catalogue {
    pub(crate) tenants: BTreeMap<TenantId, Arc<Tenant>>,
    pub(crate) plans: BTreeMap<String, Arc<Plan>>,
    pub(crate) instances: BTreeMap<InstanceId, Arc<Instance>>,
    pub(crate) topics: BTreeMap<(InstanceId, String), Arc<Topic>>,
    pub(crate) groups: BTreeMap<(InstanceId, String), Arc<Group>>,
    pub(crate) users: BTreeMap<String, (Arc<AppUser>, String)>,
    pub(crate) people: BTreeMap<(Option<TenantId>, String), (ConsoleUser, String)>,
    pub(crate) revoked: BTreeSet<String>,
    pub(crate) audit: Vec<AuditEntry>,
    pub(crate) tokens: BTreeMap<String, Arc<ApiToken>>,
}

#[derive(Default)]
pub(crate) struct FakeTenants {
    pub(crate) catalogue: Mutex<Catalogue>,
    pub(crate) down: AtomicBool,
    /// After how many more changes it goes down, if it does.
    pub(crate) changes_left: Mutex<Option<u64>>,
    next: AtomicU64,
}

impl FakeTenants {
    pub(crate) fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 100
    }

    fn change(&self) -> ApiResult<()> {
        if let Some(left) = self.changes_left.lock().as_mut() {
            let goes_on = left.checked_sub(1);
            self.down.store(goes_on.is_none(), Ordering::Relaxed);
            *left = goes_on.unwrap_or(0);
        }
        if self.down.load(Ordering::Relaxed) {
            return Err(ApiError::new(
                ErrorCode::CatalogueUnavailable,
                "the catalogue is away",
            ));
        }
        Ok(())
    }
}

fn err<T>(code: ErrorCode, text: &str) -> ApiResult<T> {
    Err(ApiError::new(code, text))
}

#[async_trait]
impl TenantApi for FakeTenants {
    fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.catalogue.lock().tenants.values().cloned().collect()
    }
    fn tenant(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.catalogue.lock().tenants.get(&id).cloned()
    }
    fn plans(&self) -> Vec<Arc<Plan>> {
        self.catalogue.lock().plans.values().cloned().collect()
    }
    fn plan(&self, name: &str) -> Option<Arc<Plan>> {
        self.catalogue.lock().plans.get(name).cloned()
    }
    fn instances(&self, tenant: Option<TenantId>) -> Vec<Arc<Instance>> {
        let catalogue = self.catalogue.lock();
        let all = catalogue.instances.values();
        all.filter(|i| tenant.is_none_or(|t| t == i.tenant))
            .cloned()
            .collect()
    }
    fn find_instance(&self, tenant: Option<TenantId>, name: &str) -> ApiResult<Arc<Instance>> {
        let mut found = self.instances(tenant);
        found.retain(|i| i.name == name || i.uid == name);
        match found.len() {
            0 => err(ErrorCode::InstanceNotFound, "the service's own text"),
            1 => Ok(found.remove(0)),
            _ => err(
                ErrorCode::Conflict,
                "several tenants have an instance of this name",
            ),
        }
    }
    fn instance(&self, id: InstanceId) -> Option<Arc<Instance>> {
        self.catalogue.lock().instances.get(&id).cloned()
    }
    fn topic(&self, instance: InstanceId, name: &str) -> Option<Arc<Topic>> {
        self.catalogue
            .lock()
            .topics
            .get(&(instance, name.to_owned()))
            .cloned()
    }
    fn topic_by_id(&self, instance: InstanceId, id: TopicId) -> Option<Arc<Topic>> {
        self.topics(instance)
            .into_iter()
            .find(|topic| topic.id == id)
    }
    fn topics(&self, instance: InstanceId) -> Vec<Arc<Topic>> {
        let catalogue = self.catalogue.lock();
        catalogue
            .topics
            .values()
            .filter(|t| t.instance == instance)
            .cloned()
            .collect()
    }
    fn group(&self, instance: InstanceId, name: &str) -> Option<Arc<Group>> {
        self.catalogue
            .lock()
            .groups
            .get(&(instance, name.to_owned()))
            .cloned()
    }
    fn group_by_id(&self, instance: InstanceId, id: GroupId) -> Option<Arc<Group>> {
        self.groups(instance)
            .into_iter()
            .find(|group| group.id == id)
    }
    fn groups(&self, instance: InstanceId) -> Vec<Arc<Group>> {
        let catalogue = self.catalogue.lock();
        catalogue
            .groups
            .values()
            .filter(|g| g.instance == instance)
            .cloned()
            .collect()
    }
    fn user(&self, access_key: &str) -> Option<Arc<AppUser>> {
        self.catalogue
            .lock()
            .users
            .get(access_key)
            .map(|(user, _)| user.clone())
    }
    fn users(&self, instance: InstanceId) -> Vec<Arc<AppUser>> {
        let catalogue = self.catalogue.lock();
        let all = catalogue.users.values().map(|(user, _)| user);
        all.filter(|user| user.instance == instance)
            .cloned()
            .collect()
    }
    fn authenticate(&self, access_key: &str, secret_key: &str) -> Option<Arc<AppUser>> {
        let catalogue = self.catalogue.lock();
        let (user, secret) = catalogue.users.get(access_key)?;
        (secret == secret_key).then(|| user.clone())
    }
    fn authenticate_by(
        &self,
        access_key: &str,
        is_by: &dyn Fn(&[u8]) -> bool,
    ) -> Option<Arc<AppUser>> {
        let catalogue = self.catalogue.lock();
        let (user, secret) = catalogue.users.get(access_key)?;
        is_by(secret.as_bytes()).then(|| user.clone())
    }
    fn derived_key(&self, purpose: &str) -> [u8; 32] {
        *blake3::hash(purpose.as_bytes()).as_bytes()
    }
    fn is_token_revoked(&self, token_id: &str) -> bool {
        self.catalogue.lock().revoked.contains(token_id)
    }
    async fn login(
        &self,
        tenant: Option<TenantId>,
        username: &str,
        password: &str,
    ) -> ApiResult<ConsoleUser> {
        self.change()?;
        let catalogue = self.catalogue.lock();
        match catalogue.people.get(&(tenant, username.to_owned())) {
            Some((user, secret)) if secret == password => Ok(user.clone()),
            Some(_) => err(ErrorCode::Unauthenticated, "wrong password"),
            None => err(ErrorCode::NotFound, "no such person"),
        }
    }
    async fn console_user(&self, tenant: Option<TenantId>, username: &str) -> Option<ConsoleUser> {
        let catalogue = self.catalogue.lock();
        catalogue
            .people
            .get(&(tenant, username.to_owned()))
            .map(|(user, _)| user.clone())
    }
    async fn revoke_token(&self, token_id: &str, _: Timestamp) -> ApiResult<()> {
        self.catalogue.lock().revoked.insert(token_id.to_owned());
        Ok(())
    }
    async fn create_tenant(&self, _: &Caller, tenant: Tenant) -> ApiResult<Arc<Tenant>> {
        self.change()?;
        let tenant = Arc::new(tenant);
        let mut catalogue = self.catalogue.lock();
        if catalogue.tenants.contains_key(&tenant.id) {
            return err(ErrorCode::AlreadyExists, "the tenant exists");
        }
        catalogue.tenants.insert(tenant.id, tenant.clone());
        Ok(tenant)
    }
    async fn rename_tenant(
        &self,
        _: &Caller,
        id: TenantId,
        name: String,
    ) -> ApiResult<Arc<Tenant>> {
        let tenant = Arc::new(Tenant { id, name });
        self.catalogue.lock().tenants.insert(id, tenant.clone());
        Ok(tenant)
    }
    async fn delete_tenant(&self, _: &Caller, id: TenantId) -> ApiResult<()> {
        let mut catalogue = self.catalogue.lock();
        if catalogue.instances.values().any(|i| i.tenant == id) {
            return err(ErrorCode::InUse, "the tenant has instances");
        }
        catalogue.tenants.remove(&id);
        Ok(())
    }
    async fn create_plan(&self, _: &Caller, plan: Plan) -> ApiResult<Arc<Plan>> {
        let plan = Arc::new(plan);
        self.catalogue
            .lock()
            .plans
            .insert(plan.name.clone(), plan.clone());
        Ok(plan)
    }
    async fn create_instance(&self, _: &Caller, new: NewInstance) -> ApiResult<Arc<Instance>> {
        let id = self.id();
        let names = if new.brokers.is_empty() {
            vec!["a".to_owned()]
        } else {
            new.brokers
        };
        let brokers = names.into_iter().zip(0..);
        let instance = Arc::new(Instance {
            id: InstanceId(id),
            uid: format!("{id:032x}"),
            tenant: new.tenant,
            name: new.name,
            plan: new.plan.unwrap_or_else(|| "basic".into()),
            brokers: brokers
                .map(|(name, n)| Broker {
                    id: BrokerId((id * 10 + n) as u32),
                    name,
                })
                .collect(),
            durability: new.durability.unwrap_or_default(),
            retention_hours: new.retention_hours.unwrap_or(72),
            disk_policy: new.disk_policy.unwrap_or_default(),
            remark: new.remark.unwrap_or_default(),
            status: InstanceStatus::Running,
            created_at: Timestamp(1),
            expires_at: new.expires_at,
            time_zone: "UTC".into(),
            message_bytes: 524_288,
            rates: Rates::default(),
        });
        self.catalogue
            .lock()
            .instances
            .insert(instance.id, instance.clone());
        Ok(instance)
    }
    async fn change_instance(
        &self,
        _: &Caller,
        id: InstanceId,
        change: InstanceChange,
    ) -> ApiResult<Arc<Instance>> {
        let mut catalogue = self.catalogue.lock();
        let instance = Arc::make_mut(catalogue.instances.get_mut(&id).expect("exists"));
        set(&mut instance.remark, change.remark);
        Ok(Arc::new(instance.clone()))
    }
    async fn delete_instance(&self, _: &Caller, id: InstanceId) -> ApiResult<Vec<Broker>> {
        let mut catalogue = self.catalogue.lock();
        let gone = catalogue.instances.remove(&id).expect("exists");
        catalogue.topics.retain(|(i, _), _| *i != id);
        catalogue.groups.retain(|(i, _), _| *i != id);
        catalogue.users.retain(|_, (user, _)| user.instance != id);
        Ok(gone.brokers.clone())
    }
    fn erasures(&self) -> Vec<Arc<Erasure>> {
        Vec::new()
    }
    async fn erased(&self, _: InstanceId, _: u64, _: u64) -> ApiResult<()> {
        self.change()
    }
    async fn create_topic(
        &self,
        _: &Caller,
        instance: InstanceId,
        name: &str,
        fields: TopicFields,
    ) -> ApiResult<Arc<Topic>> {
        self.change()?;
        names::check("name", name)?;
        let key = (instance, name.to_owned());
        let mut catalogue = self.catalogue.lock();
        if catalogue.topics.contains_key(&key) {
            return err(ErrorCode::AlreadyExists, "the topic exists");
        }
        let mut topic = Topic {
            id: TopicId(self.id()),
            instance,
            name: name.to_owned(),
            topic_type: TopicType::Normal,
            queues: 4,
            permission: Permission::ReadWrite,
            ordered: false,
            remark: String::new(),
            brokers: Vec::new(),
            retention_hours: None,
            tps: None,
            allowed_groups: Vec::new(),
            created_at: Timestamp(1),
            version: 1,
        };
        let named = fields.brokers.clone().unwrap_or_default();
        let brokers = catalogue.instances[&instance].brokers.iter();
        let brokers = brokers.filter(|broker| named.contains(&broker.name));
        topic.brokers = brokers.map(|broker| broker.id).collect();
        apply_topic(&mut topic, fields);
        let topic = Arc::new(topic);
        catalogue.topics.insert(key, topic.clone());
        Ok(topic)
    }
    async fn change_topic(
        &self,
        _: &Caller,
        instance: InstanceId,
        name: &str,
        fields: TopicFields,
    ) -> ApiResult<Arc<Topic>> {
        let mut catalogue = self.catalogue.lock();
        let topic = catalogue
            .topics
            .get_mut(&(instance, name.to_owned()))
            .expect("exists");
        apply_topic(Arc::make_mut(topic), fields);
        Ok(topic.clone())
    }
    async fn delete_topic(
        &self,
        _: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<Arc<Topic>> {
        let gone = self
            .catalogue
            .lock()
            .topics
            .remove(&(instance, name.to_owned()));
        Ok(gone.expect("exists"))
    }
    async fn create_group(
        &self,
        _: &Caller,
        instance: InstanceId,
        name: &str,
        fields: GroupFields,
    ) -> ApiResult<Arc<Group>> {
        self.change()?;
        names::check("name", name)?;
        if self.group(instance, name).is_some() {
            return err(ErrorCode::AlreadyExists, "the group exists");
        }
        let mut group = Group {
            id: GroupId(self.id()),
            instance,
            name: name.to_owned(),
            ordered: false,
            on_poison: OnPoison::Block,
            max_retries: 16,
            enabled: true,
            start: StartPosition::Earliest,
            is_start_by_client: true,
            pull_mechanism: PullMechanism::Server,
            subscriptions: Vec::new(),
            remark: String::new(),
            created_at: Timestamp(1),
            version: 0,
        };
        apply_group(&mut group, fields);
        let group = Arc::new(group);
        self.catalogue
            .lock()
            .groups
            .insert((instance, name.to_owned()), group.clone());
        Ok(group)
    }
    async fn change_group(
        &self,
        _: &Caller,
        instance: InstanceId,
        name: &str,
        fields: GroupFields,
    ) -> ApiResult<Arc<Group>> {
        let mut catalogue = self.catalogue.lock();
        let group = catalogue
            .groups
            .get_mut(&(instance, name.to_owned()))
            .expect("exists");
        apply_group(Arc::make_mut(group), fields);
        Ok(group.clone())
    }
    async fn delete_group(
        &self,
        _: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> ApiResult<Arc<Group>> {
        let gone = self
            .catalogue
            .lock()
            .groups
            .remove(&(instance, name.to_owned()));
        Ok(gone.expect("exists"))
    }
    async fn create_user(
        &self,
        _: &Caller,
        instance: InstanceId,
        access_key: &str,
        fields: UserFields,
    ) -> ApiResult<UserWithSecret> {
        names::check("accessKey", access_key)?;
        let secret_key = fields
            .secret_key
            .unwrap_or_else(|| format!("secret-{}", self.id()));
        let mut catalogue = self.catalogue.lock();
        let user = Arc::new(AppUser {
            access_key: access_key.to_owned(),
            tenant: catalogue.instances[&instance].tenant,
            instance,
            topics: fields.topics.unwrap_or_default(),
            description: fields.description.unwrap_or_default(),
            ip_allow: fields.ip_allow.unwrap_or_default(),
            created_at: Timestamp(self.id()),
            previous_valid_until: None,
        });
        let row = (user.clone(), secret_key.clone());
        catalogue.users.insert(access_key.to_owned(), row);
        Ok(UserWithSecret { user, secret_key })
    }
    async fn change_user(
        &self,
        _: &Caller,
        _: InstanceId,
        access_key: &str,
        fields: UserFields,
    ) -> ApiResult<Arc<AppUser>> {
        let mut catalogue = self.catalogue.lock();
        let (user, _) = catalogue.users.get_mut(access_key).expect("exists");
        set(&mut Arc::make_mut(user).topics, fields.topics);
        Ok(user.clone())
    }
    async fn delete_user(&self, _: &Caller, _: InstanceId, access_key: &str) -> ApiResult<()> {
        self.catalogue.lock().users.remove(access_key);
        Ok(())
    }
    async fn rotate_user(
        &self,
        _: &Caller,
        _: InstanceId,
        access_key: &str,
        grace_seconds: u64,
    ) -> ApiResult<UserWithSecret> {
        if grace_seconds > limits::GRACE_SECONDS_MAX {
            return err(ErrorCode::BadRequest, "graceSeconds: too many");
        }
        let secret_key = format!("rotated-{}", self.id());
        let mut catalogue = self.catalogue.lock();
        let row = catalogue.users.get_mut(access_key).expect("exists");
        row.1.clone_from(&secret_key);
        let until = Timestamp(crate::world::NOW).plus_ms(grace_seconds * 1000);
        Arc::make_mut(&mut row.0).previous_valid_until = (grace_seconds > 0).then_some(until);
        Ok(UserWithSecret {
            user: row.0.clone(),
            secret_key,
        })
    }
    async fn reveal_user(
        &self,
        _: &Caller,
        _: InstanceId,
        access_key: &str,
    ) -> ApiResult<UserWithSecret> {
        let catalogue = self.catalogue.lock();
        let (user, secret_key) = catalogue.users[access_key].clone();
        Ok(UserWithSecret { user, secret_key })
    }
    fn api_token(&self, text: &str) -> Option<Arc<ApiToken>> {
        self.catalogue.lock().api_token(text)
    }
    fn api_tokens(&self, instance: InstanceId) -> Vec<TokenUse> {
        self.catalogue.lock().api_tokens(instance)
    }
    async fn create_api_token(
        &self,
        _: &Caller,
        instance: InstanceId,
        new: NewToken,
    ) -> ApiResult<(Arc<ApiToken>, String)> {
        let id = self.id();
        let token = self.catalogue.lock().add_api_token(id, instance, new);
        let text = token.id.clone();
        Ok((token, text))
    }
    async fn delete_api_token(&self, _: &Caller, _: InstanceId, id: &str) -> ApiResult<()> {
        self.catalogue.lock().tokens.remove(id);
        Ok(())
    }
    fn health(&self) -> ApiResult<()> {
        self.change()
    }

    fn console_users(&self, _tenant: TenantId) -> Vec<ConsoleUser> {
        Vec::new()
    }

    async fn create_console_user(
        &self,
        _caller: &Caller,
        _tenant: TenantId,
        _username: &str,
        _password: &str,
        _role: ConsoleRole,
    ) -> ApiResult<ConsoleUser> {
        Err(unserved())
    }

    async fn delete_console_user(
        &self,
        _caller: &Caller,
        _tenant: TenantId,
        _username: &str,
    ) -> ApiResult<()> {
        Err(unserved())
    }

    async fn note(
        &self,
        _tenant: TenantId,
        _action: &'static str,
        _object: String,
        _detail: String,
    ) -> ApiResult<()> {
        Ok(())
    }

    async fn find_audit(&self, filter: &AuditFilter) -> ApiResult<Vec<AuditEntry>> {
        let catalogue = self.catalogue.lock();
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        let rows = catalogue.audit.iter().rev().filter(|row| {
            filter
                .tenant
                .is_none_or(|tenant| row.tenant == Some(tenant))
                && filter.before.is_none_or(|before| row.id < before)
                && filter.from.is_none_or(|from| row.at >= from)
                && is(&filter.action, &row.action)
                && is(&filter.caller, &row.caller)
        });
        Ok(rows.take(filter.max).cloned().collect())
    }
    async fn note_denied(&self, rows: &[Denied]) -> ApiResult<()> {
        self.change()?;
        let mut catalogue = self.catalogue.lock();
        for row in rows {
            let detail =
                serde_json::json!({"route": row.route, "code": row.code, "count": row.count});
            let entry = AuditEntry {
                id: catalogue.audit.len() as u64 + 1,
                at: row.last,
                tenant: row.tenant,
                caller: row.caller.clone(),
                action: "denied".into(),
                object: row.object.clone(),
                request_id: row.request_id.clone(),
                detail: detail.to_string(),
            };
            catalogue.audit.push(entry);
        }
        Ok(())
    }
}

/// The gateway has no route to these.
fn unserved() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the gateway does not call this")
}
