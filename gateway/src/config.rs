//! Settings of the gateway. Plain values, validated where they are read.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

/// How the gateway listens and what it grants to slow clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", default)]
pub struct GatewayConfig {
    /// `--http-listen`: the public API.
    pub http_listen: SocketAddr,
    /// `--ops-listen`: `/metrics`, `/livez`, `/readyz`.
    pub ops_listen: SocketAddr,
    /// Threads that serve HTTP; 0 means one a core.
    pub workers: usize,
    /// Time for a request's head to arrive.
    pub head_timeout_ms: u64,
    /// Time for a request's body to arrive.
    pub body_timeout_ms: u64,
    /// How long an idle connection stays open.
    pub keep_alive_ms: u64,
    /// How long a stop waits for requests that were taken.
    pub drain_ms: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            http_listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            ops_listen: SocketAddr::from(([127, 0, 0, 1], 9180)),
            workers: 0,
            head_timeout_ms: 5_000,
            body_timeout_ms: 30_000,
            keep_alive_ms: 75_000,
            drain_ms: 5_000,
        }
    }
}

impl GatewayConfig {
    pub(crate) fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }

    /// Threads to start, at least one.
    pub(crate) fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        }
    }
}
