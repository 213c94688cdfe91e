//! The ports of `meshspan collect`: bound before anything is said, served until the end, drained then.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meshspan::receive::{Receiver, Served, serve, watch};
use meshspan::serve::{BasePath, JaegerUi, ReceiverPorts, Server};
use meshspan::store::Store;
use meshspan::tls::Acceptor;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::CollectArgs;
use crate::cli::error::CliError;

/// What listens.
pub(super) struct Ports {
    grpc: TcpListener,
    http: TcpListener,
    page: Option<Server>,
    base_path: BasePath,
    metrics: TcpListener,
}

/// What answers there.
pub(super) struct Serving {
    stop: watch::Sender<bool>,
    receivers: Vec<JoinHandle<Served>>,
}

impl Ports {
    pub(super) async fn bind(
        args: &CollectArgs,
        store: &Store,
        jaeger_ui: Option<JaegerUi>,
    ) -> Result<Self, CliError> {
        let at = |port| SocketAddr::new(args.listen, port);
        let page = match args.forward_only {
            true => None,
            false => Some(page(args, store, jaeger_ui).await?),
        };
        let grpc = bind(at(args.grpc_port), "--grpc-port").await?;
        let http = bind(at(args.http_port), "--http-port").await?;
        let port = |listener: &TcpListener| known(listener.local_addr()).map(|address| address.port());
        let receivers = ReceiverPorts { grpc: port(&grpc)?, http: port(&http)? };
        Ok(Self {
            grpc,
            http,
            page: page.map(|page| page.with_receivers(receivers)),
            base_path: args.base_path.clone(),
            metrics: bind(args.metrics, "--metrics ADDRESS:PORT").await?,
        })
    }

    /// A line a port.
    pub(super) fn describe(&self, is_tls: bool) -> Result<String, CliError> {
        let scheme = if is_tls { "https" } else { "http" };
        let page = self.page.as_ref().map(|page| known(page.address())).transpose()?;
        let page = page.map_or_else(String::new, |page| {
            format!("Listening on http://{page}{}/ for the page and Jaeger's query API\n", self.base_path)
        });
        Ok(format!(
            "Listening on {scheme}://{} for OTLP over gRPC\n\
             Listening on {scheme}://{} for OTLP over HTTP\n\
             {page}\
             Listening on http://{} with /metrics, /healthz and /readyz\n",
            known(self.grpc.local_addr())?,
            known(self.http.local_addr())?,
            known(self.metrics.local_addr())?,
        ))
    }

    /// Answers from now on; both receiving ports speak both protocols.
    pub(super) fn serve(
        self,
        runtime: &Runtime,
        receiver: &Receiver,
        store: &Store,
        tls: Option<Arc<Acceptor>>,
        drain: Duration,
    ) -> Serving {
        let (stop, stopped) = watch::channel(false);
        let receivers = [self.grpc, self.http].map(|listener| {
            let until = ended(stopped.clone());
            runtime.spawn(serve(receiver.clone(), listener, tls.clone(), until, drain))
        });
        // Whoever watches or looks at traces sees the drain, too: these end with the process.
        let watched = watch(receiver.clone(), store.clone(), self.metrics, std::future::pending());
        runtime.spawn(told("the metrics' server", watched));
        if let Some(page) = self.page {
            runtime.spawn(told("the page's server", page.run(std::future::pending())));
        }
        Serving { stop, receivers: receivers.into() }
    }
}

impl Serving {
    /// Lets nobody in any more and answers what is under way; whether that was all.
    pub(super) async fn drain(self) -> bool {
        self.stop.send_replace(true);
        let mut is_whole = true;
        for receiver in self.receivers {
            is_whole &= receiver.await.is_ok_and(|served| served.is_whole);
        }
        is_whole
    }
}

fn known(address: io::Result<SocketAddr>) -> Result<SocketAddr, CliError> {
    address.map_err(|error| CliError::runtime(error.to_string()))
}

async fn told(server: &str, served: impl Future<Output = io::Result<()>>) {
    if let Err(error) = served.await {
        tracing::error!("{server} failed: {error}");
    }
}

async fn ended(mut stopped: watch::Receiver<bool>) {
    // A sender that has gone asks for the end, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn page(args: &CollectArgs, store: &Store, jaeger_ui: Option<JaegerUi>) -> Result<Server, CliError> {
    let page = Server::bind(args.page, store.clone()).await;
    let page = page.map_err(|error| refused(args.page, "--page ADDRESS:PORT", &error))?;
    let page = page.with_base_path(args.base_path.clone());
    Ok(match jaeger_ui {
        Some(jaeger_ui) => page.with_jaeger_ui(jaeger_ui),
        None => page,
    })
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| refused(address, flag, &error))
}

fn refused(address: SocketAddr, flag: &str, error: &io::Error) -> CliError {
    CliError::runtime(format!("cannot listen on {address}: {error}"))
        .help(format!("{flag} names another port, 0 is any that is free"))
}
