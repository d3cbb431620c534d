//! `firn-bench`: the command line of the benchmark.

mod cli;

use std::future::Future;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser as _;
use firn_load_tests::workload::Workload;
use firn_load_tests::{bill, flood, floor, idle, quota, report, run, setup, tier, waiting};

use cli::{Cli, Command};

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::FloorServer { listen, dir } => floor::run(listen, &dir)?,
        Command::Setup(programs) => setup::run(&programs.resolve()),
        Command::Run(arguments) => return one_thread(measure(arguments)),
        Command::Idle(arguments) => return one_thread(rest(arguments)),
        Command::Tier(arguments) => return one_thread(cold(arguments)),
        Command::Waiting(arguments) => return one_thread(wait(arguments)),
        Command::Flood(arguments) => return one_thread(flood_beside(arguments)),
        Command::Quota(arguments) => return one_thread(admit(arguments)),
        Command::Bill(arguments) => return one_thread(settle(arguments)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` on this thread until it ends or the user interrupts, which drops it and
/// with it every server and folder it holds.
fn one_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            _ = terminated.recv() => bail!("terminated"),
        }
    })
}

async fn measure(arguments: cli::Run) -> Result<ExitCode> {
    let mut workload = Workload::load(arguments.workload.as_deref(), arguments.quick)?;
    arguments.apply(&mut workload);
    workload.check()?;
    let programs = arguments.programs.resolve();
    let outcome = run::run(
        workload,
        &arguments.systems,
        &programs,
        &arguments.output.data,
    )
    .await?;
    println!("{}", report::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(if outcome.has_faults() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn rest(arguments: cli::Idle) -> Result<ExitCode> {
    let programs = arguments.programs.resolve();
    let outcome = idle::run(
        arguments.census(),
        arguments.rest(),
        &programs,
        &arguments.output.data,
    )
    .await?;
    println!("{}", idle::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(ExitCode::SUCCESS)
}

async fn wait(arguments: cli::Waiting) -> Result<ExitCode> {
    let programs = arguments.programs.resolve();
    let outcome = waiting::run(arguments.plan(), &programs, &arguments.output.data).await?;
    println!("{}", waiting::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(ExitCode::SUCCESS)
}

async fn flood_beside(arguments: cli::Flood) -> Result<ExitCode> {
    let programs = arguments.programs.resolve();
    let outcome = flood::run(arguments.plan(), &programs, &arguments.output.data).await?;
    println!("{}", flood::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(ExitCode::SUCCESS)
}

async fn admit(arguments: cli::Quota) -> Result<ExitCode> {
    let programs = arguments.programs.resolve();
    let outcome = quota::run(arguments.plan(), &programs, &arguments.output.data).await?;
    println!("{}", quota::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(ExitCode::SUCCESS)
}

async fn settle(arguments: cli::Bill) -> Result<ExitCode> {
    let programs = arguments.programs.resolve();
    let outcome = bill::run(arguments.plan(), &programs, &arguments.output.data).await?;
    println!("{}", bill::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(if outcome.has_faults() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn cold(arguments: cli::Tier) -> Result<ExitCode> {
    let (plan, programs) = (arguments.plan()?, arguments.programs.resolve());
    let outcome = tier::run(plan, &programs, &arguments.output.data).await?;
    println!("{}", tier::render(&outcome));
    cli::write_json(arguments.output.json.as_deref(), &outcome)?;
    Ok(if outcome.has_faults() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
