//! The file beside a database that says whether it may be trusted: what sled
//! calls flushed is not safe from a power cut, so a database counts only if the
//! machine has not been restarted since, or if it was closed and synced.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::hot::keys::FORMAT;
use crate::hot::keys::volume::Reach;
use crate::hot::{HotError, Lsn};

const NAME: &str = "stamp";

/// What a stamp says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// In use, or left so, under this boot of the machine.
    Open { boot_id: String },
    /// Closed and synced: how far it reaches, and its files with their lengths.
    Clean {
        reach: Reach,
        files: Vec<(String, u64)>,
    },
}

impl Stamp {
    /// The stamp of a database, `None` if there is none that can be read.
    ///
    /// # Errors
    /// When a newer version of this program wrote it.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, HotError> {
        let Ok(text) = fs::read_to_string(dir.join(NAME)) else {
            return Ok(None);
        };
        let Some((body, sum)) = text.trim_end().rsplit_once("\nsum ") else {
            return Ok(None);
        };
        if u32::from_str_radix(sum, 16) != Ok(crc32c::crc32c(body.as_bytes())) {
            return Ok(None);
        }
        let mut lines = body.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("firn-hot "));
        match version.and_then(|version| version.parse::<u32>().ok()) {
            None | Some(0) => return Ok(None),
            Some(version) if version > u32::from(FORMAT) => {
                return Err(HotError::Newer {
                    what: dir.display().to_string(),
                    found: version,
                    known: FORMAT.into(),
                });
            }
            Some(_) => {}
        }
        Ok(Self::parse(lines))
    }

    fn parse<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let state = lines.next()?;
        if let Some(boot_id) = state.strip_prefix("open ") {
            return Some(Self::Open {
                boot_id: boot_id.to_owned(),
            });
        }
        let mut reach = state.strip_prefix("clean ")?.split(' ').map(str::parse);
        let mut number = || reach.next()?.ok();
        let reach = Reach {
            begins: Lsn(number()?),
            marker: Lsn(number()?),
            bytes: number()?,
        };
        let files = lines.map(|line| {
            let (len, name) = line.split_once(' ')?;
            Some((name.to_owned(), len.parse().ok()?))
        });
        Some(Self::Clean {
            reach,
            files: files.collect::<Option<_>>()?,
        })
    }

    /// Puts the stamp in place, safe from a power cut when this returns.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let mut body = format!("firn-hot {FORMAT}\n");
        match self {
            Self::Open { boot_id } => body.push_str(&format!("open {boot_id}")),
            Self::Clean { reach, files } => {
                let Reach {
                    begins,
                    marker,
                    bytes,
                } = reach;
                body.push_str(&format!("clean {} {} {bytes}", begins.0, marker.0));
                for (name, len) in files {
                    let _ = write!(body, "\n{len} {name}");
                }
            }
        }
        let sum = crc32c::crc32c(body.as_bytes());
        replace(
            &dir.join(NAME),
            format!("{body}\nsum {sum:08x}\n").as_bytes(),
        )?;
        File::open(dir)?.sync_all()
    }
}

/// Writes a file whole: a reader sees the old or the new content.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// The files below `dir` with their lengths, by name.
pub(super) fn files_below(dir: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    visit(dir, &mut |path, len| {
        let name = path.strip_prefix(dir).unwrap_or(path);
        found.push((name.to_string_lossy().into_owned(), len));
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

/// Syncs every file below `dir`, and the directories.
pub(super) fn sync_below(dir: &Path) -> io::Result<()> {
    let mut dirs = vec![dir.to_owned()];
    visit(dir, &mut |path, _| {
        if let Some(parent) = path.parent() {
            dirs.push(parent.to_owned());
        }
        File::open(path)?.sync_all()
    })?;
    dirs.sort_unstable();
    dirs.dedup();
    dirs.iter().try_for_each(|dir| File::open(dir)?.sync_all())
}

fn visit(dir: &Path, act: &mut dyn FnMut(&Path, u64) -> io::Result<()>) -> io::Result<()> {
    let mut left: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                left.push(entry.path());
            } else {
                act(&entry.path(), meta.len())?;
            }
        }
    }
    Ok(())
}
