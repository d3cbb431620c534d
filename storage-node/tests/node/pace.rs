//! Sends keep pace with the hot store.

use futures_util::future::poll_immediate;
use std::sync::atomic::Ordering;
use std::time::Duration;

use firn_protocol::api::storage::{AppendRequest, Appended, StorageApi as _};
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::message::NewMessage;

use crate::harness::{Bench, context, queue_key};
use crate::power::{BROKERS, pause};

const LAG: u64 = 16 << 10;
const BODY: usize = 1 << 10;

fn bench() -> Bench {
    let bench = Bench::new(|config| {
        config.fill_lag_bytes_max = LAG;
        config.tail_bytes_max = 0;
    });
    bench.hot_held.store(true, Ordering::SeqCst);
    bench
}

async fn send(bench: &Bench) -> Result<Appended, ApiError> {
    let message = NewMessage {
        body: vec![7; BODY].into(),
        ..NewMessage::default()
    };
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue_key(1, 0),
        messages: vec![message],
    };
    bench.node().append(&context(1), request).await
}

/// Sends until one does not end; how many did.
async fn fill(bench: &Bench) -> u64 {
    let mut sent = 0;
    while sent < 2 * LAG / BODY as u64 {
        let sending = send(bench);
        tokio::pin!(sending);
        let mut tries = 0;
        let ended = loop {
            if let Some(ended) = poll_immediate(sending.as_mut()).await {
                break Some(ended);
            }
            tries += 1;
            if tries > 200 {
                break None;
            }
            pause().await;
        };
        match ended {
            Some(ended) => ended.expect("well"),
            None => return sent,
        };
        sent += 1;
    }
    sent
}

#[tokio::test]
async fn a_send_waits_for_a_hot_store_that_is_far_behind() {
    let bench = bench();
    let sent = fill(&bench).await;
    // What the filler has taken out and not put in counts as not there.
    let most = LAG / BODY as u64 + 1;
    assert!((most / 2..=most).contains(&sent), "{sent} were taken");
    let waits = send(&bench);
    tokio::pin!(waits);
    assert!(poll_immediate(waits.as_mut()).await.is_none());
    bench.hot_held.store(false, Ordering::SeqCst);
    waits.await.expect("the hot store has caught up");
}

#[tokio::test]
async fn a_send_that_waits_too_long_is_refused_and_leaves_nothing() {
    let bench = bench();
    let sent = fill(&bench).await;
    let waits = send(&bench);
    tokio::pin!(waits);
    assert!(poll_immediate(waits.as_mut()).await.is_none());
    bench.clock.advance(Duration::from_secs(5));
    let refused = waits.await.expect_err("the hot store is stuck");
    assert_eq!(refused.code, ErrorCode::Overloaded);
    bench.hot_held.store(false, Ordering::SeqCst);
    assert_eq!(send(&bench).await.expect("well").offset.0, sent);
}
