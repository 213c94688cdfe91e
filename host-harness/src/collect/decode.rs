//! One OTLP export call → the request in it, or the reason why it is none.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    trace::v1::Span,
};
use prost::Message;

use crate::gzip;
use crate::host::{CallReply, HeaderMap, OutboundCall, OutboundKind};

const SERVICE: &[u8] = b"opentelemetry.proto.collector.trace.v1.TraceService";
const METHOD: &[u8] = b"Export";
const HTTP_PATH: &[u8] = b"/v1/traces";

/// The largest body that is unpacked: OTLP's largest request.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Why an export call could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The body is not the protobuf message that it should be.
    #[error("the export request is not an ExportTraceServiceRequest in protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// The body is not the JSON document that it should be.
    #[error("the export request is not an ExportTraceServiceRequest in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// `content-encoding: gzip`, but the body is not gzip.
    #[error("the export request says gzip, but could not be unpacked: {0}")]
    Gzip(std::io::Error),
    /// The body unpacks to more than OTLP allows.
    #[error("the export request unpacks to more than {MAX_BODY_BYTES} bytes, OTLP's largest request")]
    TooLarge,
    /// A content type that OTLP/HTTP does not have.
    #[error("content-type is {0:?}, expected application/x-protobuf or application/json")]
    ContentType(String),
    /// A content encoding that OTLP/HTTP does not have.
    #[error("content-encoding is {0:?}, expected gzip, identity or none")]
    ContentEncoding(String),
    /// An id of the wrong length, or all zero.
    #[error("span {span:?} has {what} {found:?}, expected {expected} bytes, not all zero")]
    Id {
        /// The span's name.
        span: String,
        /// Which id.
        what: &'static str,
        /// The id as found, in hex.
        found: String,
        /// The length that the id must have.
        expected: usize,
    },
}

/// The spans that a callout exports: `None` if it is not an OTLP export at all.
///
/// # Errors
/// [`CollectError`] if it is one, but cannot be read.
pub fn decode_call(call: &OutboundCall) -> Option<Result<ExportTraceServiceRequest, CollectError>> {
    match &call.kind {
        OutboundKind::Grpc { service, method, message, .. } => (service.as_slice() == SERVICE
            && method.as_slice() == METHOD)
            .then(|| decode_protobuf(message).and_then(checked)),
        OutboundKind::Http { headers, body, .. } => is_http_export(headers)
            .then(|| decode_http(headers.first("content-type"), headers.first("content-encoding"), body)),
        OutboundKind::GrpcStream { .. }
        | OutboundKind::GrpcStreamMessage { .. }
        | OutboundKind::GrpcStreamClose
        | OutboundKind::GrpcCancel => None,
    }
}

/// The spans in the body of an OTLP/HTTP request: protobuf or JSON, plain or gzip.
///
/// # Errors
/// [`CollectError`] names what is wrong with it.
pub fn decode_http(
    content_type: Option<&[u8]>,
    content_encoding: Option<&[u8]>,
    body: &[u8],
) -> Result<ExportTraceServiceRequest, CollectError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_ascii_lowercase();
    let body = match content_encoding.map(text).as_deref() {
        None | Some("" | "identity") => body.to_vec(),
        Some("gzip") => {
            gzip::content(body, MAX_BODY_BYTES).map_err(CollectError::Gzip)?.ok_or(CollectError::TooLarge)?
        }
        Some(other) => return Err(CollectError::ContentEncoding(other.to_owned())),
    };
    let content_type = text(content_type.unwrap_or_default());
    let request = match content_type.split(';').next().map(str::trim) {
        Some("application/x-protobuf") => decode_protobuf(&body)?,
        Some("application/json") => serde_json::from_slice(&body)?,
        _ => return Err(CollectError::ContentType(content_type)),
    };
    checked(request)
}

/// The answer of a collector that took every span of `call`.
pub fn accept(call: &OutboundCall) -> CallReply {
    let message = ExportTraceServiceResponse::default().encode_to_vec();
    match &call.kind {
        OutboundKind::Grpc { .. }
        | OutboundKind::GrpcStream { .. }
        | OutboundKind::GrpcStreamMessage { .. }
        | OutboundKind::GrpcStreamClose
        | OutboundKind::GrpcCancel => CallReply::Grpc { message },
        OutboundKind::Http { headers, .. } => {
            let json =
                headers.first("content-type").is_some_and(|value| value.starts_with(b"application/json"));
            let (content_type, body) = match json {
                true => ("application/json", b"{}".to_vec()),
                false => ("application/x-protobuf", message),
            };
            CallReply::Http {
                headers: HeaderMap::from_pairs([(":status", "200"), ("content-type", content_type)]),
                body,
                trailers: HeaderMap::default(),
            }
        }
    }
}

fn is_http_export(headers: &HeaderMap) -> bool {
    let path = headers.first(":path").unwrap_or_default();
    let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
    headers.first(":method") == Some(b"POST") && path.ends_with(HTTP_PATH)
}

fn decode_protobuf(body: &[u8]) -> Result<ExportTraceServiceRequest, CollectError> {
    Ok(ExportTraceServiceRequest::decode(body)?)
}

/// `request`, if every id in it is well formed: nothing downstream checks again.
fn checked(request: ExportTraceServiceRequest) -> Result<ExportTraceServiceRequest, CollectError> {
    super::each_span(&request.resource_spans).try_for_each(check_ids)?;
    Ok(request)
}

/// Takes out every span with an id that is not well formed: how many they were, and what is wrong with the
/// first. A scope or a resource that had no others goes with them.
pub fn keep_fit(request: &mut ExportTraceServiceRequest) -> (u64, Option<CollectError>) {
    let (mut unfit, mut first) = (0, None);
    let mut is_fit = |span: &Span| match check_ids(span) {
        Ok(()) => true,
        Err(error) => {
            unfit += 1;
            first.get_or_insert(error);
            false
        }
    };
    for resource in &mut request.resource_spans {
        for scope in &mut resource.scope_spans {
            scope.spans.retain(&mut is_fit);
        }
        resource.scope_spans.retain(|scope| !scope.spans.is_empty());
    }
    request.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
    (unfit, first)
}

fn check_ids(span: &Span) -> Result<(), CollectError> {
    let check = |what, id: &[u8], expected: usize| {
        if id.len() == expected && id.iter().any(|&byte| byte != 0) {
            return Ok(());
        }
        Err(CollectError::Id { span: span.name.clone(), what, found: hex::encode(id), expected })
    };
    check("trace id", &span.trace_id, 16)?;
    check("span id", &span.span_id, 8)?;
    match span.parent_span_id.is_empty() {
        true => Ok(()),
        false => check("parent span id", &span.parent_span_id, 8),
    }
}

#[cfg(test)]
mod tests;
