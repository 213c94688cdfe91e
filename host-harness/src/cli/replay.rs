//! `meshspan replay`: what the user recorded, through a topology or one proxy.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use meshspan::{
    collect::Direction,
    replay::{Mesh, ReplayOptions, SingleProxy, StreamOptions},
    topology::{COLLECTOR, Topology},
    view::{Trace, summary::Summary},
};

use super::{
    args::{ReplayArgs, RunArgs, Show},
    baseline, clock,
    error::CliError,
    explain, output,
    recording::{Recording, check_replayed, count_skipped},
    run::{Job, run, tell},
    wasm::Wasm,
    what_if,
};

/// What the traffic passes, with all that it consists of.
pub(crate) enum Owned {
    Topology(Topology),
    Proxy(SingleProxy),
}

/// Replays what the user recorded.
pub(crate) fn replay(args: &ReplayArgs, quiet: bool) -> Result<(), CliError> {
    let mesh = mesh(args, args.config.as_ref())?;
    let wasm = Wasm::read(args.filter.as_deref())?;
    if let Some(file) = args.baseline.file() {
        return baseline::run(args, file, &wasm, &mesh, quiet);
    }
    if args.explain.is_asked() {
        let (exchanges, _) = Recording::open(&args.files, &args.traffic)?.into_parts();
        return explain::run(args, &wasm, mesh.borrow(), exchanges);
    }
    let policies = what_if::policies(args, &wasm)?;
    let mut recording = Recording::open(&args.files, &args.traffic)?;
    let shift = recording.shift(args)?;
    let (exchanges, entries) = recording.into_parts();
    let mut outcome = run(Job {
        wasm: &wasm,
        mesh: mesh.borrow(),
        exchanges,
        total: None,
        options: options(args),
        run: &args.run,
        shift,
        rank: match args.show {
            Show::None => |_| (0, 0),
            Show::Largest => |trace| (trace.nodes.len() as u64, nanos(trace)),
            Show::Slowest => |trace| (nanos(trace), 0),
        },
        what_if: &what_if::ratios(&args.what_if),
        only_tally: false,
        keep: false,
        store: None,
        quiet,
    })?;
    count_skipped(&mut outcome.stats, &entries);
    tell(&outcome.stats);
    let policies = if outcome.judge().is_ok() { policies } else { Vec::new() };
    let kept = what_if::try_out(args, &wasm, policies, quiet)?;
    kept.iter().for_each(|(_, tally)| outcome.tally.cover(tally));
    let shown = outcome.tally.shown().next().filter(|_| args.show != Show::None);
    let mut summary = Summary::new(&outcome.stats, &outcome.tally, outcome.export.as_ref(), shown);
    kept.into_iter().for_each(|(policy, tally)| summary.add_policy(policy, &tally));
    output::result(args.run.output, &summary, shown)?;
    outcome.judge()?;
    check_replayed(&outcome.stats)
}

/// How every replay is done.
pub(crate) fn replay_options(run: &RunArgs) -> ReplayOptions {
    let seed = run.seed.unwrap_or_else(clock::unix_nanos);
    let (profile, lifecycle, failure_policy) = (run.profile(), run.lifecycle(), run.on_failure.into());
    ReplayOptions { seed, profile, lifecycle, failure_policy }
}

pub(crate) fn options(args: &ReplayArgs) -> StreamOptions {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    StreamOptions {
        replay: replay_options(&args.run),
        lanes: usize::from(args.concurrency),
        workers: args.workers.map_or(cores, usize::from),
        speed: args.speed,
        shard: args.shard,
        window: Duration::from_secs_f64(args.window),
        answers: args.answer.iter().cloned().collect(),
    }
}

/// What the traffic passes; the plugin's configuration is in `config`.
pub(crate) fn mesh(args: &ReplayArgs, config: Option<&PathBuf>) -> Result<Owned, CliError> {
    let configuration = config.map(|path| read_json(path)).transpose()?;
    let answered = args.answer.iter().map(|(cluster, _)| cluster.clone());
    let Some(path) = &args.topology else {
        let mut clusters = clusters(configuration.as_ref());
        clusters.extend(answered);
        let configuration = configuration.map(|json| json.to_string().into_bytes()).unwrap_or_default();
        let direction = Direction::from(args.direction);
        return Ok(Owned::Proxy(SingleProxy { configuration, direction, clusters }));
    };
    let json = std::fs::read(path).map_err(|error| CliError::read(path, &error))?;
    let mut topology = Topology::from_json(&json).map_err(|error| {
        CliError::bad_configuration(format!("{}: {error}", path.display()))
            .help("`meshspan schema topology` prints what the file may hold")
    })?;
    if let Some(configuration) = configuration {
        topology.plugin = configuration;
    }
    topology.clusters.extend(answered);
    Ok(Owned::Topology(topology))
}

/// The clusters that a filter may export to: the usual one, and that of its configuration.
pub(crate) fn clusters(configuration: Option<&serde_json::Value>) -> Vec<String> {
    let named = configuration.and_then(|json| json.pointer("/export/cluster")?.as_str());
    [COLLECTOR].into_iter().chain(named).map(str::to_owned).collect()
}

pub(crate) fn read_json(path: &Path) -> Result<serde_json::Value, CliError> {
    let json = std::fs::read(path).map_err(|error| CliError::read(path, &error))?;
    serde_json::from_slice(&json)
        .map_err(|error| CliError::bad_configuration(format!("{}: {error}", path.display())))
}

fn nanos(trace: &Trace) -> u64 {
    u64::try_from(trace.duration().as_nanos()).unwrap_or(u64::MAX)
}

impl Owned {
    pub(crate) fn borrow(&self) -> Mesh<'_> {
        match self {
            Self::Topology(topology) => Mesh::Topology(topology),
            Self::Proxy(proxy) => Mesh::Proxy(proxy),
        }
    }
}
