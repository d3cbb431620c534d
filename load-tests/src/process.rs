//! Server processes that the bench starts, measures and ends.
//!
//! Owns a child process and its folder below the bench's data folder. Promises that
//! both are gone when the value is: by SIGTERM and patience in [`ServerProcess::stop`],
//! by SIGKILL when dropped. Only processes started here are ever signalled.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

use crate::{clock, machine};

const START_LIMIT: Duration = Duration::from_secs(60);
/// Firn drains and seals for at most 35 s after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const LOG_BYTES_SHOWN: usize = 2000;

/// A running server with a data folder of its own.
pub struct ServerProcess {
    name: &'static str,
    child: Child,
    folder: PathBuf,
}

impl ServerProcess {
    /// Starts `command` with its output going to a file in `folder`, which must exist.
    ///
    /// # Errors
    /// The program is not there or cannot be run.
    pub fn start(name: &'static str, mut command: Command, folder: PathBuf) -> Result<Self> {
        let log = File::create(folder.join("output.log")).context("create the server's log")?;
        let log_too = log.try_clone().context("share the server's log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .with_context(|| format!("start {name}: {}", command.get_program().display()))?;
        Ok(Self {
            name,
            child,
            folder,
        })
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes that its folder occupies.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        machine::folder_bytes(&self.folder)
    }

    /// Waits until it accepts connections at `address`.
    ///
    /// # Errors
    /// It ended, or did not listen in time; both with the end of its output.
    pub async fn wait_listening(&mut self, address: SocketAddr) -> Result<()> {
        let begin = clock::now();
        while TcpStream::connect(address).await.is_err() {
            self.check_alive()?;
            if clock::now().duration_since(begin) > START_LIMIT {
                bail!(
                    "{} does not listen at {address}: {}",
                    self.name,
                    self.output()
                );
            }
            clock::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// # Errors
    /// The process has ended; with the end of its output.
    pub fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("look after the server")? {
            bail!("{} ended with {status}: {}", self.name, self.output());
        }
        Ok(())
    }

    /// Ends it in order and removes its folder.
    ///
    /// # Errors
    /// It had to be killed, or its folder cannot be removed.
    pub async fn stop(mut self) -> Result<()> {
        self.terminate().await?;
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("remove {}", self.folder.display()))
    }

    /// Ends it in order and leaves its folder, for another process to start on.
    ///
    /// # Errors
    /// It had to be killed.
    pub async fn stop_keeping_data(mut self) -> Result<PathBuf> {
        self.terminate().await?;
        Ok(std::mem::take(&mut self.folder))
    }

    /// Ends it as a crash would and leaves its folder, for another process to start on.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill_keeping_data(mut self) -> Result<PathBuf> {
        self.child.kill().context("kill the server")?;
        self.child.wait().context("await the end")?;
        Ok(std::mem::take(&mut self.folder))
    }

    async fn terminate(&mut self) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).with_context(|| format!("end {}", self.name))?;
        let begin = clock::now();
        while self.child.try_wait().context("await the end")?.is_none() {
            if clock::now().duration_since(begin) > STOP_LIMIT {
                bail!("{} did not end within {STOP_LIMIT:?} of SIGTERM", self.name);
            }
            clock::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn output(&self) -> String {
        let bytes = fs::read(self.folder.join("output.log")).unwrap_or_default();
        let shown = &bytes[bytes.len().saturating_sub(LOG_BYTES_SHOWN)..];
        String::from_utf8_lossy(shown).into_owned()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail when the process has been awaited already: then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The folder that all servers of one bench process keep their data in; removed, with
/// everything in it, when dropped.
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Makes a folder of its own below `root`.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(root: &Path) -> Result<Self> {
        let path = root.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        let path = path.canonicalize().context("resolve the data folder")?;
        Ok(Self(path))
    }

    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An empty folder in it for one server.
    ///
    /// # Errors
    /// The file system's.
    pub fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("empty {}", path.display()))?;
        }
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        if let Some(root) = self.0.parent() {
            // Fails when another run uses it.
            let _ = fs::remove_dir(root);
        }
    }
}

/// A loopback address that nobody listens at.
///
/// # Errors
/// The machine has no free port.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    listener.local_addr().context("find a free port")
}
