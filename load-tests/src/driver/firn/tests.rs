//! The driver against a small stand-in that demands what API.md says.

use std::cell::RefCell;

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, Path, post};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use serde_json::{Value, json};
use std::sync::Mutex;

use super::*;

/// Stored bodies; the first `received` of them are with the consumer, `acked` are done.
#[derive(Default)]
struct Stored {
    bodies: Vec<Vec<u8>>,
    received: usize,
    acked: usize,
}

type State = Data<Mutex<Stored>>;

fn is_allowed(request: &HttpRequest) -> bool {
    let header = request.headers().get("Authorization");
    header.is_some_and(|value| value == "Basic ZGVtbzpkZW1vLXNlY3JldA==")
}

async fn send(state: State, request: HttpRequest, body: Bytes) -> HttpResponse {
    if !is_allowed(&request) {
        return HttpResponse::Unauthorized().json(json!({"error": {"code": "UNAUTHENTICATED"}}));
    }
    let bodies: Vec<Vec<u8>> = match request.headers().get("Content-Type") {
        Some(value) if value == "application/json" => {
            let batch: Value = serde_json::from_slice(&body).unwrap();
            let messages = batch["messages"].as_array().unwrap();
            let text = messages.iter().map(|m| m["body"].as_str().unwrap());
            text.map(|text| text.as_bytes().to_vec()).collect()
        }
        _ => vec![body.to_vec()],
    };
    let result = |body: &Vec<u8>| match body.as_slice() {
        b"refuse me" => json!({"error": {"code": "DISK_FULL"}}),
        _ => json!({"messageId": "00", "queueOffset": 0, "durability": "local"}),
    };
    let results: Vec<Value> = bodies.iter().map(result).collect();
    state.lock().unwrap().bodies.extend(bodies);
    HttpResponse::Ok().json(json!({"results": results}))
}

async fn consume(
    state: State,
    verb: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    assert!(is_allowed(&request));
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let mut state = state.lock().unwrap();
    if *verb == "ack" {
        let handles = asked["receiptHandles"].as_array().unwrap();
        let results: Vec<Value> = handles
            .iter()
            .map(|handle| json!({"receiptHandle": handle, "status": "OK"}))
            .collect();
        state.acked += handles.len();
        return HttpResponse::Ok().json(json!({"results": results}));
    }
    let begin = state.received;
    let max = asked["max"].as_u64().unwrap() as usize;
    state.received = state.bodies.len().min(begin + max);
    let message = |number: usize| {
        let body = String::from_utf8(state.bodies[number].clone()).unwrap();
        json!({"broker": "a", "queueId": number % 4, "queueOffset": number / 4, "body": body,
            "receiptHandle": format!("handle-{number}"), "attempt": 1, "tag": null})
    };
    let messages: Vec<Value> = (begin..state.received).map(message).collect();
    HttpResponse::Ok().json(json!({"messages": messages}))
}

async fn stand_in() -> (SocketAddr, State, ServerHandle) {
    let state = State::default();
    let shared = state.clone();
    let server = HttpServer::new(move || {
        let consumption = "/v1/instances/demo/groups/bench/topics/bench/{verb}";
        App::new()
            .app_data(shared.clone())
            .route("/v1/instances/demo/topics/bench/messages", post().to(send))
            .route(consumption, post().to(consume))
    })
    .workers(1)
    .bind("127.0.0.1:0")
    .unwrap();
    let address = server.addrs()[0];
    let running = server.run();
    let handle = running.handle();
    rt::spawn(running);
    (address, state, handle)
}

#[actix_web::test]
async fn what_is_sent_is_received_and_acknowledged() {
    let (address, state, server) = stand_in().await;
    let mut producer = FirnProducer::connect(address).await.unwrap();
    producer.send(b"first").await.unwrap();
    let batch: Vec<Vec<u8>> = (0..300)
        .map(|n| format!("batch {n}").into_bytes())
        .collect();
    producer.send_batch(&batch).await.unwrap();

    let mut consumer = FirnConsumer::new(address);
    let got = RefCell::new(Vec::new());
    let mut sink = |delivery: Delivery<'_>| {
        let place = (delivery.position, delivery.queue);
        got.borrow_mut().push((place, delivery.body.to_vec()));
    };
    for expected in [256, 45] {
        let received = consumer
            .receive(256, Duration::ZERO, &mut sink)
            .await
            .unwrap();
        assert_eq!(received, expected);
        consumer.ack().await.unwrap();
    }
    let nothing = consumer
        .receive(256, Duration::ZERO, &mut sink)
        .await
        .unwrap();
    assert_eq!((nothing, state.lock().unwrap().acked), (0, 301));
    let got = got.into_inner();
    assert!(got.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(got[0].1, b"first");
    assert!(got[1..].iter().map(|(_, body)| body).eq(&batch));
    server.stop(false).await;
}

#[actix_web::test]
async fn a_message_that_was_refused_is_an_error() {
    let (address, _, server) = stand_in().await;
    let mut producer = FirnProducer::connect(address).await.unwrap();
    let error = producer.send(b"refuse me").await.unwrap_err().to_string();
    assert!(error.contains("DISK_FULL"), "{error}");
    let batch = [b"fine".to_vec(), b"refuse me".to_vec()];
    assert!(producer.send_batch(&batch).await.is_err());
    assert!(
        producer.send(b"fine").await.is_ok(),
        "the connection stays usable"
    );
    server.stop(false).await;
}
