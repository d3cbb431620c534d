//! Server-sent events.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::test::TestRequest;
use futures_util::future::poll_fn;
use serde_json::{Value, json};

use crate::world::*;

pub(crate) struct Events(BoxBody);

impl Events {
    pub(crate) async fn open(world: &World, query: &str) -> Self {
        let path = format!("{CONSUME}/stream?{query}");
        let request = TestRequest::with_uri(&path).insert_header(("authorization", demo()));
        let response = world.open(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers().get("content-type").expect("set"),
            "text/event-stream"
        );
        Self(response.into_body())
    }

    pub(crate) async fn next(&mut self) -> Option<String> {
        let bytes = poll_fn(|cx| std::pin::Pin::new(&mut self.0).poll_next(cx)).await?;
        Some(String::from_utf8(bytes.expect("bytes").to_vec()).expect("text"))
    }

    /// Polls without a result, as a connection with nothing to write does.
    pub(crate) async fn is_silent(&mut self) -> bool {
        for _ in 0..20 {
            if futures_util::poll!(Box::pin(self.next())).is_ready() {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }
}

fn handle(event: &str) -> String {
    let line = event.lines().find_map(|line| line.strip_prefix("id: "));
    line.expect("an id").to_owned()
}

async fn ack(world: &World, event: &str) {
    let body = json!({"receiptHandles": [handle(event)]});
    let reply = world
        .post(&format!("{CONSUME}/ack"), body)
        .await
        .expect(200)
        .json();
    assert_eq!(reply["results"][0]["status"], "OK");
}

#[actix_web::test]
async fn events_carry_messages_and_their_handles() {
    let world = World::new().await;
    let mut events = Events::open(&world, "consumerId=c").await;
    world.send(&["line\nbreak"]).await;
    let event = events.next().await.expect("an event");
    let lines: Vec<&str> = event.lines().collect();
    assert_eq!(lines.len(), 4, "{event}");
    assert_eq!(lines[0], "event: message");
    let data: Value =
        serde_json::from_str(lines[2].strip_prefix("data: ").expect("data")).expect("json");
    assert_eq!(data["body"], "line\nbreak");
    assert_eq!(data["receiptHandle"], handle(&event).as_str());
    assert!(event.ends_with("\n\n"));
    ack(&world, &event).await;
}

#[actix_web::test]
async fn a_stream_takes_an_expression() {
    let world = World::new().await;
    let query = "filterType=SQL92&filter=size%20%3E%209%20AND%20TAGS%20IS%20NULL";
    let mut events = Events::open(&world, query).await;
    let batch = json!({"messages": [
        {"body": "x", "properties": {"size": "9"}},
        {"body": "y", "properties": {"size": "10"}},
    ]});
    world.post(MESSAGES, batch).await.expect(200);
    let event = events.next().await.expect("an event");
    assert!(event.contains("\"body\":\"y\""), "{event}");
}

#[actix_web::test]
async fn no_more_than_the_window_is_unacknowledged() {
    let world = World::new().await;
    world.send(&["a", "b", "c", "d"]).await;
    let mut events = Events::open(&world, "max=1&invisibleSeconds=5").await;
    let first = events.next().await.expect("an event");
    assert!(events.is_silent().await);
    ack(&world, &first).await;
    let second = events.next().await.expect("an event");
    assert!(events.is_silent().await);
    // A failure frees the place as well.
    let body = json!({"receiptHandle": handle(&second), "invisibleSeconds": 0});
    world
        .post(&format!("{CONSUME}/visibility"), body)
        .await
        .expect(200);
    let third = events.next().await.expect("an event");
    assert!(events.is_silent().await);
    // A renewed lease keeps it, for as long as it was renewed.
    let body = json!({"receiptHandle": handle(&third), "invisibleSeconds": 7});
    world
        .post(&format!("{CONSUME}/visibility"), body)
        .await
        .expect(200);
    world.clock.advance(Duration::from_secs(5));
    assert!(events.is_silent().await);
    world.clock.advance(Duration::from_secs(2));
    let fourth = events.next().await.expect("an event");
    assert!(fourth.contains("\"body\":\"d\""));
}

#[actix_web::test]
async fn a_quiet_stream_says_that_it_lives() {
    let world = World::new().await;
    let mut events = Events::open(&world, "").await;
    for _ in 0..3 {
        assert!(events.is_silent().await);
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(events.next().await.expect("a comment"), ": keep-alive\n\n");
    }
}

#[actix_web::test]
async fn a_closed_stream_gives_back_what_is_not_acknowledged() {
    let world = World::new().await;
    world.send(&["a", "b", "c"]).await;
    let mut events = Events::open(&world, "").await;
    let batch = events.next().await.expect("events");
    ack(&world, batch.split("\n\n").next().expect("one")).await;
    drop(events);
    settle(|| world.storage.given_back() == 2).await;
    settle(|| world.storage.waiting.load(Ordering::SeqCst) == 0).await;
}

#[actix_web::test]
async fn a_stream_ends_with_its_reason() {
    let world = World::new().await;
    let mut events = Events::open(&world, "").await;
    assert!(events.is_silent().await);
    world.edit_group(|group| group.enabled = false);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(events.next().await.expect("a comment"), ": keep-alive\n\n");
    let last = events.next().await.expect("the reason");
    assert!(
        last.starts_with("event: error\ndata: {\"code\":\"GROUP_DISABLED\""),
        "{last}"
    );
    assert!(events.next().await.is_none());
}

#[actix_web::test]
async fn bounds_of_a_stream() {
    let world = World::new().await;
    for query in [
        "max=0",
        "max=257",
        "max=x",
        "invisibleSeconds=0",
        "invisibleSeconds=43201",
        "filter=a%20|",
        "filterType=SQL92",
        "filterType=SQL92&filter=",
        "filterType=SQL92&filter=a",
        "filterType=X&filter=a",
        "consumerId=",
        "x=1",
        "max=1&max=2",
    ] {
        let reply = world.get(&format!("{CONSUME}/stream?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        reply.code();
    }
}
