//! OTLP/HTTP with bodies in protobuf or JSON.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod answer;

use std::time::SystemTime;

use ::http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::{
    Compression, ExportError, ExporterConfig, MAX_RESPONSE_BYTES, Protocol, USER_AGENT,
    dial::Dialer,
    retry::{Attempt, Failure, retry_after},
};
use crate::{collect::to_json_line, gzip::gzip, tls::ANY_HTTP};
use answer::Answer;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const PORTS: &str = "OTLP/HTTP: usually port 4318";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    endpoint: Uri,
    headers: HeaderMap,
    is_json: bool,
    compression: Compression,
    wall_clock: fn() -> SystemTime,
    client: HyperClient<Dialer, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(config: &ExporterConfig) -> Result<Self, ExportError> {
        let is_json = config.protocol == Protocol::HttpJson;
        let mut headers = config.headers.clone();
        let content_type = if is_json { JSON } else { PROTOBUF };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        if config.compression == Compression::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self {
            endpoint: config.endpoint.clone(),
            headers,
            is_json,
            compression: config.compression,
            wall_clock: config.wall_clock,
            client: HyperClient::builder(TokioExecutor::new()).build(Dialer::new(config, &ANY_HTTP)?),
        })
    }

    /// Posts an encoded `ExportTraceServiceRequest`.
    pub(crate) async fn send(&self, request: Bytes) -> Attempt {
        match self.exchange(request).await {
            Ok(answer) => answer::judge(&self.endpoint, &answer),
            Err(error) => {
                Attempt::Retryable(Failure::no_connection(&self.endpoint, error.as_ref(), PORTS), None)
            }
        }
    }

    async fn exchange(&self, request: Bytes) -> Result<Answer, BoxError> {
        let mut body = request;
        if self.is_json {
            body = to_json_line(&ExportTraceServiceRequest::decode(body)?.resource_spans).into();
        }
        if self.compression == Compression::Gzip {
            body = gzip(&body)?.into();
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        self.read(self.client.request(request).await?).await
    }

    async fn read(&self, response: ::http::Response<Incoming>) -> Result<Answer, BoxError> {
        let (head, body) = response.into_parts();
        let content_type =
            head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let asked = head.headers.get(header::RETRY_AFTER).map(HeaderValue::as_bytes);
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
        Ok(Answer {
            status: head.status,
            content_type: String::from_utf8_lossy(content_type).into_owned(),
            retry_after: asked.and_then(|value| retry_after(value, (self.wall_clock)())),
            body: body?.to_bytes(),
        })
    }
}
