//! The web console and the API's description that its client is generated from.

use serde_json::Value;

use crate::world::World;

/// What `web/src/api/schema.d.ts` is generated from. After a change of the API:
/// `FIRN_WRITE_SNAPSHOT=1 cargo test -p firn-gateway --test http snapshot`.
#[test]
fn the_snapshot_of_the_console_is_what_the_service_answers() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/src/api/openapi.json");
    let served: Value = serde_json::from_str(&firn_gateway::openapi_json()).expect("JSON");
    if std::env::var_os("FIRN_WRITE_SNAPSHOT").is_some() {
        let text = serde_json::to_string_pretty(&served).expect("JSON") + "\n";
        std::fs::write(file, text).expect("written");
    }
    let kept = std::fs::read_to_string(file).expect("the snapshot");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert!(
        kept == served,
        "web/src/api/openapi.json is of another version: FIRN_WRITE_SNAPSHOT=1 writes it anew"
    );
}

#[actix_web::test]
async fn the_console_is_below_its_path_and_nowhere_else() {
    let world = World::new().await;
    let get = async |path: &str| world.as_caller("", "GET", path, Value::Null).await;
    for path in [
        "/console/",
        "/console/i/demo/topics",
        "/console/instances?page=2",
    ] {
        let page = get(path).await.expect(200);
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{path}"
        );
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self';"), "{path}: {policy}");
    }
    // The fixture has no port for other clients.
    let service = get("/console/service.json").await.expect(200);
    assert_eq!(service.json(), serde_json::json!({ "grpcPort": null }));
    let moved = get("/console").await.expect(308);
    assert_eq!(moved.header("location"), "/console/");
    get("/console/assets/gone.js").await.expect(404);
    get("/consoles/").await.expect(404);
    let refused = world.as_caller("", "POST", "/console/", Value::Null).await;
    refused.expect(405);
}
