//! A real PostgreSQL, processes on this machine, ended with the tests. Where it
//! cannot be installed that is said, and the tests that want it are skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server with databases of its own.
pub(crate) struct Cluster {
    /// Removed, with the server, when this process has ended.
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

impl Cluster {
    /// `None`, with the reason on standard error, where there cannot be one.
    pub(crate) fn start() -> Option<Self> {
        if let Err(reason) = script(&["install"]) {
            say(&format!(
                "SKIPPED: PostgreSQL for tests cannot be installed: {reason}"
            ));
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pg").tempdir();
        let cluster = Self {
            folder: folder.expect("a temporary directory").keep(),
            port: free_port(),
            databases: AtomicU32::new(0),
        };
        cluster.resume();
        Some(cluster)
    }

    /// Starts the server again, after [`Self::crash`].
    pub(crate) fn resume(&self) {
        let folder = self.folder.to_string_lossy();
        script(&["start", &folder, &self.port.to_string()]).expect("the server starts");
    }

    /// Makes a database and returns its name.
    pub(crate) fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// A URL of a database, by the socket in the server's folder.
    pub(crate) fn url(&self, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("postgres://postgres@localhost:{port}/{database}?host={folder}")
    }

    /// The same by a port of the loopback interface, as a user (`user:password`).
    pub(crate) fn tcp_url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs statements in a database; what they answer, a line for each row.
    pub(crate) fn run(&self, database: &str, sql: &str) -> String {
        let output = Command::new("psql")
            .args(["--no-psqlrc", "-qAtv", "ON_ERROR_STOP=1", "-U", "postgres"])
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .expect("psql comes with the server");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Kills the server's process as it stands; returns when it is gone.
    pub(crate) fn crash(&self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let pid = pid.expect("it runs");
        let pid = pid.lines().next().expect("a number").to_owned();
        // It takes its children along, which -KILL would leave behind.
        let killed = Command::new("kill").args(["-QUIT", &pid]).status();
        assert!(killed.expect("a command").success());
        while Path::new("/proc").join(&pid).exists() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let folder = self.folder.to_string_lossy();
        if let Err(reason) = script(&["stop", &folder]) {
            say(&format!("PostgreSQL may still run: {reason}"));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Past the test runner, which keeps what a test prints to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
}

/// Runs the project's script; its last words on failure.
fn script(args: &[&str]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("../infra/postgres.sh");
    let output = Command::new(script).args(args).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Below those that the system gives to outgoing connections.
fn free_port() -> u16 {
    let start = 22_000 + (std::process::id() % 5000) as u16;
    let mut candidates = start..32_000;
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.find(is_free).expect("there are free ports")
}
