//! OTLP over HTTP: `POST /v1/traces`, in protobuf or JSON, plain or gzip.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use hyper::body::{Body, Bytes};
use hyper::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use prost::Message;
use serde_json::json;

use super::intake::{Format, Taken};
use super::{Protocol, Receiver, Refusal, Reply, body};

/// Where traces are posted to.
const PATH: &str = "/v1/traces";

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

pub(super) async fn answer<B>(receiver: &Receiver, request: Request<B>) -> Response<Reply>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    // In which the answer is, too; JSON, which people read, where the request's is none of the two.
    let format = format(request.headers());
    let taken = take(receiver, request).await;
    receiver.metrics().count_request(Protocol::Http, &taken);
    let format = format.unwrap_or(Format::Json);
    match taken {
        Ok(taken) => reply(StatusCode::OK, format, accepted(&taken, format)),
        Err(refusal) => refused(&refusal, format),
    }
}

async fn take<B>(receiver: &Receiver, request: Request<B>) -> Result<Taken, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let (head, body) = request.into_parts();
    if head.uri.path() != PATH {
        return Err(Refusal::Path(head.uri.path().to_owned(), PATH));
    }
    if head.method != Method::POST {
        return Err(Refusal::Method(head.method.to_string()));
    }
    receiver.check_access(&head.headers)?;
    let format = format(&head.headers)?;
    let is_packed = match text(&head.headers, &CONTENT_ENCODING).as_str() {
        "" | "identity" => false,
        "gzip" => true,
        other => return Err(Refusal::Encoding(other.to_owned())),
    };
    let mut share = receiver.0.budget.share()?;
    let mut message = receiver.read(body, &mut share).await?;
    if is_packed {
        message = body::unpacked(&message, receiver.0.options.max_request_bytes, &mut share)?;
    }
    receiver.take(message, format, &mut share).await
}

fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    let content_type = text(headers, &CONTENT_TYPE);
    match content_type.split(';').next().map(str::trim) {
        Some(PROTOBUF) => Ok(Format::Protobuf),
        Some(JSON) => Ok(Format::Json),
        _ => Err(Refusal::ContentType(content_type)),
    }
}

/// A header's value in lower case; empty if there is none.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase()
}

fn accepted(taken: &Taken, format: Format) -> Vec<u8> {
    let response = taken.response();
    match (format, &response.partial_success) {
        (Format::Protobuf, _) => response.encode_to_vec(),
        (Format::Json, None) => b"{}".to_vec(),
        // 64-bit integers are strings in JSON.
        (Format::Json, Some(partial)) => json!({ "partialSuccess": {
            "rejectedSpans": partial.rejected_spans.to_string(), "errorMessage": partial.error_message,
        }})
        .to_string()
        .into_bytes(),
    }
}

fn refused(refusal: &Refusal, format: Format) -> Response<Reply> {
    let status = refusal.grpc();
    let body = match format {
        Format::Json => {
            json!({ "code": i32::from(status.code()), "message": status.message() }).to_string().into_bytes()
        }
        // The details are the whole google.rpc.Status, where there are any.
        Format::Protobuf if !status.details().is_empty() => status.details().to_vec(),
        Format::Protobuf => {
            let (code, message) = (i32::from(status.code()), status.message().to_owned());
            tonic_types::Status { code, message, details: Vec::new() }.encode_to_vec()
        }
    };
    let mut response = reply(refusal.http(), format, body);
    let headers = response.headers_mut();
    match refusal {
        Refusal::Token => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        Refusal::Method(_) => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        _ => {}
    }
    if let Some(wait) = refusal.come_again() {
        headers.insert(RETRY_AFTER, wait.as_secs().into());
    }
    response
}

fn reply(status: StatusCode, format: Format, body: Vec<u8>) -> Response<Reply> {
    let content_type = match format {
        Format::Protobuf => PROTOBUF,
        Format::Json => JSON,
    };
    let mut response = Response::new(Reply::data(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
