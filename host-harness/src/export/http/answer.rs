//! What a collector answered over HTTP, and what that means for the request.

use std::time::Duration;

use ::http::{StatusCode, Uri};
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::Value;

use super::{Attempt, Failure, JSON, PROTOBUF};

/// How much of an answer that is no OTLP is quoted.
const MAX_QUOTE_CHARS: usize = 200;

/// What the Collector says with status 400 of a body beyond its limit.
const TOO_LARGE: &str = "request body too large";

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

pub(super) fn judge(endpoint: &Uri, answer: &Answer) -> Attempt {
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
        413 => Attempt::TooLarge(failure),
        400 if failure.what.contains(TOO_LARGE) => Attempt::TooLarge(failure),
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
        JSON => return json_partial_success(&serde_json::from_slice(&answer.body).ok()?),
        _ => return None,
    };
    Some(response.partial_success.unwrap_or_default())
}

/// `rejectedSpans` is a string, as all 64-bit integers in JSON are; some write a number.
fn json_partial_success(response: &Value) -> Option<ExportTracePartialSuccess> {
    let partial = response.as_object()?.get("partialSuccess");
    let rejected = partial.and_then(|partial| partial.get("rejectedSpans"));
    let rejected = rejected.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    let message = partial.and_then(|partial| partial.get("errorMessage")).and_then(Value::as_str);
    Some(ExportTracePartialSuccess {
        rejected_spans: rejected.unwrap_or(0),
        error_message: message.unwrap_or_default().to_owned(),
    })
}

fn media_type(answer: &Answer) -> &str {
    answer.content_type.split(';').next().unwrap_or_default().trim()
}

/// The message of a `google.rpc.Status`, or the beginning of whatever the body is.
fn quote(answer: &Answer) -> String {
    let message = match media_type(answer) {
        PROTOBUF => tonic_types::Status::decode(answer.body.clone()).ok().map(|status| status.message),
        JSON => serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|status| Some(status.get("message")?.as_str()?.to_owned())),
        _ => None,
    };
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
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
