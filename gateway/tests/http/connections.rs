//! The quota of connections, on real sockets.

use std::sync::Arc;

use firn_protocol::catalogue::Plan;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::Server;
use crate::world::*;

fn plan(connections: u64) -> Plan {
    Plan {
        name: "basic".into(),
        tps: 0,
        topic_tps: 0,
        burst_seconds: 0.1,
        topics: 0,
        groups: 0,
        brokers: 0,
        storage_gib: 0,
        retention_hours: 1,
        message_bytes: 1 << 20,
        connections,
        price_list: "standard".into(),
    }
}

fn set_plan(world: &World, connections: u64) {
    let mut catalogue = world.tenants.catalogue.lock();
    let plan = Arc::new(plan(connections));
    catalogue.plans.insert("basic".into(), plan);
}

/// One call on a connection that stays open; its status and body.
async fn call(socket: &mut TcpStream, method: &str, path: &str, auth: &str) -> (u16, String) {
    let body = if method == "POST" { "{}" } else { "" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("open");
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    loop {
        let count = socket.read(&mut bytes).await.expect("open");
        assert!(count > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).expect("a length");
        let length: usize = length
            .lines()
            .next()
            .expect("a line")
            .trim()
            .parse()
            .expect("a number");
        if body.len() >= length {
            let status = head.split(' ').nth(1).expect("a status");
            return (status.parse().expect("a number"), body.to_owned());
        }
    }
}

async fn receive(socket: &mut TcpStream, auth: &str) -> (u16, String) {
    call(socket, "POST", &format!("{CONSUME}/receive"), auth).await
}

#[test]
fn an_instance_has_as_many_connections_as_its_plan_says() {
    actix_web::rt::System::new().block_on(async {
        let server = Server::start().await;
        set_plan(&server.world, 2);
        let mut first = server.connect("").await;
        let mut second = server.connect("").await;
        let mut third = server.connect("").await;
        for _ in 0..3 {
            assert_eq!(receive(&mut first, &demo()).await.0, 200);
            assert_eq!(receive(&mut second, &demo()).await.0, 200);
        }
        let (status, body) = receive(&mut third, &demo()).await;
        let error: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let error = &error["error"];
        assert_eq!((status, &error["code"]), (403, &json!("QUOTA_EXCEEDED")));
        let details = json!({"limit": "connections", "limitConnections": 2});
        assert_eq!(
            (&error["details"], &error["retryable"]),
            (&details, &json!(false))
        );
        // It can still be looked after, and another instance is not concerned.
        let topics = call(&mut third, "GET", "/v1/instances/demo/topics", &demo()).await;
        assert_eq!(topics.0, 200);
        let other = "/v1/instances/other/groups/workers/topics/orders/receive";
        let neighbour = basic("neighbour", "neighbour-secret");
        assert_eq!(call(&mut third, "POST", other, &neighbour).await.0, 200);
        drop(first);
        let mut status = 403;
        while status == 403 {
            status = receive(&mut third, &demo()).await.0;
        }
        assert_eq!(status, 200, "a place is free");
        assert_eq!(receive(&mut second, &demo()).await.0, 200);
        let mut fourth = server.connect("").await;
        assert_eq!(receive(&mut fourth, &demo()).await.0, 403);
        let metrics = server.ops("/metrics").await;
        assert!(!metrics.contains("firn_gateway_connections_refused_total 0"));
        set_plan(&server.world, 0);
        assert_eq!(receive(&mut fourth, &demo()).await.0, 200, "no limit");
        drop((second, third, fourth));
        server.end().await;
    });
}
