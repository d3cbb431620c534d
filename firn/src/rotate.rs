//! `firn rotate-master-key`: a new master key for the catalogue of a deployment that
//! is stopped. What that means is the tenant service's.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use firn_protocol::catalogue::Durability;
use firn_runtime::Clock;
use firn_runtime::config::Secret;
use firn_runtime::telemetry::{self, LogFormat};
use firn_tenant_service::{TenantConfig, TenantService};

use crate::settings::Catalog;

/// Give the catalogue a new master key; every secret is sealed under it.
#[derive(Args)]
#[command(
    after_help = "Stop the service first. Afterwards the new key is in the place of the old one, so \
        that the service starts as before;\ntokens of before end. An attempt that was interrupted \
        is ended by the same command.\nKeep the old key as long as an older export of the catalogue \
        may be restored.\n\nExample:\n  \
        firn rotate-master-key --data-dir /var/lib/firn --master-key-file /safe/new.key"
)]
pub struct RotateMasterKey {
    /// The data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "FIRN_DATA_DIR",
        default_value = "./data"
    )]
    data_dir: PathBuf,
    /// Where the catalogue is, if not in the data directory.
    #[arg(long, value_name = "URL", env = "FIRN_CATALOG", hide_env_values = true, value_parser = unchecked)]
    catalog: Option<Secret>,
    /// The key file in use, if not in the data directory.
    #[arg(long, value_name = "FILE", env = "FIRN_MASTER_KEY_FILE")]
    current_key_file: Option<PathBuf>,
    /// The file of the new key; made if it is missing.
    #[arg(long, value_name = "NEW")]
    master_key_file: PathBuf,
}

/// Runs the verb; errors go to standard error in one line.
pub fn main(args: &RotateMasterKey) -> ExitCode {
    telemetry::start_logs(LogFormat::Text, "warn");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start");
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(text) => {
            // Whoever reads us may have gone; all is done.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = format!("{error:#}").replace('\n', " ");
            eprintln!("firn: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &RotateMasterKey) -> anyhow::Result<String> {
    let place = match &args.catalog {
        None => Catalog::Sqlite(args.data_dir.join("catalogue.db")),
        Some(url) => {
            let parsed = Catalog::parse(url.expose());
            parsed.map_err(|rule| anyhow::anyhow!("--catalog: {rule}"))?
        }
    };
    let current = args.current_key_file.clone();
    let config = TenantConfig {
        catalogue: place.url(),
        master_key_file: current.unwrap_or_else(|| args.data_dir.join("master.key")),
        operator_password: None,
        durability: Durability::Local,
    };
    let new = &args.master_key_file;
    let done = TenantService::rotate_master_key(&config, new, &Clock::system()).await?;
    let (new, place) = (new.display(), config.master_key_file.display());
    let sealed = match done.users {
        Some(users) => format!("sealed the secrets of {users} users anew"),
        None => "the secrets were sealed anew already".to_owned(),
    };
    Ok(format!("{sealed}; the key of {new} is in {place} now\n"))
}

/// Checked later, by what does not repeat a password.
fn unchecked(url: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(url))
}
