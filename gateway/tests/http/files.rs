//! Topics and groups as files.

use actix_web::test::TestRequest;
use firn_protocol::catalogue::{Permission, Plan};
use firn_protocol::limits::IMPORT_BYTES_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::world::*;

const TOPICS: &str = "/v1/instances/demo/topics";
const GROUPS: &str = "/v1/instances/demo/groups";
const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const HEADER: &str = "Topic名称,是否有序,队列数,读写权限,备注\n";

fn upload(path: &str, kind: &str, body: impl Into<Vec<u8>>) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header(("authorization", demo()))
        .insert_header(("content-type", kind))
        .set_payload(body.into())
}

async fn import(world: &World, path: &str, text: &str) -> Value {
    let reply = world.call(upload(path, CSV, text)).await;
    reply.expect(200).json()
}

/// Lines of errors as (line, name, code).
fn errors(answer: &Value) -> Vec<(u64, &str, &str)> {
    let errors = answer["errors"].as_array().expect("errors").iter();
    let errors: Vec<_> = errors
        .map(|error| {
            assert!(
                error["reason"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            let text = |name: &str| error[name].as_str().expect("a text");
            (
                error["line"].as_u64().expect("a number"),
                text("name"),
                text("code"),
            )
        })
        .collect();
    assert_eq!(answer["failed"], errors.len());
    errors
}

/// Rows of the table of rights over HTTP, see `auth::rights_by_caller_and_route`.
pub(crate) fn rights() -> Vec<(&'static str, &'static str, Value, [u16; 8])> {
    let read = [
        "/v1/instances/demo/topics/export?format=csv",
        "/v1/instances/demo/topics/template?format=csv",
        "/v1/instances/demo/groups/export?format=csv",
        "/v1/instances/demo/groups/template?format=csv",
    ];
    // An empty file, which is told of to who may import.
    let write = [
        "/v1/instances/demo/topics/import",
        "/v1/instances/demo/groups/import",
    ];
    let read = read.map(|path| ("GET", path, [200, 200, 200, 200, 403, 404, 404, 404]));
    let write = write.map(|path| ("POST", path, [400, 400, 403, 400, 403, 404, 404, 404]));
    let rows = read.into_iter().chain(write);
    rows.map(|(method, path, expected)| (method, path, Value::Null, expected))
        .collect()
}

#[actix_web::test]
async fn s_21_bad_lines_cost_themselves_alone() {
    let world = World::new().await;
    let text = format!(
        "{HEADER}fresh,FALSE,2,4,legend\nbad name,FALSE,2,6,\norders,FALSE,2,6,\n\
         odd,FALSE,none,6,\nfresh,FALSE,2,6,\n\n\"broken,FALSE,2,6,\nlast,true,1,2\nTBW102,FALSE,1,6\n"
    );
    let expected = [
        (3, "bad name", "INVALID_NAME"),
        (4, "orders", "ALREADY_EXISTS"),
        (5, "odd", "BAD_REQUEST"),
        (6, "fresh", "ALREADY_EXISTS"),
        (8, "broken", "BAD_REQUEST"),
        (10, "TBW102", "INVALID_NAME"),
    ];
    let dry = import(&world, &format!("{TOPICS}/import?dryRun=true"), &text).await;
    assert_eq!(dry["dryRun"], true);
    assert_eq!(errors(&dry), expected);
    world.get(&format!("{TOPICS}/fresh")).await.expect(404);

    let done = import(&world, &format!("{TOPICS}/import"), &text).await;
    assert_eq!(
        (&done["lines"], &done["dryRun"]),
        (&json!(8), &json!(false))
    );
    assert_eq!(
        (&done["created"], &dry["created"]),
        (&json!(["fresh", "last"]), &json!(["fresh", "last"]))
    );
    assert_eq!(errors(&done), expected);
    let fresh = world
        .get(&format!("{TOPICS}/fresh"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&fresh["queues"], &fresh["permission"]),
        (&json!(2), &json!("read"))
    );
    let last = world
        .get(&format!("{TOPICS}/last"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&last["ordered"], &last["type"]),
        (&json!(true), &json!("fifo"))
    );
    for name in ["odd", "broken", "TBW102"] {
        world.get(&format!("{TOPICS}/{name}")).await.expect(404);
    }
}

#[actix_web::test]
async fn an_export_is_imported_elsewhere() {
    let world = World::new().await;
    world.edit_topic("secret", |topic| topic.permission = Permission::Read);
    let admin = world.login(Some(2), "admin").await;
    let operator = world.login(None, "operator").await;
    let form = json!({"tenantId": 2, "name": "empty", "brokers": ["a", "b"]});
    world
        .as_caller(&operator, "POST", "/v1/instances", form)
        .await
        .expect(201);
    for (format, kind) in [("csv", CSV), ("xlsx", XLSX)] {
        for list in ["topics", "groups"] {
            let path = format!("/v1/instances/demo/{list}/export?format={format}&columns=all");
            let file = world.get(&path).await.expect(200);
            assert!(file.header("content-type").starts_with(kind));
            assert!(
                file.header("content-disposition")
                    .contains(&format!("{list}.{format}"))
            );
            let request = upload(
                &format!("/v1/instances/empty/{list}/import"),
                kind,
                file.bytes,
            );
            let request = request.insert_header(("authorization", admin.as_str()));
            let done = world.call(request).await.expect(200).json();
            assert_eq!(errors(&done), [], "{done}");
            assert_eq!(done["ignoredColumns"], json!([]));
            let listed = |instance: &str| format!("/v1/instances/{instance}/{list}");
            let items = async |instance: &str| {
                let page = world
                    .as_caller(&admin, "GET", &listed(instance), Value::Null)
                    .await;
                page.expect(200).json()["items"].clone()
            };
            let (was, is) = (items("demo").await, items("empty").await);
            assert_eq!(was, is, "{format}");
            for item in is.as_array().expect("items") {
                let one = format!(
                    "{}/{}",
                    listed("empty"),
                    item["name"].as_str().expect("a name")
                );
                world
                    .as_caller(&admin, "DELETE", &one, Value::Null)
                    .await
                    .expect(204);
            }
        }
    }
}

#[actix_web::test]
async fn lines_of_several_brokers_make_one_topic() {
    let world = World::new().await;
    let header = "topic名称,queue数量,读写权限,broker名称,broker IP,集群名称,是否有序\n";
    let text = format!(
        "{header}wide,4,6,a,,elsewhere,false\nwide,4,6,b,,elsewhere,false\nnarrow,4,6,b,,,false\n\
         narrow,4,6,z,,,false\nnarrow,4,6,b,,,false\nwide,5,6,c,,,false\nnowhere,4,6,z,,,false\n"
    );
    let done = import(&world, &format!("{TOPICS}/import"), &text).await;
    assert_eq!(done["created"], json!(["wide", "narrow"]));
    assert_eq!(
        errors(&done),
        [
            (5, "narrow", "NOT_FOUND"),
            (6, "narrow", "ALREADY_EXISTS"),
            (7, "wide", "ALREADY_EXISTS"),
            (8, "nowhere", "NOT_FOUND"),
        ]
    );
    for (name, brokers) in [("wide", json!(["a", "b"])), ("narrow", json!(["b"]))] {
        let made = world
            .get(&format!("{TOPICS}/{name}"))
            .await
            .expect(200)
            .json();
        assert_eq!(made["brokers"], brokers, "{name}");
    }
    // Both lines of a topic that cannot be made are told of.
    let again = import(&world, &format!("{TOPICS}/import"), &text).await;
    let lines: Vec<u64> = errors(&again).iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
    // The request's brokers count where the file names none.
    let path = format!("{TOPICS}/import?brokers=b");
    import(&world, &path, &format!("{HEADER}chosen,FALSE,4,6\n")).await;
    let made = world
        .get(&format!("{TOPICS}/chosen"))
        .await
        .expect(200)
        .json();
    assert_eq!(made["brokers"], json!(["b"]));
    for (query, expected) in [
        (
            "brokers=b&names=chosen,wide",
            &["chosen,4,6,b", "wide,4,6,b"][..],
        ),
        // Lines that a person ticked here and there.
        ("names=chosen@b,wide@a", &["chosen,4,6,b", "wide,4,6,a"]),
        ("names=wide@a,wide", &["wide,4,6,a", "wide,4,6,b"]),
        ("brokers=b&names=wide@a", &[]),
    ] {
        let path = format!("{TOPICS}/export?format=csv&{query}");
        let file = String::from_utf8(world.get(&path).await.expect(200).bytes).expect("UTF-8");
        let rows: Vec<&str> = file
            .lines()
            .skip(1)
            .map(|row| row.split(",10.").next().expect("a part"))
            .collect();
        assert_eq!(rows, expected, "{query}");
    }
}

#[actix_web::test]
async fn forms_hold_one_file() {
    let world = World::new().await;
    let part = |name: &str, text: &str| {
        format!(
            "--XX\r\ncontent-disposition: form-data; name=\"file\"{name}\r\n\
             content-type: application/vnd.ms-excel\r\n\r\n{text}\r\n"
        )
    };
    let file = part(
        "; filename=\"x.csv\"",
        &format!("{HEADER}formed,FALSE,2,6,\n"),
    );
    let kind = "multipart/form-data; boundary=XX";
    let path = format!("{TOPICS}/import");
    let reply = world
        .call(upload(&path, kind, format!("{file}--XX--\r\n")))
        .await;
    assert_eq!(reply.expect(200).json()["created"], json!(["formed"]));
    let field = part("", "1");
    for (kind, body) in [
        (kind, format!("{file}{file}--XX--\r\n")),
        (kind, format!("{file}{field}--XX--\r\n")),
        (kind, format!("{field}--XX--\r\n")),
        (kind, "--XX--\r\n".to_owned()),
        (kind, file.clone()),
        (kind, String::new()),
        ("multipart/form-data", format!("{file}--XX--\r\n")),
    ] {
        let reply = world.call(upload(&path, kind, body.clone())).await;
        assert_eq!(reply.expect(400).code(), "BAD_REQUEST", "{kind} {body}");
    }
}

#[actix_web::test]
async fn what_is_no_file_of_ours_is_refused() {
    let world = World::new().await;
    let path = format!("{TOPICS}/import");
    for kind in ["application/json", "text/plain", "application/octet-stream"] {
        let reply = world.call(upload(&path, kind, HEADER)).await;
        assert_eq!(reply.expect(415).code(), "UNSUPPORTED_MEDIA_TYPE", "{kind}");
    }
    let large = "x".repeat(IMPORT_BYTES_MAX as usize + 1);
    let reply = world.call(upload(&path, CSV, large)).await;
    assert_eq!(reply.expect(413).code(), "REQUEST_TOO_LARGE");
    for (body, named) in [
        (&b""[..], "empty"),
        (b"\xb6\xff\xff", "neither UTF-8 nor GBK"),
        (b"PK\x03\x04", "not a readable xlsx"),
    ] {
        let reply = world.call(upload(&path, CSV, body)).await.expect(400);
        assert!(reply.message().contains(named), "{}", reply.message());
    }
    for query in ["dryRun=yes", "brokers=z", "force=true"] {
        let reply = world
            .call(upload(&format!("{path}?{query}"), CSV, HEADER))
            .await;
        assert_eq!(
            reply.status,
            if query == "brokers=z" { 404 } else { 400 },
            "{query}"
        );
    }
    for (query, status) in [
        ("", 400),
        ("?format=ods", 400),
        ("?format=csv&columns=some", 400),
        ("?format=csv&max=1", 400),
        ("?format=csv&names=nothing", 404),
        ("?format=csv&brokers=z", 404),
        ("?format=csv&names=nothing@a", 404),
        ("?format=csv&names=nothing@z", 404),
    ] {
        world
            .get(&format!("{TOPICS}/export{query}"))
            .await
            .expect(status);
    }
    world
        .get(&format!("{GROUPS}/template?format=csv&names=x"))
        .await
        .expect(400);
    // Groups have no brokers of their own to choose.
    let reply = world
        .call(upload(
            &format!("{GROUPS}/import?brokers=a"),
            CSV,
            "订阅组名\n",
        ))
        .await;
    reply.expect(400);
}

#[actix_web::test]
async fn words_of_the_paths_stay_names() {
    let world = World::new().await;
    for list in [TOPICS, GROUPS] {
        for name in ["export", "import", "template"] {
            let one = format!("{list}/{name}");
            let missing = if name == "import" { 404 } else { 400 };
            world.get(&one).await.expect(missing);
            world.post(list, json!({"name": name})).await.expect(201);
            assert_eq!(world.get(&one).await.expect(200).json()["name"], name);
            let change = json!({"remark": "r"});
            let reply = world.as_caller(&demo(), "PATCH", &one, change).await;
            assert_eq!(reply.expect(200).json()["remark"], "r");
            world
                .as_caller(&demo(), "DELETE", &one, Value::Null)
                .await
                .expect(204);
        }
        world
            .get(&format!("{list}/export?format=csv"))
            .await
            .expect(200);
        let reply = world
            .as_caller(&demo(), "PUT", &format!("{list}/export"), Value::Null)
            .await;
        assert_eq!(reply.expect(405).header("allow"), "GET, PATCH, DELETE");
    }
}

#[actix_web::test]
async fn plans_are_foretold() {
    let world = World::new().await;
    let plan = json!({
        "name": "basic", "tps": 0, "topicTps": 0, "burstSeconds": 0.1, "topics": 8, "groups": 2,
        "brokers": 0, "storageGib": 0, "retentionHours": 72, "messageBytes": 1, "connections": 0,
        "priceList": "standard",
    });
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    world
        .tenants
        .catalogue
        .lock()
        .plans
        .insert("basic".to_owned(), Arc::new(plan));
    let text = format!("{HEADER}a,FALSE,1,6\nb,FALSE,1,6\nc,FALSE,1,6\nb,FALSE,1,6\n");
    let dry = import(&world, &format!("{TOPICS}/import?dryRun=true"), &text).await;
    assert_eq!(dry["created"], json!(["a", "b"]), "there are six");
    assert_eq!(
        errors(&dry),
        [(4, "c", "QUOTA_EXCEEDED"), (5, "b", "ALREADY_EXISTS")]
    );
    let groups = "订阅组名\nworkers\ng\nh\n";
    let dry = import(&world, &format!("{GROUPS}/import?dryRun=true"), groups).await;
    assert_eq!(dry["created"], json!(["g"]));
    assert_eq!(
        errors(&dry),
        [(2, "workers", "ALREADY_EXISTS"), (4, "h", "QUOTA_EXCEEDED")]
    );
}

#[actix_web::test]
async fn without_the_catalogue_nothing_is_made() {
    let world = World::new().await;
    world.tenants.down.store(true, Ordering::Relaxed);
    for (path, text) in [
        (TOPICS, format!("{HEADER}a,FALSE,1,6\nb,FALSE,1,6\n")),
        (GROUPS, "订阅组名\na\nb\n".to_owned()),
    ] {
        let reply = world
            .call(upload(&format!("{path}/import"), CSV, text))
            .await;
        assert_eq!(reply.expect(503).code(), "CATALOGUE_UNAVAILABLE");
    }
}

#[actix_web::test]
async fn a_catalogue_that_goes_away_costs_the_rest() {
    let world = World::new().await;
    *world.tenants.changes_left.lock() = Some(2);
    let text = "订阅组名\na\nb\nc\na b\nd\n";
    let done = import(&world, &format!("{GROUPS}/import"), text).await;
    assert_eq!(done["created"], json!(["a", "b"]));
    let away = "CATALOGUE_UNAVAILABLE";
    let expected = [(4, "c", away), (5, "a b", "INVALID_NAME"), (6, "d", away)];
    assert_eq!(errors(&done), expected);
}

#[test]
fn any_upload_gets_an_answer() {
    let system = actix_web::rt::System::new();
    let world = system.block_on(World::new());
    const KINDS: [&str; 4] = [
        CSV,
        XLSX,
        "multipart/form-data; boundary=XX",
        "multipart/form-data; boundary=",
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    let strategy = (
        prop::sample::select(&KINDS[..]),
        any::<bool>(),
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(--XX\r\n|--XX--|content-disposition: form-data; filename=a\r\n|\r\n|[a,\"]){0,12}"
                .prop_map(String::into_bytes),
        ],
    );
    let run = runner.run(&strategy, |(kind, is_topics, body)| {
        let list = if is_topics { TOPICS } else { GROUPS };
        let request = upload(&format!("{list}/import?dryRun=true"), kind, body);
        let reply = system.block_on(world.call(request));
        prop_assert!([200, 400, 413].contains(&reply.status), "{}", reply.status);
        Ok(())
    });
    run.expect("an answer to each");
}
