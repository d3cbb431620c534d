//! Connections of the port: plain ones and TLS, told apart by their first byte.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use firn_runtime::Clock;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::connections::Connection;

/// The first byte of a TLS connection: a handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Connections that have not said enough yet.
const GREETINGS_MAX: usize = 1024;
/// Pause after a connection could not be taken, for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that has begun to speak.
pub(super) struct Socket {
    bytes: Bytes,
    peer: Peer,
}

enum Bytes {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whose connection it is: what every call on it finds among its extensions.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: Option<SocketAddr>,
    /// Counts as long as the connection, or a call on it, lasts.
    pub(super) connection: Arc<Connection>,
}

/// The listener, and connections that it has taken.
pub(super) struct Incoming {
    listener: TcpListener,
    greetings: FuturesUnordered<Greeting>,
    terms: Terms,
}

/// How connections are greeted.
#[derive(Clone)]
pub(super) struct Terms {
    /// None where TLS is not offered.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) clock: Clock,
    /// Time to begin to speak, a handshake included.
    pub(super) patience: Duration,
}

type Greeting = Pin<Box<dyn Future<Output = Option<Socket>> + Send>>;

impl Incoming {
    pub(super) fn new(listener: TcpListener, terms: Terms) -> Self {
        Self {
            listener,
            greetings: FuturesUnordered::new(),
            terms,
        }
    }

    /// The next connection that has begun to speak.
    ///
    /// # Errors
    /// When none can be taken at the moment.
    pub(super) async fn next(&mut self) -> io::Result<Socket> {
        loop {
            let has_room = self.greetings.len() < GREETINGS_MAX;
            tokio::select! {
                Some(greeted) = self.greetings.next() => if let Some(socket) = greeted {
                    return Ok(socket);
                },
                taken = self.listener.accept(), if has_room => match taken {
                    Ok((socket, _)) => {
                        let greeting = greet(socket, self.terms.clone());
                        self.greetings.push(Box::pin(greeting));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection is not taken");
                        self.terms.clock.sleep(ACCEPT_PAUSE).await;
                        return Err(error);
                    }
                },
            }
        }
    }
}

/// `None` for one that says nothing, or nothing that makes sense.
async fn greet(socket: TcpStream, terms: Terms) -> Option<Socket> {
    let Terms {
        tls,
        clock,
        patience,
    } = terms;
    let peer = Peer {
        address: socket.peer_addr().ok(),
        connection: Arc::default(),
    };
    let greeting = async move {
        socket.set_nodelay(true).ok()?;
        let mut first = [0];
        let read = socket.peek(&mut first).await.ok()?;
        match (read, tls) {
            (0, _) => None,
            (_, Some(config)) if first[0] == TLS_HANDSHAKE => {
                let accepted = TlsAcceptor::from(config).accept(socket).await;
                Some(Bytes::Tls(Box::new(accepted.ok()?)))
            }
            _ => Some(Bytes::Plain(socket)),
        }
    };
    tokio::select! {
        bytes = greeting => bytes.map(|bytes| Socket { bytes, peer }),
        () = clock.sleep(patience) => None,
    }
}

impl Connected for Socket {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Bytes::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Bytes::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(socket) => socket.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
