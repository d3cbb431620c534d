//! Bits that rot in the log: said, never silently cut, and the rest is served.

use std::time::Duration;

use firn_protocol::api::storage::{AppendRequest, StorageApi};
use firn_protocol::ids::Offset;
use firn_storage_node::log::Mutant;

use crate::history::receive;
use crate::power::{BROKERS, FILE_BYTES, GROUP, World, ctx, queue};

const COUNT: u64 = 60;

async fn send(node: &firn_storage_node::node::StorageNode, n: u64) -> u64 {
    let message = firn_protocol::message::NewMessage {
        body: vec![n as u8; 700].into(),
        ..Default::default()
    };
    let request = AppendRequest {
        broker: BROKERS[0],
        queue: queue(0),
        messages: vec![message],
    };
    node.append(&ctx(), request).await.expect("well").offset.0
}

async fn filled(mutant: Option<Mutant>) -> World {
    let mut world = World::new(21, mutant);
    let life = world.open().expect("opens");
    for n in 0..COUNT {
        // Records of one time would stand in one run when they are sealed.
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(send(&life.node, n).await, n);
    }
    life.close().await;
    world.disk.restart();
    world.forget_hot();
    world.forget_states();
    world
}

/// Ranges reported, records read, records delivered, counted as lost.
async fn survey(world: &mut World) -> (usize, Vec<u64>, usize, u64) {
    let mut life = world.open().expect("damage does not stop a node");
    life.start();
    assert!(life.healthy().await, "it is served");
    let mut read = Vec::new();
    for n in 0..COUNT {
        let found = life
            .node
            .read(&ctx(), BROKERS[0], queue(0), Offset(n), 1)
            .await
            .expect("reads");
        for message in found.iter().filter(|message| message.offset.0 == n) {
            assert_eq!(message.content.body[..], vec![n as u8; 700][..], "altered");
            read.push(n);
        }
    }
    let mut delivered = 0;
    for _ in 0..COUNT {
        let received = receive(&life.node, BROKERS[0], 8, 600_000)
            .await
            .expect("receives");
        delivered += received.deliveries.len();
    }
    let rows = life
        .node
        .lag(&ctx(), BROKERS[0], GROUP.id)
        .await
        .expect("lag");
    assert_eq!(rows[0].max_offset.0, COUNT, "offsets keep their meaning");
    assert_eq!(send(&life.node, COUNT).await, COUNT);
    let damaged = life.opened.damage.len();
    let lost = life.counter("firn_storage_records_lost_total");
    life.close().await;
    (damaged, read, delivered, lost)
}

#[tokio::test]
async fn a_flipped_bit_costs_one_record_and_is_reported() {
    for at in [700, 5000, FILE_BYTES - 3000] {
        let mut world = filled(None).await;
        let file = world.log_files()[1].clone();
        world.disk.flip(&file, at, 0x10);
        let (damaged, read, delivered, lost) = survey(&mut world).await;
        assert!(damaged > 0, "not reported");
        assert!(read.len() as u64 >= COUNT - 2, "too much is lost: {read:?}");
        assert_eq!(delivered, read.len());
        assert!(read.len() as u64 == COUNT || lost > 0);
    }
}

#[tokio::test]
async fn a_cut_or_zeroed_file_is_reported_and_the_rest_is_served() {
    for cut in [true, false] {
        let mut world = filled(None).await;
        let file = world.log_files()[1].clone();
        if cut {
            world.disk.truncate(&file, 4096);
        } else {
            world
                .disk
                .overwrite(&file, 0, &vec![0; FILE_BYTES as usize]);
        }
        let (damaged, read, delivered, _) = survey(&mut world).await;
        assert!(damaged > 0, "not reported");
        assert!(!read.is_empty() && (read.len() as u64) < COUNT);
        assert_eq!((read[0], *read.last().expect("some")), (0, COUNT - 1));
        assert_eq!(delivered, read.len());
    }
}

/// Records around a gap go into a segment and come back from it.
#[tokio::test]
async fn what_damage_left_is_sealed_and_read_back() {
    let mut world = filled(None).await;
    let file = world.log_files()[1].clone();
    world.disk.flip(&file, 5000, 0x10);
    let (damaged, mut left, ..) = survey(&mut world).await;
    assert!(damaged > 0 && (left.len() as u64) < COUNT, "there is a gap");
    world.tier.cut.chunk_bytes = 1 << 10;
    left.push(COUNT);
    world.disk.restart();
    let life = world.open().expect("opens");
    assert!(life.node.seal_all().await);
    life.node.settle_stores().await.expect("written");
    life.node.tier_step().await;
    life.close().await;
    world.disk.restart();
    world.forget_hot();
    assert_eq!(world.log_files().len(), 1, "the log is given back");
    let life = world.open().expect("opens");
    let page = life
        .node
        .read(&ctx(), BROKERS[0], queue(0), Offset(0), 100)
        .await
        .expect("reads");
    let read: Vec<u64> = page.iter().map(|message| message.offset.0).collect();
    assert_eq!(read, left);
    life.close().await;
}

/// What the log lost at its end the hot store may still have: its offsets are
/// not given out again.
#[tokio::test]
async fn a_damaged_end_gives_no_offset_twice() {
    let mut world = World::new(21, None);
    let life = world.open().expect("opens");
    for n in 0..COUNT {
        assert_eq!(send(&life.node, n).await, n);
    }
    life.close().await;
    world.disk.restart();
    world.forget_states();
    let file = world.log_files().pop().expect("a file");
    let last = world
        .disk
        .contents(&file)
        .windows(64)
        .rposition(|bytes| bytes == [(COUNT - 1) as u8; 64])
        .expect("the last body");
    world.disk.flip(&file, last as u64, 0x10);
    let (damaged, read, delivered, lost) = survey(&mut world).await;
    assert!(damaged > 0, "not reported");
    assert_eq!((read.len(), delivered, lost), (60, 60, 0));
}

/// The deliberate fault that this page is there to see.
#[tokio::test]
async fn damage_that_is_cut_silently_is_noticed() {
    let mut world = filled(Some(Mutant::CutDamageSilently)).await;
    let file = world.log_files().pop().expect("a file");
    world.disk.flip(&file, 700, 0x10);
    let life = world.open().expect("opens");
    let bounds = life
        .node
        .bounds(&ctx(), BROKERS[0], queue(0).topic)
        .await
        .expect("bounds");
    let is_cut = life.opened.damage.is_empty() || bounds[0].2.0 < COUNT;
    life.close().await;
    assert!(is_cut, "the fault shows nowhere");
}
