//! `meshspan mesh`: local applications with their sidecars, until the user or one of them ends it.

mod table;

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    sync::mpsc::RecvTimeoutError,
    time::Duration,
};

use clap::Args;
use meshspan::{
    mesh::{Drained, Ended, Plan, Processes, SidecarOptions, Sidecars, StartError, Tell},
    proxy::ProxyError,
    time::Timestamp,
};

use super::{
    args::OtlpArgs,
    cache::CacheArgs,
    clock, collector,
    error::CliError,
    print,
    proxy::signals::{Asked, Signals},
    wasm::Wasm,
};

/// How often processes are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the last lines of processes that have ended are waited for.
const LAST_LINES: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct MeshArgs {
    /// The mesh (`meshspan schema mesh`)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    otlp: OtlpArgs,
    /// Another filter than the one that this program carries
    #[arg(long, value_name = "WASM")]
    filter: Option<PathBuf>,
    /// Threads of each sidecar, each with a VM of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Go on when a process ends early
    #[arg(long)]
    keep_going: bool,
    /// How long processes may take to end after SIGTERM, before they are killed
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u32,
    /// How long requests under way may take after that
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_timeout: u64,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Runs the mesh until SIGTERM or Ctrl-C, or until a process ends.
pub(crate) fn run(args: &MeshArgs) -> Result<(), CliError> {
    let plan = plan(&args.file)?;
    let options = options(args)?;
    let signals = Signals::listen_held().map_err(|error| CliError::runtime(error.to_string()))?;
    if options.collector.is_none() {
        tracing::warn!("the spans go nowhere: --otlp-endpoint says where");
    }
    let mut sidecars = Sidecars::start(&plan, &options).map_err(refused)?;
    let mut processes = sidecars.start_processes(&plan, teller(&plan)).map_err(refused)?;
    print(&table::addresses(&plan, &sidecars))?;
    if let Some(roots) = sidecars.roots() {
        tracing::info!("the sidecars speak mutual TLS; what they show is believed by {}", roots.display());
    }
    let early = watch(&signals, &mut processes, args.keep_going);
    end(&signals, processes, args.grace);
    signals.release();
    let drained = sidecars.drain(Duration::from_secs(args.drain_timeout));
    print(&table::done(&drained))?;
    judge(early, &drained, args.drain_timeout)
}

fn plan(path: &Path) -> Result<Plan, CliError> {
    let json = std::fs::read(path).map_err(|error| CliError::read(path, &error))?;
    // Processes run elsewhere: what is relative here is not relative there.
    let whole = std::path::absolute(path).map_err(|error| CliError::read(path, &error))?;
    Plan::from_json(&json, whole.parent().unwrap_or(&whole)).map_err(|error| {
        CliError::bad_configuration(format!("{}: {error}", path.display()))
            .help("`meshspan schema mesh` prints what the file may hold")
    })
}

fn options(args: &MeshArgs) -> Result<SidecarOptions, CliError> {
    Ok(SidecarOptions {
        filter: args.cache.filter(&Wasm::read(args.filter.as_deref())?)?,
        collector: collector::of(&args.otlp)?,
        workers: args.workers,
        seed: clock::unix_nanos(),
        now: Timestamp::from_unix_nanos(clock::unix_nanos()),
    })
}

/// Writes each line to stderr, behind the name of who wrote it.
fn teller(plan: &Plan) -> Tell {
    let width = plan.workloads.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    Arc::new(move |service, line| {
        let mut text = format!("{service:width$} | ").into_bytes();
        text.extend_from_slice(line);
        text.push(b'\n');
        // Nobody reading stderr is no reason to stop.
        let _ = std::io::stderr().write_all(&text);
    })
}

/// Waits for the end; the process that caused it, if it was one.
fn watch(signals: &Signals, processes: &mut Processes, keep_going: bool) -> Option<Ended> {
    loop {
        match signals.next(LOOK) {
            // A terminal that closes ends what runs in it; there is nothing to reload.
            Ok(Asked::Stop | Asked::Reload) | Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        while let Some(ended) = processes.ended() {
            if !keep_going {
                return Some(ended);
            }
            tracing::warn!("{} ended early: {}", ended.service, ended.status);
        }
    }
}

/// Ends the processes: SIGTERM, and SIGKILL after the grace time or when the user asks again.
fn end(signals: &Signals, mut processes: Processes, grace: u32) {
    tracing::info!("ending the processes");
    processes.terminate();
    let looks = Duration::from_secs(grace.into()).as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        if processes.are_gone() || signals.next(LOOK) == Ok(Asked::Stop) {
            break;
        }
    }
    let killed = processes.kill();
    if !killed.is_empty() {
        tracing::warn!("killed after SIGTERM did not end them: {}", killed.join(", "));
    }
    processes.finish(LAST_LINES);
}

fn judge(early: Option<Ended>, drained: &[Drained], limit: u64) -> Result<(), CliError> {
    for ended in drained.iter().filter(|ended| !ended.drained.is_finished) {
        tracing::warn!("{}, {}: the last spans were not exported", ended.service, ended.side);
    }
    if let Some(Ended { service, status }) = early {
        let error = CliError::runtime(format!("{service} ended early: {status}"));
        return Err(error.help("--keep-going runs the mesh without it"));
    }
    match drained.iter().find(|ended| !ended.drained.is_whole) {
        Some(ended) => {
            let message = format!("{}, {}: requests were cut off after {limit} s", ended.service, ended.side);
            Err(CliError::runtime(message).help("--drain-timeout gives them more time"))
        }
        None => Ok(()),
    }
}

fn refused(error: StartError) -> CliError {
    match &error {
        StartError::Sidecar { source: ProxyError::Filter(_) | ProxyError::Tls(_), .. } => {
            CliError::bad_configuration(error.to_string())
        }
        _ => CliError::runtime(error.to_string()),
    }
}
