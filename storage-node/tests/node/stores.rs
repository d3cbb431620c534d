//! The hot store in sled, thrown away, spoiled or left open between starts:
//! everything is served again from the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firn_protocol::api::storage::{AppendRequest, StorageApi};
use firn_runtime::Clock;
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::FaultyDisk;
use firn_storage_node::node::{ColdParts, StorageNode, Stores};
use prometheus::Registry;

use crate::history::History;
use crate::power::{BROKERS, Dice, ctx, log_config, queue};

fn open(disk: &FaultyDisk, dir: &Path) -> Arc<StorageNode> {
    let config = StorageConfig {
        log: log_config(),
        tail_bytes_max: 8 << 10,
        ..StorageConfig::new("unused")
    };
    let stores = Box::new(|log_end| Stores::sled(dir, 1 << 20, log_end));
    let clock = Clock::manual(1_700_000_000_000);
    let opened = StorageNode::open(
        config,
        Arc::new(disk.clone()),
        stores,
        ColdParts::memory(&clock),
        clock.clone(),
        &Registry::new(),
    );
    opened.expect("a spoiled hot store stops nothing").node
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("lists") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                dirs.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    None,
    Gone,
    Random,
    Cut,
    Empty,
    /// The stamp says another start of the machine.
    OtherBoot,
}

fn harm(dir: &Path, harm: Harm, dice: &mut Dice) {
    if let Harm::Gone = harm {
        fs::remove_dir_all(dir).expect("removes");
        return;
    }
    for path in files(dir) {
        let is_stamp = path.file_name().is_some_and(|name| name == "stamp");
        let mut bytes = fs::read(&path).expect("reads");
        match harm {
            Harm::None | Harm::Gone => {}
            Harm::Random if !is_stamp => {
                for _ in 0..20.min(bytes.len()) {
                    let at = dice.below(bytes.len() as u64) as usize;
                    bytes[at] = dice.next() as u8;
                }
            }
            Harm::Cut if !is_stamp => bytes.truncate(bytes.len() / 2),
            Harm::Empty if !is_stamp => bytes.clear(),
            Harm::OtherBoot if is_stamp => bytes.clear(),
            Harm::Random | Harm::Cut | Harm::Empty | Harm::OtherBoot => {}
        }
        fs::write(&path, bytes).expect("writes");
    }
}

#[tokio::test]
async fn a_spoiled_hot_store_costs_nothing_but_time() {
    let mut dice = Dice(5);
    for wrong in [
        Harm::None,
        Harm::Gone,
        Harm::Random,
        Harm::Cut,
        Harm::Empty,
        Harm::OtherBoot,
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let (disk, mut history) = (FaultyDisk::new(9), History::default());
        for round in 0..3 {
            let node = open(&disk, dir.path());
            history
                .verify(&node)
                .await
                .unwrap_or_else(|breach| panic!("{wrong:?} {round}: {breach}"));
            for _ in 0..25 {
                let (broker, queue) = (BROKERS[0], queue(dice.below(2) as u16));
                let (first, messages) = history.sending(broker, queue, &[900]);
                let request = AppendRequest {
                    broker,
                    queue,
                    messages,
                };
                let stored = node.append(&ctx(), request).await.expect("well");
                history
                    .stored(broker, queue, stored.offset, (first, 1))
                    .expect("in order");
            }
            history
                .verify(&node)
                .await
                .unwrap_or_else(|breach| panic!("{wrong:?} {round}: {breach}"));
            history
                .verify_index(&node)
                .await
                .unwrap_or_else(|breach| panic!("{wrong:?} {round}: {breach}"));
            node.close().await;
            disk.restart();
            harm(dir.path(), wrong, &mut dice);
        }
    }
}
