//! Settings of the gateway. Plain values, validated where they are read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use firn_protocol::limits::INVISIBLE_SECONDS_DEFAULT;
use serde::Deserialize;

/// How the gateway listens and what it grants to slow clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", default)]
pub struct GatewayConfig {
    /// `--http-listen`: the public API.
    pub http_listen: SocketAddr,
    /// `--grpc-listen`: RocketMQ 5 clients.
    pub grpc_listen: SocketAddr,
    /// `--ops-listen`: `/metrics`, `/livez`, `/readyz`.
    pub ops_listen: SocketAddr,
    /// `--tls-cert`, `--tls-key`: both public ports speak TLS with this pair, the gRPC
    /// port also without TLS.
    pub tls: Option<TlsFiles>,
    /// The pair of the gRPC port where `tls` is not given.
    pub grpc_tls: Option<TlsFiles>,
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
    /// How long a message stays invisible that was handed out over Aliyun's MQ
    /// protocol, whose clients cannot say (RULES 32).
    pub mq_http_invisible: Duration,
    /// The management API answers HTTP 200 always and tells by `code` alone
    /// (SEED_SPEC 4).
    pub compat_always_200: bool,
    /// The management API shows a user's secret to whoever knows its name and calls
    /// from one of `compat_account_allow` (SEED_SPEC 5.1).
    pub compat_open_account_endpoint: bool,
    /// Addresses and networks; nobody if empty.
    pub compat_account_allow: Vec<String>,
    /// A deliberate fault, to prove that the tests see it.
    #[doc(hidden)]
    #[serde(skip)]
    pub mutant: Option<GatewayMutant>,
}

/// See [`GatewayConfig::mutant`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayMutant {
    /// An instance's id opens it, whoever's it is.
    ForgetTenant,
    /// A refusal says that the instance is there, and somebody else's.
    TellForeign,
    /// Limits of messages a second fill twice as fast as they should.
    FillTwice,
    /// Everybody meets one and the same limit.
    ShareLimits,
    /// A refusal names no limit and no time.
    HideLimit,
    /// What is over the limit is refused, and stored all the same.
    StoreRefused,
}

/// A certificate, with those that vouch for it, and its private key, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What is done as the guide has it although it should not be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compat {
    pub(crate) always_200: bool,
    /// Who is shown secrets without one; nobody if empty.
    pub(crate) account_allow: Vec<String>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            http_listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            grpc_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            ops_listen: SocketAddr::from(([127, 0, 0, 1], 9180)),
            tls: None,
            grpc_tls: None,
            workers: 0,
            head_timeout_ms: 5_000,
            body_timeout_ms: 30_000,
            keep_alive_ms: 75_000,
            drain_ms: 5_000,
            mq_http_invisible: Duration::from_secs(INVISIBLE_SECONDS_DEFAULT),
            compat_always_200: false,
            compat_open_account_endpoint: false,
            compat_account_allow: Vec::new(),
            mutant: None,
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

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    pub(crate) fn compat(&self) -> Compat {
        let account_allow = match self.compat_open_account_endpoint {
            true => self.compat_account_allow.clone(),
            false => Vec::new(),
        };
        Compat {
            always_200: self.compat_always_200,
            account_allow,
        }
    }

    /// Threads to start, at least one.
    pub(crate) fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        }
    }
}
