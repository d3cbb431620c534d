//! The end of an instance: frozen, going on, removed, erased (SEED_SPEC 10, RULES 34).

use serde_json::json;

use crate::stack::{ACME, START_MS, Stack, bodies, receive, send};

const DAY_MS: u64 = 24 * 3600 * 1000;

#[test]
fn an_instance_ends_and_its_data_with_it() {
    let mut stack = Stack::start();
    let mut operator = stack.operator();
    let all: Vec<_> = (0..20).map(|n| json!({"body": n.to_string()})).collect();
    for http in [&mut stack.demo(), &mut stack.other()] {
        send(http, "orders", &json!(all));
        send(http, "single", &json!(all));
    }
    stack.seal();
    assert!(stack.objects_of(2) > 0 && stack.objects_of(3) > 0);
    let instances = operator.get("/v1/instances").ok();
    let find = |tenant: u64| {
        let items = instances["items"].as_array().expect("a list").iter();
        let found = items.clone().find(|one| one["tenantId"] == tenant);
        found.expect("an instance")["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let path = format!("/v1/instances/{}", find(2));
    let until = |days: u64| json!({"expiresAt": START_MS + days * DAY_MS});
    operator.json("PATCH", &path, &until(1)).ok();
    let pass = |stack: &Stack, days: u64| {
        stack.advance_ms(days * DAY_MS);
        stack.tick_catalogue();
    };
    pass(&stack, 1);
    let mut demo = stack.demo();
    let form = json!({"messages": [{"body": "late"}]});
    let refused = demo.post(&format!("{ACME}/topics/orders/messages"), &form);
    let text = refused.error(403, "INSTANCE_FROZEN");
    assert!(text.contains("实例已到期"), "{text}");
    let receive_path = format!("{ACME}/groups/workers/topics/orders/receive");
    demo.post(&receive_path, &json!({}))
        .error(403, "INSTANCE_FROZEN");

    // Its data is kept, and there again.
    stack.erase_removed();
    let mut operator = stack.operator();
    operator.json("PATCH", &path, &until(9)).ok();
    let got = receive(&mut demo, "workers", "single", &json!({"max": 1}));
    assert_eq!(bodies(&got), ["0"]);
    // An operator may freeze it as well.
    operator
        .json("PATCH", &path, &json!({"status": "frozen"}))
        .ok();
    demo.post(&receive_path, &json!({}))
        .error(403, "INSTANCE_FROZEN");
    operator
        .json("PATCH", &path, &json!({"status": "running"}))
        .ok();

    pass(&stack, 15);
    let mut operator = stack.operator();
    assert_eq!(operator.get(&path).status, 404);
    demo.post(&receive_path, &json!({}))
        .error(401, "UNAUTHENTICATED");
    assert!(stack.objects_of(2) > 0, "not erased yet");
    // Also after a loss of power in between.
    stack.cut_power(3);
    stack.erase_removed();
    assert_eq!(stack.objects_of(2), 0);
    assert!(stack.objects_of(3) > 0, "others have theirs");
    let audit = stack.audit();
    let (action, _, detail) = &audit[0];
    assert_eq!(action, "instance.erased");
    assert!(
        detail["objects"].as_u64().expect("a number") > 0,
        "{detail}"
    );
    stack.restart();
    stack.seal();
    assert_eq!(stack.objects_of(2), 0);
    let got = receive(&mut stack.other(), "workers", "single", &json!({"max": 64}));
    assert_eq!(got.len(), 20);
}
