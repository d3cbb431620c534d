//! A TCP connection with one growing read buffer: what the three protocol clients share.
//!
//! Owns the socket and the bytes that have arrived and are not parsed yet. Promises a
//! bounded buffer. Leaves all framing to its users.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes that may wait unparsed: more than the largest answer of any peer.
pub const BUFFERED_BYTES_MAX: usize = 32 << 20;
const READ_BYTES: usize = 64 << 10;

/// A connection and what was received on it.
pub struct Wire {
    stream: TcpStream,
    received: BytesMut,
}

impl Wire {
    /// Connects, with Nagle's algorithm off.
    ///
    /// # Errors
    /// The socket's.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        Ok(Self {
            stream,
            received: BytesMut::with_capacity(READ_BYTES),
        })
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The socket's.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.context("write")
    }

    /// Waits for more bytes.
    ///
    /// # Errors
    /// The socket's, the peer's closing, or a buffer at its bound.
    pub async fn fill(&mut self) -> Result<()> {
        if self.received.len() >= BUFFERED_BYTES_MAX {
            bail!("an answer of more than {BUFFERED_BYTES_MAX} bytes");
        }
        self.received.reserve(READ_BYTES);
        let read = self
            .stream
            .read_buf(&mut self.received)
            .await
            .context("read")?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }

    /// What has arrived and was not consumed.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Forgets the first `count` bytes of [`Self::received`].
    pub fn consume(&mut self, count: usize) {
        self.received.advance(count);
    }
}
