//! What the storage tier gives by itself: `firn verify` reads everything in its own
//! process on the way on which a consumer gets it, without leases, JSON and HTTP.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::driver::firn::Cold;

/// What so many readers found, all of it cold.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TierRead {
    pub readers: usize,
    pub messages: u64,
    /// MiB of bodies in a second.
    pub mib_per_second: f64,
    /// Requests of the object store, and what they gave.
    pub gets: u64,
    pub read_mib: f64,
    /// As [`crate::verify::Ledger::checksum`].
    pub checksum: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    messages: u64,
    body_bytes: u64,
    checksum: u64,
    seconds: f64,
    gets: u64,
    read_bytes: u64,
}

/// Reads what `cold` holds of the node whose data directory is in `folder`.
///
/// # Errors
/// The program's own words.
pub(super) fn read(firn: &Path, cold: &Cold, folder: &Path, readers: usize) -> Result<TierRead> {
    let mut command = Command::new(firn);
    command
        .arg("verify")
        .arg("--data-dir")
        .arg(folder.join("data"));
    command.args(["--readers", &readers.to_string(), "--json"]);
    cold.tell(&mut command);
    let output = command.output().context("run firn verify")?;
    ensure!(
        output.status.success(),
        "firn verify: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let answer: Answer = serde_json::from_slice(&output.stdout).context("firn verify")?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(TierRead {
        readers,
        messages: answer.messages,
        mib_per_second: mib(answer.body_bytes) / answer.seconds.max(0.001),
        gets: answer.gets,
        read_mib: mib(answer.read_bytes),
        checksum: answer.checksum,
    })
}
