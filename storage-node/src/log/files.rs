//! The log's files by number, and their names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::error::{LogError, ReadAtError};
use super::format::{BLOCK, BatchHeader, FILE_BYTES_MAX, FileHeader, Found};
use super::frame::{self, FRAME_HEADER_BYTES, LogPlace, Lsn, Seed};
use super::walk::{ReadError, find_batch};
use super::window::Window;
use crate::disk::{Disk, DiskFile};

/// A file of the log.
pub(super) struct LogFile {
    pub(super) number: u64,
    pub(super) handle: Arc<dyn DiskFile>,
    /// Bytes that are there, in whole blocks.
    pub(super) len: u64,
    /// `None` when it is damaged.
    pub(super) header: Option<FileHeader>,
    /// First LSN, from the header or else from the first batch that can be read.
    pub(super) first_lsn: Option<Lsn>,
    /// The first incarnation seen in the file, and its first LSN.
    pub(super) epoch: Option<(u64, Lsn)>,
}

impl LogFile {
    /// A file that begins with this header.
    pub(super) fn begun(header: FileHeader, handle: Arc<dyn DiskFile>) -> Self {
        Self {
            number: header.file,
            handle,
            len: header.file_bytes,
            header: Some(header),
            first_lsn: Some(header.first_lsn),
            epoch: Some((header.incarnation, header.began)),
        }
    }

    /// Whether the file is shorter than it was made.
    pub(super) fn is_cut(&self) -> bool {
        self.header
            .is_some_and(|header| self.len < header.file_bytes)
    }

    pub(super) fn window(&self) -> Window {
        Window::new(self.handle.clone(), self.len)
    }
}

/// What is in the log's directory.
#[derive(Default)]
pub(super) struct Listing {
    /// Numbers of the files that make up the log, rising.
    pub(super) logs: Vec<u64>,
    /// Spare files: number in the name, and whether they held other things before.
    pub(super) spares: Vec<(u64, bool)>,
    /// Spare files that were never finished.
    pub(super) unfinished: Vec<u64>,
}

/// Name of a log file.
pub(super) fn log_name(number: u64) -> String {
    format!("{number:016x}.log")
}

/// Name of a spare that is ready: zero-filled, or recycled.
pub(super) fn spare_name(number: u64, recycled: bool) -> String {
    let ending = if recycled { "used" } else { "next" };
    format!("{number:016x}.{ending}")
}

/// Name of a spare that is being made.
pub(super) fn unfinished_name(number: u64) -> String {
    format!("{number:016x}.new")
}

pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Listing, LogError> {
    let mut listing = Listing::default();
    let names = disk.list(dir).map_err(LogError::io("list"))?;
    for name in names {
        let Some((number, ending)) = name.split_once('.') else {
            continue;
        };
        if number.len() != 16 {
            continue;
        }
        let Ok(number) = u64::from_str_radix(number, 16) else {
            continue;
        };
        match ending {
            "log" => listing.logs.push(number),
            "next" => listing.spares.push((number, false)),
            "used" => listing.spares.push((number, true)),
            "new" => listing.unfinished.push(number),
            _ => {}
        }
    }
    listing.logs.sort_unstable();
    Ok(listing)
}

/// Opens the log's files and reads their headers. All must be of one log, whose
/// id is returned.
pub(super) fn load(
    disk: &dyn Disk,
    dir: &Path,
    numbers: &[u64],
) -> Result<(u64, Vec<Arc<LogFile>>), LogError> {
    let mut opened = Vec::with_capacity(numbers.len());
    let mut log_id = None;
    for &number in numbers {
        let read = LogError::io("read a file header");
        let (handle, len, header) = open_file(disk, dir, number).map_err(read)?;
        let header = match header {
            Found::Valid(header) => {
                if *log_id.get_or_insert(header.log_id) != header.log_id {
                    return Err(LogError::Foreign { file: number });
                }
                // A copy under another name is not what the name says.
                (header.file == number).then_some(header)
            }
            Found::Newer { version, .. } => {
                return Err(LogError::Newer {
                    file: number,
                    version,
                });
            }
            Found::Nothing => None,
        };
        opened.push((number, handle, len, header));
    }
    let log_id = match log_id {
        Some(log_id) => log_id,
        None => id_of_batches(&opened)?,
    };
    let mut files = Vec::with_capacity(opened.len());
    for (number, handle, len, header) in opened {
        files.push(Arc::new(match header {
            Some(header) => LogFile {
                len,
                ..LogFile::begun(header, handle)
            },
            None => headless(log_id, number, handle, len)?,
        }));
    }
    Ok((log_id, files))
}

type Opened = (u64, Arc<dyn DiskFile>, u64, Option<FileHeader>);

fn open_file(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
) -> io::Result<(Arc<dyn DiskFile>, u64, Found<FileHeader>)> {
    let handle = disk.open(&dir.join(log_name(number)))?;
    let len = handle.len()?.min(FILE_BYTES_MAX) / BLOCK * BLOCK;
    let mut block = [0; BLOCK as usize];
    let read = handle.read_at(&mut block, 0)?;
    Ok((handle, len, FileHeader::decode(&block[..read])))
}

/// The log's id when no file header can be read. Only the first batch of a file
/// is asked: elsewhere a payload might look like a header.
fn id_of_batches(opened: &[Opened]) -> Result<u64, LogError> {
    for (number, handle, len, _) in opened {
        let mut window = Window::new(handle.clone(), *len);
        let bytes = window
            .get(BLOCK, BLOCK as usize)
            .map_err(LogError::io("read a batch header"))?;
        if let Found::Valid(batch) = BatchHeader::decode(bytes)
            && batch.file == *number
        {
            return Ok(batch.log_id);
        }
    }
    Err(LogError::Unreadable)
}

/// A file whose header is damaged: its first readable batch says where it belongs.
fn headless(
    log_id: u64,
    number: u64,
    handle: Arc<dyn DiskFile>,
    len: u64,
) -> Result<LogFile, LogError> {
    let mut window = Window::new(handle.clone(), len);
    let found = find_batch(&mut window, log_id, number, BLOCK, |_| true);
    let first = found.map_err(|error| error.of(number))?.map(|(_, it)| it);
    Ok(LogFile {
        number,
        handle,
        len,
        header: None,
        first_lsn: first.map(|batch| batch.first_lsn),
        epoch: first.map(|batch| (batch.incarnation, batch.began)),
    })
}

impl ReadError {
    pub(super) fn of(self, file: u64) -> LogError {
        match self {
            Self::Io(source) => LogError::Io {
                action: "read",
                source,
            },
            Self::Newer(version) => LogError::Newer { file, version },
        }
    }
}

/// The files in use, shared by writer, readers and truncation.
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) log_id: u64,
    table: RwLock<BTreeMap<u64, Arc<LogFile>>>,
    /// Highest number given to a file so far; failed attempts count.
    number_last: AtomicU64,
}

impl Files {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        log_id: u64,
        files: &[Arc<LogFile>],
    ) -> Self {
        let table: BTreeMap<_, _> = files.iter().map(|it| (it.number, it.clone())).collect();
        let last = table.keys().last().copied().unwrap_or(0);
        Self {
            disk,
            dir,
            log_id,
            table: RwLock::new(table),
            number_last: AtomicU64::new(last),
        }
    }

    pub(super) fn number_next(&self) -> u64 {
        self.number_last.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn add(&self, file: Arc<LogFile>) {
        self.table.write().insert(file.number, file);
    }

    /// The files in order, as of now.
    pub(super) fn all(&self) -> Vec<Arc<LogFile>> {
        self.table.read().values().cloned().collect()
    }

    /// Takes the oldest file out if all in it is below `lsn` and it is not the last.
    pub(super) fn take_below(&self, lsn: Lsn) -> Option<Arc<LogFile>> {
        let mut table = self.table.write();
        let next = table.values().skip(1).find_map(|file| file.first_lsn)?;
        if next > lsn {
            return None;
        }
        table.pop_first().map(|(_, file)| file)
    }

    fn get(&self, number: u64) -> Option<Arc<LogFile>> {
        self.table.read().get(&number).cloned()
    }

    /// Reads one frame's payload and proves that it is that frame's.
    pub(super) fn read_at(&self, place: LogPlace) -> Result<Bytes, ReadAtError> {
        let gone = ReadAtError::Gone { file: place.file };
        let Some(file) = self.get(place.file) else {
            return Err(gone);
        };
        let wanted = FRAME_HEADER_BYTES + place.len as usize;
        if u64::from(place.offset) + wanted as u64 > file.len {
            return Err(ReadAtError::Damaged { lsn: place.lsn });
        }
        let mut buffer = vec![0; wanted];
        let read = file.handle.read_at(&mut buffer, place.offset.into());
        let read = read.map_err(|source| ReadAtError::Io {
            lsn: place.lsn,
            source,
        })?;
        let seed = Seed {
            log_id: self.log_id,
            incarnation: place.incarnation,
            lsn: place.lsn,
        };
        let (head, payload) = buffer.split_at(FRAME_HEADER_BYTES);
        let right = read == wanted
            && frame::open(head, frame::claimed_index(head), seed)
                .is_some_and(|raw| raw.len == place.len && raw.verify(payload, seed));
        if right {
            return Ok(Bytes::from(buffer).slice(FRAME_HEADER_BYTES..));
        }
        // Truncation may have recycled the file meanwhile.
        match self.get(place.file) {
            Some(_) => Err(ReadAtError::Damaged { lsn: place.lsn }),
            None => Err(gone),
        }
    }
}
