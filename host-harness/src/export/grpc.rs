//! OTLP/gRPC: one unary `TraceService/Export` a request.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>

mod codec;
mod packing;

use std::error::Error;

use http::{Uri, uri::PathAndQuery};
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tonic::{
    Code, Request, Status, client::Grpc, codec::CompressionEncoding, metadata::MetadataMap,
    transport::Endpoint,
};
use tonic_types::StatusExt;

use super::{
    Compression, ExportError, ExporterConfig, MAX_RESPONSE_BYTES, USER_AGENT,
    dial::Dialer,
    retry::{Attempt, Failure, root_cause},
};
use codec::Encoded;
use packing::{Packed, Packing};

/// OTLP's largest request.
const MAX_REQUEST_BYTES: usize = 64 << 20;

const METHOD: PathAndQuery =
    PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");

const PORTS: &str = "OTLP/gRPC: usually port 4317";

#[derive(Clone, Debug)]
pub(crate) struct Client {
    endpoint: Uri,
    metadata: MetadataMap,
    is_packed: bool,
    service: Grpc<Packing>,
}

impl Client {
    pub(crate) fn new(config: &ExporterConfig) -> Result<Self, ExportError> {
        let setup = |error: tonic::transport::Error| ExportError::Setup {
            endpoint: config.endpoint.to_string(),
            problem: root_cause(&error),
        };
        let channel = Endpoint::from(config.endpoint.clone())
            .user_agent(USER_AGENT)
            .map_err(setup)?
            .connect_timeout(config.timeout)
            .connect_with_connector_lazy(Dialer::new(config, &[b"h2"])?);
        let service = Grpc::new(Packing(channel))
            .max_encoding_message_size(MAX_REQUEST_BYTES)
            .max_decoding_message_size(MAX_RESPONSE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip);
        let is_packed = config.compression == Compression::Gzip;
        let metadata = MetadataMap::from_headers(config.headers.clone());
        Ok(Self { endpoint: config.endpoint.clone(), metadata, is_packed, service })
    }

    pub(crate) async fn send(&self, request: Bytes) -> Attempt {
        match self.call(request).await {
            Ok(response) => {
                let partial = response.partial_success.unwrap_or_default();
                let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
                Attempt::Accepted { rejected, message: partial.error_message }
            }
            Err(status) => failed(&self.endpoint, &status),
        }
    }

    async fn call(&self, request: Bytes) -> Result<ExportTraceServiceResponse, Status> {
        let packed = self.is_packed.then(|| Packed::new(&request)).transpose();
        let packed = packed.map_err(|error| Status::internal(format!("cannot pack the request: {error}")))?;
        let mut call = Request::new(if packed.is_some() { Bytes::new() } else { request });
        packed.map(|packed| call.extensions_mut().insert(packed));
        *call.metadata_mut() = self.metadata.clone();
        let mut service = self.service.clone();
        service.ready().await.map_err(|error| Status::from_error(error.into()))?;
        Ok(service.unary(call, METHOD, Encoded).await?.into_inner())
    }
}

fn failed(endpoint: &Uri, status: &Status) -> Attempt {
    if let Some(error) = transport_error(status) {
        return Attempt::Retryable(Failure::no_connection(endpoint, error, PORTS), None);
    }
    let retry_info = status.get_details_retry_info();
    let asked = retry_info.as_ref().and_then(|info| info.retry_delay);
    let code = name(status.code());
    let failure = Failure::answered(
        format!("gRPC {code}"),
        format!("{endpoint} answered gRPC {code}: {:?}", status.message()),
        advice(status.code()),
    );
    if is_too_large(status) {
        return Attempt::TooLarge(failure);
    }
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Attempt::Retryable(failure, asked),
        Code::ResourceExhausted if retry_info.is_some() => Attempt::Retryable(failure, asked),
        _ => Attempt::Final(failure),
    }
}

/// The connection's error, if it was the connection that failed and not the call.
fn transport_error(status: &Status) -> Option<&(dyn Error + 'static)> {
    let source = status.source()?;
    (status.code() == Code::Unavailable || source.is::<tonic::transport::Error>()).then_some(source)
}

/// Whether the request is larger than the collector takes, in the words of gRPC for Go, C++, Java and Rust.
fn is_too_large(status: &Status) -> bool {
    let words = ["larger than max", "exceeds maximum size", "message length too large"];
    matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange)
        && words.iter().any(|words| status.message().contains(words))
}

fn advice(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated | Code::PermissionDenied => "check OTEL_EXPORTER_OTLP_HEADERS",
        Code::Unimplemented => "check that its traces pipeline receives OTLP/gRPC",
        Code::Internal | Code::Unknown => "check that the port speaks gRPC: OTLP/HTTP is usually port 4318",
        _ => "see the collector's log",
    }
}

/// The code as the gRPC specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn rule_40_the_code_decides_whether_to_retry() {
        let endpoint = Uri::from_static("http://collector:4317");
        let retried = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for code in (1..=16).map(Code::from) {
            let outcome = failed(&endpoint, &Status::new(code, "x"));
            let expected = retried.contains(&code);
            assert_eq!(matches!(outcome, Attempt::Retryable(_, None)), expected, "{code:?}: {outcome:?}");

            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(1_500)));
            let outcome = failed(&endpoint, &Status::with_error_details(code, "x", details));
            let expected = expected || code == Code::ResourceExhausted;
            let kept = matches!(outcome, Attempt::Retryable(_, Some(wait)) if wait.as_millis() == 1_500);
            assert_eq!(kept, expected, "{code:?} with RetryInfo: {outcome:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_known_by_its_words() {
        for (code, message, expected) in [
            (Code::ResourceExhausted, "grpc: received message larger than max (5 vs. 4)", true),
            (Code::ResourceExhausted, "grpc: received message after decompression larger than max 4", true),
            (Code::ResourceExhausted, "Received message larger than max (5 vs. 4)", true),
            (Code::ResourceExhausted, "gRPC message exceeds maximum size 4: 5", true),
            (Code::OutOfRange, "Error, decoded message length too large: found 5 bytes", true),
            (Code::ResourceExhausted, "too many requests", false),
            (Code::Internal, "message larger than max", false),
        ] {
            let outcome = failed(&Uri::from_static("http://c:4317"), &Status::new(code, message));
            assert_eq!(matches!(outcome, Attempt::TooLarge(_)), expected, "{message}: {outcome:?}");
        }
    }

    #[test]
    fn a_failure_names_endpoint_code_and_advice() {
        let outcome = failed(&Uri::from_static("http://c:4317"), &Status::unauthenticated("no token"));
        let Attempt::Final(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.reason, "gRPC UNAUTHENTICATED");
        assert_eq!(failure.what, "http://c:4317/ answered gRPC UNAUTHENTICATED: \"no token\"");
        assert_eq!(failure.advice, "check OTEL_EXPORTER_OTLP_HEADERS");
    }
}
