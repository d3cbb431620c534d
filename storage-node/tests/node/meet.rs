//! Scenes in which a call comes while a receive reads from disk.

use std::future::Future;
use std::pin::Pin;

use firn_protocol::api::storage::{Received, StorageApi};
use firn_protocol::filter::Filter;

use crate::harness::{Bench, context, poll_once, receive};

/// A node that keeps no record in memory: every receive reads from disk.
pub(crate) fn slow() -> Bench {
    Bench::new(|config| config.tail_bytes_max = 0)
}

pub(crate) type Reading = Pin<Box<dyn Future<Output = Received>>>;

/// A receive that has reserved its records and reads them; nothing if the
/// reading thread was done before anybody could look.
pub(crate) fn start_receive(bench: &Bench, max: usize, filter: &Filter) -> Option<Reading> {
    let (node, request) = (bench.node().clone(), receive(max, filter));
    let mut work: Reading =
        Box::pin(async move { node.receive(&context(1), request).await.expect("received") });
    poll_once(&mut work).is_pending().then_some(work)
}

/// Plays a scene, each time on a new node, until its two calls have met.
pub(crate) async fn play_until_they_meet(scene: impl AsyncFn(&Bench) -> bool) {
    for _ in 0..1000 {
        let mut bench = slow();
        let have_met = scene(&bench).await;
        bench.close().await;
        if have_met {
            return;
        }
    }
    panic!("every read was over before the other call came");
}
