//! Listening, serving, stopping. Ports are taken when bound, so that a taken
//! one is a start-up error; a stop answers what was taken before it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::{App, HttpServer};
use firn_protocol::api::billing::BillingApi;
use firn_protocol::api::shares::SharesApi;
use firn_protocol::api::storage::StorageApi;
use firn_protocol::api::tenant::TenantApi;
use firn_runtime::{Clock, Stop};

use crate::connections::Connection;
use crate::native::{State, app_config};
use crate::tls::{Certificate, TlsError};
use crate::{Calls, GatewayConfig, GatewayError, TlsFiles, assemble, grpc, ops_port, upkeep};

/// A gateway that does not listen yet.
pub struct Gateway {
    config: GatewayConfig,
    state: State,
    registry: prometheus::Registry,
}

/// A gateway that holds its ports.
pub struct BoundGateway {
    gateway: Gateway,
    http: TcpListener,
    grpc: TcpListener,
    ops: TcpListener,
    http_address: SocketAddr,
    grpc_address: SocketAddr,
    certificates: Certificates,
    ops_address: SocketAddr,
}

/// What the public ports show to clients.
struct Certificates {
    http: Option<Arc<Certificate>>,
    grpc: Option<Arc<Certificate>>,
}

impl Certificates {
    fn load(config: &GatewayConfig) -> Result<Self, TlsError> {
        let load = |files: &TlsFiles| Certificate::load(files.clone());
        let http = config.tls.as_ref().map(load).transpose()?;
        let grpc = match &http {
            Some(given) => Some(given.clone()),
            None => config.grpc_tls.as_ref().map(load).transpose()?,
        };
        Ok(Self { http, grpc })
    }

    /// Those that may change, each once.
    fn all(&self) -> Vec<Arc<Certificate>> {
        let all = self.http.as_ref().or(self.grpc.as_ref());
        all.cloned().into_iter().collect()
    }
}

impl Gateway {
    /// Builds a gateway over its services. Metrics of the whole process are
    /// expected in `registry`, which `/metrics` shows.
    #[must_use]
    pub fn new(
        config: GatewayConfig,
        storage: Arc<dyn StorageApi>,
        tenants: Arc<dyn TenantApi>,
        clock: Clock,
        registry: prometheus::Registry,
    ) -> Self {
        let state = assemble(&config, storage, tenants, clock, &registry);
        Self {
            config,
            state,
            registry,
        }
    }

    /// Gives the gateway the meter's books, for curves and counts of the last day.
    #[must_use]
    pub fn with_billing(self, billing: Arc<dyn BillingApi>) -> Self {
        // A second one changes nothing.
        let _ = self.state.services().billing.set(billing);
        self
    }

    /// Lets the tenant service divide limits among this gateway and others. Without
    /// it the gateway has each limit for itself.
    #[must_use]
    pub fn with_shares(self, shares: Arc<dyn SharesApi>) -> Self {
        let services = self.state.services();
        let connections = services.connections.clone();
        services.admission.share_with(shares, connections);
        self
    }

    /// What handlers work with; for tests that need no socket.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Calls that are to be billed.
    #[must_use]
    pub fn calls(&self) -> Arc<Calls> {
        self.state.services().calls.clone()
    }

    /// Takes all ports.
    ///
    /// # Errors
    /// One line that names the address and the setting, or the certificate.
    pub fn bind(self) -> Result<BoundGateway, GatewayError> {
        let certificates = Certificates::load(&self.config)?;
        let (http, http_address) = listen(self.config.http_listen, "--http-listen")?;
        let (grpc, grpc_address) = listen(self.config.grpc_listen, "--grpc-listen")?;
        let (ops, ops_address) = listen(self.config.ops_listen, "--ops-listen")?;
        // A gateway is bound once.
        let _ = self.state.services().grpc_address.set(grpc_address);
        Ok(BoundGateway {
            gateway: self,
            http,
            grpc,
            ops,
            http_address,
            grpc_address,
            ops_address,
            certificates,
        })
    }
}

impl BoundGateway {
    /// Where the public API listens.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where RocketMQ 5 clients come.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where `/metrics`, `/livez` and `/readyz` listen.
    #[must_use]
    pub fn ops_address(&self) -> SocketAddr {
        self.ops_address
    }

    /// Serves until `stop`, then answers what was taken before, within the
    /// drain time. Whoever waits for messages is answered at once.
    ///
    /// # Errors
    /// When a listener fails.
    pub fn run(
        self,
        stop: Stop,
    ) -> impl Future<Output = Result<(), GatewayError>> + Send + 'static {
        let Self {
            gateway,
            http,
            grpc,
            ops,
            certificates,
            ..
        } = self;
        let Gateway {
            config,
            state,
            registry,
        } = gateway;
        let (closing, services) = (state.closing(), state.services());
        let port = grpc::Port {
            listener: grpc,
            certificate: certificates.grpc.clone(),
            patience: config.head_timeout(),
            drain: config.drain(),
        };
        let edge = Arc::new(grpc::Edge::new(state.clone()));
        let grpc = grpc::serve(edge, port, closing.clone());
        let changing = certificates.all();
        let api = serve_api(&config, http, certificates.http, state.clone());
        let ops = serve_ops(&config, ops, state, registry);
        async move {
            // Nothing passes a limit before; `keep_shares` tries again.
            services.admission.renew().await;
            let (api, ops) = (
                api.map_err(GatewayError::Serve)?,
                ops.map_err(GatewayError::Serve)?,
            );
            let (api_handle, ops_handle) = (api.handle(), ops.handle());
            let stopping = async {
                stop.cancelled().await;
                closing.cancel();
                api_handle.stop(true).await;
                // Health and metrics stay readable until the last answer is out.
                ops_handle.stop(false).await;
            };
            let (api, grpc, ops, (), (), ()) = tokio::join!(
                ended(api, stop.clone()),
                ended(grpc, stop.clone()),
                ended(ops, stop.clone()),
                stopping,
                upkeep::run(services.clone(), changing, stop.clone()),
                upkeep::keep_shares(services.clone(), stop.clone()),
            );
            // Not before the last request was admitted or refused.
            services.admission.leave().await;
            api.and(grpc).and(ops).map_err(GatewayError::Serve)
        }
    }
}

/// A server that ends by itself takes the gateway with it.
async fn ended(
    server: impl Future<Output = std::io::Result<()>>,
    stop: Stop,
) -> std::io::Result<()> {
    let result = server.await;
    stop.cancel();
    result
}

fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<(TcpListener, SocketAddr), GatewayError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| GatewayError::listen(address, setting, &error))
}

fn serve_api(
    config: &GatewayConfig,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    state: State,
) -> std::io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || App::new().configure(app_config(&state)))
        .on_connect(|_, data| {
            data.insert(Connection::default());
        })
        .disable_signals()
        .workers(config.worker_threads())
        .client_request_timeout(config.head_timeout())
        // Also for whoever goes on sending after the answer.
        .client_disconnect_timeout(config.head_timeout())
        .keep_alive(config.keep_alive())
        // A member that hangs up while it waits frees its place at once.
        .h1_allow_half_closed(false)
        .shutdown_timeout(config.drain_ms.div_ceil(1000))
        .tcp_nodelay(true);
    let server = match certificate {
        None => server.listen(listener)?,
        // actix-web names the protocols that it speaks.
        Some(certificate) => {
            let tls = certificate.config(&[]).map_err(std::io::Error::other)?;
            server
                .tls_handshake_timeout(config.head_timeout())
                .listen_rustls_0_23(listener, tls)?
        }
    };
    Ok(server.run())
}

fn serve_ops(
    config: &GatewayConfig,
    listener: TcpListener,
    state: State,
    registry: prometheus::Registry,
) -> std::io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        App::new().configure(ops_port::config(state.clone(), registry.clone()))
    })
    .disable_signals()
    .workers(1)
    .client_request_timeout(config.head_timeout())
    .keep_alive(config.keep_alive())
    .listen(listener)?;
    Ok(server.run())
}
