//! A tenant that sends a little beside what is measured, and how long it takes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use futures_util::future::try_join_all;

use crate::clock;
use crate::driver::firn::bootstrap;
use crate::http::{HttpClient, RequestHead};
use crate::stats::Latency;

/// Requests of one kind over one connection.
pub(crate) struct Caller {
    client: HttpClient,
    heads: Vec<(String, RequestHead)>,
    address: SocketAddr,
    /// Else the one that is called like the instance of the path.
    user: Option<String>,
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            client: HttpClient::connect(address).await?,
            heads: Vec::new(),
            address,
            user: None,
        })
    }

    /// As one of several users of an instance.
    pub(crate) async fn connect_as(address: SocketAddr, user: &str) -> Result<Self> {
        Ok(Self {
            user: Some(user.to_owned()),
            ..Self::connect(address).await?
        })
    }

    /// Demands success.
    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let (status, answer) = self.ask(path, body).await?;
        let answer_is = crate::http::Answer {
            status,
            body: &answer,
        };
        answer_is.success(path)?;
        Ok(answer)
    }

    /// The status and the body, whatever it is.
    pub(crate) async fn ask(&mut self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let at = match self.heads.iter().position(|(known, _)| known == path) {
            Some(at) => at,
            None => {
                let instance = path.split('/').next().unwrap_or_default();
                let user = self.user.as_deref().unwrap_or(instance);
                let head = bootstrap::post(self.address, path, user);
                self.heads.push((path.to_owned(), head));
                self.heads.len() - 1
            }
        };
        let answer = self.client.call(&self.heads[at].1, body).await?;
        Ok((answer.status, answer.body.to_vec()))
    }
}

/// The neighbour's latencies of the phase that is running.
#[derive(Clone, Default)]
pub(crate) struct Neighbour {
    latency: Arc<Mutex<Latency>>,
    /// Sends that the node was too busy for.
    refused: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Neighbour {
    #[allow(
        clippy::disallowed_methods,
        reason = "a benchmark may not use the services' runtime"
    )]
    /// Sends `rate` messages a second over some connections, on a thread of its own, so
    /// that the bench's own work is not in its figures.
    pub(crate) fn start(
        &self,
        address: SocketAddr,
        rate: u64,
        connections: u64,
    ) -> JoinHandle<Result<()>> {
        let neighbour = self.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build();
            let runtime = runtime.context("start the neighbour's runtime")?;
            let begin = clock::now();
            let parts = (0..connections).map(|part| {
                neighbour
                    .clone()
                    .run(address, rate, begin, part, connections)
            });
            runtime.block_on(async { try_join_all(parts).await.map(drop) })
        })
    }

    async fn run(
        self,
        address: SocketAddr,
        rate: u64,
        begin: std::time::Instant,
        first: u64,
        step: u64,
    ) -> Result<()> {
        let mut caller = Caller::connect(address).await?;
        let mut count = first;
        while !self.is_over.load(Ordering::Relaxed) {
            let due = begin + Duration::from_nanos(count * 1_000_000_000 / rate.max(1));
            clock::sleep(due.saturating_duration_since(clock::now())).await;
            count += step;
            let (status, answer) = caller
                .ask(bootstrap::NEIGHBOUR, br#"{"messages":[{"body":"hello"}]}"#)
                .await?;
            if status == 503 {
                self.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let answer = crate::http::Answer {
                status,
                body: &answer,
            };
            answer.success(bootstrap::NEIGHBOUR)?;
            // From when it should have been sent: a stall counts for all it held up.
            let took = clock::now().saturating_duration_since(due);
            self.latency().record(took);
        }
        Ok(())
    }

    pub(crate) fn latency(&self) -> MutexGuard<'_, Latency> {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was measured.
    pub(crate) fn start_over(&self) {
        *self.latency() = Latency::default();
        self.refused.store(0, Ordering::Relaxed);
    }

    /// Sends that were refused since.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What it failed with.
    pub(crate) fn end(&self, beside: JoinHandle<Result<()>>) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = beside.join();
        ended.map_err(|_| anyhow!("the neighbour's thread panicked"))?
    }
}
