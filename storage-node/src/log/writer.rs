//! Where batches go: the current file, its beginning and its terminators.

use std::io;
use std::sync::Arc;

use super::config::{CrashPoint, LogConfig, Mutant};
use super::files::{Files, LogFile, log_name};
use super::format::{BATCH_HEADER_BYTES, BLOCK, BatchHeader, FileHeader};
use super::frame::Lsn;
use super::metrics::{LogMetrics, add};
use super::spares::Spare;

/// What a writer works with.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) config: &'a LogConfig,
    pub(super) files: &'a Files,
    pub(super) metrics: &'a LogMetrics,
}

/// One life of the log: from an opening, or a recovery, to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) incarnation: u64,
    /// First LSN of this life.
    pub(super) began: Lsn,
}

/// Where the next batch goes.
pub(super) struct Writer {
    pub(super) file: Arc<LogFile>,
    pub(super) at: u64,
    pub(super) life: Life,
    /// Whether anything was written since the last terminator.
    pub(super) dirty: bool,
}

impl Writer {
    /// Makes a spare the next file. Its header is durable before it has its
    /// name, and the name before anything in it is answered.
    pub(super) fn begin(
        parts: &Parts<'_>,
        spare: Spare,
        first_lsn: Lsn,
        life: Life,
    ) -> io::Result<Self> {
        let points = &parts.config.crash_points;
        let header = FileHeader {
            log_id: parts.files.log_id,
            file: parts.files.number_next(),
            incarnation: life.incarnation,
            began: life.began,
            first_lsn,
            file_bytes: parts.config.file_bytes,
            recycled: spare.recycled,
        };
        spare.file.write_at(&header.encode(), 0)?;
        points.reach(CrashPoint::RollAfterHeaderBeforeSync)?;
        spare.file.sync_data()?;
        points.reach(CrashPoint::RollAfterHeaderSync)?;
        let disk = &parts.files.disk;
        let (old, new) = (&spare.name, log_name(header.file));
        disk.rename(&parts.files.path(old), &parts.files.path(&new))?;
        points.reach(CrashPoint::RollAfterCreateBeforeDirSync)?;
        if !parts.config.is(Mutant::SkipDirSync)
            && let Err(error) = disk.sync_dir(&parts.files.dir)
        {
            // Nobody may come to rely on a name that perhaps is not durable.
            let _ = disk.remove(&parts.files.path(&new));
            return Err(error);
        }
        points.reach(CrashPoint::RollAfterDirSync)?;
        let file = Arc::new(LogFile::begun(header, spare.file));
        parts.files.add(file.clone());
        add(&parts.metrics.rolls, 1);
        Ok(Self {
            file,
            at: BLOCK,
            life,
            dirty: false,
        })
    }

    /// Bytes left in the file.
    pub(super) fn room(&self) -> u64 {
        self.file.len.saturating_sub(self.at)
    }

    /// A terminator that calls all up to `synced` durable.
    pub(super) fn terminator(&self, parts: &Parts<'_>, synced: Lsn) -> [u8; BLOCK as usize] {
        let header = BatchHeader {
            log_id: parts.files.log_id,
            file: self.file.number,
            incarnation: self.life.incarnation,
            began: self.life.began,
            first_lsn: synced.next(),
            synced,
            frame_bytes: 0,
            frame_count: 0,
            terminator: true,
        };
        let mut block = [0; BLOCK as usize];
        header.encode(&mut block[..BATCH_HEADER_BYTES]);
        block
    }
}
