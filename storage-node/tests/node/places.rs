//! The same scene in every place for objects: memory, a directory, a real S3
//! server; and what it costs in requests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::catalogue::Durability;
use firn_runtime::{Clock, Tasks};
use firn_storage_node::cold::paths::NodeId;
use firn_storage_node::cold::{ColdSettings, ColdStore, ColdUrl, Operation, probe};
use firn_storage_node::config::TierConfig;
use firn_storage_node::node::ColdParts;

use crate::harness::Bench;
use crate::power::{passes, set_class};
use crate::tier_faults::restore;
use crate::tiers::{BIG, check_all, seal, send, small};
use crate::weed::Server;

fn open(url: &str, variables: &dyn Fn(&str) -> Option<String>) -> ColdParts {
    let url = ColdUrl::parse(url).expect("a URL");
    let objects = Arc::new(url.open(variables).expect("opens"));
    ColdParts {
        store: ColdStore::new(objects, ColdSettings::default(), &Clock::system()),
        owner: NodeId(1),
    }
}

/// Sealed, given up locally, read back; then another machine goes on.
async fn scene(parts: ColdParts) {
    probe(&parts.store).await.expect("a store to rely on");
    let mut bench = Bench::new(small);
    bench.cold = parts;
    bench.restart(true).await;
    send(&bench, 0..120).await;
    seal(&bench).await;
    send(&bench, 120..140).await;
    bench.crash(1, false).await;
    check_all(&bench, 140).await;
    seal(&bench).await;
    bench.close().await;
    restore(&mut bench).await;
    check_all(&bench, 140).await;
    send(&bench, 140..150).await;
    seal(&bench).await;
    bench.restart(false).await;
    check_all(&bench, 150).await;
}

/// Messages of the class `object` outlive the machine that answered them, and
/// the next one too.
async fn object_scene(parts: ColdParts) {
    set_class(Durability::Object);
    let mut bench = Bench::new(small);
    bench.cold = parts;
    bench.restart(true).await;
    for machine in 0..3 {
        let mut tasks = Tasks::new();
        bench.node().start(&mut tasks);
        passing(&bench, bench.node().wait_object_class()).await;
        let first = machine * 40;
        passing(&bench, send(&bench, first..first + 40)).await;
        let objects = bench.counter("firn_storage_wal_objects_total");
        assert!((1..=44).contains(&objects), "{objects} WAL objects");
        // It goes without a word; what it still does reaches nothing.
        bench.disk.power_off();
        tasks.join(Duration::ZERO).await;
        bench.abandon();
        bench.cold.owner = NodeId(u128::from(machine) + 2);
        restore(&mut bench).await;
        check_all(&bench, first + 40).await;
        bench.restart(true).await;
    }
    set_class(Durability::Local);
}

/// Time passes until something is done.
pub(crate) async fn passing<T>(bench: &Bench, work: impl Future<Output = T>) -> T {
    let clock = bench.clock.clone();
    let passes = passes(clock, Duration::from_millis(5));
    tokio::select! {
        done = work => done,
        never = passes => match never {},
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_serves() {
    scene(open("memory:", &|_| None)).await;
    object_scene(open("memory:", &|_| None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = |name| format!("file://{}/{name}", dir.path().display());
    scene(open(&url("one"), &|_| None)).await;
    object_scene(open(&url("two"), &|_| None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_s3_server_serves() {
    let Some(server) = Server::start() else {
        return;
    };
    scene(open("s3://firn/node", &server.variables())).await;
    object_scene(open("s3://firn/object", &server.variables())).await;
}

/// RULES 28 and DESIGN 8: a put for each MiB and three for each seal; nothing for
/// an idle hour, whatever the number of brokers; reads in blocks.
#[tokio::test]
async fn requests_stay_within_the_budget() {
    const MIB: u64 = 1 << 20;
    let mut bench = Bench::new(|config| {
        small(config);
        config.log.file_bytes = 2 * MIB;
        config.tier = TierConfig {
            seal_bytes: 2 * MIB,
            ..TierConfig::default()
        };
    });
    let count = 6 * MIB / BIG as u64;
    let mut sealed = 0;
    for first in (0..count).step_by(500) {
        send(&bench, first..first + 500).await;
        let before = puts(&bench);
        bench.node().tier_step().await;
        sealed += u64::from(puts(&bench) > before);
    }
    let (count, mib) = (count.div_ceil(500) * 500, 6);
    assert!(sealed > 1, "{sealed} seals");
    let budget = mib + 3 * sealed;
    assert!(
        puts(&bench) <= budget,
        "{} puts for {mib} MiB, {sealed} seals",
        puts(&bench)
    );
    assert_eq!(total(&bench) - puts(&bench), 0, "writing reads nothing");
    let before = total(&bench);
    for _ in 0..60 {
        bench.advance(60_000);
        bench.node().tier_step().await;
    }
    // What was left over was old enough once; then there was nothing to do.
    assert!(total(&bench) - before <= 3);
    bench.restart(false).await;
    let before = total(&bench);
    check_all(&bench, count).await;
    let blocks = mib * MIB / (256 << 10);
    let reads = total(&bench) - before;
    assert!(reads <= 2 * blocks, "{reads} gets for {blocks} blocks");
}

fn puts(bench: &Bench) -> u64 {
    use Operation::{Complete, Create, Part, Put, StartUpload};
    let metrics = bench.cold.store.metrics();
    let all = [Create, Put, StartUpload, Part, Complete];
    all.iter()
        .map(|&operation| metrics.requests(operation))
        .sum()
}

fn total(bench: &Bench) -> u64 {
    bench.cold.store.metrics().requests_total()
}
