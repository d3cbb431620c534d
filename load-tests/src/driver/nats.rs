//! Drives NATS JetStream with every message synced before it is acknowledged
//! (`sync_interval: always`): publishing with PubAck, and a durable pull consumer, over
//! our own connection. A batch is an atomic batch, the server's own way to commit many
//! messages at once. Acknowledgements of consumption are not answered by the server, as
//! its clients use it by default; [`Consumer::finish`] waits until it has read them.

mod frame;

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;

use self::frame::{Frame, Message};
use super::{Consumer, Place, Producer, System, TOPIC};
use crate::net::Wire;
use crate::process::{ServerProcess, free_address};
use crate::verify::Delivery;

const ACK: &[u8] = b"+ACK";
/// Unacknowledged messages that the consumer may have, above any receive.
const ACKS_PENDING_MAX: u32 = 10_000;
const PULL_WAIT_MIN: Duration = Duration::from_millis(50);
const ACK_WAIT: Duration = Duration::from_secs(300);

/// A running NATS server with a stream.
pub struct Nats {
    process: ServerProcess,
    address: SocketAddr,
    inboxes: Cell<u64>,
}

impl Nats {
    async fn connect(&self) -> Result<Connection> {
        let number = self.inboxes.get();
        self.inboxes.set(number + 1);
        Connection::open(self.address, format!("_INBOX.{TOPIC}.{number}")).await
    }
}

impl System for Nats {
    type Producer = NatsProducer;
    type Consumer = NatsConsumer;

    async fn start(place: &Place<'_>) -> Result<Self> {
        let folder = place.data.fresh("nats")?;
        let address = free_address()?;
        let config = folder.join("server.conf");
        let store = serde_json::to_string(&folder).context("name the store's folder")?;
        let text = format!(
            "listen: \"{address}\"\njetstream {{ store_dir: {store}, sync_interval: always }}\n"
        );
        std::fs::write(&config, text).context("write the server's configuration")?;
        let mut command = Command::new(&place.programs.nats);
        command.arg("--config").arg(&config);
        let mut process = ServerProcess::start("nats", command, folder)?;
        process.wait_listening(address).await?;
        let system = Self {
            process,
            address,
            inboxes: Cell::default(),
        };
        let stream = json!({
            "name": TOPIC, "subjects": [TOPIC], "storage": "file", "allow_atomic": true,
        });
        let mut connection = system.connect().await?;
        let create = format!("$JS.API.STREAM.CREATE.{TOPIC}");
        connection.manage(&create, &stream).await?;
        Ok(system)
    }

    async fn producer(&self) -> Result<NatsProducer> {
        Ok(NatsProducer {
            connection: self.connect().await?,
            batches: 0,
        })
    }

    async fn consumer(&self) -> Result<Option<NatsConsumer>> {
        let mut connection = self.connect().await?;
        let consumer = json!({
            "stream_name": TOPIC,
            "config": {
                "durable_name": TOPIC,
                "ack_policy": "explicit",
                "deliver_policy": "all",
                "ack_wait": ACK_WAIT.as_nanos() as u64,
                "max_ack_pending": ACKS_PENDING_MAX,
            },
        });
        let create = format!("$JS.API.CONSUMER.DURABLE.CREATE.{TOPIC}.{TOPIC}");
        connection.manage(&create, &consumer).await?;
        Ok(Some(NatsConsumer {
            connection,
            pull: format!("$JS.API.CONSUMER.MSG.NEXT.{TOPIC}.{TOPIC}"),
            asked_for: 0,
            handles: Vec::new(),
        }))
    }

    fn process(&self) -> &ServerProcess {
        &self.process
    }

    fn into_process(self) -> ServerProcess {
        self.process
    }
}

/// A connection with one subscription, to its own inbox.
struct Connection {
    wire: Wire,
    out: Vec<u8>,
    inbox: String,
}

/// What a JetStream call answers, as far as it matters here.
#[derive(Deserialize)]
struct Managed {
    error: Option<serde_json::Value>,
    /// How many messages a batch stored.
    count: Option<usize>,
}

impl Managed {
    fn read(payload: &[u8]) -> Result<Self> {
        let answer: Self = serde_json::from_slice(payload).context("JetStream's answer")?;
        match answer.error {
            Some(error) => bail!("JetStream refused: {error}"),
            None => Ok(answer),
        }
    }
}

impl Connection {
    async fn open(address: SocketAddr, inbox: String) -> Result<Self> {
        let mut connection = Self {
            wire: Wire::connect(address).await?,
            out: Vec::new(),
            inbox,
        };
        let options = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "protocol": 1, "lang": "rust", "version": env!("CARGO_PKG_VERSION"),
        });
        write!(connection.out, "CONNECT {options}\r\n").context("frame CONNECT")?;
        write!(connection.out, "SUB {} 1\r\n", connection.inbox).context("frame SUB")?;
        connection.synchronize().await?;
        Ok(connection)
    }

    fn publish(&mut self, subject: &str, wants_answer: bool, payload: &[u8]) {
        let reply = if wants_answer { &self.inbox } else { "" };
        write!(self.out, "PUB {subject} {reply} {}\r\n", payload.len())
            .expect("writing to memory cannot fail");
        self.out.extend_from_slice(payload);
        self.out.extend_from_slice(b"\r\n");
    }

    /// One message of an atomic batch, numbered from 1; the last commits it and is answered.
    fn publish_of_batch(&mut self, batch: u64, number: usize, is_last: bool, payload: &[u8]) {
        let (reply, commit) = match is_last {
            true => (self.inbox.as_str(), "Nats-Batch-Commit: 1\r\n"),
            false => ("", ""),
        };
        let headers = format!(
            "NATS/1.0\r\nNats-Batch-Id: {}-{batch}\r\nNats-Batch-Sequence: {number}\r\n{commit}\r\n",
            self.inbox
        );
        let length = headers.len();
        let total = length + payload.len();
        write!(
            self.out,
            "HPUB {TOPIC} {reply} {length} {total}\r\n{headers}"
        )
        .expect("writing to memory cannot fail");
        self.out.extend_from_slice(payload);
        self.out.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> Result<()> {
        let sent = self.wire.send(&self.out).await;
        self.out.clear();
        sent
    }

    /// Sends what is collected and waits until the server has read it.
    async fn synchronize(&mut self) -> Result<()> {
        self.out.extend_from_slice(b"PING\r\n");
        self.flush().await?;
        loop {
            match self.take(|frame| Ok(*frame == Frame::Pong))? {
                Some(true) => return Ok(()),
                Some(false) => {}
                None => self.wire.fill().await?,
            }
        }
    }

    async fn manage(&mut self, subject: &str, request: &serde_json::Value) -> Result<()> {
        self.publish(subject, true, request.to_string().as_bytes());
        self.flush().await?;
        let answer = self.answer().await.with_context(|| subject.to_owned());
        answer.map(drop)
    }

    /// Waits for a JetStream answer and demands that it is no error.
    async fn answer(&mut self) -> Result<Managed> {
        let read = |message: &Message<'_>| match message.status {
            Some(status) => bail!("JetStream is not there: status {status}"),
            None => Managed::read(message.payload),
        };
        self.message(read).await
    }

    async fn message<T>(&mut self, read: impl Fn(&Message<'_>) -> Result<T>) -> Result<T> {
        loop {
            if let Some(result) = self.buffered_message(&read).await? {
                return Ok(result);
            }
            self.wire.fill().await?;
        }
    }

    /// Shows the next message that has arrived already to `read`; nothing if there is none.
    async fn buffered_message<T>(
        &mut self,
        mut read: impl FnMut(&Message<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        loop {
            let taken = self.take(|frame| match frame {
                Frame::Message(message) => read(message).map(Event::Message),
                Frame::Ping => Ok(Event::Ping),
                Frame::Error(text) => bail!("the server says {}", String::from_utf8_lossy(text)),
                Frame::Info(_) | Frame::Pong | Frame::Ok => Ok(Event::Nothing),
            })?;
            match taken {
                None => return Ok(None),
                Some(Event::Message(result)) => return Ok(Some(result)),
                Some(Event::Ping) => self.wire.send(b"PONG\r\n").await?,
                Some(Event::Nothing) => {}
            }
        }
    }

    fn take<T>(&mut self, read: impl FnOnce(&Frame<'_>) -> Result<T>) -> Result<Option<T>> {
        let Some((frame, length)) = frame::parse(self.wire.received())? else {
            return Ok(None);
        };
        let result = read(&frame)?;
        self.wire.consume(length);
        Ok(Some(result))
    }
}

enum Event<T> {
    Message(T),
    Ping,
    Nothing,
}

/// A connection that publishes.
pub struct NatsProducer {
    connection: Connection,
    batches: u64,
}

impl Producer for NatsProducer {
    async fn send(&mut self, body: &[u8]) -> Result<()> {
        self.connection.publish(TOPIC, true, body);
        self.connection.flush().await?;
        self.connection.answer().await.map(drop)
    }

    async fn send_batch(&mut self, bodies: &[Vec<u8>]) -> Result<()> {
        self.batches += 1;
        for (number, body) in (1..).zip(bodies) {
            let is_last = number == bodies.len();
            self.connection
                .publish_of_batch(self.batches, number, is_last, body);
        }
        self.connection.flush().await?;
        let stored = self.connection.answer().await?.count;
        let sent = bodies.len();
        ensure!(stored == Some(sent), "{stored:?} of {sent} were stored");
        Ok(())
    }
}

/// A connection that pulls.
pub struct NatsConsumer {
    connection: Connection,
    pull: String,
    /// What the server still owes of the last pull.
    asked_for: usize,
    /// Subjects to acknowledge to.
    handles: Vec<String>,
}

impl NatsConsumer {
    async fn pull(&mut self, max: usize, wait: Duration) -> Result<()> {
        // A pull that expires at once would wait for ever.
        let expires = wait.max(PULL_WAIT_MIN).as_nanos() as u64;
        let request = json!({"batch": max, "expires": expires});
        self.connection
            .publish(&self.pull, true, request.to_string().as_bytes());
        self.asked_for = max;
        self.connection.flush().await
    }
}

impl Consumer for NatsConsumer {
    async fn receive(
        &mut self,
        max: usize,
        wait: Duration,
        sink: &mut dyn FnMut(Delivery<'_>),
    ) -> Result<usize> {
        self.handles.clear();
        if self.asked_for == 0 {
            self.pull(max, wait).await?;
        }
        while self.asked_for > 0 {
            let taken = self
                .connection
                .buffered_message(|message| deliver(message, sink));
            match taken.await? {
                Some(Some(handle)) => {
                    self.handles.push(handle);
                    self.asked_for -= 1;
                }
                Some(None) => self.asked_for = 0,
                None if self.handles.is_empty() => self.connection.wire.fill().await?,
                None => break,
            }
        }
        Ok(self.handles.len())
    }

    async fn ack(&mut self) -> Result<()> {
        for handle in &self.handles {
            self.connection.publish(handle, false, ACK);
        }
        self.connection.flush().await
    }

    async fn finish(&mut self) -> Result<()> {
        self.connection.synchronize().await
    }
}

/// Hands out a message and answers its handle; nothing when the pull has ended instead.
fn deliver(message: &Message<'_>, sink: &mut dyn FnMut(Delivery<'_>)) -> Result<Option<String>> {
    if let Some(status) = message.status {
        ensure!(matches!(status, 404 | 408), "a pull ended with {status}");
        return Ok(None);
    }
    let handle = message.reply.context("a message without handle")?;
    sink(Delivery {
        queue: 0,
        position: stream_sequence(handle).with_context(|| format!("the handle {handle}"))?,
        body: message.payload,
    });
    Ok(Some(handle.to_owned()))
}

/// The message's number in its stream, from
/// `$JS.ACK.[domain.account.]stream.consumer.deliveries.SEQUENCE.…`.
fn stream_sequence(handle: &str) -> Option<u64> {
    let words: Vec<&str> = handle.strip_prefix("$JS.ACK.")?.split('.').collect();
    let at = if words.len() <= 7 { 3 } else { 5 };
    words.get(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_both_forms_name_the_sequence() {
        assert_eq!(stream_sequence("$JS.ACK.s.c.1.42.7.1700000000.0"), Some(42));
        assert_eq!(
            stream_sequence("$JS.ACK._.hash.s.c.1.42.7.1700000000.0.token"),
            Some(42)
        );
        for bad in [
            "",
            "$JS.ACK.",
            "$JS.ACK.s.c.1",
            "$JS.ACK.s.c.1.x.7.1.0",
            "x.s.c.1.42",
        ] {
            assert_eq!(stream_sequence(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_with_an_error_is_one() {
        assert!(Managed::read(br#"{"stream":"bench","seq":1}"#).is_ok());
        assert!(Managed::read(br#"{"error":{"code":503}}"#).is_err());
        assert!(Managed::read(b"").is_err());
    }
}
