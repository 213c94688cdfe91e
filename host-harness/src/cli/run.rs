//! What `meshspan demo` and `meshspan replay` have in common: exchanges × mesh × filter → spans, saved,
//! exported, summed up.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

use meshspan::{
    export::ExportReport,
    replay::{Mesh, ReplayError, ReplayStats, StreamOptions, stream},
    traffic::{Exchange, TrafficError},
    view::tally::{Rank, Tally},
    vm::{Filter, LogLevel, LogLine, VmError},
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::runtime::Runtime;

use super::{
    args::RunArgs,
    convert::unreadable,
    error::CliError,
    export::{self, Export},
    interrupt::Interrupt,
    progress,
    save::{self, Lines},
    spans::Spans,
    wasm::Wasm,
};

/// What a replay is made of.
pub(crate) struct Job<'a, I> {
    pub(crate) wasm: &'a Wasm,
    pub(crate) mesh: Mesh<'a>,
    pub(crate) exchanges: I,
    /// How many exchanges there are, if that is known.
    pub(crate) total: Option<u64>,
    pub(crate) options: StreamOptions,
    pub(crate) run: &'a RunArgs,
    /// By how many nanoseconds spans are dated later.
    pub(crate) shift: i128,
    pub(crate) rank: Rank,
    pub(crate) what_if: &'a [f64],
    /// Whether the sums are all that is wanted: nothing is saved or exported.
    pub(crate) only_tally: bool,
    /// Whether all spans are wanted in the end.
    pub(crate) keep: bool,
    /// The store that they go to then.
    pub(crate) store: Option<&'a Path>,
    pub(crate) quiet: bool,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) stats: ReplayStats,
    pub(crate) tally: Tally,
    pub(crate) export: Option<ExportReport>,
    /// All of them, if the job said so.
    pub(crate) spans: Vec<ResourceSpans>,
    was_interrupted: bool,
}

/// Replays, saves, exports.
pub(crate) fn run<I>(job: Job<'_, I>) -> Result<Outcome, CliError>
where
    I: Iterator<Item = Result<Exchange, TrafficError>> + Send,
{
    let runtime =
        Runtime::new().map_err(|error| CliError::runtime(format!("cannot start threads: {error}")))?;
    let interrupt = Interrupt::listen(&runtime);
    let (run, quiet) = (job.run, job.quiet);
    let save = run.save.as_deref().filter(|_| !job.only_tally);
    let save = save.map(|path| save::open_for_spans(path, job.store, Lines::Go)).transpose()?;
    let filter = run.cache.filter(job.wasm)?;
    let endpoint = if job.only_tally { None } else { export::configuration(run, job.options.replay.seed)? };
    let export = endpoint.map(|config| Export::start(&runtime, &interrupt, config)).transpose()?;
    let sender = export.as_ref().map(|export| export.spans.clone());
    let spans = Spans::new(job.options.lanes, job.rank, job.what_if);
    let spans = spans.shift(job.shift).save(save).export(sender).keep(job.keep);
    let replayed = replay(&filter, job, &spans, &interrupt);
    let kept = spans.kept();
    let tally = spans.finish();
    let export = export.map(|export| export.finish(&runtime, quiet)).transpose()?;
    let stats = replayed?;
    let tally = tally.map_err(|error| match &run.save {
        Some(path) => CliError::write(path, &error),
        None => CliError::runtime(error.to_string()),
    })?;
    Ok(Outcome { stats, tally, export, spans: kept, was_interrupted: interrupt.is_requested() })
}

fn replay<I>(
    filter: &Filter,
    job: Job<'_, I>,
    spans: &Spans,
    interrupt: &Interrupt,
) -> Result<ReplayStats, CliError>
where
    I: Iterator<Item = Result<Exchange, TrafficError>> + Send,
{
    let Job { mesh, exchanges, total, options, quiet, .. } = job;
    tracing::info!(seed = options.replay.seed, workers = options.workers, "replaying");
    let bar = progress::bar("replaying", total, quiet);
    let replayed = stream(filter, mesh, exchanges, &options, spans, &mut |done| {
        bar.set_position(done);
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    replayed.map_err(told)
}

/// Where the keys of a configuration are written.
pub(crate) const SCHEMA: &str = "`meshspan schema config` prints what this program's own filter takes";

/// What the user is told of a replay that could not go on.
pub(crate) fn told(error: ReplayError) -> CliError {
    match error {
        ReplayError::Start { source: VmError::ConfigurationRejected { .. }, .. } => {
            CliError::bad_configuration(error.to_string()).help(SCHEMA)
        }
        ReplayError::Start { .. } => CliError::bad_configuration(error.to_string()),
        ReplayError::Traffic(error) => unreadable(error),
    }
}

/// Says what does not stand in the summary.
pub(crate) fn tell(stats: &ReplayStats) {
    if stats.not_sent > 0 {
        tracing::warn!("{} of the recording's exchanges were not sent", stats.not_sent);
    }
    for (reason, skipped) in &stats.skipped {
        tracing::warn!("{} left out: {reason}; the first: {}", skipped.count, skipped.example);
    }
    let mut lines: BTreeMap<&str, (u64, &str, &LogLine)> = BTreeMap::new();
    for (proxy, line) in &stats.logs {
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

impl Outcome {
    /// An error if the run did not come to its end, or spans were lost in the export.
    pub(crate) fn judge(&self) -> Result<(), CliError> {
        if self.was_interrupted {
            return Err(CliError::interrupted());
        }
        self.export.as_ref().map_or(Ok(()), export::judge)
    }
}
