//! Who may come in, over restarts of the real binary.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::machine::demo_file;
use crate::process::{Process, log_of};
use crate::stack::{ACME, ack, bodies, receive, send};

const OPERATOR_PASSWORD: &str = "a-password-of-the-operator";

#[test]
fn secrets_outlive_restarts_and_a_new_master_key() {
    let dir = TempDir::new().expect("temporary directory");
    let flags = ["--operator-password", OPERATOR_PASSWORD];
    let start = || Process::start(dir.path(), &demo_file(), &flags);
    let operator = |process: &Process| {
        let form = json!({"username": "operator", "password": OPERATOR_PASSWORD});
        let login = Http::new(process.http).post("/v1/auth/login", &form).ok();
        login["token"].as_str().expect("a token").to_owned()
    };
    let process = start();
    let token = operator(&process);
    let mut admin = Http::new(process.http).authorize(&format!("Bearer {token}"));
    let rotated = admin
        .post(&format!("{ACME}/users/demo/rotate"), &json!({}))
        .ok();
    assert!(rotated["previousValidUntil"].is_u64(), "{rotated}");
    let fresh = rotated["secretKey"].as_str().expect("shown").to_owned();
    let mut demo = Http::user(process.http, "demo", "demo-secret");
    send(&mut demo, "orders", &json!([{"body": "1"}]));
    let got = receive(
        &mut demo,
        "workers",
        "orders",
        &json!({"waitSeconds": 20, "invisibleSeconds": 600}),
    );
    assert_eq!(bodies(&got), ["1"]);
    let form = json!({"name": "robot", "scopes": ["produce"]});
    let robot = admin.post(&format!("{ACME}/tokens"), &form).ok()["token"].clone();
    let robot = robot.as_str().expect("shown").to_owned();
    let wrong = Http::user(process.http, "demo", "a-wrong-secret").get(ACME);
    wrong.error(401, "UNAUTHENTICATED");
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));

    let rotate = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
        command.env_clear().current_dir(dir.path());
        command.args(["rotate-master-key", "--master-key-file", "new.key"]);
        command.output().expect("the binary runs")
    };
    let done = rotate();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("anew"), "{done:?}");

    let process = start();
    for secret in ["demo-secret", &fresh] {
        Http::user(process.http, "demo", secret).get(ACME).ok();
    }
    let mut demo = Http::user(process.http, "demo", &fresh);
    let answers = ack(&mut demo, "workers", "orders", &got);
    assert_eq!(answers, ["OK"], "handles that were out go on");
    let mut http = Http::new(process.http).authorize(&format!("Bearer {robot}"));
    send(&mut http, "orders", &json!([{"body": "2"}]));
    let mut old = Http::new(process.http).authorize(&format!("Bearer {token}"));
    old.get(ACME).error(401, "UNAUTHENTICATED");
    let token = operator(&process);
    let mut admin = Http::new(process.http).authorize(&format!("Bearer {token}"));
    // The stop before told what had been refused.
    let log = admin.get("/v1/audit?action=denied").ok();
    assert_eq!(log["items"][0]["caller"], "user:demo", "{log}");
    let all = admin.get("/v1/audit?max=500").ok();
    let actions = all["items"].as_array().expect("items").iter();
    let actions: Vec<&Value> = actions.map(|row| &row["action"]).collect();
    assert!(actions.iter().any(|it| *it == "masterKey.rotate"), "{all}");
    let busy = rotate();
    assert!(!busy.status.success(), "somebody has it open: {busy:?}");
    let told = log_of(dir.path()) + &said + &all.to_string();
    assert!(!told.contains(&robot[22..]), "the token is told");
    for secret in [
        "demo-secret",
        &fresh,
        "a-wrong-secret",
        OPERATOR_PASSWORD,
        &token,
    ] {
        assert!(!told.contains(secret), "{secret} is told");
    }
}

/// Nothing that lets anybody in is in the log, however much is logged, nor in the
/// metrics, nor in an answer that is not the one to show it.
#[test]
fn no_secret_is_logged() {
    let dir = TempDir::new().expect("temporary directory");
    let flags = [
        "--operator-password",
        OPERATOR_PASSWORD,
        "--log-level",
        "trace",
    ];
    let process = Process::start(dir.path(), &demo_file(), &flags);
    let mut http = Http::new(process.http);
    let login = |password: &str| json!({"username": "operator", "password": password});
    let session = http.post("/v1/auth/login", &login(OPERATOR_PASSWORD)).ok();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (token, refresh) = (text(&session["token"]), text(&session["refreshToken"]));
    let form = json!({"refreshToken": refresh});
    let renewed = text(&http.post("/v1/auth/refresh", &form).ok()["token"]);
    let mut admin = Http::new(process.http).authorize(&format!("Bearer {renewed}"));
    let users = format!("{ACME}/users");
    let given = json!({"accessKey": "shop", "secretKey": "a-given-secret"});
    admin.post(&users, &given).ok();
    let made = text(&admin.post(&format!("{users}/shop/rotate"), &json!({})).ok()["secretKey"]);
    let shown = admin.get(&format!("{users}/shop?reveal=true")).ok();
    assert_eq!(text(&shown["secretKey"]), made);
    let listed = admin.get(&users).ok().to_string();
    let form = json!({"accessKey": "shop", "secretKey": made});
    let short = text(&http.post("/v1/auth/token", &form).ok()["token"]);
    for secret in [made.as_str(), "a-given-secret"] {
        Http::user(process.http, "shop", secret).get(ACME).ok();
    }
    // Wrong in every way.
    let mut answers = Vec::new();
    let answer = Http::user(process.http, "shop", "a-mistyped-secret").get(ACME);
    answers.push(answer.text());
    for (path, form) in [
        ("/v1/auth/login", login("a-mistyped-password")),
        (
            "/v1/auth/login",
            json!({"username": [], "password": "a-mistyped-password"}),
        ),
        (
            "/v1/auth/login",
            json!({"username": "x", "password": ["a-listed-password"]}),
        ),
        ("/v1/auth/login", json!("a-bare-password")),
        (
            "/v1/auth/token",
            json!({"accessKey": "shop", "secretKey": "a-mistyped-secret"}),
        ),
        (
            "/v1/auth/token",
            json!({"accessKey": "shop", "secretKey": 778_899_112_233_u64}),
        ),
        (
            "/v1/auth/token",
            json!({"accessKey": "shop", "secret": "a-misplaced-secret"}),
        ),
        (
            "/v1/auth/refresh",
            json!({"refreshToken": {"token": "a-nested-token"}}),
        ),
        (
            "/v1/auth/refresh",
            json!({"refreshToken": "a-made-up-token"}),
        ),
    ] {
        let answer = http.post(path, &form);
        assert!((400..402).contains(&answer.status), "{path} {form}");
        answers.push(answer.text());
    }
    let wrong = json!({"accessKey": "late", "secretKey": "a secret with blanks"});
    answers.push(admin.post(&users, &wrong).error(400, "BAD_REQUEST"));
    let answer = Http::new(process.http)
        .authorize("Bearer a-made-up-token")
        .get(ACME);
    answers.push(answer.text());
    admin.post("/v1/auth/logout", &json!({"refreshToken": refresh}));
    let metrics = Http::new(process.ops).get("/metrics").text();
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    let log = log_of(dir.path());
    assert!(log.contains("request refused"), "the log is there");
    let master = std::fs::read_to_string(dir.path().join("data/master.key")).expect("a key");
    let told = [log, metrics, listed, answers.concat()].concat();
    for secret in [
        OPERATOR_PASSWORD,
        "demo-secret",
        "a-given-secret",
        "a-mistyped-secret",
        "a-mistyped-password",
        "a-listed-password",
        "a-bare-password",
        "778899112233",
        "a-misplaced-secret",
        "a-nested-token",
        "a-made-up-token",
        "a secret with blanks",
        &made,
        &token,
        &refresh,
        &renewed,
        &short,
        master.trim(),
    ] {
        assert!(!told.contains(secret), "{secret} is told");
        // As a header carries it.
        for name in ["demo", "shop"] {
            let pair = STANDARD.encode(format!("{name}:{secret}"));
            assert!(!told.contains(&pair), "{name}:{secret} is told");
        }
    }
}
