//! `firn standalone`: the whole service in one process. Owns the order of
//! starting and stopping; what is served is the services' own.

use std::process::ExitCode;

use firn_runtime::{Clock, config, telemetry};

use crate::settings::{Flags, Settings, Warning};
use crate::startup::{DataDir, HANDLES_WANTED, StartError, raise_handles};

/// Resolves the settings and runs until the process is told to stop.
pub fn main(flags: &Flags) -> ExitCode {
    let (settings, warnings) = match Settings::load(flags, &config::variable) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if settings.check_config {
        return check(&warnings);
    }
    telemetry::start_logs(settings.log_format, &settings.log_level);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

/// Runs the service until it is told to stop.
///
/// # Errors
/// When a start-up check fails.
pub fn run(settings: &Settings) -> Result<(), StartError> {
    let handles = raise_handles();
    if let Some(limit) = handles.limit.filter(|_| handles.are_few()) {
        tracing::warn!(
            limit,
            wanted = HANDLES_WANTED,
            "few file handles; raise `ulimit -n`"
        );
    }
    let clock = Clock::system();
    let data = DataDir::open(&settings.data_dir, clock.now_ms())?;
    tracing::info!(
        node = data.identity().node_id,
        data = %data.path().display(),
        "data directory is ours"
    );
    Ok(())
}

fn check(warnings: &[Warning]) -> ExitCode {
    for warning in warnings {
        eprintln!("firn: {warning}");
    }
    if warnings.is_empty() {
        eprintln!("firn: the configuration is valid");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("firn: {error}");
    ExitCode::FAILURE
}
