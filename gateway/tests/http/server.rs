//! The gateway on real sockets.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use firn_gateway::{GatewayConfig, GatewayError};
use firn_protocol::ErrorCode;
use firn_runtime::{Clock, Stop, Tasks};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::*;

pub(crate) struct Server {
    pub(crate) world: World,
    http: SocketAddr,
    ops: SocketAddr,
    stop: Stop,
    tasks: Tasks,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let config = GatewayConfig {
            http_listen: ([127, 0, 0, 1], 0).into(),
            grpc_listen: ([127, 0, 0, 1], 0).into(),
            ops_listen: ([127, 0, 0, 1], 0).into(),
            workers: 1,
            body_timeout_ms: 2_000,
            ..GatewayConfig::default()
        };
        let world = World::with(Clock::manual(NOW), config).await;
        let bound = world.gateway().bind().expect("free ports");
        let (http, ops) = (bound.http_address(), bound.ops_address());
        let mut tasks = Tasks::new();
        let mut stop = Stop::new();
        tasks.spawn("gateway", |own| {
            stop = own.clone();
            bound.run(own)
        });
        Self {
            world,
            http,
            ops,
            stop,
            tasks,
        }
    }

    pub(crate) async fn connect(&self, head: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.http).await.expect("listening");
        socket.write_all(head.as_bytes()).await.expect("open");
        socket
    }

    pub(crate) async fn ops(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(self.ops).await.expect("listening");
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("open");
        read_all(&mut socket).await
    }

    pub(crate) async fn end(self) {
        self.tasks.join(Duration::from_secs(20)).await;
    }
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer loses nothing that was read before.
    let _ = socket.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// Lets time pass until the metrics have this line.
async fn until_metric(server: &Server, line: &str) {
    while !server.ops("/metrics").await.contains(line) {
        server.world.clock.advance(Duration::from_millis(100));
    }
}

fn receive_head(wait: u32) -> String {
    receive_head_of(&format!("{{\"waitSeconds\":{wait}}}"))
}

fn receive_head_of(body: &str) -> String {
    format!(
        "POST {CONSUME}/receive HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        demo(),
        body.len()
    )
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_taken_port_is_one_line() {
    actix_web::rt::System::new().block_on(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("bound");
        let config = GatewayConfig {
            http_listen: address,
            ..GatewayConfig::default()
        };
        let world = World::with(Clock::manual(NOW), config).await;
        let error = world.gateway().bind().err().expect("taken");
        assert!(matches!(error, GatewayError::Listen { .. }));
        let text = format!("cannot listen on {address} (--http-listen): address in use");
        assert_eq!(error.to_string(), text);
    });
}

#[tokio::test]
async fn a_member_that_hangs_up_stops_waiting() {
    let server = Server::start().await;
    let waiting = || server.world.storage.waiting.load(Ordering::SeqCst);
    let socket = server.connect(&receive_head(20)).await;
    until(|| waiting() == 1).await;
    drop(socket);
    until(|| waiting() == 0).await;
    server.end().await;
}

#[tokio::test]
async fn a_stop_answers_who_waits() {
    let server = Server::start().await;
    let mut socket = server.connect(&receive_head(20)).await;
    until(|| server.world.storage.waiting.load(Ordering::SeqCst) == 1).await;
    server.stop.cancel();
    let answer = read_all(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("{\"messages\":[]}"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn expect_continue_and_endless_and_slow_bodies() {
    let server = Server::start().await;
    let auth = demo();
    let body = r#"{"messages":[{"body":"later"}]}"#;
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = server.connect(&head).await;
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 100");
    socket.write_all(body.as_bytes()).await.expect("open");
    assert!(read_all(&mut socket).await.contains("HTTP/1.1 200"));

    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let socket = server.connect(&head).await;
    let (mut reader, mut writer) = socket.into_split();
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let writing = async {
        while writer.write_all(piece.as_bytes()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        let mut start = [0; 12];
        reader.read_exact(&mut start).await.expect("an answer");
        start
    };
    let start = tokio::select! {
        start = reading => start,
        () = writing => panic!("the connection ended without an answer"),
    };
    assert_eq!(&start, b"HTTP/1.1 413");

    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf"
    );
    let mut socket = server.connect(&head).await;
    let slow = async {
        // Whenever the server starts to wait, its time is over.
        loop {
            server.world.clock.advance(Duration::from_secs(2));
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        answer = read_all(&mut socket) => answer,
        () = slow => String::new(),
    };
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("did not arrive within 2 s"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn health_and_metrics() {
    let server = Server::start().await;
    assert!(server.ops("/livez").await.starts_with("HTTP/1.1 200"));
    assert!(server.ops("/readyz").await.starts_with("HTTP/1.1 200"));
    let mut socket = server.connect(&receive_head(0)).await;
    read_all(&mut socket).await;
    let metrics = server.ops("/metrics").await;
    let line = "firn_gateway_requests_total{class=\"2xx\",method=\"POST\",route=\"/v1/instances/{instance}/groups/{group}/topics/{topic}/receive\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(!metrics.contains("demo"), "a tenant's name is a label");
    until_metric(&server, "firn_gateway_consumers_online 1").await;
    assert!(metrics.contains("firn_gateway_groups_inconsistent 0"));
    let body = json!({"consumerId": "other", "filter": {"expression": "a"}}).to_string();
    let mut socket = server.connect(&receive_head_of(&body)).await;
    read_all(&mut socket).await;
    until_metric(&server, "firn_gateway_groups_inconsistent 1").await;
    server.world.clock.advance(Duration::from_secs(30));
    until_metric(&server, "firn_gateway_groups_inconsistent 0").await;
    *server.world.storage.fault.lock() = Some(ErrorCode::DiskFull);
    let answer = server.ops("/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("DISK_FULL"),
        "{answer}"
    );
    assert!(server.ops("/livez").await.starts_with("HTTP/1.1 200"));
    server.end().await;
}
