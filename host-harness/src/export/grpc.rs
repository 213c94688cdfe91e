//! OTLP/gRPC: one unary `TraceService/Export` a request.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>

use std::error::Error;

use http::Uri;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use tonic::{
    Code, Request, Status,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use super::{
    Compression, ExportError, ExporterConfig, MAX_RESPONSE_BYTES, USER_AGENT,
    retry::{Attempt, Failure, root_cause},
};

/// OTLP's largest request.
const MAX_REQUEST_BYTES: usize = 64 << 20;

#[derive(Debug)]
pub(crate) struct Client {
    endpoint: Uri,
    metadata: MetadataMap,
    service: TraceServiceClient<Channel>,
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
            .connect_lazy();
        let mut service = TraceServiceClient::new(channel)
            .max_encoding_message_size(MAX_REQUEST_BYTES)
            .max_decoding_message_size(MAX_RESPONSE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip);
        if config.compression == Compression::Gzip {
            service = service.send_compressed(CompressionEncoding::Gzip);
        }
        let metadata = MetadataMap::from_headers(config.headers.clone());
        Ok(Self { endpoint: config.endpoint.clone(), metadata, service })
    }

    pub(crate) async fn send(&mut self, request: &ExportTraceServiceRequest) -> Attempt {
        let mut call = Request::new(request.clone());
        *call.metadata_mut() = self.metadata.clone();
        match self.service.export(call).await {
            Ok(response) => {
                let partial = response.into_inner().partial_success.unwrap_or_default();
                let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
                Attempt::Accepted { rejected, message: partial.error_message }
            }
            Err(status) => failed(&self.endpoint, &status),
        }
    }
}

fn failed(endpoint: &Uri, status: &Status) -> Attempt {
    if let Some(error) = transport_error(status) {
        let failure = Failure::no_connection(endpoint, &root_cause(error), "OTLP/gRPC: usually port 4317");
        return Attempt::Retryable(failure, None);
    }
    let retry_info = status.get_details_retry_info();
    let asked = retry_info.as_ref().and_then(|info| info.retry_delay);
    let code = name(status.code());
    let failure = Failure::answered(
        format!("gRPC {code}"),
        format!("{endpoint} answered gRPC {code}: {:?}", status.message()),
        advice(status.code()),
    );
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
    fn a_failure_names_endpoint_code_and_advice() {
        let outcome = failed(&Uri::from_static("http://c:4317"), &Status::unauthenticated("no token"));
        let Attempt::Final(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.reason, "gRPC UNAUTHENTICATED");
        assert_eq!(failure.what, "http://c:4317/ answered gRPC UNAUTHENTICATED: \"no token\"");
        assert_eq!(failure.advice, "check OTEL_EXPORTER_OTLP_HEADERS");
    }
}
