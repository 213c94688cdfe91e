//! `meshspan demo` and `meshspan replay`: exchanges × topology × filter → spans, saved, exported, shown.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::Path,
};

use meshspan::{
    collect::{latest_end_unix_nano, records, shift_times, to_json_line},
    export::{ExportReport, ExporterConfig},
    filter_wasm,
    replay::{Capture, ReplayError, ReplayOptions},
    topology::{Emojivoto, Topology},
    traffic::{Exchange, TrafficError, jsonl::JsonLines},
    view::{Trace, summary::Summary, traces},
    vm::{LogLevel, LogLine},
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::runtime::Runtime;

use super::{
    args::{DemoArgs, Recording, ReplayArgs, RunArgs},
    clock,
    error::{CliError, Exit},
    export,
    interrupt::Interrupt,
    output, progress, recordings,
};

/// What a replay is made of.
struct Job<'a> {
    wasm: &'a [u8],
    topology: &'a Topology,
    exchanges: Vec<Exchange>,
    run: &'a RunArgs,
    quiet: bool,
}

/// What came of it.
struct Outcome {
    capture: Capture,
    traces: Vec<Trace>,
    export: Option<ExportReport>,
    was_interrupted: bool,
}

/// Replays emojivoto; fails if its traces are not whole.
pub(crate) fn demo(args: &DemoArgs, quiet: bool) -> Result<(), CliError> {
    let variant = match args.recording {
        Recording::B3 => Emojivoto::B3,
        Recording::W3c => Emojivoto::W3c,
    };
    let topology = variant.topology().map_err(|error| CliError::bad_configuration(error.to_string()))?;
    let exchanges: Result<Vec<Exchange>, TrafficError> = JsonLines::new(variant.recording()).collect();
    let exchanges = exchanges.map_err(|error| CliError::bad_configuration(error.to_string()))?;
    let outcome = run(Job { wasm: filter_wasm(), topology: &topology, exchanges, run: &args.run, quiet })?;
    let shown = vote(&outcome.traces);
    let summary = Summary::new(&outcome.capture.stats, &outcome.traces, outcome.export.as_ref(), shown);
    output::result(args.run.output, &summary, shown)?;
    judge(&outcome)?;
    let lost: u64 = summary.dropped.values().sum();
    if summary.traces == 0 || summary.orphans > 0 || lost > 0 {
        let message = format!(
            "the demo gave {} traces, {} orphans and {lost} dropped spans, expected traces and none of the others",
            summary.traces, summary.orphans
        );
        return Err(
            CliError::new(Exit::ExpectationNotMet, message).help("run it with -v to see the filters' logs")
        );
    }
    Ok(())
}

/// Replays what the user recorded.
pub(crate) fn replay(args: &ReplayArgs, quiet: bool) -> Result<(), CliError> {
    let json = std::fs::read(&args.topology).map_err(|error| CliError::read(&args.topology, &error))?;
    let topology = Topology::from_json(&json).map_err(|error| {
        CliError::bad_configuration(format!("{}: {error}", args.topology.display()))
            .help("`meshspan schema topology` prints what the file may hold")
    })?;
    let wasm = match &args.filter {
        Some(path) => std::fs::read(path).map_err(|error| CliError::read(path, &error))?,
        None => filter_wasm().to_vec(),
    };
    let exchanges = recordings::read(&args.files)?;
    let outcome = run(Job { wasm: &wasm, topology: &topology, exchanges, run: &args.run, quiet })?;
    let summary = Summary::new(&outcome.capture.stats, &outcome.traces, outcome.export.as_ref(), None);
    output::result(args.run.output, &summary, None)?;
    judge(&outcome)
}

/// Replays, saves, exports.
fn run(job: Job<'_>) -> Result<Outcome, CliError> {
    let seed = job.run.seed.unwrap_or_else(clock::unix_nanos);
    let endpoint = export::configuration(job.run, seed)?;
    let runtime =
        Runtime::new().map_err(|error| CliError::runtime(format!("cannot start threads: {error}")))?;
    let interrupt = Interrupt::listen(&runtime);
    tracing::info!(seed, exchanges = job.exchanges.len(), "replaying");
    let mut capture = capture(&job, seed, &interrupt)?;
    if capture.stats.not_sent > 0 {
        tracing::warn!("{} of the recording's exchanges were not sent", capture.stats.not_sent);
    }
    log(&capture);
    if !job.run.keep_times
        && let Some(end) = latest_end_unix_nano(&capture.spans)
    {
        shift_times(&mut capture.spans, i128::from(clock::unix_nanos()) - i128::from(end));
    }
    if let Some(path) = &job.run.save {
        save(path, &capture.spans)?;
    }
    let traces = traces(records(&capture.spans));
    let spans = std::mem::take(&mut capture.spans);
    let send = |config: ExporterConfig| export::run(&runtime, &interrupt, config, spans, job.quiet);
    let export = endpoint.map(send).transpose()?;
    Ok(Outcome { capture, traces, export, was_interrupted: interrupt.is_requested() })
}

fn capture(job: &Job<'_>, seed: u64, interrupt: &Interrupt) -> Result<Capture, CliError> {
    let filter = job
        .run
        .cache
        .compile(job.wasm)
        .map_err(|error| CliError::bad_configuration(format!("the filter cannot be loaded: {error}")))?;
    let options = ReplayOptions { seed, profile: job.run.profile(), lifecycle: job.run.lifecycle() };
    let exchanges = job.exchanges.iter().cloned().map(Ok);
    let total = u64::try_from(job.exchanges.len()).ok();
    let bar = progress::bar("replaying", total, job.quiet);
    let capture = meshspan::replay::replay(&filter, job.topology, exchanges, &options, &mut |done| {
        bar.set_position(done);
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    capture.map_err(|error| match error {
        ReplayError::Start { .. } => CliError::bad_configuration(error.to_string())
            .help("`meshspan schema config` prints what a plugin takes"),
        error => CliError::bad_configuration(error.to_string()),
    })
}

/// One `TracesData` a line, a line an export.
fn save(path: &Path, spans: &[ResourceSpans]) -> Result<(), CliError> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        for resource in spans {
            writeln!(file, "{}", to_json_line(std::slice::from_ref(resource)))?;
        }
        file.flush()
    };
    write().map_err(|error| CliError::write(path, &error))
}

/// What the filters logged, each text once.
fn log(capture: &Capture) {
    let mut lines: BTreeMap<&str, (u64, &str, &LogLine)> = BTreeMap::new();
    for (proxy, line) in &capture.stats.logs {
        lines.entry(&line.message).or_insert((0, proxy, line)).0 += 1;
    }
    for (message, (times, proxy, line)) in lines {
        match line.level {
            LogLevel::Trace | LogLevel::Debug => tracing::debug!(proxy, times, "filter: {message}"),
            LogLevel::Info => tracing::info!(proxy, times, "filter: {message}"),
            LogLevel::Warn | LogLevel::Error | LogLevel::Critical => {
                tracing::warn!(proxy, times, "filter: {message}");
            }
        }
    }
}

/// The first vote that went well, else the largest trace.
fn vote(traces: &[Trace]) -> Option<&Trace> {
    let is_vote = |trace: &&Trace| {
        let mut attributes = trace.nodes.iter().flat_map(|node| &node.span.attributes);
        trace.errors == 0 && attributes.any(|(key, value)| key == "url.path" && value == "/api/vote")
    };
    traces.iter().find(is_vote).or_else(|| traces.iter().max_by_key(|trace| trace.nodes.len()))
}

/// An error if the run did not come to its end, or spans were lost in the export.
fn judge(outcome: &Outcome) -> Result<(), CliError> {
    if outcome.was_interrupted {
        return Err(CliError::new(Exit::Interrupted, "interrupted; what is shown was done before"));
    }
    outcome.export.as_ref().map_or(Ok(()), export::judge)
}
