//! Where a filter's own calls go, and what is added to them on the way, as Envoy's routes do.
//! The filter sees none of it: a token is not its affair.
//!
//! `otel_collector` → http://127.0.0.1:4317 with `authorization: Bearer …`, packed

use std::io;
use std::path::Path;
use std::sync::Arc;

use hyper::body::Bytes;

use super::Protocol;
use super::callout::frame;
use super::endpoint::Endpoint;
use super::upstream::Pool;
use crate::gzip::{grpc_message, gzip};
use crate::host::HeaderMap;
use crate::tls::{ClientFiles, TlsError};

/// Where calls go, and how.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The host that they go to.
    pub endpoint: Endpoint,
    /// TLS there, if the endpoint has it. Without roots those of [`ProxyOptions`](super::ProxyOptions) count.
    pub tls: ClientFiles,
    /// Sent with every call, in the place of the filter's of the same names.
    pub headers: hyper::HeaderMap,
    /// Whether requests are packed with gzip: those of calls with one answer, unless the filter says of one that
    /// it is packed.
    pub gzip: bool,
}

impl From<Endpoint> for Cluster {
    /// A cluster at which calls arrive as the filter makes them.
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, tls: ClientFiles::default(), headers: hyper::HeaderMap::new(), gzip: false }
    }
}

/// A worker's way to a cluster.
pub(super) struct Route {
    pub(super) pool: Arc<Pool>,
    headers: hyper::HeaderMap,
    gzip: bool,
}

impl Route {
    /// # Errors
    /// [`TlsError`] if a file cannot be used.
    pub(super) fn new(cluster: &Cluster, roots: Option<&Path>) -> Result<Self, TlsError> {
        let mut files = cluster.tls.clone();
        files.roots = files.roots.or_else(|| roots.map(Path::to_owned));
        let pool = Pool::new(cluster.endpoint.clone(), Protocol::Same, files)?;
        Ok(Self { pool: Arc::new(pool), headers: cluster.headers.clone(), gzip: cluster.gzip })
    }

    /// Adds to a call's head what every call gets.
    pub(super) fn add_headers(&self, head: &mut HeaderMap) {
        for (name, value) in &self.headers {
            head.replace(name, value);
        }
    }

    /// The body to send behind `head`, which says how it is packed.
    pub(super) fn http_body(&self, head: &mut HeaderMap, body: &[u8]) -> io::Result<Bytes> {
        if !self.gzip || body.is_empty() || head.first("content-encoding").is_some() {
            return Ok(Bytes::copy_from_slice(body));
        }
        head.remove("content-length");
        head.add("content-encoding", "gzip");
        gzip(body).map(Bytes::from)
    }

    /// The same for a message of gRPC.
    pub(super) fn grpc_body(&self, head: &mut HeaderMap, message: &[u8]) -> io::Result<Bytes> {
        if !self.gzip {
            return Ok(frame(message));
        }
        head.replace("grpc-encoding", "gzip");
        grpc_message(message).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(gzip: bool) -> Route {
        let mut cluster = Cluster::from("http://127.0.0.1:1".parse::<Endpoint>().unwrap());
        cluster.headers.insert("authorization", "Bearer b".parse().unwrap());
        Route::new(&Cluster { gzip, ..cluster }, None).unwrap()
    }

    #[test]
    fn the_cluster_s_headers_beat_the_filter_s() {
        let mut head =
            HeaderMap::from_pairs([(":method", "POST"), ("authorization", "Bearer a"), ("x", "y")]);
        route(false).add_headers(&mut head);
        let expected = [(":method", "POST"), ("authorization", "Bearer b"), ("x", "y")];
        assert_eq!(head, HeaderMap::from_pairs(expected));
    }

    #[test]
    fn what_is_packed_says_so_and_is_packed_once() {
        let body = [7; 100];
        for (reason, gzip, own, expected) in [
            ("nobody asked for it", false, None, None),
            ("packed", true, None, Some("gzip")),
            ("the filter's own packing", true, Some("br"), Some("br")),
        ] {
            let mut head = HeaderMap::from_pairs([("content-length", "100")]);
            own.into_iter().for_each(|own| head.add("content-encoding", own));
            let sent = route(gzip).http_body(&mut head, &body).unwrap();
            assert_eq!(head.first("content-encoding"), expected.map(str::as_bytes), "{reason}");
            let is_packed = expected == Some("gzip");
            assert_eq!(sent.as_ref() != body, is_packed, "{reason}");
            assert_eq!(head.first("content-length").is_none(), is_packed, "{reason}");
        }
        let mut head = HeaderMap::new();
        assert!(route(true).http_body(&mut head, b"").unwrap().is_empty() && head.is_empty(), "no body");
    }
}
