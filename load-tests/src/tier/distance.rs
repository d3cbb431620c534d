//! A distance between a server on this machine and its users: an object store elsewhere
//! answers after some time, and gives each connection so many bytes a second.
//!
//! Owns a listener on a thread of its own, which ends with the process. Promises to alter
//! no byte. Knows of requests only that an answer follows what was asked.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::clock;

const PIECE_BYTES: usize = 64 << 10;
/// Shorter waits than the runtime's timer can keep are left to add up.
const TIMER_STEP: Duration = Duration::from_millis(2);

/// How far away.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// From a request to the first byte of its answer, at least.
    pub latency: Duration,
    /// Of one connection, each way, in a second.
    pub bytes_per_second: f64,
}

/// Puts `server` at a distance; the address under which it is found there.
pub(super) fn put_away(server: SocketAddr, distance: Distance) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    listener.set_nonblocking(true).context("prepare the port")?;
    let address = listener.local_addr().context("find a free port")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    std::thread::Builder::new()
        .name("distance".to_owned())
        .spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, accept(listener, server, distance));
        })
        .context("start a thread")?;
    Ok(address)
}

async fn accept(listener: std::net::TcpListener, server: SocketAddr, distance: Distance) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((near, _)) = listener.accept().await {
        tokio::task::spawn_local(async move {
            let Ok(far) = TcpStream::connect(server).await else {
                return;
            };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let due = Rc::new(Cell::new(clock::now()));
            let asks = carry(near_in, far_out, distance, Way::There, due.clone());
            let answers = carry(far_in, near_out, distance, Way::Back, due);
            // Whoever closes one way is done with the other.
            tokio::select! {
                _ = asks => {}
                _ = answers => {}
            }
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// `due`: no answer to what was asked last arrives before.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    distance: Distance,
    way: Way,
    due: Rc<Cell<Instant>>,
) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut free = clock::now();
    loop {
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return Ok(to.shutdown().await?);
        }
        let now = clock::now();
        let first = match way {
            Way::There => {
                due.set(now + distance.latency);
                now
            }
            Way::Back => due.get().max(now),
        };
        let lasts = Duration::from_secs_f64(count as f64 / distance.bytes_per_second);
        free = free.max(first) + lasts;
        let wait = free.saturating_duration_since(now);
        if wait >= TIMER_STEP {
            clock::sleep(wait).await;
        }
        to.write_all(&piece[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_pass_unaltered_and_no_answer_comes_early() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let distance = Distance {
            latency: Duration::from_millis(30),
            bytes_per_second: 1e9,
        };
        let away = put_away(address, distance).unwrap();
        let echo = async {
            let (mut socket, _) = server.accept().await.unwrap();
            let mut bytes = vec![0; 300_000];
            for _ in 0..2 {
                socket.read_exact(&mut bytes).await.unwrap();
                socket.write_all(&bytes).await.unwrap();
            }
            assert_eq!(
                socket.read(&mut bytes).await.unwrap(),
                0,
                "the end is passed on"
            );
        };
        let user = async {
            let mut socket = TcpStream::connect(away).await.unwrap();
            for round in 0..2u8 {
                let asked: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8 ^ round).collect();
                let begin = clock::now();
                socket.write_all(&asked).await.unwrap();
                let mut answer = vec![0; asked.len()];
                socket.read_exact(&mut answer).await.unwrap();
                assert!(asked == answer, "altered");
                assert!(clock::now().duration_since(begin) >= distance.latency);
            }
        };
        tokio::join!(echo, user);
    }
}
