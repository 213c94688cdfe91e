//! The way of finished spans out of the proxy: one OTLP request at a time, through the proxy's own
//! callout, from the root context only; retried within bounds, then dropped and counted.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response>, rules 39 to 45.

use std::time::Duration;

use super::host::{self, CallToken, Callback, Level, Status};
use super::metrics::Metrics;
use super::proxy::Proxy;
use crate::batch::BatchQueue;
use crate::config::{Config, ExportConfig, ExportProtocol, one_line};
use crate::ids::IdGenerator;
use crate::otlp::{self, PartialSuccess, RequestEncoder};
use crate::retry;
use crate::time::Timestamp;

const SERVICE: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const METHOD: &str = "Export";
/// How long after its timeout an unanswered call counts as lost, so that a host that forgets one
/// does not stop all export.
const ANSWER_GRACE: Duration = Duration::from_secs(5);
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// How much of a collector's message is logged.
const MAX_MESSAGE_CHARS: usize = 200;
const NO_GRPC: &str = "nginx has no gRPC calls; set `export.protocol` to \"http\" and `export.cluster` to the \
    address of the collector's OTLP/HTTP port, such as \"127.0.0.1:4318\"";
const NO_ADDRESS: &str = "nginx cannot call it; set `export.cluster` to the address of the collector's OTLP/HTTP \
    port, such as \"127.0.0.1:4318\"";

/// How the host answered a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// HTTP: the number of response headers, none if the call failed, and the body's size.
    Http {
        /// Headers, none if the call failed.
        headers: u32,
        /// Bytes of body.
        body: usize,
    },
    /// gRPC success with a message of `size` bytes.
    Grpc {
        /// Bytes of message.
        size: usize,
    },
    /// gRPC failure.
    GrpcFailure {
        /// The gRPC status code.
        status: u32,
    },
}

#[derive(Debug)]
enum State {
    Idle,
    InFlight { request: Request, token: CallToken, sent: Timestamp },
    Waiting { request: Request, until: Timestamp },
}

/// An encoded batch on its way, perhaps for the second time.
#[derive(Debug)]
struct Request {
    message: Vec<u8>,
    spans: usize,
    attempt: u32,
}

/// What an answer means for the batch.
enum Outcome {
    Accepted(PartialSuccess),
    Retry { after: Option<Duration>, why: String },
    Refused { why: String },
}

/// What a step of the exporter needs from its root.
pub(super) struct Turn<'a> {
    pub(super) callback: &'a Callback,
    pub(super) now: Timestamp,
    pub(super) proxy: Proxy,
    pub(super) metrics: &'a mut Metrics,
    pub(super) ids: &'a mut IdGenerator,
}

/// Sends batches, one at a time.
#[derive(Debug)]
pub(super) struct Exporter {
    config: ExportConfig,
    encoder: RequestEncoder,
    /// The serialized headers (HTTP) or metadata (gRPC) of every request.
    headers: Vec<u8>,
    /// Whom a gRPC call goes to.
    upstream: Vec<u8>,
    state: State,
    log: LogLimit,
}

impl Exporter {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            encoder: RequestEncoder::new(&config.resource),
            headers: serialize_headers(&config.export),
            upstream: otlp::grpc_upstream(&config.export.cluster, &config.export.authority),
            config: config.export.clone(),
            state: State::Idle,
            log: LogLimit::default(),
        }
    }

    /// Sends by another configuration from the next request on.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.encoder = RequestEncoder::new(&config.resource);
        self.headers = serialize_headers(&config.export);
        self.upstream = otlp::grpc_upstream(&config.export.cluster, &config.export.authority);
        self.config = config.export.clone();
    }

    /// Spans and bytes that have left the queue and are not done with.
    pub(super) fn held(&self) -> (usize, usize) {
        match &self.state {
            State::Idle => (0, 0),
            State::InFlight { request, .. } | State::Waiting { request, .. } => {
                (request.spans, request.message.len())
            }
        }
    }

    /// Sends the batch whose retry is due, else the queue's next one, unless one is on its way.
    /// `flush` sends what the queue would still keep.
    pub(super) fn send(&mut self, queue: &mut BatchQueue, flush: bool, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {
                if let Some(batch) = if flush { queue.take() } else { queue.take_due(turn.now) } {
                    let request = Request {
                        message: self.encoder.encode(&batch.spans),
                        spans: batch.count as usize,
                        attempt: 0,
                    };
                    self.dispatch(request, turn);
                }
            }
            State::Waiting { request, until } if turn.now >= until => self.dispatch(request, turn),
            State::InFlight { request, sent, .. }
                if turn.now.since(sent) > self.config.timeout + ANSWER_GRACE =>
            {
                let why = "the host never answered the call".to_owned();
                self.settle(request, Outcome::Retry { after: None, why }, turn);
            }
            unfinished => self.state = unfinished,
        }
    }

    /// Takes the host's answer; one to a call that is not ours, or not any more, means nothing.
    pub(super) fn answered(&mut self, token: CallToken, answer: Answer, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::InFlight { request, token: expected, sent } if token == expected => {
                turn.metrics.observe_export(turn.now.since(sent));
                self.settle(request, read(answer, turn.callback), turn);
            }
            unrelated => self.state = unrelated,
        }
    }

    fn dispatch(&mut self, mut request: Request, turn: &mut Turn<'_>) {
        request.attempt = request.attempt.saturating_add(1);
        turn.metrics.exports_attempted.add(1);
        if request.attempt > 1 {
            turn.metrics.exports_retried.add(1);
        }
        let ExportConfig { cluster, timeout, .. } = &self.config;
        let called = match self.config.protocol {
            ExportProtocol::Grpc if !turn.proxy.is_whole() => {
                self.settle(request, Outcome::Refused { why: NO_GRPC.to_owned() }, turn);
                return;
            }
            ExportProtocol::Grpc => {
                host::grpc_call(&self.upstream, (SERVICE, METHOD), &self.headers, &request.message, *timeout)
            }
            ExportProtocol::Http => host::http_call(cluster, &self.headers, &request.message, *timeout),
        };
        match called {
            Ok(token) => self.state = State::InFlight { request, token, sent: turn.now },
            Err(status) => {
                self.settle(request, Outcome::Retry { after: None, why: refusal(status, turn.proxy) }, turn);
            }
        }
    }

    /// Counts what became of a request, and keeps it if it may be sent again.
    fn settle(&mut self, request: Request, outcome: Outcome, turn: &mut Turn<'_>) {
        let cluster = &self.config.cluster;
        match outcome {
            Outcome::Accepted(PartialSuccess { rejected, message, is_foreign }) => {
                let rejected = rejected.min(request.spans as u64);
                turn.metrics.spans_exported.add(request.spans as u64 - rejected);
                turn.metrics.spans_rejected.add(rejected);
                if rejected > 0 || !message.is_empty() {
                    let line = format!(
                        "the collector behind cluster \"{cluster}\" rejected {rejected} spans: {message}"
                    );
                    self.log.warn(turn.now, &line);
                } else if is_foreign {
                    let line = format!(
                        "what is behind cluster \"{cluster}\" takes spans, but answers no OTLP: is it a collector?"
                    );
                    self.log.warn(turn.now, &line);
                }
            }
            Outcome::Retry { after, why } if request.attempt < self.config.max_attempts => {
                turn.metrics.exports_failed.add(1);
                let line = format!("export to cluster \"{cluster}\" failed, will retry: {why}");
                self.log.warn(turn.now, &line);
                let wait = after.unwrap_or_else(|| retry::backoff(request.attempt, turn.ids));
                self.state = State::Waiting { request, until: turn.now.plus(wait.min(retry::MAX_BACKOFF)) };
            }
            Outcome::Retry { why, .. } | Outcome::Refused { why } => {
                turn.metrics.exports_failed.add(1);
                turn.metrics.spans_dropped_export_failed.add(request.spans as u64);
                let line = format!(
                    "{} spans dropped after {} attempts, export to cluster \"{cluster}\" failed: {why}",
                    request.spans, request.attempt,
                );
                self.log.warn(turn.now, &line);
            }
        }
    }
}

fn refusal(status: Status, proxy: Proxy) -> String {
    match status {
        _ if !proxy.is_whole() => NO_ADDRESS.to_owned(),
        // Envoy's answers to an unknown cluster: 2 from `http_call`, 4 from `grpc_call` by its name alone.
        Status::BadArgument | Status::ParseFailure => {
            "the proxy has no such cluster; define it, or set `export.cluster` to one that it has".to_owned()
        }
        other => format!("the proxy would not send the request ({other:?})"),
    }
}

fn read(answer: Answer, callback: &Callback) -> Outcome {
    match answer {
        Answer::Grpc { size } => accepted(callback, host::Buffer::GrpcReceive, size),
        Answer::GrpcFailure { status } => {
            let why = format!("gRPC status {status}");
            if retry::grpc_may_retry(status) {
                Outcome::Retry { after: None, why }
            } else {
                Outcome::Refused { why }
            }
        }
        Answer::Http { headers: 0, .. } => {
            Outcome::Retry { after: None, why: "no response (connection failure or timeout)".to_owned() }
        }
        Answer::Http { body: size, .. } => read_http(size, callback),
    }
}

fn read_http(size: usize, callback: &Callback) -> Outcome {
    let status = host::header(callback, host::Map::CallHeaders, ":status").unwrap_or_default();
    let status: u16 = std::str::from_utf8(&status).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let why = format!("HTTP status {status}");
    match status {
        200..=299 => accepted(callback, host::Buffer::HttpCallBody, size),
        _ if retry::http_may_retry(status) => Outcome::Retry { after: retry_after(callback), why },
        _ => Outcome::Refused { why },
    }
}

/// A success whose message of `size` bytes is in `buffer`.
fn accepted(callback: &Callback, buffer: host::Buffer, size: usize) -> Outcome {
    let message = if size == 0 { None } else { host::buffer(callback, buffer).ok() };
    let partial = otlp::decode_response(&message.unwrap_or_default());
    Outcome::Accepted(PartialSuccess { message: one_line(&partial.message, MAX_MESSAGE_CHARS), ..partial })
}

fn retry_after(callback: &Callback) -> Option<Duration> {
    let value = host::header(callback, host::Map::CallHeaders, "retry-after")?;
    retry::retry_after(&value, host::now())
}

/// The ABI's map serialization of the request's headers, made once.
fn serialize_headers(config: &ExportConfig) -> Vec<u8> {
    let mut pairs: Vec<(&str, &str)> = match config.protocol {
        // The proxy makes gRPC's own headers.
        ExportProtocol::Grpc => Vec::new(),
        ExportProtocol::Http => vec![
            (":method", "POST"),
            (":path", &config.path),
            (":authority", &config.authority),
            (":scheme", "http"),
            ("content-type", "application/x-protobuf"),
            ("user-agent", concat!("meshspan/", env!("CARGO_PKG_VERSION"))),
        ],
    };
    // Whoever traces the collector shall not trace this request (B3, "Sampling State").
    pairs.push(("b3", "0"));
    pairs.extend(config.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    crate::headers::encode(&pairs)
}

/// One line a minute at most for each exporter; the next one says how many were held back.
#[derive(Debug, Default)]
struct LogLimit {
    last: Option<Timestamp>,
    suppressed: u64,
}

impl LogLimit {
    fn warn(&mut self, now: Timestamp, line: &str) {
        if self.last.is_some_and(|last| now.since(last) < LOG_INTERVAL) {
            self.suppressed = self.suppressed.saturating_add(1);
            return;
        }
        self.last = Some(now);
        match std::mem::take(&mut self.suppressed) {
            0 => host::log(Level::Warn, line),
            held => host::log(Level::Warn, &format!("{line} ({held} similar lines held back)")),
        }
    }
}
