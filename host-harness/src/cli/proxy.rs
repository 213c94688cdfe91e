//! `meshspan proxy`: a filter on live traffic, until it is told to stop.

mod admin;
mod arguments;
mod program;
pub(crate) mod signals;
pub(crate) mod summary;

use std::{sync::mpsc::RecvTimeoutError, time::Duration};

use meshspan::proxy::{Proxy, ProxyError};

pub(crate) use arguments::ProxyArgs;

use super::{args::Output, error::CliError, output, print};
use program::Loader;
use signals::{Asked, Signals};

/// How often watched files are looked at.
const WATCH: Duration = Duration::from_millis(500);

/// Serves until SIGTERM or Ctrl-C; SIGHUP loads filter and configuration anew.
pub(crate) fn run(args: &ProxyArgs) -> Result<(), CliError> {
    let mut loader = Loader::new(args)?;
    let program = loader.load()?;
    let signals = Signals::listen().map_err(|error| CliError::runtime(error.to_string()))?;
    let proxy = Proxy::start(program, args.options(&loader.exports_to()?, loader.collector.as_ref())?)
        .map_err(refused)?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    if args.clusters.is_empty() && loader.collector.is_none() {
        tracing::warn!("the filter can call nobody: --otlp-endpoint or --cluster says where its spans go");
    }
    let told = format!("Listening on {scheme}://{}, forwarding to {}\n", proxy.address(), args.upstream);
    output::notice(args.output, &told)?;
    if let Some(address) = args.admin {
        let address = admin::serve(address, proxy.watch())?;
        let told = format!("Numbers for Prometheus at http://{address}/stats/prometheus\n");
        output::notice(args.output, &told)?;
    }
    loop {
        match signals.next(WATCH) {
            Ok(Asked::Stop) => break,
            Ok(Asked::Reload) => reload(&proxy, &mut loader, args.output),
            Err(RecvTimeoutError::Timeout) => {
                if args.watch && loader.has_changed() {
                    reload(&proxy, &mut loader, args.output);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    tracing::info!("draining");
    let drained = proxy.drain(Duration::from_secs(args.drain_timeout));
    print(&summary::of(&drained.stats, args.output)?)?;
    if !drained.is_finished {
        tracing::warn!("the filter was not done with its own work, such as the export of its last spans");
    }
    if drained.is_whole {
        return Ok(());
    }
    let message = format!("requests were cut off after {} s", args.drain_timeout);
    Err(CliError::runtime(message).help("--drain-timeout gives it more time"))
}

/// A reload that fails is said, and the traffic goes on as it did.
fn reload(proxy: &Proxy, loader: &mut Loader<'_>, output: Output) {
    let done = loader.load().map_err(|error| error.to_string());
    match done.and_then(|program| proxy.reload(program).map_err(|error| error.to_string())) {
        Ok(()) => {
            // Nobody reading stdout is no reason to stop serving.
            let _ = output::notice(output, "Reloaded\n");
        }
        Err(error) => tracing::error!("not reloaded: {error}"),
    }
}

fn refused(error: ProxyError) -> CliError {
    match error {
        ProxyError::Listen { .. } | ProxyError::Thread(_) => CliError::runtime(error.to_string()),
        ProxyError::Filter(_) | ProxyError::Tls(_) => CliError::bad_configuration(error.to_string()),
    }
}
