//! The floor server: a trivial HTTP handler in front of a group-commit log.
//!
//! It is the yardstick: what is left of the machine when a durable write over HTTP does
//! nothing else. `POST /append` is answered after an `fdatasync` that covers its body.
//! It keeps no index, checks nothing and forgets what its files cannot hold, and it is
//! no server for anybody's data.

pub mod log;

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use actix_web::web::{Bytes, Data, PayloadConfig, post};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};

use log::Log;

/// Where bodies are sent to.
pub const APPEND_PATH: &str = "/append";
const WORKERS: usize = 2;
const BODY_BYTES_MAX: usize = firn_protocol::limits::REQUEST_BYTES_MAX as usize;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// The address is taken, or the folder cannot be written to.
pub fn run(listen: SocketAddr, folder: &Path) -> Result<()> {
    let (log, writer) = Log::open(folder, log::FILE_BYTES)?;
    let log = Data::new(log);
    let served: io::Result<()> = actix_web::rt::System::new().block_on(serve(listen, &log));
    log.close();
    writer.join().ok().context("the log's thread failed")?;
    served.with_context(|| format!("serve at {listen}"))
}

async fn serve(listen: SocketAddr, log: &Data<Log>) -> io::Result<()> {
    let log = log.clone();
    let app = move || {
        App::new()
            .app_data(log.clone())
            .app_data(PayloadConfig::new(BODY_BYTES_MAX))
            .route(APPEND_PATH, post().to(append))
    };
    HttpServer::new(app)
        .workers(WORKERS)
        .shutdown_timeout(1)
        .bind(listen)?
        .run()
        .await
}

async fn append(log: Data<Log>, body: Bytes) -> HttpResponse {
    match log.append(&body).await {
        Ok(offset) => HttpResponse::Ok()
            .content_type("application/json")
            .body(format!("{{\"offset\":{offset},\"length\":{}}}", body.len())),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}
