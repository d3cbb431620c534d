//! The certificate that the gRPC port has unless one is given: made at the first
//! start and signed by itself, since the RocketMQ 5 clients for Java, Go and C++ use
//! TLS unless told otherwise, and trust any certificate.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use firn_gateway::TlsFiles;

/// Below the data directory.
const CERT_FILE: &str = "grpc-own.crt";
const KEY_FILE: &str = "grpc-own.key";
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "firn"];

/// Where the pair is, which is made if it is not whole.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn own_certificate(data_dir: &Path) -> anyhow::Result<TlsFiles> {
    let files = TlsFiles {
        cert: data_dir.join(CERT_FILE),
        key: data_dir.join(KEY_FILE),
    };
    if !(files.cert.exists() && files.key.exists()) {
        make(&files).with_context(|| format!("own certificate in {}", data_dir.display()))?;
    }
    Ok(files)
}

/// The certificate comes last: it is not there without its key.
fn make(files: &TlsFiles) -> anyhow::Result<()> {
    if files.cert.exists() {
        fs::remove_file(&files.cert)?;
    }
    let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned))?;
    write(&files.key, 0o600, &made.signing_key.serialize_pem())?;
    write(&files.cert, 0o644, &made.cert.pem())?;
    Ok(())
}

/// Whole or not at all.
fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_pair_is_made_once_and_kept_to_oneself() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = own_certificate(dir.path()).expect("made");
        let read = |path: &Path| fs::read_to_string(path).expect("readable");
        let before = (read(&files.cert), read(&files.key));
        assert!(before.0.starts_with("-----BEGIN CERTIFICATE-----"));
        let mode = fs::metadata(&files.key)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        own_certificate(dir.path()).expect("there");
        assert_eq!((read(&files.cert), read(&files.key)), before);
        // A start that was cut short leaves half a pair.
        fs::remove_file(&files.cert).expect("removed");
        own_certificate(dir.path()).expect("made again");
        assert_ne!(read(&files.key), before.1);
    }
}
