//! Drives Firn over its native HTTP API: raw sends, JSON batches, receive and ack.
//!
//! The instance has two brokers, its topic four queues on each. Single sends use the raw
//! form (the request's body is the message), batches the JSON form. Each connection
//! authenticates every request by Basic, as a shell user does.

pub mod bootstrap;
mod json;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;

use self::bootstrap::{ACCESS_KEY, INSTANCE, SECRET_KEY};
use super::{Consumer, Place, Producer, System, TOPIC};
use crate::clock;
use crate::http::{HttpClient, RequestHead};
use crate::process::{ServerProcess, free_address};
use crate::verify::Delivery;

/// How long a received message stays with its consumer: longer than any cell.
const INVISIBLE: Duration = Duration::from_secs(600);
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A running `firn standalone`.
pub struct Firn {
    process: ServerProcess,
    http: SocketAddr,
    ops: SocketAddr,
}

/// The object store that a process is told to use.
#[derive(Clone, Debug, Default)]
pub struct Cold {
    /// As `--object-store` takes it; the process's own default when there is none.
    pub url: Option<String>,
    /// Environment of its client.
    pub variables: Vec<(String, String)>,
}

impl Cold {
    /// Adds it to a command line of `firn`.
    pub fn tell(&self, command: &mut Command) {
        if let Some(url) = &self.url {
            command.args(["--object-store", url]);
        }
        command.envs(self.variables.iter().cloned());
    }
}

/// A process just started, not ready yet.
pub struct Starting {
    process: ServerProcess,
    http: SocketAddr,
    ops: SocketAddr,
}

impl Starting {
    /// Starts `firn standalone` on the data and bootstrap file in `folder`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(program: &Path, folder: PathBuf, cold: &Cold) -> Result<Self> {
        let (http, grpc, ops) = (free_address()?, free_address()?, free_address()?);
        let mut command = Command::new(program);
        command
            .arg("standalone")
            .arg("--data-dir")
            .arg(folder.join("data"))
            .arg("--bootstrap")
            .arg(folder.join(bootstrap::FILE))
            .args(["--http-listen", &http.to_string()])
            .args(["--grpc-listen", &grpc.to_string()])
            .args(["--ops-listen", &ops.to_string()])
            // A configuration file or variable of the user would be measured with it.
            .current_dir(&folder)
            .env_remove("FIRN_CONFIG");
        cold.tell(&mut command);
        let process = ServerProcess::start("firn", command, folder)?;
        Ok(Self { process, http, ops })
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// It ended, or was not ready in time.
    pub async fn ready(mut self) -> Result<Firn> {
        self.process.wait_listening(self.ops).await?;
        let head = RequestHead::new("GET", "/readyz", self.ops, &[]);
        let wait = async {
            loop {
                let mut client = HttpClient::connect(self.ops).await?;
                if client.call(&head, b"").await?.status == 200 {
                    return Ok(());
                }
                self.process.check_alive()?;
                clock::sleep(Duration::from_millis(5)).await;
            }
        };
        clock::within(READY_LIMIT, "getting ready", wait).await?;
        Ok(Firn {
            process: self.process,
            http: self.http,
            ops: self.ops,
        })
    }
}

impl Firn {
    /// Where it takes requests.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The sum of the samples of one metric whose labels contain `label`.
    ///
    /// # Errors
    /// The metrics cannot be read.
    pub async fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let mut client = HttpClient::connect(self.ops).await?;
        let head = RequestHead::new("GET", "/metrics", self.ops, &[]);
        let answer = client.call(&head, b"").await?;
        answer.success("a look at the metrics")?;
        let text = std::str::from_utf8(answer.body).context("metrics are text")?;
        Ok(sum_of(text, name, label))
    }
}

impl Firn {
    /// Lets the group begin anew with everything that is kept.
    ///
    /// # Errors
    /// The refusal.
    pub async fn seek_to_start(&self) -> Result<()> {
        let mut client = HttpClient::connect(self.http).await?;
        let path = format!("groups/{TOPIC}/topics/{TOPIC}/seek");
        let head = head(self.http, &path, "application/json");
        let answer = client.call(&head, br#"{"to":"earliest"}"#).await?;
        answer.success("a seek")
    }
}

fn sum_of(text: &str, name: &str, label: &str) -> f64 {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let whole_name = labels.is_empty() || labels.starts_with('{');
        (whole_name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
    });
    samples.sum()
}

impl System for Firn {
    type Producer = FirnProducer;
    type Consumer = FirnConsumer;

    async fn start(place: &Place<'_>) -> Result<Self> {
        let folder = place.data.fresh("firn")?;
        std::fs::write(folder.join(bootstrap::FILE), bootstrap::single("local"))
            .context("write the bootstrap file")?;
        Starting::spawn(&place.programs.firn, folder, &Cold::default())?
            .ready()
            .await
    }

    async fn producer(&self) -> Result<FirnProducer> {
        FirnProducer::connect(self.http).await
    }

    async fn consumer(&self) -> Result<Option<FirnConsumer>> {
        Ok(Some(FirnConsumer::new(self.http)))
    }

    fn process(&self) -> &ServerProcess {
        &self.process
    }

    fn into_process(self) -> ServerProcess {
        self.process
    }
}

fn head(http: SocketAddr, path: &str, content_type: &str) -> RequestHead {
    let pair = format!("{ACCESS_KEY}:{SECRET_KEY}");
    let basic = base64::engine::general_purpose::STANDARD.encode(pair);
    let headers = [
        format!("Authorization: Basic {basic}"),
        format!("Content-Type: {content_type}"),
    ];
    let path = format!("/v1/instances/{INSTANCE}/{path}");
    RequestHead::new("POST", &path, http, &headers)
}

/// A connection that sends.
pub struct FirnProducer {
    client: HttpClient,
    raw: RequestHead,
    json: RequestHead,
    out: Vec<u8>,
}

impl FirnProducer {
    pub(crate) async fn connect(http: SocketAddr) -> Result<Self> {
        let path = format!("topics/{TOPIC}/messages");
        Ok(Self {
            client: HttpClient::connect(http).await?,
            raw: head(http, &path, "application/octet-stream"),
            json: head(http, &path, "application/json"),
            out: Vec::new(),
        })
    }
}

impl Producer for FirnProducer {
    async fn send(&mut self, body: &[u8]) -> Result<()> {
        let answer = self.client.call(&self.raw, body).await?;
        answer.success("a send")?;
        json::check_sent(answer.body, 1)
    }

    async fn send_batch(&mut self, bodies: &[Vec<u8>]) -> Result<()> {
        json::write_batch(&mut self.out, bodies)?;
        let answer = self.client.call(&self.json, &self.out).await?;
        answer.success("a batch")?;
        json::check_sent(answer.body, bodies.len())
    }
}

/// A connection that receives and acknowledges.
pub struct FirnConsumer {
    http: SocketAddr,
    /// Made at the first call: a server closes a connection that asks nothing
    /// for long, and a backlog may take long to be filled.
    client: Option<HttpClient>,
    receive: RequestHead,
    ack: RequestHead,
    queues: json::QueueNumbers,
    handles: Vec<String>,
    out: Vec<u8>,
}

impl FirnConsumer {
    pub(crate) fn new(http: SocketAddr) -> Self {
        let path = |verb: &str| format!("groups/{TOPIC}/topics/{TOPIC}/{verb}");
        Self {
            http,
            client: None,
            receive: head(http, &path("receive"), "application/json"),
            ack: head(http, &path("ack"), "application/json"),
            queues: json::QueueNumbers::default(),
            handles: Vec::new(),
            out: Vec::new(),
        }
    }
}

impl Consumer for FirnConsumer {
    async fn receive(
        &mut self,
        max: usize,
        wait: Duration,
        sink: &mut dyn FnMut(Delivery<'_>),
    ) -> Result<usize> {
        let request = format!(
            r#"{{"max":{max},"waitSeconds":{},"invisibleSeconds":{},"consumerId":"bench"}}"#,
            wait.as_secs(),
            INVISIBLE.as_secs()
        );
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(HttpClient::connect(self.http).await?),
        };
        let answer = client.call(&self.receive, request.as_bytes()).await?;
        answer.success("a receive")?;
        self.handles.clear();
        json::deliver(answer.body, &mut self.queues, &mut self.handles, sink)?;
        Ok(self.handles.len())
    }

    async fn ack(&mut self) -> Result<()> {
        json::write_ack(&mut self.out, &self.handles)?;
        let client = self.client.as_mut().context("nothing was received")?;
        let answer = client.call(&self.ack, &self.out).await?;
        answer.success("an ack")?;
        json::check_acked(answer.body, self.handles.len())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
