//! Why the gateway cannot start or go on. What a request is told is an
//! [`firn_protocol::ApiError`].

use std::net::SocketAddr;

/// A failure of the gateway as a whole.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// One line that names the address and the setting (SEED_SPEC 8.1-1).
    #[error("cannot listen on {address} ({setting}): {reason}")]
    Listen {
        address: SocketAddr,
        setting: &'static str,
        reason: String,
    },
    /// One line that names the setting and the file.
    #[error("--tls-cert, --tls-key: {0}")]
    Tls(#[from] crate::tls::TlsError),
    #[error("serving clients")]
    Serve(#[source] std::io::Error),
}

impl GatewayError {
    pub(crate) fn listen(
        address: SocketAddr,
        setting: &'static str,
        error: &std::io::Error,
    ) -> Self {
        use std::io::ErrorKind;
        let kind = error.kind();
        let reason = if kind == ErrorKind::AddrInUse {
            "address in use".to_owned()
        } else if kind == ErrorKind::AddrNotAvailable {
            "no such address on this machine".to_owned()
        } else {
            error.to_string()
        };
        Self::Listen {
            address,
            setting,
            reason,
        }
    }
}
