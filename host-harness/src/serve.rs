//! The viewer on the network: the web page, what it asks, and Jaeger's query API over the same traces.
//! What traces say is [`crate::view`]'s affair.
//!
//! `Server::bind(([127, 0, 0, 1], 16686).into(), store).await?.run(until).await`

mod answers;
mod base;
mod jaeger;
mod limits;
mod page;
mod refusals;
mod upload;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::Redirect;
use axum::routing::{get, post};
use tokio::net::TcpListener;

pub use base::{BasePath, BasePathError};
pub use jaeger::{JaegerUi, JaegerUiError};
pub use page::{ReceiverPorts, trace_page};
pub use upload::{UploadError, spans_of_file};

use crate::store::Store;

/// The port of Jaeger's page, and of ours.
pub const DEFAULT_PORT: u16 = 16686;

/// The most bytes of a file that the page may upload.
pub const MAX_UPLOAD_BYTES: usize = 256 << 20;

/// A viewer that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    store: Store,
    jaeger_ui: Option<JaegerUi>,
    base_path: BasePath,
    receivers: Option<ReceiverPorts>,
}

impl Server {
    /// Listens on `address`, to show what is in `store`; port 0 is any free one.
    ///
    /// # Errors
    /// Whatever the system says, such as that the port is taken.
    pub async fn bind(address: SocketAddr, store: Store) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, store, jaeger_ui: None, base_path: BasePath::default(), receivers: None })
    }

    /// Serves Jaeger's page instead of ours.
    #[must_use]
    pub fn with_jaeger_ui(self, jaeger_ui: JaegerUi) -> Self {
        Self { jaeger_ui: Some(jaeger_ui), ..self }
    }

    /// Serves everything below a path, as an ingress shows it.
    #[must_use]
    pub fn with_base_path(self, base_path: BasePath) -> Self {
        Self { base_path, ..self }
    }

    /// Tells who looks at an empty page where spans are received; without, that none are.
    #[must_use]
    pub fn with_receivers(self, receivers: ReceiverPorts) -> Self {
        Self { receivers: Some(receivers), ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system cannot say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `until` ends, and then what is under way.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn run(self, until: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let is_local = self.address()?.ip().is_loopback();
        let pages = match self.jaeger_ui {
            Some(jaeger_ui) => jaeger_ui.router(&self.base_path),
            None => page::router(&self.base_path, self.receivers),
        };
        let router = below(self.base_path, router(self.store, pages));
        let router =
            if is_local { router.layer(middleware::from_fn(limits::local_hosts_only)) } else { router };
        axum::serve(self.listener, router).with_graceful_shutdown(until).await
    }
}

/// All of it below the base path, to which those are led who ask without.
fn below(base_path: BasePath, router: Router) -> Router {
    if base_path.is_root() {
        return router;
    }
    let start = format!("{base_path}/");
    let to_start = || {
        let start = start.clone();
        get(move || std::future::ready(Redirect::to(&start)))
    };
    Router::new().route("/", to_start()).route(base_path.as_str(), to_start()).nest_service(&start, router)
}

fn router(store: Store, pages: Router<Store>) -> Router {
    let questions = Router::new()
        .route("/view/services", get(answers::services))
        .route("/view/search", get(answers::search))
        .route("/view/traces/{id}", get(answers::trace))
        .route("/view/traces/{id}/page", get(answers::exported).post(answers::exported))
        .route("/view/graph", get(answers::graph))
        .route("/view/compare", get(answers::compare).post(answers::compare))
        .route("/view/upload", post(answers::upload))
        .merge(jaeger::router())
        .layer(middleware::map_response(refusals::in_json));
    pages.merge(questions).layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES)).with_state(store)
}

#[cfg(test)]
mod tests;
