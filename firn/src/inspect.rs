//! `firn inspect`: what is on disk, for an operator. Owns the choice of what a
//! path is and how it is printed; promises to change nothing below that path
//! and to name what it cannot read. Formats are the storage node's.

mod hot;
mod log;
mod print;
mod segment;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use firn_storage_node::hot::HotError;
use firn_storage_node::log::LogError;

use crate::startup::NODE_FILE;
use print::Printer;

/// Print log files, the hot store, a segment or a summary of a data directory.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    firn inspect data                 summary of a data directory\n  \
    firn inspect data/log --body      every frame of the log, with the messages\n  \
    firn inspect data/hot --json      volumes and snapshots, for scripts\n  \
    firn inspect FILE                 a segment, fetched from the object store\n\n\
    Nothing is changed. Beside a running node, what only a closed store shows is left out.")]
pub struct Inspect {
    /// A data directory, its `log` or `hot`, one file of the log, or a segment.
    path: PathBuf,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Also print the messages of each log entry, or of each chunk of a segment.
    #[arg(long)]
    body: bool,
}

/// Why nothing, or not everything, was printed. One line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error("{path}: {source}", path = .path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error(
        "{path} is no data directory, log, log file, hot store or segment",
        path = .0.display()
    )]
    Unknown(PathBuf),
    #[error("write-ahead log: {}", with_cause(.0))]
    Log(#[from] LogError),
    #[error(transparent)]
    Hot(#[from] HotError),
    #[error("output: {0}")]
    Output(#[from] io::Error),
}

fn with_cause(error: &LogError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What a path turned out to be.
enum Subject {
    DataDir,
    Log,
    LogFile { dir: PathBuf, number: u64 },
    Hot,
    Segment,
}

/// Runs the verb; errors go to standard error in one line.
pub fn main(verb: &Inspect) -> ExitCode {
    let mut printer = Printer::new(BufWriter::new(io::stdout()), verb.json);
    let outcome = run(&verb.path, verb.body, &mut printer);
    let outcome = outcome.and_then(|()| Ok(printer.flush()?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has closed its end has seen what it wanted.
        Err(InspectError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // What was read so far may tell why.
            let _ = printer.flush();
            eprintln!("firn: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &Path, bodies: bool, out: &mut Printer<impl Write>) -> Result<(), InspectError> {
    match subject(path)? {
        Subject::DataDir => summary::print(path, out),
        Subject::Log => log::print(path, None, bodies, out),
        Subject::LogFile { dir, number } => log::print(&dir, Some(number), bodies, out),
        Subject::Hot => hot::print(path, is_held(path.parent()), out),
        Subject::Segment => segment::print(path, bodies, out),
    }
}

fn subject(path: &Path) -> Result<Subject, InspectError> {
    let failed = |source| InspectError::Path {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        let Some(number) = log_number(path) else {
            return match segment::is_one(path).map_err(failed)? {
                true => Ok(Subject::Segment),
                false => Err(InspectError::Unknown(path.to_owned())),
            };
        };
        let dir = path.parent().map(Path::to_owned).unwrap_or_default();
        let dir = if dir.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            dir
        };
        return Ok(Subject::LogFile { dir, number });
    }
    if path.join(NODE_FILE).exists() {
        return Ok(Subject::DataDir);
    }
    if path.join(hot::RECORDS).is_dir() || path.join(hot::STATE).is_dir() {
        return Ok(Subject::Hot);
    }
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let is_log = entries
        .filter_map(Result::ok)
        .any(|entry| log_number(&entry.path()).is_some());
    match is_log {
        true => Ok(Subject::Log),
        false => Err(InspectError::Unknown(path.to_owned())),
    }
}

/// The number of a log file, by its name: 16 hex digits and `.log`.
fn log_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let number = u64::from_str_radix(name, 16).ok()?;
    (name.len() == 16).then_some(number)
}

/// Keeps a data directory from being taken while it is read.
enum Hold {
    /// Nobody has it, and nobody gets it while this lives.
    Free { _lock: File },
    /// A node is running on it, or it cannot be told.
    Taken,
}

fn is_held(data_dir: Option<&Path>) -> Hold {
    // What belongs to no data directory, such as a copy, is nobody's.
    let Some(dir) = data_dir else {
        return Hold::Taken;
    };
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    match File::open(dir) {
        Ok(lock) if lock.try_lock_shared().is_ok() => Hold::Free { _lock: lock },
        _ => Hold::Taken,
    }
}
