//! Every kind of object, spoiled in every way: a restore names the object, or
//! readers are told which offsets are gone, or nothing is missing. Never silence.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use firn_protocol::api::storage::StorageApi as _;
use firn_protocol::catalogue::Durability;
use firn_protocol::error::{Detail, ErrorCode};
use firn_protocol::ids::Offset;
use firn_runtime::{Clock, Tasks};
use firn_storage_node::cold::ColdStore;
use firn_storage_node::cold::paths::{NodeId, ObjectName, Prefix};
use firn_storage_node::node::{ColdParts, Restorable};

use crate::harness::{BROKERS, Bench, START_MS, TOPIC, context, queue_key};
use crate::places::passing;
use crate::power::{passes, set_class};
use crate::tiers::{big, seal, send, small};

const SEALED: u64 = 60;
const COUNT: u64 = 90;

type Objects = Vec<(ObjectName, Bytes)>;

/// Segments, manifests and states of what was sealed, WAL objects of the rest.
async fn bucket() -> Objects {
    let mut bench = Bench::new(small);
    let mut tasks = Tasks::new();
    bench.node().start(&mut tasks);
    passing(&bench, bench.node().wait_object_class()).await;
    passing(&bench, send(&bench, 0..SEALED)).await;
    passing(&bench, seal(&bench)).await;
    passing(&bench, send(&bench, SEALED..COUNT)).await;
    bench.disk.power_off();
    tasks.join(Duration::ZERO).await;
    bench.abandon();
    let store = &bench.cold.store;
    let mut objects = Vec::new();
    for found in store.list(Prefix::All).await.expect("lists") {
        let name = found.name.expect("ours");
        objects.push((name, store.get(name).await.expect("there")));
    }
    objects
}

/// The ways in which bytes go wrong.
fn spoils(whole: &Bytes) -> Vec<(String, Bytes)> {
    let mut spoils = vec![("emptied".to_owned(), Bytes::new())];
    for part in [1, 3, 6, 7] {
        let at = whole.len() * part / 8;
        let mut flipped = whole.to_vec();
        flipped[at] ^= 0x10;
        spoils.push((format!("bit at {at} flipped"), flipped.into()));
        spoils.push((format!("cut at {at}"), whole.slice(..at)));
    }
    spoils
}

async fn copy_with(objects: &Objects, spoiled: (ObjectName, &Bytes), store: &ColdStore) {
    for (name, whole) in objects {
        let bytes = if *name == spoiled.0 { spoiled.1 } else { whole };
        let stored = store.put_unique(*name, [bytes.clone()]).await;
        stored.expect("stored");
    }
}

/// Numbers of what is read, and of what readers are told is damaged.
async fn survey(bench: &Bench) -> BTreeSet<u64> {
    let mut accounted = BTreeSet::new();
    for queue in 0..2u16 {
        let number = |offset: u64| offset * 2 + u64::from(queue);
        let mut offset = 0;
        while number(offset) < COUNT {
            let (ctx, key) = (context(1), queue_key(TOPIC, queue));
            let node = bench.node();
            match node.read(&ctx, BROKERS[0], key, Offset(offset), 5).await {
                Ok(messages) if messages.is_empty() => break,
                Ok(messages) => {
                    for message in messages {
                        let sent = big(number(message.offset.0));
                        assert!(message.content.body == sent.body, "altered");
                        accounted.insert(number(message.offset.0));
                        offset = message.offset.0 + 1;
                    }
                }
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::DataDamaged, "{error}");
                    let last = error.details.iter().find(|(name, _)| *name == "lastOffset");
                    // Without offsets the whole object is meant.
                    let last = match last {
                        Some((_, Detail::Number(last))) => *last,
                        _ => COUNT / 2,
                    };
                    accounted.extend((offset..=last).map(number));
                    offset = last + 1;
                }
            }
        }
    }
    accounted
}

/// Stops a node, so that its threads end.
async fn end(mut bench: Bench) {
    let clock = bench.clock.clone();
    let passes = passes(clock, Duration::from_millis(500));
    tokio::select! {
        () = bench.close() => {}
        never = passes => match never {},
    }
}

#[tokio::test]
async fn a_spoiled_object_is_never_silence() {
    set_class(Durability::Object);
    let objects = bucket().await;
    let (mut named, mut told, mut whole) = (0, 0, 0);
    let all: BTreeSet<u64> = (0..COUNT).collect();
    for (name, bytes) in &objects {
        for (way, spoiled) in spoils(bytes) {
            let cold = ColdParts {
                owner: NodeId(9),
                ..ColdParts::memory(&Clock::manual(START_MS))
            };
            copy_with(&objects, (*name, &spoiled), &cold.store).await;
            let found = match Restorable::read(&cold.store).await {
                Ok(found) => found,
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(&name.to_string()), "{name} {way}: {text}");
                    named += 1;
                    continue;
                }
            };
            let mut bench = Bench::new(small);
            bench.cold = cold;
            bench.config.log.first_incarnation = found.next_generation().0.into();
            bench.start_empty().await;
            let restoring = bench.node().restore(found);
            if let Err(error) = passing(&bench, restoring).await {
                let text = error.to_string();
                assert!(text.contains(&name.to_string()), "{name} {way}: {text}");
                named += 1;
                end(bench).await;
                continue;
            }
            bench.restart(false).await;
            let mut tasks = Tasks::new();
            bench.node().start(&mut tasks);
            passing(&bench, bench.node().wait_object_class()).await;
            let accounted = survey(&bench).await;
            passing(&bench, tasks.join(Duration::ZERO)).await;
            let lost = bench.counter("firn_storage_records_lost_total");
            end(bench).await;
            assert!(accounted.is_subset(&all));
            assert!(
                accounted == all || lost > 0,
                "{name} {way}: {} of {COUNT} and not a word",
                accounted.len()
            );
            match lost {
                0 => whole += 1,
                _ => told += 1,
            }
        }
    }
    set_class(Durability::Local);
    assert!(named > 20, "{named} were named, {told} told, {whole} whole");
}
