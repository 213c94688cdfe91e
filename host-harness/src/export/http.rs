//! OTLP/HTTP with protobuf bodies, over HTTP/1.1.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::{
    io::Write,
    time::{Duration, SystemTime},
};

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

use super::{
    Compression, ExporterConfig, MAX_RESPONSE_BYTES, USER_AGENT,
    retry::{Attempt, Failure, retry_after, root_cause},
};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const PORTS: &str = "OTLP/HTTP: usually port 4318";

/// How much of an answer that is no OTLP is quoted.
const MAX_QUOTE_CHARS: usize = 200;

#[derive(Debug)]
pub(crate) struct Client {
    endpoint: Uri,
    headers: HeaderMap,
    compression: Compression,
    wall_clock: fn() -> SystemTime,
    client: HyperClient<HttpConnector, Full<Bytes>>,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    retry_after: Option<Duration>,
    body: Bytes,
}

impl Client {
    pub(crate) fn new(config: &ExporterConfig) -> Self {
        let mut headers = config.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        if config.compression == Compression::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.timeout));
        connector.set_nodelay(true);
        Self {
            endpoint: config.endpoint.clone(),
            headers,
            compression: config.compression,
            wall_clock: config.wall_clock,
            client: HyperClient::builder(TokioExecutor::new()).build(connector),
        }
    }

    pub(crate) async fn send(&mut self, request: &ExportTraceServiceRequest) -> Attempt {
        match self.exchange(request).await {
            Ok(answer) => judge(&self.endpoint, &answer),
            Err(problem) => Attempt::Retryable(Failure::no_connection(&self.endpoint, &problem, PORTS), None),
        }
    }

    async fn exchange(&self, request: &ExportTraceServiceRequest) -> Result<Answer, String> {
        let body = match self.compression {
            Compression::None => request.encode_to_vec(),
            Compression::Gzip => gzip(&request.encode_to_vec()).map_err(|error| error.to_string())?,
        };
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        let response = self.client.request(request).await.map_err(|error| root_cause(&error))?;
        self.read(response).await
    }

    async fn read(&self, response: ::http::Response<Incoming>) -> Result<Answer, String> {
        let (head, body) = response.into_parts();
        let content_type =
            head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let asked = head.headers.get(header::RETRY_AFTER).map(HeaderValue::as_bytes);
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
        Ok(Answer {
            status: head.status,
            content_type: String::from_utf8_lossy(content_type).into_owned(),
            retry_after: asked.and_then(|value| retry_after(value, (self.wall_clock)())),
            body: body.map_err(|error| root_cause(error.as_ref()))?.to_bytes(),
        })
    }
}

fn judge(endpoint: &Uri, answer: &Answer) -> Attempt {
    let code = answer.status.as_u16();
    if answer.status.is_success() {
        return match partial_success(answer) {
            Some(ExportTracePartialSuccess { rejected_spans, error_message }) => {
                let rejected = u64::try_from(rejected_spans).unwrap_or(0);
                Attempt::Accepted { rejected, message: error_message }
            }
            None => Attempt::Final(Failure::answered(
                "not an OTLP answer".to_owned(),
                format!(
                    "{endpoint} answered {code} with {:?}, not with OTLP: {}",
                    answer.content_type,
                    quote(answer)
                ),
                "check that it is a collector",
            )),
        };
    }
    let failure = Failure::answered(
        format!("HTTP {code}"),
        format!("{endpoint} answered {}: {}", answer.status, quote(answer)),
        advice(answer.status),
    );
    match code {
        429 | 502 | 503 | 504 => Attempt::Retryable(failure, answer.retry_after),
        _ => Attempt::Final(failure),
    }
}

/// What a successful answer says was rejected; `None` if it is no answer of OTLP. No body at all is one.
fn partial_success(answer: &Answer) -> Option<ExportTracePartialSuccess> {
    if answer.body.is_empty() {
        return Some(ExportTracePartialSuccess::default());
    }
    let response = match media_type(answer) {
        PROTOBUF => ExportTraceServiceResponse::decode(answer.body.clone()).ok()?,
        JSON => serde_json::from_slice(&answer.body).ok()?,
        _ => return None,
    };
    Some(response.partial_success.unwrap_or_default())
}

fn media_type(answer: &Answer) -> &str {
    answer.content_type.split(';').next().unwrap_or_default().trim()
}

/// The message of a `google.rpc.Status`, or the beginning of whatever the body is.
fn quote(answer: &Answer) -> String {
    let status = (media_type(answer) == PROTOBUF).then(|| tonic_types::Status::decode(answer.body.clone()));
    let text = match status {
        Some(Ok(status)) => status.message,
        _ => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    match text.trim() {
        "" => "no message".to_owned(),
        text => format!("{:?}", text.chars().take(MAX_QUOTE_CHARS).collect::<String>()),
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "check OTEL_EXPORTER_OTLP_HEADERS",
        404 | 405 => "check the path: OTLP/HTTP is usually at /v1/traces on port 4318",
        413 => "the collector takes smaller requests only",
        300..=399 => "redirects are not followed: give the final address",
        _ => "see the collector's log",
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}
