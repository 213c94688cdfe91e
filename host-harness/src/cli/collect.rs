//! `meshspan collect`: spans in through OTLP, kept in a file, sent on, shown, until it is told to stop; with
//! `--forward-only` sent on alone.

mod arguments;
mod ports;
mod summary;

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use meshspan::forward::{ForwardError, Forwarder};
use meshspan::receive::{Receiver, ReceiverOptions, Saver};
use meshspan::store::Store;
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use arguments::CollectArgs;

use super::error::CliError;
use super::output;
use super::print;
use super::proxy::signals::{Asked, Signals};
use super::save::{self, Lines};
use super::viewer::jaeger_ui;
use ports::Ports;

/// How often signals are waited for anew.
const WAIT: Duration = Duration::from_secs(3_600);

/// Serves until SIGTERM or Ctrl-C; a second one ends it at once.
pub(crate) fn run(args: &CollectArgs) -> Result<(), CliError> {
    let token = args.token(arguments::token_variable())?;
    args.check_access(token.is_some())?;
    args.check_bounds()?;
    let (tls, jaeger_ui) = (args.tls()?, jaeger_ui(args.jaeger_ui_assets.as_deref())?);
    let saver = args.saver()?;
    let signals = Signals::listen().map_err(|error| CliError::runtime(error.to_string()))?;
    let store = args.store.open(args.destinations(), !args.forward_only)?;
    let options = ReceiverOptions {
        max_request_bytes: args.max_request_bytes,
        max_memory_bytes: args.max_memory_bytes,
        token,
        saver: saver.clone(),
        ..ReceiverOptions::default()
    };
    let receiver = Receiver::new(store.clone(), options);
    let runtime =
        Runtime::new().map_err(|error| CliError::runtime(format!("cannot start threads: {error}")))?;
    survive_limits(&runtime)?;
    let ports = runtime.block_on(Ports::bind(args, &store, jaeger_ui))?;
    let forwarder = {
        let _entered = runtime.enter();
        Forwarder::start(&store, args.forward.clone()).map_err(|error| unusable(&error))?
    };
    output::notice(args.output, &(args.describe_store()? + &ports.describe(tls.is_some())?))?;
    let serving = ports.serve(&runtime, &receiver, &store, tls, args.drain());
    wait(&signals);
    let is_whole = runtime.block_on(serving.drain());
    runtime.block_on(forwarder.stop(args.drain()));
    let saved = saver.map_or(Ok(()), |saver| saver.finish());
    summarise(args, &receiver, &store)?;
    if let (Err(error), Some(path)) = (saved, &args.save) {
        return Err(CliError::write(path, &error));
    }
    if is_whole {
        return Ok(());
    }
    let message = format!("requests were cut off after {} s", args.drain_timeout);
    Err(CliError::runtime(message).help("their senders send them again; --drain-timeout gives more time"))
}

fn summarise(args: &CollectArgs, receiver: &Receiver, store: &Store) -> Result<(), CliError> {
    let stats = store.stats().map_err(|error| CliError::runtime(error.to_string()))?;
    print(&summary::of(receiver.metrics(), &stats, args.output)?)
}

/// A file that is as large as the system lets it be is an error of the one who writes, and no end of all.
fn survive_limits(runtime: &Runtime) -> Result<(), CliError> {
    let _entered = runtime.enter();
    // Who listens to a signal does not die of it; it need not be heard.
    let heard = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    heard.map(|_| ()).map_err(|error| CliError::runtime(error.to_string()))
}

fn unusable(error: &ForwardError) -> CliError {
    CliError::bad_configuration(format!("--forward: {error}"))
}

impl CollectArgs {
    /// A line on where spans are.
    fn describe_store(&self) -> Result<String, CliError> {
        Ok(match self.store.file(!self.forward_only)? {
            Some(path) => format!("Keeping spans in {}\n", path.display()),
            None if self.forward_only => "Keeping spans in memory until they are sent on\n".to_owned(),
            None => "Keeping spans in memory: they go with this process\n".to_owned(),
        })
    }

    /// Who writes to --save; before the store is made, which may be named by mistake.
    fn saver(&self) -> Result<Option<Saver>, CliError> {
        let Some(path) = &self.save else { return Ok(None) };
        let store = self.store.file(!self.forward_only)?;
        let file = save::open_for_spans(path, store.as_deref(), Lines::Stay)?;
        Saver::start(file).map(Some).map_err(|error| CliError::write(path, &error))
    }
}

/// Returns when the user asks for the end.
fn wait(signals: &Signals) {
    loop {
        match signals.next(WAIT) {
            // There is nothing to load anew: certificates are read again by themselves.
            Ok(Asked::Reload) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Asked::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
