//! The suite against a real S3 server.

use super::conformance::conforms;
use super::races::race;
use super::*;

#[path = "../../../tests/support/weed.rs"]
mod weed;

use weed::Server;

/// What S3 takes as the smallest part.
const PART_BYTES: usize = 5 << 20;

fn objects(server: &Server, url: &str) -> RealObjects {
    let url = ColdUrl::parse(url).expect("a URL");
    url.open(&server.variables()).expect("opens")
}

/// Every change of a create and of an upload in parts takes effect and is not answered.
async fn answers_get_lost(objects: RealObjects) {
    let clock = Clock::system();
    let faulty = FaultyObjects::over(Arc::new(objects), 1, &clock);
    let store = ColdStore::new(Arc::new(faulty.clone()), s3_settings(), &clock);
    faulty.lose_answer(1);
    let created = store.create(ObjectName::Catalogue(1), "mine".into()).await;
    assert_eq!(created, Ok(Created::Won));
    let body = pattern(PART_BYTES * 3 / 2);
    // Start, two parts, completion.
    for change in 1..=4 {
        faulty.lose_answer(change);
        let put = store.put_unique(segment(change), [body.clone()]).await;
        put.expect("is stored");
        assert_eq!(store.get(segment(change)).await.as_ref(), Ok(&body));
    }
}

fn s3_settings() -> ColdSettings {
    ColdSettings {
        part_bytes: PART_BYTES,
        ..ColdSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_s3_server_conforms() {
    let Some(server) = Server::start() else {
        return;
    };
    let open = |url: &str| {
        let objects = Arc::new(objects(&server, url));
        ColdStore::new(objects, s3_settings(), &Clock::system())
    };
    let store = open("s3://firn/some/prefix");
    conforms(&store, PART_BYTES).await;
    // A prefix is a store of its own.
    let other = open("s3://firn/some/pre");
    let found = other
        .list(crate::cold::paths::Prefix::Tenant(BROKER.tenant))
        .await;
    assert_eq!(found, Ok(vec![]));
    for round in 1000..1005 {
        let name = ObjectName::Manifest(BROKER, round);
        let (winners, object) = race(&store, name, 2).await;
        assert_eq!(winners, [object], "one of two creators wins");
    }
    answers_get_lost(objects(&server, "s3://firn/lost")).await;
    let missing = open("s3://nosuchbucket/x").get(segment(1)).await;
    let failure = missing.expect_err("there is no such bucket").failure;
    assert!(!failure.is_retryable(), "{failure:?}");
}
