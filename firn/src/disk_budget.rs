//! `--disk-budget`: what log and hot store may use of the disk (RULES 5). The log
//! is charged by its files; the hot store writes its own files, which are measured.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use firn_runtime::config::ByteSize;
use firn_runtime::{Clock, Stop, tasks};
use firn_storage_node::config::StorageConfig;
use firn_storage_node::disk::{Budgeted, Disk};

/// The hot store grows by less than a volume meanwhile.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// A file system counts in blocks of this, whatever its own are (stat(2)).
const BLOCK_BYTES: u64 = 512;

/// A node's disk: all of it, or as much as a budget says.
///
/// # Errors
/// When the files that are there already cannot be examined.
pub(crate) fn fit(
    disk: Arc<dyn Disk>,
    config: &mut StorageConfig,
    budget: Option<ByteSize>,
    clock: &Clock,
) -> io::Result<(Arc<dyn Disk>, Option<DiskBudget>)> {
    let Some(bytes) = budget else {
        return Ok((disk, None));
    };
    let budget = DiskBudget::new(disk, config, bytes.0, clock.clone())?;
    Ok((Arc::new(budget.disk.clone()), Some(budget)))
}

/// The budget of a node's disk.
pub(crate) struct DiskBudget {
    disk: Budgeted,
    hot_dir: PathBuf,
    clock: Clock,
}

impl DiskBudget {
    /// Fits a node into `bytes`: it seals before its log and hot store are full, and
    /// volumes of the hot store are small enough that old ones go.
    ///
    /// # Errors
    /// When the files that are there already cannot be examined.
    fn new(
        disk: Arc<dyn Disk>,
        config: &mut StorageConfig,
        bytes: u64,
        clock: Clock,
    ) -> io::Result<Self> {
        // sled takes two to three times what is put into it, and a volume goes as a
        // whole: an eighth waiting and a sixteenth being filled are half on disk.
        config.volume_bytes = config.volume_bytes.min(bytes / 16);
        let tier = &mut config.tier;
        tier.untiered_bytes_max = tier.untiered_bytes_max.min(bytes / 8);
        tier.log_bytes_max = tier.log_bytes_max.min(bytes / 4);
        let disk = Budgeted::new(disk, &[&config.log.dir], bytes)?;
        disk.set_elsewhere(used_bytes(&config.hot_dir)?);
        Ok(Self {
            disk,
            hot_dir: config.hot_dir.clone(),
            clock,
        })
    }

    /// Measures the hot store until it is told to stop.
    pub(crate) async fn run(self, stop: Stop) -> Result<(), Infallible> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.clock.sleep(MEASURE_EVERY) => {}
            }
            let dir = self.hot_dir.clone();
            match tasks::blocking(move || used_bytes(&dir)).await {
                Ok(bytes) => self.disk.set_elsewhere(bytes),
                Err(error) => tracing::warn!(%error, "the hot store cannot be measured"),
            }
        }
    }
}

/// Bytes that a directory's files take on the disk; what goes meanwhile counts for nothing.
fn used_bytes(dir: &Path) -> io::Result<u64> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let data = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            data => data?,
        };
        bytes += if data.is_dir() {
            used_bytes(&entry.path())?
        } else {
            data.blocks() * BLOCK_BYTES
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use firn_storage_node::disk::RealDisk;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn log_and_hot_store_share_the_budget() {
        let dir = TempDir::new().expect("a directory");
        let mut config = StorageConfig::new(dir.path());
        let volume = config.hot_dir.join("records").join("1");
        std::fs::create_dir_all(&volume).expect("made");
        std::fs::write(volume.join("db"), vec![1; 100 << 10]).expect("written");
        let real = Arc::new(RealDisk::unlocked(dir.path()));
        let clock = Clock::manual(0);
        let budget = DiskBudget::new(real, &mut config, 128 << 10, clock).expect("fits");
        assert!(budget.disk.used() >= 100 << 10, "{}", budget.disk.used());
        let disk = budget.disk.clone();
        disk.create_dir(&config.log.dir).expect("made");
        let file = disk.create(&config.log.dir.join("1")).expect("made");
        file.write_at(&[0; 16 << 10], 0).expect("fits");
        let full = file.write_at(&[0; 64 << 10], 16 << 10);
        assert_eq!(full.expect_err("full").kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_small_budget_seals_early_and_a_large_one_changes_nothing() {
        let dir = TempDir::new().expect("a directory");
        let fitted = |bytes: u64| {
            let mut config = StorageConfig::new(dir.path());
            let real = Arc::new(RealDisk::unlocked(dir.path()));
            DiskBudget::new(real, &mut config, bytes, Clock::manual(0)).expect("fits");
            let tier = config.tier;
            (
                config.volume_bytes,
                tier.untiered_bytes_max,
                tier.log_bytes_max,
            )
        };
        let mib = 1 << 20;
        assert_eq!(fitted(512 * mib), (32 * mib, 64 * mib, 128 * mib));
        let plain = StorageConfig::new(dir.path());
        let tier = plain.tier;
        let plain = (
            plain.volume_bytes,
            tier.untiered_bytes_max,
            tier.log_bytes_max,
        );
        assert_eq!(fitted(20 << 30), plain);
    }
}
