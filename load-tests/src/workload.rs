//! The declared workload: what a run does, read from a file.
//!
//! Owns the format of `workloads/*.toml`: sizes, rates, durations, cells and the targets
//! of DESIGN 8. Promises that what is read is within the bounds that generators need.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use firn_protocol::limits::{RECEIVE_MESSAGES_MAX, SEND_MESSAGES_MAX};
use serde::{Deserialize, Serialize};

use crate::body;
use crate::driver::Kind;
use crate::generator::Figures;

const STANDARD: &str = include_str!("../workloads/standard.toml");
const QUICK: &str = include_str!("../workloads/quick.toml");
const CONNECTIONS_MAX: usize = 4096;
const SECONDS_MAX: f64 = 3600.0;

/// A whole workload.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub name: String,
    /// How often every cell is run; medians are shown.
    pub rounds: usize,
    /// Length of a cell's measurement.
    pub seconds: f64,
    /// Load before each measurement.
    pub warmup_seconds: f64,
    pub message_bytes: usize,
    /// Most bytes of messages sent in one cell, MiB; a cell that reaches it ends early.
    pub cell_mib_max: u64,
    /// Most bytes of one server on disk, MiB; passing it ends the run.
    pub disk_mib_max: u64,
    #[serde(rename = "cell")]
    pub cells: Vec<Cell>,
}

/// One measurement, of every system in turn.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    pub name: String,
    pub load: Load,
    /// What Firn should reach; shown, never asserted.
    #[serde(default, rename = "target")]
    pub targets: Vec<Target>,
}

/// What a cell does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// A closed loop of producers.
    Send { in_flight: usize, batch: usize },
    /// One consumer against a backlog.
    Receive { messages: u64, max: usize },
    /// An open loop with a consumer.
    EndToEnd {
        rate: f64,
        connections: usize,
        max: usize,
    },
}

/// A bound on one of Firn's figures, absolute or relative to another system.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub figure: Figure,
    /// Whose figure it is divided by; absolute without.
    pub over: Option<Kind>,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
}

/// A figure that a target can be set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    Rate,
    P99Ms,
    ServerCpuUs,
    ResidentMib,
}

impl Figure {
    /// Its value, in the unit that [`Self::name`] shows.
    #[must_use]
    pub fn of(self, figures: &Figures) -> f64 {
        match self {
            Self::Rate => figures.rate,
            Self::P99Ms => figures.p99_us / 1000.0,
            Self::ServerCpuUs => figures.server_cpu_us,
            Self::ResidentMib => figures.resident_mib,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "msg/s",
            Self::P99Ms => "p99 ms",
            Self::ServerCpuUs => "server µs/msg",
            Self::ResidentMib => "RSS MiB",
        }
    }
}

impl Target {
    /// Whether `value` reaches it.
    #[must_use]
    pub fn is_met(&self, value: f64) -> bool {
        self.at_least.is_none_or(|least| value >= least)
            && self.at_most.is_none_or(|most| value <= most)
    }
}

impl Workload {
    /// The workload in `file`, or a built-in one without it.
    ///
    /// # Errors
    /// The file cannot be read, or is not a workload within the bounds.
    pub fn load(file: Option<&Path>, quick: bool) -> Result<Self> {
        let text = match file {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?
            }
            None if quick => QUICK.to_owned(),
            None => STANDARD.to_owned(),
        };
        let name = file.map_or("the built-in workload".into(), Path::to_string_lossy);
        Self::parse(&text).with_context(|| format!("{name} is not a workload"))
    }

    fn parse(text: &str) -> Result<Self> {
        let workload: Self = toml::from_str(text)?;
        workload.check()?;
        Ok(workload)
    }

    /// # Errors
    /// Something is out of bounds; needed again after a flag has changed a field.
    pub fn check(&self) -> Result<()> {
        ensure!((1..=100).contains(&self.rounds), "1 to 100 rounds");
        let seconds = |value: f64| value > 0.0 && value <= SECONDS_MAX;
        ensure!(
            seconds(self.seconds),
            "seconds must be within 0 and {SECONDS_MAX}"
        );
        ensure!(
            seconds(self.warmup_seconds),
            "warmup_seconds must be within 0 and {SECONDS_MAX}"
        );
        ensure!(
            (body::HEAD_BYTES..=body::BODY_BYTES_MAX).contains(&self.message_bytes),
            "message_bytes must be within {} and {}",
            body::HEAD_BYTES,
            body::BODY_BYTES_MAX
        );
        ensure!(self.cell_mib_max > 0, "cell_mib_max must be positive");
        for cell in &self.cells {
            cell.check()
                .with_context(|| format!("cell {}", cell.name))?;
        }
        Ok(())
    }

    /// Length of a cell's measurement.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Load before each measurement.
    #[must_use]
    pub fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.warmup_seconds)
    }

    /// Most messages that one cell may send.
    #[must_use]
    pub fn messages_max(&self) -> u64 {
        (self.cell_mib_max << 20) / self.message_bytes as u64
    }
}

impl Cell {
    fn check(&self) -> Result<()> {
        let connections = 1..=CONNECTIONS_MAX;
        let receive = 1..=RECEIVE_MESSAGES_MAX;
        match self.load {
            Load::Send { in_flight, batch } => {
                ensure!(connections.contains(&in_flight), "in_flight out of bounds");
                ensure!(
                    (1..=SEND_MESSAGES_MAX).contains(&batch),
                    "batch out of bounds"
                );
            }
            Load::Receive { messages, max } => {
                ensure!(
                    (1..=100_000_000).contains(&messages),
                    "messages out of bounds"
                );
                ensure!(receive.contains(&max), "max out of bounds");
            }
            Load::EndToEnd {
                rate,
                connections: number,
                max,
            } => {
                ensure!(rate > 0.0 && rate <= 1e6, "rate out of bounds");
                ensure!(connections.contains(&number), "connections out of bounds");
                ensure!(receive.contains(&max), "max out of bounds");
            }
        }
        for target in &self.targets {
            ensure!(
                target.at_least.is_some() != target.at_most.is_some(),
                "a target needs exactly one of at_least and at_most"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_workloads_are_valid() {
        for quick in [false, true] {
            let workload = Workload::load(None, quick).unwrap();
            let sends = workload.cells.iter().filter_map(|cell| match cell.load {
                Load::Send { in_flight, batch } => Some((in_flight, batch)),
                Load::Receive { .. } | Load::EndToEnd { .. } => None,
            });
            let expected = [(1, 1), (64, 1), (256, 1), (16, 100)];
            assert_eq!(sends.collect::<Vec<_>>(), expected);
            assert!(workload.disk_mib_max <= 3072);
        }
    }

    #[test]
    fn what_generators_cannot_do_is_refused() {
        let standard = |from: &str, to: &str| {
            let text = STANDARD.replacen(from, to, 1);
            assert_ne!(text, STANDARD, "{from} is not in the workload");
            Workload::parse(&text)
        };
        for (from, to) in [
            ("message_bytes = 1024", "message_bytes = 10"),
            ("message_bytes = 1024", "message_bytes = 10000000"),
            ("rounds = ", "rounds = 0 #"),
            ("seconds = ", "seconds = 0.0 #"),
            ("seconds = ", "seconds = nan #"),
            ("in_flight = 1,", "in_flight = 0,"),
            ("batch = 1 ", "batch = 1001 "),
            ("max = 256", "max = 257"),
            ("at_least = ", "at_most = 1.0\nat_least = "),
            ("name = ", "nickname = "),
        ] {
            assert!(standard(from, to).is_err(), "{to}");
        }
    }

    #[test]
    fn a_target_bounds_from_its_side() {
        let target = |at_least, at_most| Target {
            figure: Figure::Rate,
            over: None,
            at_least,
            at_most,
        };
        assert!(target(Some(0.9), None).is_met(0.9));
        assert!(!target(Some(0.9), None).is_met(0.89));
        assert!(target(None, Some(2.0)).is_met(2.0));
        assert!(!target(None, Some(2.0)).is_met(2.1));
        assert!(!target(Some(0.9), None).is_met(f64::NAN));
    }
}
