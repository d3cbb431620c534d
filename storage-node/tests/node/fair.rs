//! Instances share a node: a flood waits in its own line.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use firn_protocol::api::storage::{AppendRequest, Appended, StorageApi as _};
use firn_protocol::catalogue::Durability;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::BrokerId;
use firn_protocol::message::NewMessage;
use firn_runtime::Tasks;
use firn_storage_node::cold::paths::NodeId;
use firn_storage_node::cold::{ColdSettings, ColdStore, FaultyObjects};
use firn_storage_node::config::StorageConfig;
use firn_storage_node::fair::WAITER_BYTES;
use firn_storage_node::log::{CrashPoint, CrashPoints};
use firn_storage_node::node::ColdParts;
use parking_lot::{Condvar, Mutex};

use crate::harness::{Bench, context, poll_once, queue_key};
use crate::power::{pause, set_class};
use crate::work::is_unknown;

const BODY: usize = 1 << 10;
/// What may lie in the log's queue before sends wait.
const WINDOW: u64 = 8 << 10;
/// Sends that fit in it, the last one partly.
const FIT: usize = 8;

/// Lets so many commits through; the next one fails when that is wanted.
#[derive(Clone, Default)]
struct Commits(Arc<(Mutex<Left>, Condvar)>);

#[derive(Default)]
struct Left {
    commits: usize,
    then_fails: bool,
}

impl Commits {
    fn points(&self) -> CrashPoints {
        let commits = self.clone();
        CrashPoints::new(move |point| {
            if point != CrashPoint::BeforeWrite {
                return true;
            }
            let (left, changed) = &*commits.0;
            let mut left = left.lock();
            changed.wait_while(&mut left, |left| left.commits == 0 && !left.then_fails);
            if left.commits == 0 {
                left.then_fails = false;
                return false;
            }
            left.commits -= 1;
            true
        })
    }

    fn let_through(&self, commits: usize) {
        self.0.0.lock().commits = commits;
        self.0.1.notify_all();
    }

    fn fail_next(&self) {
        let mut left = self.0.0.lock();
        (left.commits, left.then_fails) = (0, true);
        self.0.1.notify_all();
    }

    /// Whether all that were let through have been made.
    fn are_made(&self) -> bool {
        self.0.0.lock().commits == 0
    }
}

type Sending = Pin<Box<dyn Future<Output = Result<Appended, ApiError>>>>;

/// A node whose commits are counted out, and sends on their way, by instance.
struct Scene {
    bench: Bench,
    commits: Commits,
    sending: Vec<(u64, Sending)>,
    done: Vec<(u64, Result<Appended, ApiError>)>,
}

fn small(config: &mut StorageConfig) {
    config.log.file_bytes = 4 << 20;
    config.log.zero_bytes = 4 << 20;
    config.fair.log_bytes = WINDOW;
    config.fair.quantum_bytes = 512;
}

impl Scene {
    fn new(change: impl FnOnce(&mut StorageConfig)) -> Self {
        let commits = Commits::default();
        let points = commits.points();
        let bench = Bench::new(|config| {
            small(config);
            config.log.crash_points = points;
            change(config);
        });
        Self {
            bench,
            commits,
            sending: Vec::new(),
            done: Vec::new(),
        }
    }

    fn send(&mut self, instance: u64, bytes: usize) {
        let node = self.bench.node().clone();
        let message = NewMessage {
            body: vec![7; bytes].into(),
            ..NewMessage::default()
        };
        let request = AppendRequest {
            // A broker has the number of its instance here.
            broker: BrokerId(instance as u32),
            queue: queue_key(1, 0),
            messages: vec![message],
        };
        let ctx = context(instance);
        let sending: Sending = Box::pin(async move { node.append(&ctx, request).await });
        self.sending.push((instance, sending));
        self.look();
    }

    fn flood(&mut self, instance: u64, count: usize) {
        (0..count).for_each(|_| self.send(instance, BODY));
    }

    fn look(&mut self) {
        let (sending, done) = (&mut self.sending, &mut self.done);
        sending.retain_mut(|(instance, sending)| match poll_once(sending) {
            Poll::Ready(result) => {
                done.push((*instance, result));
                false
            }
            Poll::Pending => true,
        });
    }

    /// Looks until something is so.
    async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        for _ in 0..2000 {
            self.look();
            if is_so(self) {
                return;
            }
            pause().await;
        }
        panic!("never: {what}");
    }

    /// Sends, and says whether that is answered while nothing else happens.
    async fn is_answered_soon(&mut self, instance: u64, bytes: usize) -> bool {
        let before = self.done.len();
        self.send(instance, bytes);
        for _ in 0..200 {
            self.look();
            if self.done.len() > before {
                return true;
            }
            pause().await;
        }
        false
    }

    fn answered(&self, instance: u64) -> usize {
        let of_it = self.done.iter().filter(|(it, _)| *it == instance);
        of_it.filter(|(_, result)| result.is_ok()).count()
    }

    fn on_their_way(&self, instance: u64) -> usize {
        self.sending
            .iter()
            .filter(|(it, _)| *it == instance)
            .count()
    }

    fn waited(&self) -> u64 {
        self.bench.counter("firn_storage_sends_waited_total")
    }

    fn refused(&self) -> u64 {
        self.bench.counter("firn_storage_sends_refused_total")
    }

    async fn finish(mut self) -> Vec<(u64, Result<Appended, ApiError>)> {
        self.commits.let_through(usize::MAX);
        self.until("all are answered", |it| it.sending.is_empty())
            .await;
        self.bench.close().await;
        std::mem::take(&mut self.done)
    }
}

impl Drop for Scene {
    /// A test that fails must not leave threads that wait for it.
    fn drop(&mut self) {
        self.bench.hot_held.store(false, Ordering::SeqCst);
        self.commits.let_through(usize::MAX);
    }
}

/// Offsets of what an instance has stored.
fn offsets(done: &[(u64, Result<Appended, ApiError>)], instance: u64) -> Vec<u64> {
    let own = done.iter().filter(|(it, _)| *it == instance);
    let stored = own.filter_map(|(_, result)| result.as_ref().ok());
    let mut offsets: Vec<u64> = stored.map(|stored| stored.offset.0).collect();
    offsets.sort_unstable();
    offsets
}

#[tokio::test]
async fn a_neighbours_send_is_in_the_next_commit_however_much_a_flood_has_waiting() {
    let mut scene = Scene::new(|_| {});
    scene.flood(1, 40);
    let waiting = scene.waited();
    assert!((31..=33).contains(&waiting), "{waiting} wait");
    scene.send(2, 100);
    assert_eq!(scene.waited(), waiting, "the neighbour does not wait");
    // The one that was begun before it came, and the next.
    scene.commits.let_through(2);
    scene
        .until("the neighbour is answered", |it| it.answered(2) == 1)
        .await;
    assert!(
        scene.answered(1) <= FIT + 1,
        "{} went before it",
        scene.answered(1)
    );
    assert!(scene.on_their_way(1) >= 40 - FIT - 1);
    let done = scene.finish().await;
    assert_eq!(offsets(&done, 1), (0..40).collect::<Vec<u64>>());
}

#[tokio::test]
async fn nobody_passes_one_of_its_own_instance() {
    let mut scene = Scene::new(|_| {});
    scene.flood(2, FIT + 1);
    let waiting = scene.waited();
    // The first has nothing before it, the second too much, and the third would
    // find room again.
    for bytes in [1, BODY, 1] {
        scene.send(1, bytes);
    }
    assert_eq!(scene.waited(), waiting + 2);
    let done = scene.finish().await;
    assert_eq!(offsets(&done, 1), [0, 1, 2]);
}

#[tokio::test]
async fn floods_share_the_log_by_bytes() {
    let mut scene = Scene::new(|_| {});
    scene.flood(1, 40);
    // The same bytes in larger pieces, begun later.
    (0..10).for_each(|_| scene.send(2, 4 * BODY));
    for step in 1..8 {
        scene.commits.let_through(1);
        scene.until("a commit", |it| it.commits.are_made()).await;
        // Those who had their turn are in the log before it goes on.
        for _ in 0..5 {
            scene.look();
            pause().await;
        }
        let (first, second) = (scene.answered(1), 4 * scene.answered(2));
        if step > 2 && first < 36 && second < 36 {
            assert!(
                first.abs_diff(second) <= 2 * FIT + 4,
                "{first} and {second}"
            );
        }
    }
    assert!(scene.answered(2) > 0, "the second has its turns");
    let done = scene.finish().await;
    assert_eq!(offsets(&done, 1).len(), 40);
    assert_eq!(offsets(&done, 2).len(), 10);
}

#[tokio::test]
async fn a_flood_beyond_its_share_is_refused_and_nobody_else() {
    const ROOM: u64 = 32 * (BODY as u64 + WAITER_BYTES);
    let mut scene = Scene::new(|config| config.fair.waiting_bytes_max = ROOM);
    scene.flood(1, 60);
    let refused = scene.done.len();
    assert!(
        (60 - 16 - FIT - 2..=60 - 16 - FIT + 3).contains(&refused),
        "{refused}"
    );
    assert_eq!(scene.refused(), refused as u64);
    for (_, result) in &scene.done {
        let error = result.as_ref().expect_err("nothing is durable yet");
        assert_eq!(error.code, ErrorCode::Overloaded);
        assert_eq!(error.code.http_status(), 503);
        assert!(error.code.is_retryable() && !is_unknown(error));
    }
    // One that has to wait has room to wait in, one that has not goes on.
    scene.flood(2, 3);
    scene.send(3, 100);
    assert_eq!(scene.refused(), refused as u64, "others are not refused");
    let done = scene.finish().await;
    assert_eq!(
        offsets(&done, 1),
        (0..60 - refused as u64).collect::<Vec<_>>()
    );
    assert_eq!((offsets(&done, 2).len(), offsets(&done, 3).len()), (3, 1));
}

#[tokio::test]
async fn who_goes_away_leaves_its_place() {
    let mut scene = Scene::new(|_| {});
    scene.flood(1, 40);
    // Some have their turn now and are not there to take it.
    scene.commits.let_through(2);
    for _ in 0..2000 {
        if scene.commits.are_made() {
            break;
        }
        pause().await;
    }
    let waiting_bytes = |scene: &Scene| scene.bench.gauge("firn_storage_sends_waiting_bytes");
    assert!(waiting_bytes(&scene) > 0.0);
    scene.sending.clear();
    assert_eq!(waiting_bytes(&scene), 0.0, "nobody waits");
    let waiting = |scene: &Scene| scene.bench.counter("firn_storage_sends_waited_total");
    let before = waiting(&scene);
    scene.commits.let_through(usize::MAX);
    for _ in 0..3 * FIT {
        scene.send(1, BODY);
        scene.until("room again", |it| it.sending.is_empty()).await;
    }
    assert_eq!(waiting(&scene), before, "their room is free");
    scene.finish().await;
}

#[tokio::test]
async fn who_waits_when_the_log_fails_is_told_and_the_room_is_there_again() {
    let mut scene = Scene::new(|_| {});
    scene.flood(1, 40);
    scene.commits.fail_next();
    scene
        .until("all are told", |it| it.sending.is_empty())
        .await;
    assert_eq!(scene.answered(1), 0, "nothing became durable");
    let mut tasks = Tasks::new();
    scene.bench.node().start(&mut tasks);
    scene.commits.let_through(usize::MAX);
    for _ in 0..2000 {
        scene.done.clear();
        scene.send(1, BODY);
        scene.until("an answer", |it| it.sending.is_empty()).await;
        if scene.answered(1) == 1 {
            break;
        }
        pause().await;
    }
    let before = scene.waited();
    for _ in 0..3 * FIT {
        scene.send(1, BODY);
        scene.until("room again", |it| it.sending.is_empty()).await;
    }
    assert_eq!(scene.waited(), before, "room of the failed log is free");
    let done = scene.finish().await;
    assert_eq!(offsets(&done, 1), (0..=3 * FIT as u64).collect::<Vec<_>>());
    tasks.join(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_turn_that_does_not_come_in_time_is_refused() {
    let mut scene = Scene::new(|_| {});
    scene.flood(1, 20);
    let waiting = scene.waited();
    scene.bench.clock.advance(Duration::from_secs(5));
    scene
        .until("they are refused", |it| it.refused() == waiting)
        .await;
    for (_, result) in &scene.done {
        assert_eq!(
            result.as_ref().expect_err("late").code,
            ErrorCode::Overloaded
        );
    }
    let done = scene.finish().await;
    assert_eq!(offsets(&done, 1), (0..20 - waiting).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_flood_waits_for_the_hot_store_and_a_neighbour_does_not() {
    const LAG: u64 = 64 << 10;
    let mut scene = Scene::new(|config| {
        config.fair.log_bytes = 1 << 20;
        config.fill_lag_bytes_max = LAG;
    });
    scene.bench.hot_held.store(true, Ordering::SeqCst);
    scene.commits.let_through(usize::MAX);
    let mut sent = 0;
    while sent < 80 && scene.is_answered_soon(1, BODY).await {
        sent += 1;
    }
    let taken = scene.answered(1);
    assert!((60..70).contains(&taken), "{taken} are in the log");
    scene.send(2, 100);
    scene
        .until("the neighbour is answered", |it| it.answered(2) == 1)
        .await;
    assert_eq!((scene.answered(1), scene.on_their_way(1)), (taken, 1));
    // Many who have little do not let the log grow without end.
    let mut others = 0;
    while others < 200 && scene.is_answered_soon(10 + others, BODY).await {
        others += 1;
    }
    assert!((40..=72).contains(&others), "{others} found room");
    scene.bench.hot_held.store(false, Ordering::SeqCst);
    let done = scene.finish().await;
    assert_eq!(offsets(&done, 1).len(), taken + 1);
}

#[tokio::test]
async fn a_flood_waits_for_the_object_store_and_a_neighbour_does_not() {
    set_class(Durability::Object);
    let mut scene = Scene::new(|config| {
        config.fair.log_bytes = 1 << 20;
        config.fair.wal_bytes = 64 << 10;
    });
    scene.commits.let_through(usize::MAX);
    let objects = FaultyObjects::new(5, &scene.bench.clock);
    let store = ColdStore::new(
        Arc::new(objects.clone()),
        ColdSettings::default(),
        &scene.bench.clock,
    );
    scene.bench.cold = ColdParts {
        store,
        owner: NodeId(1),
    };
    scene.bench.restart(true).await;
    let mut tasks = Tasks::new();
    scene.bench.node().start(&mut tasks);
    // Brokers of the class are served from here on.
    let clock = scene.bench.clock.clone();
    let passes = move || clock.advance(Duration::from_millis(10));
    for instance in [1, 2] {
        scene.send(instance, 10);
    }
    scene
        .until("both are of the class", |it| {
            passes();
            it.sending.is_empty()
        })
        .await;
    assert_eq!((scene.answered(1), scene.answered(2)), (1, 1));
    objects.storm(u64::MAX);
    scene.flood(1, 100);
    for _ in 0..100 {
        scene.look();
        pause().await;
    }
    scene.flood(1, 100);
    let waiting = scene.waited();
    assert!(waiting > 50, "{waiting} wait");
    scene.send(2, 100);
    for _ in 0..20 {
        scene.look();
        pause().await;
    }
    assert_eq!(scene.waited(), waiting, "the neighbour does not wait");
    objects.heal();
    scene
        .until("all are answered", |it| {
            passes();
            it.sending.is_empty()
        })
        .await;
    assert_eq!(offsets(&scene.done, 2), [0, 1]);
    let refused = scene.refused() as usize;
    assert_eq!(offsets(&scene.done, 1).len(), 201 - refused);
    scene.bench.close().await;
    tasks.join(Duration::from_secs(10)).await;
}
