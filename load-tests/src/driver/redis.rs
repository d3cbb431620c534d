//! Drives Redis Streams with every command synced before it is answered
//! (`appendonly yes`, `appendfsync always`): XADD, XREADGROUP and XACK over our own
//! RESP connection. A batch is its XADDs in one write, which Redis commits together.

mod resp;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::resp::{Reply, argument, command, command_head};
use super::{Consumer, Place, Producer, System, TOPIC};
use crate::net::Wire;
use crate::process::{ServerProcess, free_address};
use crate::verify::Delivery;

const STREAM: &[u8] = TOPIC.as_bytes();
const GROUP: &[u8] = TOPIC.as_bytes();

/// A running Redis.
pub struct Redis {
    process: ServerProcess,
    address: SocketAddr,
}

impl System for Redis {
    type Producer = RedisProducer;
    type Consumer = RedisConsumer;

    async fn start(place: &Place<'_>) -> Result<Self> {
        let folder = place.data.fresh("redis")?;
        let address = free_address()?;
        let mut command = Command::new(&place.programs.redis);
        command
            .args(["--bind", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .arg("--dir")
            .arg(&folder)
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--save", "", "--daemonize", "no"])
            // A rewrite of the log in the midst of a cell would be measured with it.
            .args(["--auto-aof-rewrite-percentage", "0"]);
        let mut process = ServerProcess::start("redis", command, folder)?;
        process.wait_listening(address).await?;
        Ok(Self { process, address })
    }

    async fn producer(&self) -> Result<RedisProducer> {
        Ok(RedisProducer(Connection::open(self.address).await?))
    }

    async fn consumer(&self) -> Result<Option<RedisConsumer>> {
        let mut connection = Connection::open(self.address).await?;
        let words: [&[u8]; 6] = [b"XGROUP", b"CREATE", STREAM, GROUP, b"0", b"MKSTREAM"];
        command(&mut connection.out, &words);
        connection.flush().await?;
        connection
            .reply(|reply| {
                ensure!(*reply == Reply::Status(b"OK"), "XGROUP answered {reply}");
                Ok(())
            })
            .await?;
        Ok(Some(RedisConsumer {
            connection,
            ids: Vec::new(),
        }))
    }

    fn process(&self) -> &ServerProcess {
        &self.process
    }

    fn into_process(self) -> ServerProcess {
        self.process
    }
}

struct Connection {
    wire: Wire,
    out: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            wire: Wire::connect(address).await?,
            out: Vec::new(),
        })
    }

    /// Writes the commands collected in `out`.
    async fn flush(&mut self) -> Result<()> {
        let sent = self.wire.send(&self.out).await;
        self.out.clear();
        sent
    }

    /// Waits for the next reply and shows it to `read`.
    async fn reply<T>(&mut self, read: impl FnOnce(&Reply<'_>) -> Result<T>) -> Result<T> {
        loop {
            if let Some((reply, length)) = resp::parse(self.wire.received())? {
                let result = read(&reply);
                self.wire.consume(length);
                return result;
            }
            self.wire.fill().await?;
        }
    }
}

/// A connection that adds to the stream.
pub struct RedisProducer(Connection);

impl RedisProducer {
    fn add(&mut self, body: &[u8]) {
        command(&mut self.0.out, &[b"XADD", STREAM, b"*", b"b", body]);
    }

    async fn added(&mut self) -> Result<()> {
        let id = self.0.reply(|reply| entry_position(reply.bulk()?)).await;
        id.context("XADD").map(drop)
    }
}

impl Producer for RedisProducer {
    async fn send(&mut self, body: &[u8]) -> Result<()> {
        self.add(body);
        self.0.flush().await?;
        self.added().await
    }

    async fn send_batch(&mut self, bodies: &[Vec<u8>]) -> Result<()> {
        bodies.iter().for_each(|body| self.add(body));
        self.0.flush().await?;
        for _ in bodies {
            self.added().await?;
        }
        Ok(())
    }
}

/// A connection that reads as the one member of a group.
pub struct RedisConsumer {
    connection: Connection,
    /// Entries read and not acknowledged.
    ids: Vec<Vec<u8>>,
}

impl Consumer for RedisConsumer {
    async fn receive(
        &mut self,
        max: usize,
        wait: Duration,
        sink: &mut dyn FnMut(Delivery<'_>),
    ) -> Result<usize> {
        // BLOCK 0 would wait for ever.
        let wait_ms = wait.as_millis().max(1).to_string();
        let count = max.to_string();
        let words: [&[u8]; 11] = [
            b"XREADGROUP",
            b"GROUP",
            GROUP,
            b"member",
            b"COUNT",
            count.as_bytes(),
            b"BLOCK",
            wait_ms.as_bytes(),
            b"STREAMS",
            STREAM,
            b">",
        ];
        command(&mut self.connection.out, &words);
        self.connection.flush().await?;
        self.ids.clear();
        let ids = &mut self.ids;
        let read = self.connection.reply(|reply| deliver(reply, ids, sink));
        read.await.context("XREADGROUP")?;
        Ok(self.ids.len())
    }

    async fn ack(&mut self) -> Result<()> {
        let out = &mut self.connection.out;
        command_head(out, 3 + self.ids.len());
        argument(out, b"XACK");
        argument(out, STREAM);
        argument(out, GROUP);
        self.ids.iter().for_each(|id| argument(out, id));
        self.connection.flush().await?;
        let done = self
            .connection
            .reply(|reply| reply.integer())
            .await
            .context("XACK")?;
        let expected = self.ids.len();
        ensure!(
            usize::try_from(done).is_ok_and(|done| done == expected),
            "XACK took {done} of {expected}"
        );
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Hands out the entries of an XREADGROUP reply: one stream, entries of one field.
fn deliver(
    reply: &Reply<'_>,
    ids: &mut Vec<Vec<u8>>,
    sink: &mut dyn FnMut(Delivery<'_>),
) -> Result<()> {
    if *reply == Reply::Nil {
        return Ok(());
    }
    let [stream] = reply.items()?;
    let [_name, entries] = stream.items()?;
    for entry in entries.array()? {
        let [id, fields] = entry.items()?;
        let [_field, body] = fields.items()?;
        sink(Delivery {
            queue: 0,
            position: entry_position(id.bulk()?)?,
            body: body.bulk()?,
        });
        ids.push(id.bulk()?.to_vec());
    }
    Ok(())
}

/// An entry id, `milliseconds-number`, as one number that rises with it.
fn entry_position(id: &[u8]) -> Result<u64> {
    let position = || {
        let (time, number) = std::str::from_utf8(id).ok()?.split_once('-')?;
        let (time, number): (u64, u64) = (time.parse().ok()?, number.parse().ok()?);
        (number < 1 << 20 && time < 1 << 44).then_some(time << 20 | number)
    };
    position().with_context(|| format!("the entry id {:?}", String::from_utf8_lossy(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_ids_rise() {
        let position = |id: &str| entry_position(id.as_bytes()).ok();
        assert!(position("5-9") < position("5-10"));
        assert!(position("5-10") < position("6-0"));
        for bad in ["", "5", "-", "a-1", "5-1048576", "5-1-1"] {
            assert_eq!(position(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_read_hands_out_its_entries() {
        let input =
            b"*1\r\n*2\r\n$5\r\nbench\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nb\r\n$2\r\nxy\r\n\
            *2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nb\r\n$1\r\nz\r\n";
        let (reply, _) = resp::parse(input).unwrap().unwrap();
        let (mut ids, mut got) = (Vec::new(), Vec::new());
        deliver(&reply, &mut ids, &mut |d| {
            got.push((d.position, d.body.to_vec()));
        })
        .unwrap();
        assert_eq!(ids, [b"1-0", b"1-1"]);
        let first = 1 << 20;
        assert_eq!(got, [(first, b"xy".to_vec()), (first + 1, b"z".to_vec())]);
        assert!(deliver(&Reply::Error(b"NOGROUP"), &mut ids, &mut |_| ()).is_err());
    }
}
