//! How a request ended, as status and `error.type` of its two spans.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md#status>

use std::borrow::Cow;

use crate::attributes::rpc::StatusCode;
use crate::attributes::{Attributes, key};
use crate::headers::Headers;
use crate::span::{SpanKind, Status};

/// Beginnings of the proxy's reasons why a response that had begun did not come to its end. A
/// caller that leaves is not among them: that is how most streams of events end.
const BROKEN_OFF: [&str; 4] = [
    "upstream_reset_after_response_started",
    "stream_idle_timeout",
    "max_duration_timeout",
    "response_timeout",
];

/// `error.type` where nothing came back and the proxy gives no reason.
const NO_RESPONSE: &str = "no_response";

/// What came back for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the request was a gRPC call.
    pub is_grpc: bool,
    /// HTTP's status.
    pub http_status: Option<u16>,
    /// gRPC's status.
    pub grpc_status: Option<StatusCode>,
    /// Why the proxy says that it ended so, of low cardinality.
    pub details: Option<String>,
}

impl Outcome {
    /// Takes in a response's head; gRPC's status is in it if there are no trailers.
    pub fn record_head(&mut self, headers: &Headers<'_>) {
        self.http_status = headers.first(":status").and_then(parse_status);
        self.record_trailers(headers);
    }

    /// Takes in a response's trailers.
    pub fn record_trailers(&mut self, trailers: &Headers<'_>) {
        if self.is_grpc {
            self.grpc_status = StatusCode::read(trailers).or(self.grpc_status);
        }
    }

    /// Takes in what the proxy knows at the end: its own status `code`, which counts if no head was
    /// seen, and its `details`, such as `upstream_reset_before_response_started{connection_termination}`.
    pub fn conclude(&mut self, code: Option<u16>, details: Option<&[u8]>) {
        self.http_status = self.http_status.or(code.filter(|code| is_status(*code)));
        self.details = details.and_then(low_cardinality);
        if self.is_grpc && self.grpc_status.is_none() {
            self.grpc_status = self.http_status.and_then(StatusCode::from_http);
        }
    }

    /// The status of a span of `kind`, whose attributes are completed.
    pub fn record(&self, kind: SpanKind, attributes: &mut Attributes) -> Status {
        attributes.set_some(key::HTTP_RESPONSE_STATUS_CODE, self.http_status);
        attributes.set_some(key::RPC_STATUS_CODE, self.grpc_status.map(StatusCode::name));
        match self.error_type(kind) {
            None => Status::Unset,
            Some(error) => {
                attributes.set(key::ERROR_TYPE, error.into_owned());
                Status::Error
            }
        }
    }

    fn error_type(&self, kind: SpanKind) -> Option<Cow<'_, str>> {
        if let Some(code) = self.grpc_status {
            let is_error = match kind {
                SpanKind::Server => code.is_server_error(),
                SpanKind::Client => code.is_client_error(),
            };
            return is_error.then_some(Cow::Borrowed(code.name()));
        }
        let details = self.details.as_deref();
        let Some(status) = self.http_status else {
            return Some(Cow::Borrowed(details.unwrap_or(NO_RESPONSE)));
        };
        let is_error = match kind {
            SpanKind::Server => status >= 500,
            SpanKind::Client => status >= 400,
        };
        if is_error {
            return Some(Cow::Owned(status.to_string()));
        }
        let reason = details.filter(|details| BROKEN_OFF.iter().any(|start| details.starts_with(start)));
        reason.map(Cow::Borrowed)
    }
}

fn parse_status(value: &[u8]) -> Option<u16> {
    let status = std::str::from_utf8(value).ok().filter(|text| text.len() == 3)?;
    status.parse().ok().filter(|status| is_status(*status))
}

fn is_status(code: u16) -> bool {
    (100..1000).contains(&code)
}

/// The constant part of Envoy's response code details: up to what is in braces, if it is a name.
fn low_cardinality(details: &[u8]) -> Option<String> {
    let name = details.split(|byte| *byte == b'{').next()?;
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
    (is_name && !name.is_empty() && name.len() <= 64).then(|| String::from_utf8_lossy(name).into_owned())
}
