//! One GET over plain HTTP.

use std::time::Duration;

use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::cli::error::{CliError, Exit};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP client.
pub(super) struct Fetch(Client<HttpConnector, Empty<Bytes>>);

impl Fetch {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build(HttpConnector::new()))
    }

    /// The body of a 200.
    ///
    /// # Errors
    /// Nobody answers there, or with something else.
    pub(super) async fn text(&self, uri: &Uri) -> Result<String, CliError> {
        match self.get(uri, None).await? {
            (StatusCode::OK, body) => Ok(String::from_utf8_lossy(&body).into_owned()),
            (status, _) => Err(CliError::runtime(format!("{uri} answered {status}, expected 200 OK"))),
        }
    }

    /// Status and body of whatever is answered, with `traceparent` in the request.
    ///
    /// # Errors
    /// Nobody answers there.
    pub(super) async fn get(
        &self,
        uri: &Uri,
        traceparent: Option<&str>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let unreachable = |problem: &dyn std::fmt::Display| {
            CliError::new(Exit::Runtime, format!("{uri} cannot be reached: {problem}"))
                .help("check that it runs and listens there")
        };
        let mut request = Request::get(uri.clone())
            .header(header::USER_AGENT, concat!("meshspan-doctor/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = traceparent {
            request = request.header("traceparent", value);
        }
        let request = request.body(Empty::new()).map_err(|error| unreachable(&error))?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| root_cause(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            body.map(|body| (head.status, body.to_bytes())).map_err(|error| root_cause(error.as_ref()))
        };
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(|problem| unreachable(&problem)),
            Err(_) => Err(unreachable(&format_args!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }
}

/// Libraries wrap the error that says what happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// `base` with this path, and query, in place of its own.
pub(super) fn at(base: &Uri, path: &str) -> Uri {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| base.clone())
}
