//! `meshspan replay --explain`: every callback and every hostcall of each request, and why one was refused.

use clap::Args;
use meshspan::{
    explain::{Explained, Explainer},
    replay::Mesh,
    traffic::{Exchange, TrafficError},
    view::transcript,
};

use super::{
    args::{Output, ReplayArgs},
    convert::unreadable,
    error::CliError,
    print,
    replay::replay_options,
    wasm::Wasm,
};

/// What to explain.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Show what the filter was told and asked for in each request, hostcall by hostcall, and why one was refused,
    /// in place of the replay's result; with -o json a line for each pass through a proxy
    #[arg(long, conflicts_with_all = ["save", "otlp_endpoint"])]
    explain: bool,
    /// As --explain, but only what was not OK
    #[arg(long, conflicts_with_all = ["save", "otlp_endpoint"])]
    explain_only_failures: bool,
}

impl ExplainArgs {
    /// Whether there is anything to explain.
    pub(crate) fn is_asked(self) -> bool {
        self.explain || self.explain_only_failures
    }
}

/// Explains the exchanges one after the other, printing while it goes.
pub(crate) fn run(
    args: &ReplayArgs,
    wasm: &Wasm,
    mesh: Mesh<'_>,
    exchanges: impl Iterator<Item = Result<Exchange, TrafficError>>,
) -> Result<(), CliError> {
    let only_failures = args.explain.explain_only_failures;
    let filter = args.run.cache.filter(wasm)?;
    let answers = args.answer.iter().cloned().collect();
    let mut explainer = Explainer::new(&filter, mesh, replay_options(&args.run), answers);
    for exchange in exchanges {
        let passes = explainer.explain(&exchange.map_err(unreadable)?);
        for pass in passes.map_err(|error| CliError::bad_configuration(error.to_string()))? {
            if !only_failures || pass.has_failures() {
                print(&shown(&pass, args.run.output, only_failures)?)?;
            }
        }
    }
    Ok(())
}

fn shown(pass: &Explained, output: Output, only_failures: bool) -> Result<String, CliError> {
    match output {
        Output::Json => serde_json::to_string(pass)
            .map(|json| format!("{json}\n"))
            .map_err(|error| CliError::runtime(format!("cannot write a pass: {error}"))),
        Output::Table => {
            let Explained { exchange, proxy, request, outcome, plugin, stream, .. } = pass;
            let callbacks = transcript::lines(plugin.iter().chain(stream), only_failures);
            let indented: String = callbacks.lines().map(|line| format!("  {line}\n")).collect();
            Ok(format!("exchange {exchange} · {proxy} · {request} · {outcome}\n{indented}"))
        }
    }
}
