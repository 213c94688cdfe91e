//! `meshspan demo`: emojivoto's traffic through a mesh of sidecars.

use meshspan::{
    counted::counted,
    replay::{Mesh, StreamOptions},
    topology::Emojivoto,
    traffic::jsonl::JsonLines,
    view::{Trace, summary::Summary},
};

use super::{
    args::{DemoArgs, Recording},
    dates,
    error::{CliError, Exit},
    output,
    replay::replay_options,
    run::{Job, run, tell},
    viewer,
    wasm::Wasm,
};

/// Replays emojivoto; fails if its traces are not whole.
pub(crate) fn demo(args: &DemoArgs, quiet: bool) -> Result<(), CliError> {
    let variant = match args.recording {
        Recording::B3 => Emojivoto::B3,
        Recording::W3c => Emojivoto::W3c,
    };
    let topology = variant.topology().map_err(|error| CliError::bad_configuration(error.to_string()))?;
    let exchanges = || JsonLines::new(variant.recording());
    let outcome = run(Job {
        wasm: &Wasm::own(),
        mesh: Mesh::Topology(&topology),
        total: Some(exchanges().count() as u64),
        exchanges: exchanges(),
        options: StreamOptions::new(replay_options(&args.run)),
        shift: if args.run.keep_times { 0 } else { dates::shift(None, exchanges().filter_map(Result::ok)) },
        run: &args.run,
        rank: vote,
        what_if: &[],
        only_tally: false,
        keep: args.serve.is_wanted() || args.serve.store().is_some(),
        store: args.serve.store(),
        quiet,
    })?;
    tell(&outcome.stats);
    let shown = outcome.tally.shown().next();
    let summary = Summary::new(&outcome.stats, &outcome.tally, outcome.export.as_ref(), shown);
    output::result(args.run.output, &summary, shown)?;
    outcome.judge()?;
    let lost: u64 = summary.dropped.values().sum();
    if summary.traces == 0 || summary.orphans > 0 || lost > 0 {
        let message = format!(
            "the demo gave {}, {} and {lost} dropped, expected traces and none of the others",
            counted(summary.traces, "trace"),
            counted(summary.orphans, "orphan")
        );
        return Err(
            CliError::new(Exit::ExpectationNotMet, message).help("run it with -v to see the filters' logs")
        );
    }
    let store = match args.serve.store() {
        Some(path) => viewer::in_file(path, outcome.spans)?,
        None if args.serve.is_wanted() => viewer::in_memory(outcome.spans)?,
        None => return Ok(()),
    };
    if args.serve.is_wanted() { viewer::serve(store, args.serve.listen(), quiet) } else { Ok(()) }
}

/// A vote that went well, else a large trace; of votes the first, as all rank the same.
fn vote(trace: &Trace) -> (u64, u64) {
    let mut attributes = trace.nodes.iter().flat_map(|node| &node.span.attributes);
    let is_vote =
        trace.errors == 0 && attributes.any(|(key, value)| key == "url.path" && value == "/api/vote");
    (u64::from(is_vote), if is_vote { 0 } else { trace.nodes.len() as u64 })
}
