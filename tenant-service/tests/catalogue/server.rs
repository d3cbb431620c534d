//! A catalogue on a PostgreSQL server: how it is reached, and what happens when it
//! is not.

use firn_protocol::ErrorCode;
use firn_protocol::api::tenant::{TenantApi as _, TopicFields, UserFields};
use firn_runtime::telemetry::metrics_text;
use firn_tenant_service::{OpenError, TenantService};

use crate::database::cluster;
use crate::place::{ACME, Place, caller, new, refused};
use crate::postgres::Cluster;

async fn open(place: &Place, url: &str) -> Result<std::sync::Arc<TenantService>, OpenError> {
    let mut config = place.config();
    config.catalogue = url.to_owned();
    TenantService::open(config, place.clock.clone()).await
}

/// The one line of a start that is refused; it holds no password.
#[track_caller]
fn line(opened: Result<std::sync::Arc<TenantService>, OpenError>) -> String {
    let text = opened.err().expect("refused").to_string();
    assert!(!text.contains('\n') && !text.contains("secret"), "{text}");
    text
}

/// Makes the user `guarded`, who needs the password `secret`.
fn guard(cluster: &Cluster, database: &str) {
    cluster.run(
        "postgres",
        "DO $$ BEGIN CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'secret';
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    );
    cluster.run(database, "SELECT 1");
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_named() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let database = cluster.database();
    guard(cluster, &database);
    let away = "postgres://u:secret@127.0.0.1:1/d";
    let text = line(open(&place, away).await);
    assert!(
        text.contains("'d' at 127.0.0.1:1") && text.contains("does not answer"),
        "{text}"
    );
    let away = "postgres://u:secret@localhost/d?host=/nowhere";
    let text = line(open(&place, away).await);
    assert!(
        text.contains("at /nowhere") && text.contains("does not answer"),
        "{text}"
    );
    let wrong = cluster.tcp_url("guarded:secretive", &database);
    let text = line(open(&place, &wrong).await);
    assert!(text.contains("refuses user 'guarded'"), "{text}");
    let missing = cluster.tcp_url("guarded:secret", "nothing");
    let text = line(open(&place, &missing).await);
    assert!(text.contains("no database 'nothing'"), "{text}");
    let nowhere = cluster.url(&database) + "&options=-csearch_path%3Dnowhere";
    let text = line(open(&place, &nowhere).await);
    assert!(text.contains("search_path"), "{text}");
    assert!(
        open(&place, &cluster.tcp_url("guarded:secret", &database))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_database_of_something_else_is_left_alone() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let database = cluster.database();
    cluster.run(&database, "CREATE TABLE setting (theirs TEXT)");
    let text = line(open(&place, &cluster.url(&database)).await);
    assert!(text.contains("not Firn's"), "{text}");
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.run(&database, tables).trim(), "setting");
    cluster.run(
        "postgres",
        "CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    );
    let text = line(open(&place, &cluster.url("narrow")).await);
    assert!(text.contains("LATIN1"), "{text}");
}

#[tokio::test]
async fn a_newer_catalogue_is_refused() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let database = cluster.database();
    let url = cluster.url(&database);
    open(&place, &url).await.unwrap().close().await;
    cluster.run(
        &database,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (1000, 'later', true, '', 0)",
    );
    let error = open(&place, &url).await.err().unwrap();
    assert!(matches!(error, OpenError::TooNew), "{error}");
}

#[tokio::test]
async fn the_way_to_the_server_may_be_secured() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    if cluster.run("postgres", "SHOW ssl").trim() != "on" {
        eprintln!("SKIPPED: the server has no certificate for TLS");
        return;
    }
    let database = cluster.database();
    guard(cluster, &database);
    let url = cluster.tcp_url("guarded:secret", &database);
    let secured = open(&place, &format!("{url}?sslmode=require")).await;
    let secured = secured.unwrap();
    let all = format!(
        "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE datname = '{database}' AND usename = 'guarded'"
    );
    assert_eq!(cluster.run("postgres", &all).trim(), "t");
    secured.close().await;
    let text = line(open(&place, &format!("{url}?sslmode=verify-full")).await);
    assert!(text.contains("no secure connection"), "{text}");
}

#[tokio::test]
async fn reads_go_on_without_the_server_and_changes_when_it_is_back() {
    let Some(own) = Cluster::start() else { return };
    let place = Place::new();
    let url = own.url(&own.database());
    let one = open(&place, &url).await.unwrap();
    let other = open(&place, &url).await.unwrap();
    let registry = prometheus::Registry::new();
    other.register_metrics(&registry).unwrap();
    let away = |value: u8| {
        let text = metrics_text(&registry);
        text.contains(&format!("\nfirn_tenant_catalogue_away {value}\n"))
    };
    let by = caller();
    let tenant = firn_protocol::catalogue::Tenant {
        id: ACME,
        name: "acme".to_owned(),
    };
    one.create_tenant(&by, tenant).await.unwrap();
    let demo = one.create_instance(&by, new(ACME, "demo")).await.unwrap();
    other.tick().await;
    assert!(away(0));

    own.crash();
    for name in ["t1", "t2"] {
        let refused_one = one.create_topic(&by, demo.id, name, TopicFields::default());
        refused(refused_one.await, ErrorCode::CatalogueUnavailable, "");
    }
    for service in [&one, &other] {
        service.tick().await;
        assert_eq!(service.find_instance(None, "demo").unwrap(), demo);
    }
    assert!(one.health().is_err());
    assert!(away(1));
    assert!(other.health().is_ok(), "nothing was refused there");
    assert!(other.audit(None, None, 1).await.is_err());

    own.resume();
    one.tick().await;
    assert!(one.health().is_ok());
    let made = one.create_topic(&by, demo.id, "t1", TopicFields::default());
    let made = made.await.unwrap();
    other.tick().await;
    assert!(away(0));
    assert_eq!(other.topic(demo.id, "t1"), Some(made));
    assert!(one.topic(demo.id, "t2").is_none());
    let again = other.create_topic(&by, demo.id, "t2", TopicFields::default());
    again.await.unwrap();
}

#[tokio::test]
async fn usage_is_kept_when_the_server_is_back() {
    use firn_protocol::api::billing::{BillingApi as _, UsageBy};
    use firn_protocol::api::usage::{Counts, EventKey, UsageEvent, UsageKey};
    use firn_protocol::{BrokerId, Generation, Timestamp, TopicId, TopicKey};
    let Some(own) = Cluster::start() else { return };
    let place = Place::new();
    let database = own.database();
    let service = open(&place, &own.url(&database)).await.unwrap();
    let by = caller();
    let tenant = firn_protocol::catalogue::Tenant {
        id: ACME,
        name: "acme".to_owned(),
    };
    service.create_tenant(&by, tenant).await.unwrap();
    let demo = service
        .create_instance(&by, new(ACME, "demo"))
        .await
        .unwrap();
    let now = Timestamp(place.clock.now_ms());
    let key = UsageKey::at(now, TopicKey::User(TopicId(1)), None);
    let event = UsageEvent {
        tenant: ACME,
        instance: demo.id,
        key: EventKey {
            broker: BrokerId(1),
            generation: Generation(1),
            from: 1,
        },
        to: 2,
        rows: vec![(key, Counts::message(1))],
    };
    let events = [event];
    own.crash();
    let refused_now = service.record_usage(&events).await;
    refused(
        refused_now,
        ErrorCode::CatalogueUnavailable,
        "nothing is lost",
    );
    assert!(service.close_books().await.is_err());
    own.resume();
    for _ in 0..2 {
        service.record_usage(&events).await.unwrap();
    }
    let lines = service
        .usage(demo.id, now, now, UsageBy::Hour)
        .await
        .unwrap();
    assert_eq!(lines[0].sums.messages_in, 1);
    // Whoever changes an hour by hand is found out.
    let verify = async || {
        service
            .verify_bill(ACME, "2023-11")
            .await
            .unwrap()
            .differences
    };
    assert!(verify().await.is_empty());
    own.run(&database, "UPDATE usage_hour SET units_in = 5");
    let [difference] = &verify().await[..] else {
        panic!("one difference")
    };
    assert!(difference.contains("unitsIn is 5 in the hours and 1 in the events"));
    own.run(&database, "DELETE FROM usage_hour");
    assert_eq!(verify().await.len(), 3, "messages, units and bytes");
}

#[tokio::test]
async fn a_connection_that_broke_is_made_anew_unnoticed() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let database = cluster.database();
    let service = open(&place, &cluster.url(&database)).await.unwrap();
    let by = caller();
    let end = format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'"
    );
    for (id, name) in [(2, "a"), (3, "b")] {
        assert!(cluster.run("postgres", &end).starts_with('t'));
        let tenant = firn_protocol::catalogue::Tenant {
            id: firn_protocol::TenantId(id),
            name: name.to_owned(),
        };
        service.create_tenant(&by, tenant).await.unwrap();
        service.audit(None, None, 1).await.unwrap();
    }
    assert!(service.health().is_ok());
}

#[tokio::test]
async fn secrets_are_unreadable_in_the_rows() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let database = cluster.database();
    let service = open(&place, &cluster.url(&database)).await.unwrap();
    let by = caller();
    let tenant = firn_protocol::catalogue::Tenant {
        id: ACME,
        name: "acme".to_owned(),
    };
    service.create_tenant(&by, tenant).await.unwrap();
    let demo = service
        .create_instance(&by, new(ACME, "demo"))
        .await
        .unwrap();
    let given = UserFields {
        secret_key: Some("a-secret-that-was-given".to_owned()),
        ..UserFields::default()
    };
    service
        .create_user(&by, demo.id, "given", given)
        .await
        .unwrap();
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    let mut rows = String::new();
    for table in cluster.run(&database, tables).lines() {
        rows += &cluster.run(&database, &format!("SELECT row_to_json(t) FROM {table} t"));
    }
    assert!(
        rows.contains("given") && rows.contains("$argon2"),
        "the search works"
    );
    let master = std::fs::read_to_string(place.path("master.key")).unwrap();
    for secret in [
        "a-secret-that-was-given",
        "operator-password",
        master.trim(),
    ] {
        let hexed = hex::encode(secret);
        assert!(!rows.contains(secret) && !rows.contains(&hexed), "{secret}");
    }
}
