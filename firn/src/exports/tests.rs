mod books;

use std::sync::Arc;
use std::time::Duration;

use firn_protocol::api::tenant::{NewInstance, TenantApi as _, TopicFields};
use firn_protocol::catalogue::{Durability, Instance, Tenant};
use firn_protocol::{Caller, TenantId};
use firn_runtime::{Clock, Stop};
use firn_storage_node::cold::paths::{NodeId, ObjectName};
use firn_storage_node::cold::{
    ColdSettings, ColdStore, Created, FaultyObjects, Operation, RetrySettings,
};
use firn_tenant_service::{CatalogueExport, Stamp, TenantConfig, TenantService};
use tempfile::TempDir;

use super::exporter::{BeginError, Exporter, ExporterParts};
use super::{numbers, read};
use crate::metrics::ExportMetrics;

const OWNER: NodeId = NodeId(7);

/// A catalogue with one instance, and an object store that can be spoiled.
struct World {
    clock: Clock,
    objects: FaultyObjects,
    store: ColdStore,
    tenants: Arc<TenantService>,
    demo: Arc<Instance>,
    metrics: ExportMetrics,
    _dir: TempDir,
}

fn caller() -> Caller {
    Caller {
        name: "operator".into(),
        request_id: "r".into(),
    }
}

impl World {
    async fn new() -> Self {
        let clock = Clock::manual(1_000_000);
        let objects = FaultyObjects::new(1, &clock);
        Self::on(clock, objects).await
    }

    async fn on(clock: Clock, objects: FaultyObjects) -> Self {
        let dir = TempDir::new().expect("temporary directory");
        // One attempt: the pauses between several are by a clock that stands still.
        let settings = ColdSettings {
            retry: RetrySettings {
                attempts_max: 1,
                ..RetrySettings::default()
            },
            ..ColdSettings::default()
        };
        let store = ColdStore::new(Arc::new(objects.clone()), settings, &clock);
        let config = TenantConfig {
            catalogue: format!("sqlite://{}", dir.path().join("catalogue.db").display()),
            master_key_file: dir.path().join("master.key"),
            operator_password: None,
            durability: Durability::Local,
        };
        let tenants = TenantService::open(config, clock.clone()).await;
        let tenants = tenants.expect("a new catalogue");
        let tenant = Tenant {
            id: TenantId(2),
            name: "acme".to_owned(),
        };
        let made = tenants.create_tenant(&caller(), tenant).await;
        made.expect("a new tenant");
        let new = NewInstance {
            tenant: TenantId(2),
            name: "demo".to_owned(),
            ..NewInstance::default()
        };
        let demo = tenants.create_instance(&caller(), new).await;
        Self {
            clock,
            objects,
            store,
            tenants,
            demo: demo.expect("a new instance"),
            metrics: ExportMetrics::new(&prometheus::Registry::new()).expect("new metrics"),
            _dir: dir,
        }
    }

    fn exporter(&self) -> Exporter {
        Exporter::new(ExporterParts {
            tenants: self.tenants.clone(),
            store: self.store.clone(),
            owner: OWNER,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        })
    }

    async fn add_topic(&self, name: &str) {
        let (by, fields) = (caller(), TopicFields::default());
        let made = self.tenants.create_topic(&by, self.demo.id, name, fields);
        made.await.expect("a new topic");
    }

    fn advance_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    async fn numbers(&self) -> Vec<u64> {
        let found = numbers(&self.store).await.expect("listed");
        found.into_iter().collect()
    }

    /// Names of the topics in an export.
    async fn topics(&self, number: u64) -> Vec<String> {
        let bytes = read(&self.store, number).await.expect("readable");
        let found = CatalogueExport::unpack(&bytes.expect("there is one")).expect("sound");
        let names = found.export.topics().map(|topic| topic.name.clone());
        names.collect()
    }

    /// This catalogue as somebody else would write it.
    async fn object_of(&self, catalogue: u128, owner: u128) -> Vec<u8> {
        let export = self.tenants.export().await.expect("available");
        let packed = export.pack(catalogue).expect("packs");
        packed.stamped(Stamp { owner, nonce: 1 })
    }

    async fn put(&self, number: u64, body: Vec<u8>) {
        let name = ObjectName::Catalogue(number);
        let created = self.store.create(name, body.into()).await;
        assert_eq!(created, Ok(Created::Won));
    }
}

#[tokio::test]
async fn a_change_is_exported_once_two_seconds_later() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    exporter.begin().await.expect("an empty store");
    assert_eq!(exporter.tick().await, None, "the first one at once");
    assert_eq!(world.numbers().await, [1]);
    let requests = || world.store.metrics().requests_total();
    let before = requests();
    for _ in 0..5 {
        world.advance_ms(60_000);
        assert_eq!(exporter.tick().await, None);
    }
    assert_eq!(requests(), before, "nothing has changed");
    world.add_topic("a").await;
    let due = world.clock.now_ms() + 2_000;
    assert_eq!(exporter.tick().await, Some(due));
    world.advance_ms(1_999);
    assert_eq!(exporter.tick().await, Some(due));
    assert_eq!(requests(), before, "not yet");
    world.advance_ms(1);
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.numbers().await, [1, 2]);
    assert_eq!(world.topics(2).await, ["a"]);
    assert!(world.topics(1).await.is_empty());
}

#[tokio::test]
async fn changes_without_end_are_exported_after_ten_seconds() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    exporter.tick().await;
    let start = world.clock.now_ms();
    let mut names = Vec::new();
    for step in 0.. {
        if world.numbers().await.len() > 1 {
            break;
        }
        names.push(format!("t{step:02}"));
        world.add_topic(&names[step]).await;
        exporter.tick().await;
        world.advance_ms(1_000);
        exporter.tick().await;
    }
    assert_eq!(world.clock.now_ms() - start, 10_000);
    assert_eq!(world.topics(2).await, names, "with the last change");
}

#[tokio::test]
async fn a_change_while_an_export_is_under_way_is_in_the_next() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    exporter.begin().await.expect("an empty store");
    let second = Duration::from_secs(1);
    world.objects.set_latency(second, second);
    let mut under_way = Box::pin(exporter.tick());
    // Until the object is on its way, where it stays as long as the clock stands.
    while world.store.metrics().requests(Operation::Create) == 0 {
        tokio::select! {
            biased;
            _ = &mut under_way => panic!("the clock stands still"),
            () = tokio::task::yield_now() => {}
        }
    }
    world.add_topic("meanwhile").await;
    world.objects.heal();
    world.advance_ms(1_000);
    let due = under_way.await;
    assert_eq!(due, Some(world.clock.now_ms() + 2_000));
    world.advance_ms(2_000);
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.topics(2).await, ["meanwhile"]);
    assert!(world.topics(1).await.is_empty());
}

#[tokio::test]
async fn a_start_exports_only_what_is_not_there() {
    let world = World::new().await;
    world.exporter().tick().await;
    let mut again = world.exporter();
    again.begin().await.expect("our own");
    again.tick().await;
    assert_eq!(world.numbers().await, [1], "it is there");
    // Changed while nobody exported, as before a crash.
    drop(again);
    world.add_topic("a").await;
    world.exporter().tick().await;
    assert_eq!(world.numbers().await, [1, 2]);
    assert_eq!(world.topics(2).await, ["a"]);
}

#[tokio::test]
async fn a_stop_exports_what_is_left_and_nothing_else() {
    let world = World::new().await;
    let stopped = Stop::new();
    stopped.cancel();
    let mut exporter = world.exporter();
    exporter.tick().await;
    world.add_topic("a").await;
    let Ok(()) = exporter.run(stopped.clone()).await;
    assert_eq!(world.topics(2).await, ["a"]);
    let mut exporter = world.exporter();
    exporter.tick().await;
    let Ok(()) = exporter.run(stopped).await;
    assert_eq!(world.numbers().await, [1, 2]);
}

#[tokio::test]
async fn an_own_export_whose_answer_got_lost_is_recognised() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    exporter.begin().await.expect("an empty store");
    world.objects.lose_answer(1);
    assert!(exporter.tick().await.is_some(), "tried again later");
    assert_eq!(
        (world.metrics.failures.get(), world.metrics.exports.get()),
        (1, 0)
    );
    world.advance_ms(60_000);
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.metrics.exports.get(), 1);
    assert_eq!(world.numbers().await, [1], "not a second time");
    // With another change meanwhile, the lost one is an export like others.
    world.add_topic("a").await;
    world.objects.lose_answer(1);
    exporter.tick().await;
    world.advance_ms(2_000);
    assert!(exporter.tick().await.is_some());
    world.add_topic("b").await;
    world.advance_ms(60_000);
    exporter.tick().await;
    world.advance_ms(60_000);
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.numbers().await, [1, 2, 3]);
    assert_eq!(world.topics(2).await, ["a"]);
    assert_eq!(world.topics(3).await, ["a", "b"]);
}

#[tokio::test]
async fn a_number_that_somebody_else_took_is_left_to_it() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    exporter.begin().await.expect("an empty store");
    let id = world.tenants.catalogue_id();
    let others = world.object_of(id, 8).await;
    world.put(1, others.clone()).await;
    world.put(2, world.object_of(id, 9).await).await;
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.numbers().await, [1, 2, 3]);
    let first = read(&world.store, 1).await.expect("readable");
    assert_eq!(first.as_deref(), Some(&*others), "left as it was");
}

#[tokio::test]
async fn another_catalogues_object_store_is_left_alone() {
    let world = World::new().await;
    world.exporter().tick().await;
    let other = World::on(world.clock.clone(), world.objects.clone()).await;
    let mut exporter = other.exporter();
    let error = exporter.begin().await.expect_err("foreign");
    assert!(
        matches!(error, BeginError::Foreign { number: 1 }),
        "{error}"
    );
    assert!(error.to_string().contains("firn restore"), "{error}");
    for _ in 0..3 {
        assert!(exporter.tick().await.is_some());
        other.advance_ms(60_000);
    }
    assert_eq!(world.numbers().await, [1]);
    // Nor does a damaged newest one hide whose store it is.
    world.put(2, b"rubbish".to_vec()).await;
    let error = other.exporter().begin().await.expect_err("foreign");
    assert!(
        matches!(error, BeginError::Foreign { number: 1 }),
        "{error}"
    );
    // It comes later, under a number that was thought to be free.
    let late = World::new().await;
    let mut exporter = late.exporter();
    exporter.begin().await.expect("an empty store");
    late.put(1, late.object_of(99, 8).await).await;
    for _ in 0..3 {
        assert!(exporter.tick().await.is_some());
        late.advance_ms(60_000);
    }
    assert_eq!(late.numbers().await, [1]);
}

#[tokio::test]
async fn a_damaged_newest_export_is_followed_by_a_sound_one() {
    let world = World::new().await;
    world.exporter().tick().await;
    world.put(2, b"rubbish".to_vec()).await;
    let mut exporter = world.exporter();
    exporter.begin().await.expect("ours, by the one before");
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.numbers().await, [1, 2, 3]);
    assert!(world.topics(3).await.is_empty());
}

#[tokio::test]
async fn the_newest_eight_are_kept() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    for number in 0..12 {
        world.add_topic(&format!("t{number:02}")).await;
        exporter.tick().await;
        world.advance_ms(2_000);
        exporter.tick().await;
    }
    let kept: Vec<u64> = (5..=12).collect();
    assert_eq!(world.numbers().await, kept);
    assert_eq!(world.topics(12).await.len(), 12);
}

#[tokio::test]
async fn trouble_is_counted_and_passes() {
    let world = World::new().await;
    let mut exporter = world.exporter();
    world.objects.storm(u64::MAX);
    for attempt in 1..=3 {
        let due = exporter.tick().await.expect("tried again");
        assert_eq!(world.metrics.failures.get(), attempt);
        // Not before its time.
        assert_eq!(exporter.tick().await, Some(due));
        assert_eq!(world.metrics.failures.get(), attempt);
        world.advance_ms(due - world.clock.now_ms());
    }
    world.add_topic("meanwhile").await;
    world.objects.heal();
    exporter.tick().await;
    world.advance_ms(60_000);
    assert_eq!(exporter.tick().await, None);
    assert_eq!(world.numbers().await, [1]);
    assert_eq!(world.topics(1).await, ["meanwhile"]);
}
