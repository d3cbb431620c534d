//! The limit on open files. Connections, log files and hot volumes each take one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer than these get a warning at start (SEED_SPEC 8.1-3).
pub const HANDLES_WANTED: u64 = 65_535;

/// What the process may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handles {
    /// `None` is without bound.
    pub limit: Option<u64>,
}

impl Handles {
    #[must_use]
    pub fn are_few(self) -> bool {
        self.limit.is_some_and(|limit| limit < HANDLES_WANTED)
    }
}

/// Raises the process's own limit to the one it was given, and reports it.
pub fn raise_handles() -> Handles {
    let now = getrlimit(Resource::Nofile);
    let wanted = raised(&now);
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted.current,
        // Not allowed to: the old limit still holds.
        Err(_) => now.current,
    };
    Handles { limit }
}

pub(super) fn raised(now: &Rlimit) -> Rlimit {
    Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    }
}
