//! The servers measured, behind one face.
//!
//! A [`System`] is a running server; its [`Producer`]s make messages durable, its
//! [`Consumer`] receives and acknowledges. Drivers promise that a send returns only after
//! the server said that the message is durable, and hand out every delivery unjudged.
//! What is sent, how fast and whether it was right is the generators' matter.
#![allow(
    async_fn_in_trait,
    reason = "generators run on one thread, so no future needs to be Send"
)]

pub mod firn;
pub mod floor;
pub mod nats;
pub mod redis;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::process::{DataFolder, ServerProcess};
use crate::verify::Delivery;

/// The name of the one topic, stream and group that a run uses.
pub const TOPIC: &str = "bench";

/// A server under test.
pub trait System: Sized {
    type Producer: Producer + 'static;
    type Consumer: Consumer + 'static;

    /// Starts the server with an empty data folder and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    async fn start(place: &Place<'_>) -> Result<Self>;

    /// Connects one more producer.
    ///
    /// # Errors
    /// The connection's.
    async fn producer(&self) -> Result<Self::Producer>;

    /// Connects the consumer, which sees everything from the first message on; nothing
    /// when the system has no such thing.
    ///
    /// # Errors
    /// The connection's.
    async fn consumer(&self) -> Result<Option<Self::Consumer>>;

    /// The server's process.
    fn process(&self) -> &ServerProcess;

    /// Gives up the server, to be stopped.
    fn into_process(self) -> ServerProcess;
}

/// One connection that sends, one request at a time.
pub trait Producer {
    /// Sends one message and waits until it is durable.
    ///
    /// # Errors
    /// The connection's, or anything but the server's consent.
    async fn send(&mut self, body: &[u8]) -> Result<()>;

    /// Sends several in the way that is fastest for the system, and waits until all are
    /// durable.
    ///
    /// # Errors
    /// The connection's, or anything but the server's consent to every one.
    async fn send_batch(&mut self, bodies: &[Vec<u8>]) -> Result<()>;
}

/// One connection that receives and acknowledges.
pub trait Consumer {
    /// Receives up to `max` messages, waiting up to `wait` for the first, and hands each
    /// to `sink`. Answers how many there were.
    ///
    /// # Errors
    /// The connection's, or a refusal.
    async fn receive(
        &mut self,
        max: usize,
        wait: Duration,
        sink: &mut dyn FnMut(Delivery<'_>),
    ) -> Result<usize>;

    /// Acknowledges all that the last receive handed out.
    ///
    /// # Errors
    /// The connection's, or a refusal.
    async fn ack(&mut self) -> Result<()>;

    /// Waits until the server has seen every acknowledgement.
    ///
    /// # Errors
    /// The connection's.
    async fn finish(&mut self) -> Result<()>;
}

/// For systems without consumption.
pub enum NoConsumer {}

impl Consumer for NoConsumer {
    async fn receive(
        &mut self,
        _: usize,
        _: Duration,
        _: &mut dyn FnMut(Delivery<'_>),
    ) -> Result<usize> {
        match *self {}
    }

    async fn ack(&mut self) -> Result<()> {
        match *self {}
    }

    async fn finish(&mut self) -> Result<()> {
        match *self {}
    }
}

/// Every system there is a driver for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A trivial handler with a group-commit log: what HTTP and the disk leave.
    Floor,
    /// This product, over its native HTTP API.
    Firn,
    /// Redis Streams with `appendfsync always`.
    Redis,
    /// NATS JetStream with `sync_interval: always`.
    Nats,
}

impl Kind {
    /// Its name in reports and folders.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Firn => "firn",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }
}

/// Where programs are and data goes.
pub struct Place<'a> {
    pub data: &'a DataFolder,
    pub programs: &'a Programs,
}

/// The servers' programs.
#[derive(Clone, Debug)]
pub struct Programs {
    pub firn: PathBuf,
    pub redis: PathBuf,
    pub nats: PathBuf,
}

impl Programs {
    /// What version of `kind` there is.
    ///
    /// # Errors
    /// There is none, with what to do about it.
    pub fn version(&self, kind: Kind) -> Result<String, String> {
        let (program, advice) = match kind {
            Kind::Floor => return Ok("built in".to_owned()),
            Kind::Firn => (&self.firn, "build it with `cargo build --release -p firn`"),
            Kind::Redis => (&self.redis, "install it with `firn-bench setup`"),
            Kind::Nats => (&self.nats, "install it with `firn-bench setup`"),
        };
        crate::machine::probe(program, "--version")
            .ok_or_else(|| format!("{} cannot be run: {advice}", program.display()))
    }
}
