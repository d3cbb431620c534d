//! The real binary as a process, on ports that the system chooses.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Ended with its owner, at the latest.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    welcome: String,
    pub(crate) http: SocketAddr,
    pub(crate) ops: SocketAddr,
}

impl Process {
    /// Starts on `dir/data`, with its log appended to `dir/log`; returns when it serves.
    pub(crate) fn start(dir: &Path, bootstrap: &Path, flags: &[&str]) -> Self {
        let mut options = File::options();
        let log = options.create(true).append(true).open(dir.join("log"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_firn"))
            .env_clear()
            .current_dir(dir)
            .args(["standalone", "--data-dir", "data", "--bootstrap"])
            .arg(bootstrap)
            .args(["--http-listen", "127.0.0.1:0"])
            .args(["--grpc-listen", "127.0.0.1:0"])
            .args(["--ops-listen", "127.0.0.1:0"])
            .args(["--log-file-bytes", "16MiB"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("writable"))
            .spawn()
            .expect("the binary runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut welcome = String::new();
        let mut address = |word: &str| loop {
            let from = welcome.len();
            let read = stdout.read_line(&mut welcome).expect("text");
            assert!(read > 0, "no start: {}", log_of(dir));
            if let Some((_, rest)) = welcome[from..].split_once(word) {
                let end = rest.find([' ', '/', '\n']).unwrap_or(rest.len());
                break rest[..end].parse().expect("an address");
            }
        };
        let http = address("HTTP API   http://");
        let ops = address("metrics    http://");
        Self {
            child,
            stdout,
            welcome,
            http,
            ops,
        }
    }

    /// All of the welcome, up to the last of the lines to paste.
    pub(crate) fn welcome(&mut self) -> &str {
        while !self.welcome.contains("waitSeconds") {
            let read = self.stdout.read_line(&mut self.welcome).expect("text");
            assert!(read > 0, "cut short: {}", self.welcome);
        }
        &self.welcome
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or it does now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the processes in a directory logged.
pub(crate) fn log_of(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}
