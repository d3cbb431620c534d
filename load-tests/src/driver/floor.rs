//! Drives the floor server: one POST makes its body durable.
//!
//! A batch is one POST with all bodies in a row, which is what a server could reach that
//! does nothing for a message. There is nothing to receive; answers are checked instead.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{NoConsumer, Place, Producer, System};
use crate::floor::APPEND_PATH;
use crate::http::{HttpClient, RequestHead};
use crate::process::{ServerProcess, free_address};

/// A running floor server.
pub struct Floor {
    process: ServerProcess,
    address: SocketAddr,
}

impl System for Floor {
    type Producer = FloorProducer;
    type Consumer = NoConsumer;

    async fn start(place: &Place<'_>) -> Result<Self> {
        let folder = place.data.fresh("floor")?;
        let address = free_address()?;
        let program = std::env::current_exe().context("find the bench's own program")?;
        let mut command = Command::new(program);
        command
            .arg("floor-server")
            .arg("--listen")
            .arg(address.to_string())
            .arg("--dir")
            .arg(&folder);
        let mut process = ServerProcess::start("floor", command, folder)?;
        process.wait_listening(address).await?;
        Ok(Self { process, address })
    }

    async fn producer(&self) -> Result<FloorProducer> {
        FloorProducer::connect(self.address).await
    }

    async fn consumer(&self) -> Result<Option<NoConsumer>> {
        Ok(None)
    }

    fn process(&self) -> &ServerProcess {
        &self.process
    }

    fn into_process(self) -> ServerProcess {
        self.process
    }
}

/// A connection to it.
pub struct FloorProducer {
    client: HttpClient,
    head: RequestHead,
    joined: Vec<u8>,
    next_offset_min: u64,
}

#[derive(Deserialize)]
struct Appended {
    offset: u64,
    length: u64,
}

impl FloorProducer {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let headers = ["Content-Type: application/octet-stream".to_owned()];
        Ok(Self {
            client: HttpClient::connect(address).await?,
            head: RequestHead::new("POST", APPEND_PATH, address, &headers),
            joined: Vec::new(),
            next_offset_min: 0,
        })
    }

    /// The log grows: an answer below an earlier one, or of another length, is of
    /// something else.
    fn check(&mut self, appended: &Appended, length: usize) -> Result<()> {
        ensure!(
            appended.length == length as u64 && appended.offset >= self.next_offset_min,
            "the floor answered for another message"
        );
        self.next_offset_min = appended.offset + appended.length;
        Ok(())
    }
}

impl Producer for FloorProducer {
    async fn send(&mut self, body: &[u8]) -> Result<()> {
        let answer = self.client.call(&self.head, body).await?;
        answer.success("a send to the floor")?;
        let appended = serde_json::from_slice(answer.body).context("the floor's answer")?;
        self.check(&appended, body.len())
    }

    async fn send_batch(&mut self, bodies: &[Vec<u8>]) -> Result<()> {
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        bodies
            .iter()
            .for_each(|body| joined.extend_from_slice(body));
        let sent = self.send(&joined).await;
        self.joined = joined;
        sent
    }
}
