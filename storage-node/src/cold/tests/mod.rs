//! Tests of the cold store: one suite for every place, and what each layer
//! promises beyond it. No test waits for real time.

mod ahead;
mod cache;
mod commit;
mod conformance;
mod http;
mod manifest;
mod open;
mod paths;
mod probe;
mod races;
mod retries;
mod s3;
mod sweep;
mod uploads;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::ids::{BrokerId, Generation, InstanceId, TenantId};
use firn_runtime::Clock;

use super::paths::{Nonce, ObjectName, SegmentName};
use super::*;
use crate::hot::BrokerKey;

const BROKER: BrokerKey = BrokerKey {
    tenant: TenantId(2),
    instance: InstanceId(7),
    broker: BrokerId(9),
};

/// Parts of 1000 bytes: uploads are cheap to try.
fn settings() -> ColdSettings {
    ColdSettings {
        part_bytes: 1000,
        ..ColdSettings::default()
    }
}

fn store(objects: impl objects::Objects, clock: &Clock) -> ColdStore {
    ColdStore::with_draw(Arc::new(objects), settings(), clock, Arc::new(|| 7))
}

/// A store with faults, and the handle that causes them.
fn faulty(seed: u64, clock: &Clock) -> (FaultyObjects, ColdStore) {
    let faulty = FaultyObjects::new(seed, clock);
    (faulty.clone(), store(faulty, clock))
}

fn segment(first_sequence: u64) -> ObjectName {
    let name = SegmentName {
        generation: Generation(1),
        first_sequence,
        nonce: Nonce(first_sequence.into()),
    };
    ObjectName::Segment(BROKER, name)
}

fn pattern(bytes: usize) -> Bytes {
    (0..bytes).map(|i| (i * 31 % 251) as u8).collect()
}

/// Runs work while a manual clock moves on whenever nothing else can happen.
async fn driven<T>(clock: &Clock, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    // A day: whatever is not over by then waits for something that never comes.
    for _ in 0..864_000 {
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = tokio::task::yield_now() => clock.advance(Duration::from_millis(100)),
        }
    }
    panic!("the work does not end");
}

/// Lets everything run that can run without time passing.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
