//! What a server's answers mean: the wording that `classify` reads is
//! `object_store`'s, and this holds it.

use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::cold::objects::{Objects, Wanted};

/// Runs work beside a server that has one answer to everything.
async fn against<T>(answer: &str, work: impl AsyncFnOnce(RealObjects) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    let serve = async {
        loop {
            let (mut socket, _) = listener.accept().await.expect("accepts");
            let mut request = [0; 8192];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    };
    let endpoint = format!("http://{address}");
    let variable = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        "AWS_ACCESS_KEY_ID" => Some("key".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
        _ => None,
    };
    let url = ColdUrl::parse("s3://bucket").expect("a URL");
    let objects = url.open(&variable).expect("opens");
    first(work(objects), serve).await
}

async fn first<T>(work: impl Future<Output = T>, serve: impl Future<Output = ()>) -> T {
    tokio::select! {
        result = work => result,
        () = serve => panic!("the server never ends"),
    }
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[tokio::test]
async fn answers_are_told_apart() {
    let body = "<Error><Code>SomeCode</Code><Message>Authorization: secret</Message></Error>";
    for (status, read, created) in [
        ("404 Not Found", Failure::NotFound, Failure::NotFound),
        ("403 Forbidden", Failure::Denied, Failure::Denied),
        ("401 Unauthorized", Failure::Denied, Failure::Denied),
        ("400 Bad Request", Failure::Refused, Failure::Refused),
        ("408 Request Timeout", Failure::Timeout, Failure::Timeout),
        ("409 Conflict", Failure::Server, Failure::Exists),
        ("412 Precondition Failed", Failure::Server, Failure::Exists),
        (
            "416 Range Not Satisfiable",
            Failure::Refused,
            Failure::Refused,
        ),
        ("429 Too Many Requests", Failure::Busy, Failure::Busy),
        (
            "500 Internal Server Error",
            Failure::Server,
            Failure::Server,
        ),
        ("503 Slow Down", Failure::Busy, Failure::Busy),
        ("507 Insufficient Storage", Failure::Full, Failure::Full),
    ] {
        let answer = answer(status, body);
        let (get, create) = against(&answer, async |objects| {
            let get = objects.get("a", Wanted::All).await.expect_err(status);
            let create = objects.create("a", &Bytes::new()).await.expect_err(status);
            (get, create)
        })
        .await;
        assert_eq!((get.failure, create.failure), (read, created), "{create}");
        let text = format!("{get} {create:?}");
        assert!(!text.contains("secret"), "{text}");
        assert!(!text.contains("<Message>"), "{text}");
    }
}

#[tokio::test]
async fn broken_connections_are_passing_trouble() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"] {
        let get = async |objects: RealObjects| objects.get("a", Wanted::All).await;
        let error = against(answer, get).await.expect_err("breaks");
        assert!(error.failure.is_retryable(), "{error}");
    }
    let variable = |name: &str| match name {
        // Nobody listens on the discard port.
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:9".to_owned()),
        name if name.contains("KEY") && !name.contains("SSE") => Some("key".to_owned()),
        _ => None,
    };
    let url = ColdUrl::parse("s3://bucket").expect("a URL");
    let objects = url.open(&variable).expect("opens");
    let error = objects.get("a", Wanted::All).await.expect_err("refused");
    assert_eq!(error.failure, Failure::Connection, "{error}");
}
