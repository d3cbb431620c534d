//! A log that has lost something, and a WAL that has it: for brokers of the
//! class `object` nothing is lost.

use std::time::Duration;

use firn_protocol::api::storage::{AppendRequest, StorageApi as _};
use firn_protocol::ids::Offset;
use firn_protocol::message::NewMessage;
use firn_storage_node::config::TierMutant;

use crate::history::receive;
use crate::object_class::{begin_with, lose_machine, passing, start};
use crate::power::{BROKERS, FILE_BYTES, GROUP, Life, World, ctx, queue};

const COUNT: u64 = 60;
const ACKED: u64 = 7;

async fn send(world: &World, life: &Life, n: u64) {
    let message = NewMessage {
        body: body(n).into(),
        ..NewMessage::default()
    };
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue(0),
        messages: vec![message],
    };
    let ctx = ctx();
    let sent = passing(world, life.node.append(&ctx, request)).await;
    assert_eq!(sent.expect("answered").offset, Offset(n));
}

fn body(n: u64) -> Vec<u8> {
    vec![n as u8; 700]
}

/// Records sent, a few received and acked.
async fn filled(mutant: Option<TierMutant>) -> (World, Life) {
    let (world, life) = begin_with(mutant).await;
    for n in 0..COUNT {
        send(&world, &life, n).await;
    }
    let taken = passing(
        &world,
        receive(&life.node, BROKERS[0], ACKED as usize, 30_000),
    )
    .await;
    let receipts = taken.expect("received").deliveries;
    let receipts = receipts.iter().map(|it| it.receipt).collect();
    let ctx = ctx();
    let acked = life.node.ack(&ctx, BROKERS[0], GROUP.id, receipts);
    passing(&world, acked).await.expect("acked");
    (world, life)
}

/// Offsets whose records are there, as they were sent.
async fn present(life: &Life) -> Vec<u64> {
    let mut present = Vec::new();
    for n in 0..COUNT {
        let ctx = ctx();
        let found = life.node.read(&ctx, BROKERS[0], queue(0), Offset(n), 1);
        let found = found.await.unwrap_or_default();
        for message in found.iter().filter(|message| message.offset.0 == n) {
            assert_eq!(message.content.body[..], body(n)[..], "altered");
            present.push(n);
        }
    }
    present
}

/// Everything is there, what was acked stays acked, and the next offset is free.
async fn is_whole(world: &World, life: &Life, next: u64) {
    let all: Vec<u64> = (0..COUNT).collect();
    assert_eq!(present(life).await, all);
    assert_eq!(life.counter("firn_storage_records_lost_total"), 0);
    let ctx = ctx();
    let lag = life
        .node
        .lag(&ctx, BROKERS[0], GROUP.id)
        .await
        .expect("lag");
    assert_eq!(lag[0].max_offset.0, next);
    send(world, life, next).await;
}

fn damage(world: &World, kind: u64) {
    let files = world.log_files();
    let last = files.last().expect("a file").clone();
    let second = files[1].clone();
    let disk = &world.disk;
    match kind {
        0 => disk.flip(&second, 700, 0x10),
        1 => disk.flip(&second, FILE_BYTES - 3000, 0x10),
        2 => disk.truncate(&second, 4096),
        3 => disk.overwrite(&second, 0, &vec![0; FILE_BYTES as usize]),
        4 => disk.overwrite(&files[0].clone(), 0, &vec![0; FILE_BYTES as usize]),
        _ => {
            let contents = disk.contents(&last);
            let is_end = |bytes: &[u8]| bytes == [(COUNT - 1) as u8; 64];
            let at = contents.windows(64).rposition(is_end).expect("the last");
            disk.flip(&last, at as u64, 0x10);
        }
    }
}

#[tokio::test]
async fn what_the_log_lost_comes_back_from_the_wal() {
    let mut mended = 0;
    for kind in 0..6 {
        for forgotten in 0..4 {
            let (mut world, life) = filled(None).await;
            life.close().await;
            world.disk.restart();
            if forgotten & 1 > 0 {
                world.forget_hot();
            }
            if forgotten & 2 > 0 {
                world.forget_states();
            }
            damage(&world, kind);
            let life = start(&mut world).await;
            // What both stores have is not read again.
            let is_seen = forgotten == 0 || !life.opened.damage.is_empty();
            assert!(is_seen, "{kind}: not reported");
            mended += life.counter("firn_storage_records_mended_total");
            is_whole(&world, &life, COUNT).await;
            life.close().await;
            // The damaged file is still there, and what was mended, too.
            world.disk.restart();
            let life = start(&mut world).await;
            assert_eq!(
                life.counter("firn_storage_records_mended_total"),
                0,
                "{kind}"
            );
            is_whole(&world, &life, COUNT + 1).await;
            lose_machine(&mut world, life).await;
            let life = start(&mut world).await;
            is_whole(&world, &life, COUNT + 2).await;
            world.clock.advance(Duration::from_secs(60));
            let rest = passing(&world, receive(&life.node, BROKERS[0], 100, 30_000)).await;
            let rest = rest.expect("received").deliveries;
            assert_eq!(rest.len() as u64, COUNT + 3 - ACKED, "{kind}");
            life.close().await;
        }
    }
    assert!(mended > COUNT, "only {mended} records were mended");
}

/// A disk that has not kept what it said it synced: the log ends early, and
/// nothing in it says so.
#[tokio::test]
async fn a_log_that_ends_too_early_is_continued_from_the_wal() {
    let (mut world, life) = filled(None).await;
    life.kill(&world).await;
    world.disk.restart();
    let files = world.log_files();
    for (number, file) in files.iter().enumerate() {
        match number {
            0 => world.disk.truncate(file, FILE_BYTES / 2),
            _ => world.disk.truncate(file, 0),
        }
    }
    let life = start(&mut world).await;
    assert!(life.counter("firn_storage_records_mended_total") > 0);
    is_whole(&world, &life, COUNT).await;
    life.close().await;
}

/// The deliberate fault that this page is there to see.
#[tokio::test]
async fn damage_that_is_left_is_noticed() {
    let (mut world, life) = filled(Some(TierMutant::LeaveDamage)).await;
    life.close().await;
    world.disk.restart();
    world.forget_hot();
    damage(&world, 2);
    let life = start(&mut world).await;
    assert!((present(&life).await.len() as u64) < COUNT);
    life.close().await;
}
