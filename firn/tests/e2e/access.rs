//! Who may come in, over restarts of the real binary.

use std::path::Path;
use std::process::{Command, Output};

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

    let done = rotate_master_key(dir.path());
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
    let busy = rotate_master_key(dir.path());
    assert!(!busy.status.success(), "somebody has it open: {busy:?}");
    let told = log_of(dir.path()) + &said + &all.to_string();
    assert!(!told.contains(&robot[22..]), "the token is told");
    let secrets = ["demo-secret", &fresh, "a-wrong-secret", OPERATOR_PASSWORD];
    require_untold(&told, &secrets);
    require_untold(&told, &[&token]);
}

fn operator(process: &Process) -> String {
    let form = json!({"username": "operator", "password": OPERATOR_PASSWORD});
    let login = Http::new(process.http).post("/v1/auth/login", &form).ok();
    text(&login["token"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn rotate_master_key(dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command.env_clear().current_dir(dir);
    command.args(["rotate-master-key", "--master-key-file", "new.key"]);
    command.output().expect("the binary runs")
}

#[track_caller]
fn require_untold(told: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} is told");
        // As a header carries it.
        for name in ["demo", "shop"] {
            let pair = STANDARD.encode(format!("{name}:{secret}"));
            assert!(!told.contains(&pair), "{name}:{secret} is told");
        }
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
    let mut answers = wrong_in_every_way(&process);
    let wrong = json!({"accessKey": "late", "secretKey": "a secret with blanks"});
    answers += &admin.post(&users, &wrong).error(400, "BAD_REQUEST");
    admin.post("/v1/auth/logout", &json!({"refreshToken": refresh}));
    let metrics = Http::new(process.ops).get("/metrics").text();
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    let log = log_of(dir.path());
    assert!(log.contains("request refused"), "the log is there");
    let master = std::fs::read_to_string(dir.path().join("data/master.key")).expect("a key");
    let told = [log, metrics, listed, answers].concat();
    require_untold(&told, &GIVEN);
    require_untold(
        &told,
        &[&made, &token, &refresh, &renewed, &short, master.trim()],
    );
}

/// What the test sends, rightly or wrongly.
const GIVEN: [&str; 12] = [
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
];

/// The answers, one after the other.
fn wrong_in_every_way(process: &Process) -> String {
    let (login, token, refresh) = ("/v1/auth/login", "/v1/auth/token", "/v1/auth/refresh");
    let forms = [
        (
            login,
            json!({"username": "operator", "password": "a-mistyped-password"}),
        ),
        (
            login,
            json!({"username": [], "password": "a-mistyped-password"}),
        ),
        (
            login,
            json!({"username": "x", "password": ["a-listed-password"]}),
        ),
        (login, json!("a-bare-password")),
        (
            token,
            json!({"accessKey": "shop", "secretKey": "a-mistyped-secret"}),
        ),
        (
            token,
            json!({"accessKey": "shop", "secretKey": 778_899_112_233_u64}),
        ),
        (
            token,
            json!({"accessKey": "shop", "secret": "a-misplaced-secret"}),
        ),
        (
            refresh,
            json!({"refreshToken": {"token": "a-nested-token"}}),
        ),
        (refresh, json!({"refreshToken": "a-made-up-token"})),
    ];
    let mut http = Http::new(process.http);
    let mut answers = String::new();
    for (path, form) in forms {
        let answer = http.post(path, &form);
        assert!((400..402).contains(&answer.status), "{path} {form}");
        answers += &answer.text();
    }
    let mut mistyped = Http::user(process.http, "shop", "a-mistyped-secret");
    let mut bearer = Http::new(process.http).authorize("Bearer a-made-up-token");
    for http in [&mut mistyped, &mut bearer] {
        let answer = http.get(ACME);
        assert_eq!(answer.status, 401);
        answers += &answer.text();
    }
    answers
}

/// What a client verb prints, as the operator.
#[track_caller]
fn verb(dir: &Path, process: &Process, line: &str, new_password: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command.env_clear().current_dir(dir);
    command.env("FIRN_URL", format!("http://{}", process.http));
    command.env("FIRN_PASSWORD", OPERATOR_PASSWORD);
    command.env("FIRN_NEW_PASSWORD", new_password);
    let words = line.split(' ');
    command.args(words).args(["--username", "operator"]);
    let done = command.output().expect("the binary runs");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{line}: {told}");
    String::from_utf8(done.stdout).expect("text") + &told
}

/// People of a tenant by the command line and over HTTP, with real hashes.
#[test]
fn people_come_change_and_go_and_their_log_ins_with_them() {
    let dir = TempDir::new().expect("temporary directory");
    let flags = [
        "--operator-password",
        OPERATOR_PASSWORD,
        "--log-level",
        "debug",
    ];
    let process = Process::start(dir.path(), &demo_file(), &flags);
    let firn = |line: &str, new_password: &str| verb(dir.path(), &process, line, new_password);
    let mut told = firn(
        "console-users create 2 ann --role viewer",
        "the-first-password",
    );
    let log_in = |password: &str| {
        let form = json!({"tenant": 2, "username": "ann", "password": password});
        Http::new(process.http).post("/v1/auth/login", &form)
    };
    let ann = text(&log_in("the-first-password").ok()["token"]);
    let mut ann = Http::new(process.http).authorize(&format!("Bearer {ann}"));
    let users = "/v1/tenants/2/users";
    assert_eq!(ann.get(users).ok()["items"][0]["role"], "viewer");
    let form = json!({"username": "bob", "password": "bobs-password", "role": "admin"});
    ann.post(users, &form).error(403, "FORBIDDEN");
    told += &firn(
        "console-users update 2 ann --role admin",
        "another-password",
    );
    ann.get(users).error(401, "UNAUTHENTICATED");
    log_in("the-first-password").error(401, "UNAUTHENTICATED");
    let again = text(&log_in("another-password").ok()["token"]);
    let mut again = Http::new(process.http).authorize(&format!("Bearer {again}"));
    assert_eq!(again.post(users, &form).ok()["role"], "admin");
    let form = json!({"name": "all", "scopes": ["read"]});
    let made = again.post("/v1/tenants/2/tokens", &form).ok();
    let robot = text(&made["token"]);
    let mut robot_http = Http::new(process.http).authorize(&format!("Bearer {robot}"));
    robot_http.get(&format!("{ACME}/topics")).ok();
    robot_http.get(users).error(403, "FORBIDDEN");
    told += &firn("tokens list --tenant-id 2", "");
    told += &firn(
        &format!("tokens delete {} --tenant-id 2", text(&made["id"])),
        "",
    );
    robot_http.get(ACME).error(401, "UNAUTHENTICATED");
    told += &firn("console-users delete 2 ann", "");
    again.get(users).error(401, "UNAUTHENTICATED");
    told += &firn("console-users list 2", "");
    assert!(told.contains("bob") && told.contains("all"), "{told}");
    told += &firn("audit --max 500", "");
    for action in [
        "consoleUser.create",
        "consoleUser.change",
        "consoleUser.delete",
    ] {
        assert!(told.contains(action), "{action}: {told}");
    }
    process.terminate();
    assert_eq!(process.wait().code(), Some(0));
    told += &log_of(dir.path());
    let passwords = ["the-first-password", "another-password", "bobs-password"];
    require_untold(&told, &passwords);
    require_untold(&told, &[&robot[22..]]);
}
