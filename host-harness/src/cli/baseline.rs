//! `meshspan replay --baseline`: the same traffic through another filter or another configuration, and what differs.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::Args;
use meshspan::{
    compare::{CompareError, Compared, Comparison, Run, compare},
    replay::ReplayStats,
    traffic::Redactor,
    view::comparison,
};
use tokio::runtime::Runtime;

use super::{
    args::{Output, ReplayArgs},
    error::{CliError, Exit},
    interrupt::Interrupt,
    output, print, progress,
    recording::{Recording, check_comes_again, check_replayed, count_skipped},
    replay::{Owned, mesh, options},
    run::{tell, told},
    wasm::Wasm,
};

/// How every WebAssembly module begins.
const WASM: &[u8] = b"\0asm";

/// With what to compare.
#[derive(Clone, Debug, Args)]
pub(crate) struct BaselineArgs {
    /// Replay through this filter (.wasm), or with this plugin configuration (.json), as well, and print what changed
    /// from it in headers and spans, in place of the replay's result
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["save", "otlp_endpoint", "explain", "explain_only_failures", "what_if", "show"]
    )]
    baseline: Option<PathBuf>,
    /// End with 4 if anything changed from the baseline
    #[arg(long, requires = "baseline")]
    fail_on_change: bool,
}

impl BaselineArgs {
    /// What to compare with, if there is anything.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.baseline.as_deref()
    }
}

/// Replays both and prints what changed.
pub(crate) fn run(
    args: &ReplayArgs,
    file: &Path,
    wasm: &Wasm,
    current: &Owned,
    quiet: bool,
) -> Result<(), CliError> {
    check_comes_again(args, "--baseline")?;
    let bytes = std::fs::read(file).map_err(|error| CliError::read(file, &error))?;
    let now = args.run.cache.filter(wasm)?;
    let (before, mesh) = match bytes.starts_with(WASM) {
        true => (
            args.run.cache.filter(&Wasm::of(file, bytes)).map_err(of_baseline)?,
            mesh(args, args.config.as_ref())?,
        ),
        false => (now.clone(), configured(args, file)?),
    };
    let runtime =
        Runtime::new().map_err(|error| CliError::runtime(format!("cannot start threads: {error}")))?;
    let interrupt = Interrupt::listen(&runtime);
    let (baseline, _) = Recording::open(&args.files, &args.traffic)?.into_parts();
    let (exchanges, entries) = Recording::open(&args.files, &args.traffic)?.into_parts();
    let bar = progress::bar("comparing", None, quiet);
    let compared = compare(
        Run { filter: &before, mesh: mesh.borrow(), exchanges: baseline },
        Run { filter: &now, mesh: current.borrow(), exchanges },
        &options(args),
        &Redactor::default(),
        &mut |done| {
            bar.set_position(done);
            if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    bar.finish_and_clear();
    let Compared { comparison, baseline, current: mut stats } = compared.map_err(|error| match error {
        CompareError::Baseline(error) => of_baseline(told(error)),
        CompareError::Current(error) => told(error),
    })?;
    count_skipped(&mut stats, &entries);
    tell(&stats);
    // The rest is the same in both.
    tell(&ReplayStats { logs: baseline.logs, ..ReplayStats::default() });
    shown(args.run.output, &comparison)?;
    judge(args, &comparison, &stats, interrupt.is_requested())
}

fn configured(args: &ReplayArgs, file: &Path) -> Result<Owned, CliError> {
    mesh(args, Some(&file.to_owned())).map_err(|error| {
        error.help("a baseline is a filter, which begins with \"\\0asm\", or a plugin configuration in JSON")
    })
}

fn of_baseline(error: CliError) -> CliError {
    CliError { message: format!("baseline: {}", error.message), ..error }
}

fn shown(output: Output, found: &Comparison) -> Result<(), CliError> {
    match output {
        Output::Table => print(&comparison::comparison(found)),
        Output::Json => output::json(found),
    }
}

fn judge(
    args: &ReplayArgs,
    comparison: &Comparison,
    stats: &ReplayStats,
    was_interrupted: bool,
) -> Result<(), CliError> {
    if was_interrupted {
        return Err(CliError::interrupted());
    }
    check_replayed(stats)?;
    if args.baseline.fail_on_change && comparison.changed {
        return Err(CliError::new(
            Exit::ExpectationNotMet,
            "what leaves the proxies changed from the baseline",
        ));
    }
    Ok(())
}
