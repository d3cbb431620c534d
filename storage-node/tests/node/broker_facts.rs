//! What a broker says of itself.

use firn_protocol::api::admin::{AdminApi, BrokerFacts, PurgeRequest};
use firn_protocol::api::storage::{StorageApi, VisibilityRequest};
use firn_protocol::error::ErrorCode;
use firn_protocol::filter::Filter;
use firn_protocol::time::Timestamp;

use crate::harness::*;

async fn facts(bench: &Bench) -> BrokerFacts {
    let facts = bench.node().broker_facts(&context(1), BROKERS[0]).await;
    facts.expect("answered")
}

#[tokio::test]
async fn facts_are_of_users_messages_alone() {
    let mut bench = Bench::new(|_| {});
    let empty = facts(&bench).await;
    assert_eq!((empty.accepted, empty.stored, empty.oldest), (0, 0, None));
    bench.send(0, None).await;
    bench.advance(1000);
    bench.send(1, None).await;
    // A copy that waits is no message of a user's topic.
    let taken = bench.take(1, &Filter::All).await.deliveries;
    let failed = VisibilityRequest {
        broker: BROKERS[0],
        group: group(GROUP),
        receipt: taken[0].receipt,
        invisible_ms: 0,
    };
    let failed = bench.node().change_visibility(&context(1), failed).await;
    failed.expect("answered");
    let full = facts(&bench).await;
    assert_eq!((full.accepted, full.stored), (2, 2));
    assert_eq!(full.oldest, Some((0, Timestamp(START_MS))));
    assert!(full.next_position >= 2 && full.stored_bytes > 0, "{full:?}");
    assert_eq!(full.started_at, Timestamp(START_MS));
    let purge = PurgeRequest {
        broker: BROKERS[0],
        topic: topic(1).key,
        before: Some(Timestamp(START_MS + 1)),
    };
    let purged = bench.node().purge(&context(1), purge).await;
    assert_eq!(purged.expect("purged"), 1);
    bench.restart(false).await;
    let left = facts(&bench).await;
    assert_eq!((left.accepted, left.stored), (2, 1));
    assert_eq!(left.oldest, Some((1, Timestamp(START_MS + 1000))));
    assert_eq!(left.started_at, Timestamp(START_MS + 1000));
    let foreign = bench.node().broker_facts(&context(2), BROKERS[0]).await;
    assert_eq!(foreign.expect_err("foreign").code, ErrorCode::NotFound);
    bench.close().await;
}
