//! An exchange as a test describes it.

use std::time::Duration;

use super::run::Run;
use super::sweep::{SweepError, sweep};
use super::{Exchange, Side, TestHost};
use crate::host::{HeaderMap, PropertyValue};
use crate::vm::VmError;

/// An exchange to be sent. Until [`respond`](Self::respond) headers, bodies and trailers are the request's, from
/// then on the response's. Without any of it: `GET /` to `example.test`, answered by a 200 without a body.
#[derive(Debug)]
pub struct RequestBuilder<'h> {
    host: &'h mut TestHost,
    plan: Plan,
    side: Side,
}

/// What comes from the client and, if asked, from the upstream.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) request: Draft,
    pub(super) response: Draft,
    pub(super) upstream_takes: Duration,
    pub(super) properties: Vec<(Vec<String>, PropertyValue)>,
    pub(super) is_http2: bool,
}

/// One side of an exchange.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) head: HeaderMap,
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) trailers: Option<HeaderMap>,
}

impl Draft {
    fn new(head: HeaderMap) -> Self {
        Self { head, chunks: Vec::new(), trailers: None }
    }
}

impl<'h> RequestBuilder<'h> {
    pub(super) fn new(host: &'h mut TestHost) -> Self {
        let head = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "example.test")];
        let plan = Plan {
            request: Draft::new(HeaderMap::from_pairs(head)),
            response: Draft::new(HeaderMap::from_pairs([(":status", "200")])),
            upstream_takes: Duration::from_millis(1),
            properties: Vec::new(),
            is_http2: false,
        };
        Self { host, plan, side: Side::Request }
    }

    fn draft(&mut self) -> &mut Draft {
        match self.side {
            Side::Request => &mut self.plan.request,
            Side::Response => &mut self.plan.response,
        }
    }

    /// Sets method and path.
    #[must_use]
    pub fn method(mut self, method: &str, path: &str) -> Self {
        self.plan.request.head.replace(":method", method);
        self.plan.request.head.replace(":path", path);
        self
    }

    /// `GET` of this path.
    #[must_use]
    pub fn get(self, path: &str) -> Self {
        self.method("GET", path)
    }

    /// `POST` to this path.
    #[must_use]
    pub fn post(self, path: &str) -> Self {
        self.method("POST", path)
    }

    /// Sets the authority.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.plan.request.head.replace(":authority", authority);
        self
    }

    /// Sets the whole head, pseudo-headers included.
    #[must_use]
    pub fn head(mut self, head: HeaderMap) -> Self {
        self.draft().head = head;
        self
    }

    /// Adds a header; its value may be any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.draft().head.add(name, value.as_ref());
        self
    }

    /// Sets the body, which comes in one piece.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.draft().chunks = vec![body.into()];
        self
    }

    /// Sets the body, which comes in these pieces.
    #[must_use]
    pub fn body_chunks<B: Into<Vec<u8>>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.draft().chunks = chunks.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.draft().trailers.get_or_insert_default().add(name, value.as_ref());
        self
    }

    /// Sets all trailers.
    #[must_use]
    pub fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.draft().trailers = Some(trailers);
        self
    }

    /// A property of this stream: `["source", "address"]`.
    #[must_use]
    pub fn property<'a>(mut self, path: impl IntoIterator<Item = &'a str>, value: PropertyValue) -> Self {
        self.plan.properties.push((path.into_iter().map(str::to_owned).collect(), value));
        self
    }

    /// Both sides speak HTTP/2, where the last piece of a body says that it is the last.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.plan.is_http2 = true;
        self
    }

    /// The upstream's status; what follows is its response's.
    #[must_use]
    pub fn respond(mut self, status: u16) -> Self {
        self.side = Side::Response;
        self.plan.response.head.replace(":status", status.to_string());
        self
    }

    /// How long the upstream takes, of the virtual clock; 1 ms unless set.
    #[must_use]
    pub fn upstream_takes(mut self, time: Duration) -> Self {
        self.plan.upstream_takes = time;
        self
    }

    /// Sends it through the filter. What becomes of it if the filter fails is up to the failure policy.
    ///
    /// # Errors
    /// [`VmError`] if the guest holds back more of a body than the host keeps.
    pub fn send(self) -> Result<Exchange, VmError> {
        Run::of(self.host, &self.plan)
    }

    /// Sends it through as many fresh hosts as there are sizes of pieces to try: one byte, powers of two, all at
    /// once, with an empty piece at the end; and compares what came of it.
    ///
    /// # Errors
    /// [`SweepError::Difference`] names the first chunking that gave something else than the body in one piece.
    pub fn sweep_chunkings(self) -> Result<Exchange, SweepError> {
        sweep(self.host, &self.plan)
    }
}
