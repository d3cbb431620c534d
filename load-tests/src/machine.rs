//! The machine and its processes, as `/proc` tells.
//!
//! Owns reading of CPU time, memory and what a report names: commit, CPU, kernel.
//! Everything is read, nothing is changed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

/// Length of one tick of `/proc/PID/stat`: Linux shows hundredths of a second to
/// programs whatever its own timer does.
const TICK: Duration = Duration::from_millis(10);

/// Where and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Short commit id of the working directory, with `+` when it has changes.
    pub commit: String,
    /// Model name of the first CPU.
    pub cpu: String,
    /// Number of CPUs.
    pub cores: usize,
    /// All memory, MiB.
    pub memory_mib: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Runnable processes over the last minute when the run began: other work on the
    /// machine makes every figure worse.
    pub load: String,
}

impl Machine {
    /// Looks around; what cannot be read is "unknown".
    #[must_use]
    pub fn describe() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let first_word = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            known(text.split_whitespace().next())
        };
        Self {
            commit: commit(),
            cpu: known(field(&cpuinfo, "model name")),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory_mib: kib(&meminfo, "MemTotal").unwrap_or(0) / 1024,
            kernel: first_word("/proc/sys/kernel/osrelease"),
            load: first_word("/proc/loadavg"),
        }
    }
}

/// CPU time that a process has used so far, all its threads, user and system.
///
/// # Errors
/// No such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not as expected"))?;
    Ok(TICK * ticks)
}

/// Memory of a process that is in RAM now, bytes.
///
/// # Errors
/// No such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let resident = kib(&status, "VmRSS").with_context(|| format!("{path} has no VmRSS"))?;
    Ok(resident * 1024)
}

/// Bytes that the files below `folder` occupy. Files that vanish meanwhile are skipped.
#[must_use]
pub fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Whether `program` can be run with `argument`, and what it prints first.
#[must_use]
pub fn probe(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(id) = git(&["rev-parse", "--short", "HEAD"]) else {
        return known(None);
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => id,
        _ => format!("{id}+"),
    }
}

fn known(text: Option<&str>) -> String {
    text.unwrap_or("unknown").to_owned()
}

/// User and system ticks of a `/proc/PID/stat` line. The name in it may hold blanks and
/// parentheses, so fields are counted from its last parenthesis.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_survive_a_wild_name() {
        let rest = "S 1 2 3 0 -1 4194560 9 0 0 0 123 45 0 0 20 0 1 0 99 0 0";
        for name in ["firn", "a b", "x) S 1 (y"] {
            assert_eq!(cpu_ticks(&format!("17 ({name}) {rest}")), Some(168));
        }
        assert_eq!(cpu_ticks("17 (x) S 1"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn sizes_are_in_kib() {
        let status = "Name:\tfirn\nVmRSS:\t   2048 kB\nVmHWM:\t 9 kB\n";
        assert_eq!(kib(status, "VmRSS"), Some(2048));
        assert_eq!(kib(status, "VmSwap"), None);
    }

    #[test]
    fn a_process_can_look_at_itself() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 1 << 16);
        assert!(cpu_time(pid).is_ok());
        assert!(cpu_time(u32::MAX).is_err());
    }

    #[test]
    fn a_folder_is_as_large_as_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), vec![1u8; 1 << 20]).unwrap();
        let bytes = folder_bytes(folder.path());
        assert!((1 << 20..2 << 20).contains(&bytes), "{bytes}");
    }
}
