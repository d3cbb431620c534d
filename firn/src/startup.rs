//! What is checked before anything is served: file handles, the data directory
//! and its identity, the listening addresses. Each failure is one line that
//! says what to change (SEED_SPEC 9).

mod data_dir;
mod handles;
mod own_certificate;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

pub use data_dir::{DataDir, NODE_FILE, NodeIdentity, RESTORE_FILE, check_empty, check_identity};
pub use handles::{HANDLES_WANTED, Handles, raise_handles};
pub(crate) use own_certificate::own_certificate;

/// Why the service does not start. One line each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("data directory {path}: {source}", path = .path.display())]
    DataDir {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("data directory {path} is in use by another process; stop it or choose another --data-dir", path = .path.display())]
    Locked { path: PathBuf },
    /// The words of SEED_SPEC 8.1-2.
    #[error("{found} does not match the expected group name: {expected}")]
    Foreign { found: String, expected: String },
    #[error("data directory {path} is not empty; a restore needs a new one", path = .path.display())]
    NotEmpty { path: PathBuf },
    #[error("data directory {path} was left by a restore that did not end; delete it and run `firn restore` again", path = .path.display())]
    Unfinished { path: PathBuf },
    #[error("{path} is not a node's identity: {reason}", path = .path.display())]
    Identity { path: PathBuf, reason: String },
    #[error(
        "data directory {path} has format {found}, this version reads up to {known}; start a newer version",
        path = .path.display()
    )]
    Newer {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("port {port} of {ip} is in use; stop its user or choose another --{flag}", port = .address.port(), ip = .address.ip())]
    PortInUse {
        flag: &'static str,
        address: SocketAddr,
    },
    #[error("--{flag} {address}: {source}")]
    Listen {
        flag: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
}

impl StartError {
    /// A listener that could not be had; `flag` is the setting's name.
    #[must_use]
    pub fn listen(flag: &'static str, address: SocketAddr, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            return Self::PortInUse { flag, address };
        }
        Self::Listen {
            flag,
            address,
            source,
        }
    }
}

/// Opens a listening socket.
///
/// # Errors
/// Names the port and the setting.
pub fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::listen(flag, address, source))
}

/// The kernel's id of this boot. A hot store written in another boot may have
/// lost what it held (HOT_STORE, "Start").
///
/// # Errors
/// When the kernel does not show it.
pub fn boot_id() -> std::io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}
