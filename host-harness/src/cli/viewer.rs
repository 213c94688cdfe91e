//! Serving the page until the user ends it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use meshspan::counted::counted;
use meshspan::serve::{JaegerUi, Server};
use meshspan::store::{Store, StoreOptions};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Listen;
use super::error::CliError;
use super::stored;

/// A store in memory with `spans`.
pub(crate) fn in_memory(spans: Vec<ResourceSpans>) -> Result<Store, CliError> {
    let options = StoreOptions { max_bytes: u64::MAX, max_age: Duration::MAX, ..StoreOptions::default() };
    let store = Store::in_memory(options).map_err(|error| stored::refused(&error))?;
    store.keep(spans).map_err(|error| stored::refused(&error))?;
    let stats = store.stats().map_err(|error| stored::refused(&error))?;
    if let Some((_, gone)) = stats.evicted.first_key_value() {
        tracing::warn!(
            "no room in memory for {}; `meshspan import` keeps them in a file",
            counted(*gone, "span")
        );
    }
    Ok(store)
}

/// The store at `path` with `spans` added to what is there.
pub(crate) fn in_file(path: &Path, spans: Vec<ResourceSpans>) -> Result<Store, CliError> {
    let store = Store::open(path, StoreOptions::default()).map_err(|error| stored::refused(&error))?;
    store.keep(spans).map_err(|error| stored::refused(&error))?;
    Ok(store)
}

/// Serves what is in `store` until Ctrl-C or SIGTERM.
pub(crate) fn serve(store: Store, listen: Listen, quiet: bool) -> Result<(), CliError> {
    let runtime =
        Runtime::new().map_err(|error| CliError::runtime(format!("cannot start threads: {error}")))?;
    runtime.block_on(async {
        let ended = end().map_err(|error| CliError::runtime(format!("cannot listen to signals: {error}")))?;
        let jaeger_ui = jaeger_ui(listen.jaeger_ui_assets.as_deref())?;
        let mut server = bind(&store, &listen).await?.with_base_path(listen.base_path.clone());
        if let Some(jaeger_ui) = jaeger_ui {
            server = server.with_jaeger_ui(jaeger_ui);
        }
        let address = server.address().map_err(|error| CliError::runtime(error.to_string()))?;
        if !quiet {
            eprintln!("Browse the traces at http://{address}{}/ (Ctrl-C ends it)", listen.base_path);
        }
        server
            .run(ended)
            .await
            .map_err(|error| CliError::runtime(format!("the page's server failed: {error}")))
    })
}

/// Jaeger's UI, if it is asked for.
pub(crate) fn jaeger_ui(assets: Option<&Path>) -> Result<Option<JaegerUi>, CliError> {
    let jaeger_ui = assets.map(JaegerUi::load).transpose();
    jaeger_ui.map_err(|error| {
        CliError::bad_configuration(format!("--jaeger-ui-assets: {error}"))
            .help("such a folder is packages/jaeger-ui/build of a build of https://github.com/jaegertracing/jaeger-ui")
    })
}

/// At the address that was asked for; else, if that is taken, at any free port.
async fn bind(store: &Store, &Listen { address, is_asked_for, .. }: &Listen) -> Result<Server, CliError> {
    match Server::bind(address, store.clone()).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_asked_for => {
            let free = SocketAddr::new(address.ip(), 0);
            Server::bind(free, store.clone()).await.map_err(|error| refused(free, &error))
        }
        bound => bound.map_err(|error| refused(address, &error)),
    }
}

fn refused(address: SocketAddr, error: &io::Error) -> CliError {
    CliError::runtime(format!("cannot listen on {address}: {error}"))
        .help("--listen 127.0.0.1:0 takes any free port")
}

/// Ends with the first Ctrl-C or SIGTERM.
fn end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
