//! The disk's own speed: how often it makes 4 KiB durable.
//!
//! Every durable send waits for at least one of these, so the probe says what one
//! producer can reach at most, and, taken at both ends of a run, how steady the machine was.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::clock;
use crate::stats::Latency;

const PROBE_BYTES: u64 = 16 << 20;
const WRITE_BYTES: usize = 4 << 10;

/// What the probe found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SyncRate {
    /// Writes of 4 KiB made durable in a second.
    pub per_second: f64,
    /// Half of them took no longer, µs.
    pub p50_us: f64,
    /// 99 % of them took no longer, µs.
    pub p99_us: f64,
}

/// Writes and syncs 4 KiB again and again in a preallocated file below `folder`.
///
/// # Errors
/// The file system's.
pub fn probe(folder: &Path, duration: Duration) -> Result<SyncRate> {
    let path = folder.join("fdatasync-probe");
    let result = measure(&path, duration);
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    result
}

fn measure(path: &Path, duration: Duration) -> Result<SyncRate> {
    let file = zero_filled(path, PROBE_BYTES)?;
    let block = [b'x'; WRITE_BYTES];
    let mut latency = Latency::default();
    let begin = clock::now();
    let mut at = 0;
    let mut last = begin;
    while last.duration_since(begin) < duration {
        file.write_all_at(&block, at)
            .context("write to the probe")?;
        file.sync_data().context("fdatasync of the probe")?;
        let now = clock::now();
        latency.record(now.duration_since(last));
        last = now;
        at = (at + WRITE_BYTES as u64) % PROBE_BYTES;
    }
    Ok(SyncRate {
        per_second: latency.count() as f64 / last.duration_since(begin).as_secs_f64(),
        p50_us: latency.micros_at(0.5),
        p99_us: latency.micros_at(0.99),
    })
}

/// Makes a file of `length` zero bytes that are really there, so that later syncs have
/// no metadata to write.
///
/// # Errors
/// The file system's.
pub fn zero_filled(path: &Path, length: u64) -> Result<File> {
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let zeros = vec![0u8; 1 << 20];
    let mut left = length;
    while left > 0 {
        let take = left.min(zeros.len() as u64);
        file.write_all(&zeros[..take as usize])
            .context("fill a file")?;
        left -= take;
    }
    file.sync_all().context("sync a new file")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_its_length() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, 1 << 20, (1 << 20) + 1] {
            let path = folder.path().join(length.to_string());
            zero_filled(&path, length).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn the_probe_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let rate = probe(folder.path(), Duration::from_millis(1)).unwrap();
        assert!(rate.per_second > 0.0 && rate.p99_us >= rate.p50_us);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
