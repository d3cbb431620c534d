//! A deployment for tests: two tenants, their instances, callers of every kind.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{App, test};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_gateway::{Gateway, GatewayConfig, State, app_config};
use firn_protocol::api::tenant::*;
use firn_protocol::catalogue::*;
use firn_protocol::{Caller, TenantId};
use firn_runtime::Clock;
use serde_json::{Value, json};

use crate::fake_storage::FakeStorage;
use crate::fake_tenants::FakeTenants;

pub(crate) const NOW: u64 = 1_700_000_000_000;

/// Paths of tenant 2's instance `demo` as most tests use them.
pub(crate) const MESSAGES: &str = "/v1/instances/demo/topics/orders/messages";
pub(crate) const CONSUME: &str = "/v1/instances/demo/groups/workers/topics/orders";

pub(crate) struct World {
    pub(crate) storage: Arc<FakeStorage>,
    pub(crate) tenants: Arc<FakeTenants>,
    pub(crate) clock: Clock,
    pub(crate) config: GatewayConfig,
    pub(crate) state: State,
}

/// An answer, read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: actix_web::http::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) async fn of(response: ServiceResponse<impl MessageBody>) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = actix_web::body::to_bytes(response.into_body())
            .await
            .ok()
            .expect("a body");
        Self {
            status,
            headers,
            bytes: bytes.to_vec(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ascii"))
    }

    /// The error code; checks the shape of the error on the way.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let error = &json["error"];
        assert!(
            error["message"].as_str().is_some_and(|m| !m.is_empty()),
            "{json}"
        );
        assert!(error["retryable"].is_boolean(), "{json}");
        assert_eq!(error["requestId"], self.header("firn-request-id"), "{json}");
        error["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"]
            .as_str()
            .expect("a message")
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        self
    }
}

pub(crate) fn basic(access_key: &str, secret_key: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{access_key}:{secret_key}"))
    )
}

pub(crate) fn demo() -> String {
    basic("demo", "demo-secret")
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Clock::manual(NOW), GatewayConfig::default()).await
    }

    pub(crate) async fn with(clock: Clock, config: GatewayConfig) -> Self {
        let storage = Arc::new(FakeStorage::new(clock.clone()));
        let tenants = Arc::new(FakeTenants::default());
        fill(&tenants).await;
        let gateway = gateway(&config, &storage, &tenants, &clock);
        let state = gateway.state().clone();
        Self {
            storage,
            tenants,
            clock,
            config,
            state,
        }
    }

    /// Another gateway over the same services.
    pub(crate) fn gateway(&self) -> Gateway {
        gateway(&self.config, &self.storage, &self.tenants, &self.clock)
    }

    pub(crate) async fn call(&self, request: test::TestRequest) -> Reply {
        let app = test::init_service(App::new().configure(app_config(&self.state))).await;
        let request = request.peer_addr("10.9.8.7:5167".parse().expect("an address"));
        Reply::of(test::call_service(&app, request.to_request()).await).await
    }

    /// The answer before its body is read.
    pub(crate) async fn open(&self, request: test::TestRequest) -> ServiceResponse<BoxBody> {
        let app = test::init_service(App::new().configure(app_config(&self.state))).await;
        let response = test::call_service(&app, request.to_request()).await;
        response.map_into_boxed_body()
    }

    pub(crate) async fn as_caller(
        &self,
        auth: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = test::TestRequest::with_uri(path).method(method);
        if !auth.is_empty() {
            request = request.insert_header(("authorization", auth));
        }
        if !body.is_null() {
            request = request.set_json(body);
        }
        self.call(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.as_caller(&demo(), "POST", path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.as_caller(&demo(), "GET", path, Value::Null).await
    }

    /// A person's access token.
    pub(crate) async fn login(&self, tenant: Option<u64>, name: &str) -> String {
        let mut form = json!({"username": name, "password": "pw"});
        if let Some(tenant) = tenant {
            form["tenant"] = json!(tenant);
        }
        let reply = self
            .as_caller("", "POST", "/v1/auth/login", form)
            .await
            .expect(200);
        format!(
            "Bearer {}",
            reply.json()["token"].as_str().expect("a token")
        )
    }

    pub(crate) async fn send(&self, bodies: &[&str]) -> Vec<Value> {
        let messages: Vec<Value> = bodies.iter().map(|body| json!({"body": body})).collect();
        let reply = self
            .post(MESSAGES, json!({"messages": messages}))
            .await
            .expect(200);
        reply.json()["results"].as_array().expect("results").clone()
    }

    pub(crate) async fn receive(&self, body: Value) -> Vec<Value> {
        let reply = self
            .post(&format!("{CONSUME}/receive"), body)
            .await
            .expect(200);
        reply.json()["messages"]
            .as_array()
            .expect("messages")
            .clone()
    }

    /// Changes a topic of the demo instance in place.
    pub(crate) fn edit_topic(&self, name: &str, edit: impl FnOnce(&mut Topic)) {
        let mut catalogue = self.tenants.catalogue.lock();
        let found = catalogue
            .topics
            .values_mut()
            .find(|topic| topic.name == name);
        edit(Arc::make_mut(found.expect("a topic of that name")));
    }

    /// The demo instance's group `workers`.
    pub(crate) fn group_id(&self) -> firn_protocol::GroupId {
        let catalogue = self.tenants.catalogue.lock();
        let demo = catalogue
            .instances
            .values()
            .find(|instance| instance.name == "demo");
        let demo = demo.expect("the instance").id;
        catalogue.groups[&(demo, "workers".to_owned())].id
    }

    pub(crate) fn edit_group(&self, edit: impl FnOnce(&mut Group)) {
        let mut catalogue = self.tenants.catalogue.lock();
        let found = catalogue
            .groups
            .values_mut()
            .find(|group| group.name == "workers");
        edit(Arc::make_mut(found.expect("the group")));
    }

    pub(crate) fn edit_instance(&self, edit: impl FnOnce(&mut Instance)) {
        let mut catalogue = self.tenants.catalogue.lock();
        let found = catalogue
            .instances
            .values_mut()
            .find(|instance| instance.name == "demo");
        edit(Arc::make_mut(found.expect("the instance")));
    }
}

fn gateway(
    config: &GatewayConfig,
    storage: &Arc<FakeStorage>,
    tenants: &Arc<FakeTenants>,
    clock: &Clock,
) -> Gateway {
    let registry = prometheus::Registry::new();
    Gateway::new(
        config.clone(),
        storage.clone(),
        tenants.clone(),
        clock.clone(),
        registry,
    )
}

/// Lets tasks that a request left behind run.
pub(crate) async fn settle(done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never happened");
}

async fn fill(tenants: &FakeTenants) {
    let root = Caller {
        name: "bootstrap".into(),
        request_id: "r".into(),
    };
    for (id, name) in [(2, "acme"), (3, "rival")] {
        let tenant = Tenant {
            id: TenantId(id),
            name: name.into(),
        };
        tenants.create_tenant(&root, tenant).await.expect("made");
        for (role, person) in [
            (ConsoleRole::Admin, "admin"),
            (ConsoleRole::Viewer, "viewer"),
        ] {
            add_person(tenants, Some(TenantId(id)), person, role);
        }
    }
    add_person(tenants, None, "operator", ConsoleRole::Operator);
    for (tenant, name, key) in [
        (2, "demo", "demo"),
        (2, "other", "neighbour"),
        (3, "foreign", "rival"),
    ] {
        let new = NewInstance {
            tenant: TenantId(tenant),
            name: name.into(),
            brokers: vec!["a".into(), "b".into()],
            ..NewInstance::default()
        };
        let instance = tenants.create_instance(&root, new).await.expect("made").id;
        for (topic, topic_type) in [
            ("orders", TopicType::Normal),
            ("secret", TopicType::Normal),
            ("fifo", TopicType::Fifo),
            ("delay", TopicType::Delay),
            ("mixed", TopicType::Mixed),
            ("half", TopicType::Transaction),
        ] {
            let fields = TopicFields {
                topic_type: Some(topic_type),
                ..TopicFields::default()
            };
            tenants
                .create_topic(&root, instance, topic, fields)
                .await
                .expect("made");
        }
        tenants
            .create_group(&root, instance, "workers", GroupFields::default())
            .await
            .expect("made");
        add_user(tenants, &root, instance, key, &[]).await;
        add_user(
            tenants,
            &root,
            instance,
            &format!("{key}-limited"),
            &["orders"],
        )
        .await;
    }
}

async fn add_user(
    tenants: &FakeTenants,
    root: &Caller,
    instance: firn_protocol::InstanceId,
    key: &str,
    topics: &[&str],
) {
    let fields = UserFields {
        secret_key: Some(format!("{key}-secret")),
        topics: Some(topics.iter().map(|topic| (*topic).to_owned()).collect()),
        ..UserFields::default()
    };
    tenants
        .create_user(root, instance, key, fields)
        .await
        .expect("made");
}

fn add_person(tenants: &FakeTenants, tenant: Option<TenantId>, name: &str, role: ConsoleRole) {
    let user = ConsoleUser {
        tenant,
        username: name.into(),
        role,
        password_mark: 0,
    };
    tenants
        .catalogue
        .lock()
        .people
        .insert((tenant, name.into()), (user, "pw".into()));
}
