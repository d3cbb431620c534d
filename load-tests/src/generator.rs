//! Load generators: closed loop, backlog, open loop.
//!
//! All run on one thread, so that their own CPU use is bounded and known. They time and
//! count what drivers do and keep the books; judging the books is [`crate::verify`]'s.

pub mod backlog;
pub mod closed;
pub mod open;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::body::Stamp;
use crate::clock;
use crate::driver::{Producer, System};
use crate::machine;
use crate::process::ServerProcess;
use crate::stats::Latency;
use crate::verify::Ledger;

/// The books, shared by the tasks of one cell.
pub type Books = Rc<RefCell<Ledger>>;

/// What one cell measured of one system. Times are in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Messages in a second.
    pub rate: f64,
    /// Quantiles of the cell's latency: of a request in closed loops and of a receive
    /// with its ack in a backlog, from the intended sending to the receipt in open loops.
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// 99 % of the sends of an open loop were answered in this time; 0 elsewhere.
    pub send_p99_us: f64,
    /// CPU time of the server for a message.
    pub server_cpu_us: f64,
    /// CPU time of the load generator for a message.
    pub generator_cpu_us: f64,
    /// Memory of the server at the end of the cell, MiB.
    pub resident_mib: f64,
    /// Bytes on disk at the end of the cell, MiB.
    pub disk_mib: f64,
    /// Messages measured.
    pub messages: f64,
}

/// Opens at the begin of what is measured, closes at its end.
struct Window {
    pid: u32,
    begin: Instant,
    server: Duration,
    generator: Duration,
}

impl Window {
    fn open(process: &ServerProcess) -> Result<Self> {
        let pid = process.pid();
        Ok(Self {
            pid,
            server: machine::cpu_time(pid)?,
            generator: machine::cpu_time(std::process::id())?,
            begin: clock::now(),
        })
    }

    fn close(self, messages: u64, latency: &Latency, process: &ServerProcess) -> Result<Figures> {
        let elapsed = clock::now().duration_since(self.begin);
        ensure!(messages > 0, "nothing was completed in {elapsed:?}");
        let count = messages as f64;
        let each = |used: Duration| used.as_secs_f64() * 1e6 / count;
        let server = machine::cpu_time(self.pid)?.saturating_sub(self.server);
        let own = machine::cpu_time(std::process::id())?.saturating_sub(self.generator);
        Ok(Figures {
            rate: count / elapsed.as_secs_f64(),
            p50_us: latency.micros_at(0.5),
            p99_us: latency.micros_at(0.99),
            p999_us: latency.micros_at(0.999),
            send_p99_us: 0.0,
            server_cpu_us: each(server),
            generator_cpu_us: each(own),
            resident_mib: machine::resident_bytes(self.pid)? as f64 / f64::from(1 << 20),
            disk_mib: process.disk_bytes() as f64 / f64::from(1 << 20),
            messages: count,
        })
    }
}

/// Makes the messages of one producer and sends them.
struct Source<P> {
    producer: P,
    stamp: Stamp,
    length: usize,
    batch: Vec<Vec<u8>>,
    books: Books,
}

impl<P: Producer> Source<P> {
    async fn connect<S: System<Producer = P>>(
        system: &S,
        number: usize,
        length: usize,
        books: &Books,
    ) -> Result<Self> {
        let run = books.borrow().run();
        Ok(Self {
            producer: system.producer().await?,
            stamp: Stamp {
                run,
                producer: u16::try_from(number)?,
                sequence: 0,
                sent_ns: 0,
            },
            length,
            batch: Vec::new(),
            books: books.clone(),
        })
    }

    /// Sends the next `count` messages in one request and enters them as answered.
    async fn send(&mut self, count: usize, sent_at: Instant) -> Result<()> {
        self.batch.resize(count, Vec::new());
        for (number, body) in self.batch.iter_mut().enumerate() {
            let stamp = Stamp {
                sequence: self.stamp.sequence + number as u64,
                sent_ns: clock::stamp(sent_at),
                ..self.stamp
            };
            body.clear();
            stamp.write(self.length, body);
        }
        match self.batch.as_slice() {
            [body] => self.producer.send(body).await?,
            bodies => self.producer.send_batch(bodies).await?,
        }
        self.stamp.sequence += count as u64;
        let mut books = self.books.borrow_mut();
        books.answered(self.stamp.producer, count as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
