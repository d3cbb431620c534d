//! The port of the protocol: connections in, calls out, and an orderly end.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use firn_protocol::limits::REQUEST_BYTES_MAX;
use firn_runtime::Stop;
use futures_util::{Stream, stream};
use tonic::transport::Server;

use super::leases::{self, RENEW_EVERY_MS};
use super::socket::{Incoming, Socket, Terms};
use super::wire::messaging_service_server::MessagingServiceServer;
use super::{Edge, Messaging};
use crate::tls::Certificate;

/// Calls of one connection at the same time; a client keeps one for all it does.
const STREAMS_MAX: u32 = 1024;
/// What a connection and a call may send before it is read.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// Headers of one call.
const HEADERS_BYTES_MAX: u32 = 16 << 10;
/// Beside the largest messages of a call, which are refused in the protocol's own
/// words.
const MESSAGE_BYTES_MORE: usize = 64 << 10;
/// Whoever says nothing for this long is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// The one protocol that is offered over TLS (RFC 7301).
const HTTP2: &[u8] = b"h2";

/// A port that is held.
pub(crate) struct Port {
    pub(crate) listener: TcpListener,
    /// None where TLS is not offered.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// Time for a connection to begin to speak.
    pub(crate) patience: Duration,
    /// How long an end waits for calls that were taken.
    pub(crate) drain: Duration,
}

/// Serves until `closing`, then answers what was taken before.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(edge: Arc<Edge>, port: Port, closing: Stop) -> io::Result<()> {
    let clock = edge.services.clock.clone();
    port.listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(port.listener)?;
    let size_max = REQUEST_BYTES_MAX as usize + MESSAGE_BYTES_MORE;
    let service = MessagingServiceServer::new(Messaging(edge.clone()));
    let service = service.max_decoding_message_size(size_max);
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_keepalive_interval(Some(PING_AFTER))
        .http2_keepalive_timeout(Some(PING_TIMEOUT));
    let tls = port.certificate.map(|it| it.config(&[HTTP2])).transpose();
    let terms = Terms {
        tls: tls.map_err(io::Error::other)?.map(Arc::new),
        clock: clock.clone(),
        patience: port.patience,
    };
    let incoming = connections(Incoming::new(listener, terms));
    let served = server.serve_with_incoming_shutdown(service, incoming, closing.cancelled());
    let drained = async {
        closing.cancelled().await;
        clock.sleep(port.drain).await;
    };
    let renewing = async {
        while !closing.is_cancelled() {
            leases::tick(&edge).await;
            tokio::select! {
                () = closing.cancelled() => {}
                () = clock.sleep(Duration::from_millis(RENEW_EVERY_MS)) => {}
            }
        }
    };
    let served = async {
        tokio::select! {
            served = served => served.map_err(io::Error::other),
            () = drained => Ok(()),
        }
    };
    let (served, ()) = tokio::join!(served, renewing);
    served
}

/// Connections as they begin to speak.
fn connections(incoming: Incoming) -> impl Stream<Item = io::Result<Socket>> {
    stream::unfold(incoming, |mut incoming| async move {
        let taken = incoming.next().await;
        Some((taken, incoming))
    })
}
