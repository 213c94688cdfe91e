//! The viewer on the network: the web page, what it asks, and Jaeger's query API over the same traces.
//! What traces say is [`crate::view`]'s affair.
//!
//! `Server::bind(([127, 0, 0, 1], 16686).into(), store).await?.run(until).await`

mod answers;
mod jaeger;
mod limits;
mod page;
mod upload;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;

pub use jaeger::{JaegerUi, JaegerUiError};
pub use page::trace_page;
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
}

impl Server {
    /// Listens on `address`, to show what is in `store`; port 0 is any free one.
    ///
    /// # Errors
    /// Whatever the system says, such as that the port is taken.
    pub async fn bind(address: SocketAddr, store: Store) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, store, jaeger_ui: None })
    }

    /// Serves Jaeger's page instead of ours.
    #[must_use]
    pub fn with_jaeger_ui(self, jaeger_ui: JaegerUi) -> Self {
        Self { jaeger_ui: Some(jaeger_ui), ..self }
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
        let pages = self.jaeger_ui.map_or_else(own_pages, JaegerUi::router);
        axum::serve(self.listener, router(self.store, pages, is_local)).with_graceful_shutdown(until).await
    }
}

fn own_pages() -> Router<Store> {
    Router::new()
        .route("/", get(page::to_search))
        .route("/search", get(page::page))
        .route("/trace/{id}", get(page::page))
        .route("/dependencies", get(page::page))
        .route("/compare", get(page::page))
        .route("/upload", get(page::page))
        .route("/page.js", get(page::script))
        .route("/style.css", get(page::style))
}

fn router(store: Store, pages: Router<Store>, is_local: bool) -> Router {
    let router = pages
        .route("/view/services", get(answers::services))
        .route("/view/search", get(answers::search))
        .route("/view/traces/{id}", get(answers::trace))
        .route("/view/traces/{id}/page", get(answers::exported).post(answers::exported))
        .route("/view/graph", get(answers::graph))
        .route("/view/compare", get(answers::compare).post(answers::compare))
        .route("/view/upload", post(answers::upload))
        .merge(jaeger::router())
        .layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES))
        .with_state(store);
    if is_local { router.layer(middleware::from_fn(limits::local_hosts_only)) } else { router }
}

#[cfg(test)]
mod tests;
