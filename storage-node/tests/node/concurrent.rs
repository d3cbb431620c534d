//! Many callers at once, on real threads: no two hold one record, nothing is
//! lost, nothing comes back after its ack, and whoever waits is woken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use firn_protocol::api::storage::{
    AckStatus, AppendRequest, Delivery, GroupSpec, ReceiveRequest, StorageApi, VisibilityAnswer,
    VisibilityRequest, WaitRequest,
};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{GroupId, Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::limits::FILTER_LIVE_MS;
use firn_protocol::time::Timestamp;
use firn_runtime::{Clock, Tasks, clock, tasks};
use firn_storage_node::node::StorageNode;
use parking_lot::Mutex;

use crate::harness::{BROKERS, Bench, TOPIC, context, group, message, queue_key, tags, topic};

/// Longer than any test: leases and waits end by what happens, not by time.
const NEVER_MS: u64 = 1 << 45;

/// Ends the process if the test does not end: a lost wake hangs for ever.
struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    fn start() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let watch = tasks::thread("watchdog", move || {
            for _ in 0..1200 {
                clock::pause_thread(Duration::from_millis(100));
                if seen.load(Ordering::Relaxed) {
                    return;
                }
            }
            eprintln!("a waiter was never woken");
            std::process::abort();
        });
        drop(watch.expect("a thread"));
        Self(done)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A small seeded generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// A record for a group: its original's place.
type Key = (GroupId, u16, u64);

/// No member may seem gone only because its thread did not get its turn: time
/// stands still while one that is not waiting has not called for so long.
const UNHEARD_MS: u64 = FILTER_LIVE_MS / 2;

/// What has happened to each record.
#[derive(Default)]
struct Book {
    held: BTreeSet<Key>,
    fails: BTreeMap<Key, u32>,
    acked: BTreeSet<Key>,
    dead: BTreeSet<Key>,
    breaches: Vec<String>,
}

impl Book {
    fn delivered(&mut self, key: Key, delivery: &Delivery) {
        let attempt = self.fails.get(&key).copied().unwrap_or(0) + 1;
        if !self.held.insert(key) {
            self.breaches.push(format!("R6: {key:?} is held by two"));
        }
        if self.acked.contains(&key) || self.dead.contains(&key) {
            self.breaches.push(format!("R7: {key:?} comes back"));
        }
        if delivery.message.attempt != attempt {
            let found = delivery.message.attempt;
            self.breaches
                .push(format!("R15: {key:?} has attempt {found}, not {attempt}"));
        }
    }
}

fn key_of(group: GroupId, delivery: &Delivery) -> Key {
    let message = &delivery.message;
    match message.origin {
        Some(origin) => (group, origin.queue.0, origin.offset.0),
        None => (group, message.queue.queue.0, message.offset.0),
    }
}

struct Scene {
    node: Arc<StorageNode>,
    clock: Clock,
    book: Mutex<Book>,
    /// Records that are still to be finished.
    open: AtomicU64,
    max_retries: u32,
    until: Timestamp,
    /// When each consumer was last seen at work; the end of time while it waits.
    heard: Vec<AtomicU64>,
}

impl Scene {
    fn spec(&self, id: GroupId) -> GroupSpec {
        GroupSpec {
            max_retries: self.max_retries,
            ..group(id)
        }
    }

    fn request(&self, of: GroupId, max: usize, filter: Filter) -> ReceiveRequest {
        ReceiveRequest {
            broker: BROKERS[0],
            group: self.spec(of),
            topic: topic(2),
            max,
            invisible_ms: 2 * NEVER_MS,
            filter,
            member: "member".to_owned(),
            run_max: 1,
            attempt: None,
        }
    }

    fn is_over(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0
    }

    fn finish(&self, key: Key, note: impl FnOnce(&mut Book, Key)) {
        note(&mut self.book.lock(), key);
        if self.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Everybody may go home.
            self.clock.advance(Duration::from_millis(NEVER_MS));
        }
    }

    fn may_advance(&self) -> bool {
        let heard = self.heard.iter().map(|at| at.load(Ordering::SeqCst));
        let oldest = heard.min().unwrap_or(u64::MAX);
        self.clock.now_ms() < oldest.saturating_add(UNHEARD_MS)
    }

    async fn consume(&self, number: usize, of: GroupId, filter: Filter, mut dice: Dice) {
        let ctx = context(1);
        let heard = || self.heard[number].store(self.clock.now_ms(), Ordering::SeqCst);
        while !self.is_over() {
            let request = self.request(of, 1 + dice.below(4) as usize, filter.clone());
            let received = self.node.receive(&ctx, request).await.expect("received");
            heard();
            for delivery in &received.deliveries {
                let key = key_of(of, delivery);
                self.book.lock().delivered(key, delivery);
                if dice.below(3) == 0 {
                    tokio::task::yield_now().await;
                }
                self.treat(of, key, delivery, dice.below(10)).await;
                heard();
            }
            if received.deliveries.is_empty() {
                let request = WaitRequest {
                    group: of,
                    topic: topic(2),
                    brokers: vec![(BROKERS[0], received.seen)],
                    filter: filter.clone(),
                    until: self.until,
                };
                let mut wait = self.node.wait(&ctx, request);
                let waited = std::future::poll_fn(|cx| {
                    heard();
                    let polled = wait.as_mut().poll(cx);
                    if polled.is_pending() {
                        self.heard[number].store(u64::MAX, Ordering::SeqCst);
                    }
                    polled
                });
                waited.await.expect("waited");
            }
        }
        // Its part is done: nobody waits for it.
        self.heard[number].store(u64::MAX, Ordering::SeqCst);
    }

    /// Acks, fails or gives back; the book lets go before the node does.
    async fn treat(&self, of: GroupId, key: Key, delivery: &Delivery, choice: u64) {
        let (ctx, id, receipt) = (context(1), BROKERS[0], delivery.receipt);
        self.book.lock().held.remove(&key);
        match choice {
            0..2 => {
                let back = self.node.give_back(&ctx, id, of, vec![receipt]);
                back.await.expect("given back");
            }
            2..5 => {
                let is_last = delivery.message.attempt > self.max_retries;
                *self.book.lock().fails.entry(key).or_default() += 1;
                let request = VisibilityRequest {
                    broker: id,
                    group: self.spec(of),
                    receipt,
                    invisible_ms: 0,
                };
                let answer = self.node.change_visibility(&ctx, request).await;
                let answer = answer.expect("answered");
                assert!(
                    matches!(answer, VisibilityAnswer::Changed { .. }),
                    "{answer:?}"
                );
                if is_last {
                    self.finish(key, |book, key| {
                        book.dead.insert(key);
                    });
                }
            }
            _ => {
                let acked = self.node.ack(&ctx, id, of, vec![receipt]).await;
                assert_eq!(acked.expect("acked"), [AckStatus::Ok]);
                self.finish(key, |book, key| {
                    book.acked.insert(key);
                });
            }
        }
    }

    async fn produce(&self, first: u64, count: u64, mut dice: Dice) {
        let mut next = first;
        while next < first + count {
            let size = (1 + dice.below(3)).min(first + count - next);
            let messages = (next..next + size).map(|n| message(n, TAGS[n as usize % TAGS.len()]));
            let request = AppendRequest {
                broker: BROKERS[0],
                queue: queue_key(TOPIC, dice.below(2) as u16),
                messages: messages.collect(),
            };
            self.node.append(&context(1), request).await.expect("sent");
            next += size;
            for _ in 0..dice.below(20) {
                tokio::task::yield_now().await;
            }
        }
    }
}

const TAGS: [Option<&str>; 4] = [Some("a"), Some("b"), Some("c"), None];
const PRODUCERS: u64 = 3;
const MESSAGES: u64 = 240;
/// Takes everything; takes all but the untagged, each member its part.
const GROUPS: [GroupId; 2] = [GroupId(1), GroupId(2)];

fn play(seed: u64, tail_bytes: u64) {
    let _watchdog = Watchdog::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let mut bench = Bench::new(|config| {
        config.tail_bytes_max = tail_bytes;
        // However long it takes, the whole log is there to be replayed at the end.
        config.tier.seal_age = Duration::from_millis(4 * NEVER_MS);
    });
    let mut background = Tasks::new();
    runtime.block_on(async { bench.node().start(&mut background) });
    let total = PRODUCERS * MESSAGES;
    let every = Filter::All;
    let members = [
        (0, every.clone()),
        (0, every.clone()),
        (0, every),
        (1, tags(&["a"])),
        (1, tags(&["a"])),
        (1, tags(&["b", "c"])),
        (1, tags(&["c"])),
    ];
    let begun = bench.now();
    let scene = Arc::new(Scene {
        node: bench.node().clone(),
        clock: bench.clock.clone(),
        book: Mutex::default(),
        open: AtomicU64::new(total + total * 3 / 4),
        max_retries: 2,
        until: Timestamp(begun + NEVER_MS),
        heard: members.iter().map(|_| AtomicU64::new(begun)).collect(),
    });
    runtime.block_on(announce(&scene, &members));
    let mut threads = Vec::new();
    let mut spawn = |name: String, work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let handle = runtime.handle().clone();
        let thread = tasks::thread(&name, move || handle.block_on(work));
        threads.push(thread.expect("a thread"));
    };
    for n in 0..PRODUCERS {
        let scene = scene.clone();
        let dice = Dice(seed * 100 + n + 1);
        let work = async move { scene.produce(n * MESSAGES, MESSAGES, dice).await };
        spawn(format!("producer {n}"), Box::pin(work));
    }
    for (n, (of, filter)) in members.into_iter().enumerate() {
        let scene = scene.clone();
        let dice = Dice(seed * 1000 + n as u64 + 50);
        let work = async move { scene.consume(n, GROUPS[of], filter, dice).await };
        spawn(format!("consumer {n}"), Box::pin(work));
    }
    // Time goes on in steps, so that pauses end, as long as there is work.
    while !scene.is_over() {
        if scene.may_advance() {
            bench.advance(10);
        }
        clock::pause_thread(Duration::from_micros(50));
    }
    for thread in threads {
        thread.join().expect("no caller fails");
    }
    runtime.block_on(check(&scene, total));
    runtime.block_on(async {
        background.join(Duration::from_secs(10)).await;
        drop(scene);
        bench.close().await;
    });
    bench.check_snapshots();
}

/// A filter counts from its first call on: what is stored before is not for it.
async fn announce(scene: &Scene, members: &[(usize, Filter)]) {
    for (of, filter) in members {
        let request = scene.request(GROUPS[*of], 1, filter.clone());
        let received = scene.node.receive(&context(1), request).await;
        assert_eq!(received.expect("received").deliveries.len(), 0);
    }
}

async fn check(scene: &Scene, total: u64) {
    {
        let book = scene.book.lock();
        assert_eq!(book.breaches, [] as [String; 0]);
        assert_eq!(book.held, BTreeSet::new());
        let finished = (book.acked.len() + book.dead.len()) as u64;
        assert_eq!(finished, total + total * 3 / 4, "R1: something is lost");
    }
    for of in GROUPS {
        // Whoever asks last for everything finds nothing.
        let request = scene.request(of, 256, Filter::All);
        let left = scene
            .node
            .receive(&context(1), request)
            .await
            .expect("received");
        let book = scene.book.lock().dead.clone();
        let untagged = |d: &Delivery| of == GROUPS[1] && d.message.content.tag.is_none();
        assert!(
            left.deliveries.iter().all(untagged),
            "R7: {:?}",
            left.deliveries
        );
        let queue = QueueKey {
            topic: TopicKey::DeadLetter(of),
            queue: QueueId(0),
        };
        let letters = scene
            .node
            .read(&context(1), BROKERS[0], queue, Offset(0), 1000)
            .await;
        let letters = letters.expect("read").into_iter().map(|letter| {
            let origin = letter.origin.expect("a copy");
            (of, origin.queue.0, origin.offset.0)
        });
        let letters: Vec<Key> = letters.collect();
        let dead: BTreeSet<Key> = letters.iter().copied().collect();
        assert_eq!(letters.len(), dead.len(), "a dead letter twice");
        let expected: BTreeSet<Key> = book.into_iter().filter(|key| key.0 == of).collect();
        assert_eq!(dead, expected);
    }
}

#[test]
fn nothing_is_lost_or_handed_out_twice() {
    for seed in 1..=3 {
        play(seed, 1 << 20);
        play(seed, 0);
    }
}

/// Every append must wake somebody, or the next one never comes.
#[test]
fn waiters_always_go_on() {
    let _watchdog = Watchdog::start();
    const COUNT: u64 = 400;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let mut bench = Bench::new(|_| {});
    let until = Timestamp(bench.now() + NEVER_MS);
    let consumed = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for n in 0..6_u64 {
        let (node, consumed, handle) = (
            bench.node().clone(),
            consumed.clone(),
            runtime.handle().clone(),
        );
        let filter = [tags(&["a"]), tags(&["b"]), Filter::All][n as usize % 3].clone();
        let work = async move {
            let ctx = context(1);
            while consumed.load(Ordering::SeqCst) < COUNT {
                let request = ReceiveRequest {
                    invisible_ms: 2 * NEVER_MS,
                    ..crate::harness::receive(1, &filter)
                };
                let received = node.receive(&ctx, request).await.expect("received");
                for delivery in &received.deliveries {
                    let receipt = vec![delivery.receipt];
                    let acked = node.ack(&ctx, BROKERS[0], receipt[0].group, receipt).await;
                    assert_eq!(acked.expect("acked"), [AckStatus::Ok]);
                    consumed.fetch_add(1, Ordering::SeqCst);
                }
                if received.deliveries.is_empty() {
                    let request = WaitRequest {
                        group: crate::harness::GROUP,
                        topic: topic(1),
                        brokers: vec![(BROKERS[0], received.seen)],
                        filter: filter.clone(),
                        until,
                    };
                    node.wait(&ctx, request).await.expect("waited");
                }
            }
        };
        let thread = tasks::thread("consumer", move || handle.block_on(work));
        threads.push(thread.expect("a thread"));
    }
    runtime.block_on(async {
        for n in 0..COUNT {
            bench.send(n, [Some("a"), Some("b")][n as usize % 2]).await;
            while consumed.load(Ordering::SeqCst) <= n {
                tokio::task::yield_now().await;
            }
        }
        bench.advance(NEVER_MS);
    });
    for thread in threads {
        thread.join().expect("no caller fails");
    }
    assert_eq!(consumed.load(Ordering::SeqCst), COUNT);
    runtime.block_on(bench.close());
}
