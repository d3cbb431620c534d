//! What a send costs in the gateway alone; run by hand in release:
//! `cargo test --release -p firn-gateway --test http -- --ignored --nocapture cost`.

use actix_web::dev::Service as _;
use actix_web::test::TestRequest;
use actix_web::{App, test};
use firn_gateway::{GatewayConfig, app_config};
use firn_runtime::Clock;
use firn_runtime::clock::Stopwatch;
use serde_json::json;

use crate::world::*;

#[actix_web::test]
#[ignore = "prints a measurement, asserts nothing"]
async fn cost_of_a_send() {
    const BATCHES: u32 = 40;
    const ROUNDS: u32 = 5_000;
    let world = World::with(Clock::system(), GatewayConfig::default()).await;
    let app = test::init_service(App::new().configure(app_config(&world.state))).await;
    let body =
        json!({"messages": [{"body": "x".repeat(1024), "tag": "t", "keys": ["k-1"]}]}).to_string();
    let auth = demo();
    let request = |path: &str| {
        TestRequest::post()
            .uri(path)
            .insert_header(("authorization", auth.as_str()))
            .insert_header(("content-type", "application/json"))
            .peer_addr("127.0.0.1:5000".parse().expect("an address"))
            .set_payload(body.clone())
            .to_request()
    };
    for (name, path) in [("send", MESSAGES), ("unknown path", "/nothing")] {
        // The best batch is the one that other processes disturbed least.
        let mut best = std::time::Duration::MAX;
        for _ in 0..BATCHES {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..ROUNDS {
                let request = request(path);
                let watch = Stopwatch::start();
                let response = app.call(request).await.expect("an answer");
                spent += watch.elapsed();
                drop(response);
            }
            best = best.min(spent);
            world.storage.forget();
        }
        println!(
            "{name}: {:.2} µs",
            best.as_secs_f64() * 1e6 / f64::from(ROUNDS)
        );
    }
}
