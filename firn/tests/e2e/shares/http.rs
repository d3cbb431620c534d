//! The same over HTTP: gateways with sockets of their own over one tenant service and
//! one storage node. They renew on their own threads, so what passes is bounded exactly
//! and only roughly as much as may pass; how much it is, is tested beside this.

use std::net::SocketAddr;
use std::time::Duration;

use firn_gateway::{Gateway, GatewayConfig};
use firn_runtime::Tasks;
use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::stack::Stack;

const TPS: u64 = 1000;
const BURST: u64 = 100;
const STEP_MS: u64 = 20;

struct Site {
    stack: Stack,
    others: Vec<Tasks>,
    addresses: Vec<SocketAddr>,
}

impl Site {
    fn start(gateways: usize, connections: u64) -> Self {
        let stack = Stack::start();
        let mut site = Self {
            addresses: vec![stack.http],
            others: Vec::new(),
            stack,
        };
        for _ in 1..gateways {
            site.add_gateway();
        }
        let mut operator = site.stack.operator();
        let plan = json!({"name": "shared", "tps": TPS, "topicTps": 0, "burstSeconds": 0.1, "connections": connections});
        operator.post("/v1/plans", &plan).ok();
        for name in ["loud", "calm"] {
            let instance = json!({"tenantId": 2, "name": name, "plan": "shared"});
            operator.post("/v1/instances", &instance).ok();
            let topic = json!({"name": "t", "queues": 1});
            let path = format!("/v1/instances/{name}/topics");
            operator.post(&path, &topic).ok();
        }
        // Each has its base, once the first one has let go of it.
        let mut gateways = site.operators();
        for gateway in &mut gateways {
            until(&site, || send(gateway, "calm", 1).status == 200);
        }
        site
    }

    fn add_gateway(&mut self) {
        let config = GatewayConfig {
            http_listen: ([127, 0, 0, 1], 0).into(),
            grpc_listen: ([127, 0, 0, 1], 0).into(),
            ops_listen: ([127, 0, 0, 1], 0).into(),
            workers: 1,
            ..GatewayConfig::default()
        };
        let (storage, tenants) = (self.stack.storage(), self.stack.tenants().clone());
        let (clock, registry) = (self.stack.clock.clone(), prometheus::Registry::new());
        let gateway = Gateway::new(config, storage, tenants.clone(), clock, registry);
        let bound = gateway.with_shares(tenants).bind().expect("free ports");
        self.addresses.push(bound.http_address());
        self.others.push(self.stack.block_on(async {
            let mut tasks = Tasks::new();
            tasks.spawn("gateway", |stop| bound.run(stop));
            tasks
        }));
    }

    fn stop_last(&mut self) {
        let tasks = self.others.pop().expect("another gateway");
        self.addresses.pop();
        self.stack.block_on(tasks.join(Duration::from_secs(10)));
    }

    /// A connection of the operator to each gateway.
    fn operators(&self) -> Vec<Http> {
        let mut first = self.stack.operator();
        let login = json!({"username": "operator", "password": crate::stack::OPERATOR_PASSWORD});
        let token = first.post("/v1/auth/login", &login).ok()["token"].clone();
        let bearer = format!("Bearer {}", token.as_str().expect("a token"));
        let addresses = self.addresses.iter();
        addresses
            .map(|address| Http::new(*address).authorize(&bearer))
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        while !self.others.is_empty() {
            self.stop_last();
        }
    }
}

fn send(http: &mut Http, instance: &str, count: usize) -> Answer {
    let batch = json!({"messages": vec![json!({"body": "x"}); count]});
    http.post(
        &format!("/v1/instances/{instance}/topics/t/messages"),
        &batch,
    )
}

/// How many of a batch were stored; a refusal tells the limit and when to come again.
fn stored(answer: &Answer) -> u64 {
    if answer.status == 429 {
        answer.error(429, "RATE_LIMITED");
        let retry = answer
            .header("retry-after")
            .and_then(|text| text.parse().ok());
        assert!(retry.is_some_and(|seconds: u64| (1..=2).contains(&seconds)));
        assert_eq!(answer.header("ratelimit-limit"), Some("1000"));
        assert_eq!(answer.header("ratelimit-remaining"), Some("0"));
        let details = answer.json()["error"]["details"].clone();
        assert_eq!(
            (&details["limit"], &details["limitTps"]),
            (&json!("instance"), &json!(TPS))
        );
        return 0;
    }
    let results = answer.ok()["results"].clone();
    let results = results.as_array().expect("results").iter();
    results
        .filter(|result| result["messageId"].is_string())
        .count() as u64
}

#[test]
fn gateways_keep_the_rate_of_an_instance_together() {
    let mut site = Site::start(3, 0);
    let mut gateways = site.operators();
    let flood = |site: &Site, gateways: &mut [Http], steps: u64| {
        let mut passed = 0;
        for _ in 0..steps {
            for gateway in gateways.iter_mut() {
                passed += stored(&send(gateway, "loud", 20));
            }
            let calm = send(&mut gateways[1], "calm", 1);
            assert_eq!(stored(&calm), 1, "{}", calm.text());
            site.stack.advance_ms(STEP_MS);
        }
        passed
    };
    let ms = |steps: u64| steps * STEP_MS;
    let bound = |steps: u64, gateways: u64| TPS * ms(steps) / 1000 + BURST + gateways + 1;
    let first = flood(&site, &mut gateways, 150);
    // Two gateways came after the first: half a burst each, at most.
    assert!(first <= bound(150, 3) + BURST, "{first}");
    let then = flood(&site, &mut gateways, 250);
    assert!(then <= bound(250, 3), "{then}");
    assert!(
        then * 10 >= TPS * ms(250) / 1000 * 9,
        "{then} of {}",
        bound(250, 3)
    );
    // Whoever is left has all of it.
    site.stop_last();
    gateways.pop();
    let last = flood(&site, &mut gateways, 300);
    assert!(last <= bound(300, 2) + BURST / 2, "{last}");
    assert!(
        last * 10 >= TPS * ms(300) / 1000 * 9,
        "{last} of {}",
        bound(300, 2)
    );
}

/// Lets time pass until something is so.
fn until(site: &Site, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        site.stack.advance_ms(STEP_MS);
        std::thread::yield_now();
    }
    panic!("it never was");
}

#[test]
fn gateways_count_the_connections_of_an_instance_together() {
    let site = Site::start(2, 3);
    let (mut a, mut b) = (site.operators(), site.operators());
    let mut c = site.operators();
    for http in [&mut a[0], &mut b[0]] {
        assert_eq!(stored(&send(http, "loud", 1)), 1);
    }
    assert_eq!(stored(&send(&mut a[1], "loud", 1)), 1, "the third of three");
    let refused = |answer: &Answer| answer.status == 403;
    // The second gateway hears of the others with its next renewal.
    until(&site, || {
        let answer = send(&mut b[1], "loud", 1);
        let is_refused = refused(&answer);
        if !is_refused {
            b[1].hang_up();
        }
        is_refused
    });
    let answer = send(&mut b[1], "loud", 1);
    let text = answer.error(403, "QUOTA_EXCEEDED");
    assert_eq!(
        text,
        "instance 'loud' has 3 connections open, as many as its plan allows"
    );
    let details: Value = answer.json()["error"]["details"].clone();
    assert_eq!(
        details,
        json!({"limit": "connections", "limitConnections": 3})
    );
    assert_eq!(stored(&send(&mut c[1], "calm", 1)), 1, "a neighbour");
    let topics = b[1].get("/v1/instances/loud/topics");
    assert_eq!(topics.ok()["total"], 1, "it can be looked after");
    assert_eq!(stored(&send(&mut a[1], "loud", 1)), 1, "who is in stays");
    a[0].hang_up();
    until(&site, || !refused(&send(&mut b[1], "loud", 1)));
}
