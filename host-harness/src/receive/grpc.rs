//! OTLP over gRPC: one unary call, plain or gzip, and whether the service is up, by gRPC's own question.
//! Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use prost::Message;
use tonic::Status;

use super::budget::Share;
use super::intake::{Format, Taken};
use super::{Protocol, Receiver, Refusal, Reply, body};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const SERVICE: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Before a message: whether it is packed, and four bytes of length.
const PREFIX: usize = 5;

/// `HealthCheckResponse` with SERVING, and with `NOT_SERVING`.
const SERVING: [u8; 2] = [0x08, 1];
const NOT_SERVING: [u8; 2] = [0x08, 2];

/// Whether a request is gRPC's.
pub(super) fn is_meant(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let (name, rest) = content_type.split_at_checked(16).unwrap_or_default();
    name.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

pub(super) async fn answer<B>(receiver: &Receiver, request: Request<B>) -> Response<Reply>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    if request.uri().path() == HEALTH {
        return match health(receiver, request).await {
            Ok(status) => accepted(&status),
            Err(refusal) => refused(&refusal.grpc()),
        };
    }
    let taken = take(receiver, request).await;
    receiver.metrics().count_request(Protocol::Grpc, &taken);
    match taken {
        Ok(taken) => accepted(&taken.response().encode_to_vec()),
        Err(refusal) => refused(&refusal.grpc()),
    }
}

async fn take<B>(receiver: &Receiver, request: Request<B>) -> Result<Taken, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let path = request.uri().path();
    if path != EXPORT {
        return Err(Refusal::Path(path.to_owned(), EXPORT));
    }
    receiver.check_access(request.headers())?;
    let mut share = receiver.0.budget.share()?;
    let message = message(receiver, request, &mut share).await?;
    receiver.take(message, Format::Protobuf, &mut share).await
}

/// Whether the whole, or a service of it, is up; without a token, as those who ask have none.
async fn health<B>(receiver: &Receiver, request: Request<B>) -> Result<[u8; 2], Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut share = receiver.0.budget.share()?;
    let message = message(receiver, request, &mut share).await?;
    // The request's only field is the service's name, as a StringValue's is its string.
    let service = String::decode(message)
        .map_err(|error| Refusal::Malformed(format!("the body is no HealthCheckRequest: {error}")))?;
    match service.as_str() {
        "" | SERVICE if receiver.is_ready() => Ok(SERVING),
        "" | SERVICE => Ok(NOT_SERVING),
        _ => Err(Refusal::Service(service)),
    }
}

/// The one message of a unary call, unpacked.
async fn message<B>(receiver: &Receiver, request: Request<B>, share: &mut Share<'_>) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let encoding = request.headers().get(ENCODING).map(|value| value.as_bytes().to_owned());
    let body = receiver.read(request.into_body(), share).await?;
    let limit = receiver.0.options.max_request_bytes;
    let (packed, message) = framed(body)?;
    match (packed, encoding.as_deref()) {
        (false, _) => Ok(message),
        (true, Some(b"gzip")) => body::unpacked(&message, limit, share),
        (true, Some(other)) => Err(Refusal::Encoding(String::from_utf8_lossy(other).into_owned())),
        (true, None) => {
            Err(Refusal::Malformed("the message is packed, but grpc-encoding does not say how".to_owned()))
        }
    }
}

/// A body's only message, and whether it is packed.
fn framed(body: Bytes) -> Result<(bool, Bytes), Refusal> {
    let malformed = |what: &str| Refusal::Malformed(format!("the body is no message of gRPC: {what}"));
    let Some((&[flag, ref length @ ..], message)) = body.split_first_chunk::<PREFIX>() else {
        return Err(malformed("it is shorter than a message's prefix"));
    };
    let length = u32::from_be_bytes(*length);
    match (flag, message.len().cmp(&usize::try_from(length).unwrap_or(usize::MAX))) {
        (0 | 1, std::cmp::Ordering::Equal) => Ok((flag == 1, body.slice(PREFIX..))),
        (0 | 1, std::cmp::Ordering::Less) => Err(malformed("the message is cut off")),
        (0 | 1, std::cmp::Ordering::Greater) => Err(malformed("there is more than one message")),
        _ => Err(malformed("the first byte is neither 0 nor 1")),
    }
}

fn accepted(message: &[u8]) -> Response<Reply> {
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    response(Reply::data(framed.into()).with_trailers(trailers))
}

fn refused(status: &Status) -> Response<Reply> {
    let mut response = response(Reply::default());
    if status.add_header(response.headers_mut()).is_err() {
        // The message cannot be written into a header; the code can.
        response.headers_mut().insert(STATUS, i32::from(status.code()).into());
    }
    response
}

fn response(body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip,identity"));
    response
}
