//! The spans that a situation gives: what is expected of them, and whether they are so.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::spans::{CLIENT, SERVER};

/// How far clocks of two processes and their times of noticing may be apart.
const SLACK: Duration = Duration::from_secs(1);

/// One pass through the filter: a SERVER span and, below it, a CLIENT span.
#[derive(Clone, Debug)]
pub struct Pass {
    name: String,
    /// None for the one that the client gets.
    status: Option<Option<u16>>,
    grpc: Option<&'static str>,
    /// Of the SERVER and of the CLIENT span.
    errors: [Option<&'static str>; 2],
    lasts: Duration,
}

/// A pass whose spans are called `name`, have the status that the client gets, and tell no error.
pub fn pass(name: &str) -> Pass {
    Pass { name: name.to_owned(), status: None, grpc: None, errors: [None; 2], lasts: Duration::ZERO }
}

/// A pass of a gRPC call of `/situations.Service/{method}`.
pub fn rpc(method: &str) -> Pass {
    pass(&format!("situations.Service/{method}"))
}

impl Pass {
    /// The spans have this status, whatever the client gets.
    #[must_use]
    pub fn status(self, status: u16) -> Pass {
        Pass { status: Some(Some(status)), ..self }
    }

    /// The spans have no status.
    #[must_use]
    pub fn no_status(self) -> Pass {
        Pass { status: Some(None), ..self }
    }

    /// The spans have this gRPC status, by name.
    #[must_use]
    pub fn grpc(self, status: &'static str) -> Pass {
        Pass { grpc: Some(status), ..self }
    }

    /// Both spans tell this error.
    #[must_use]
    pub fn error(self, error: &'static str) -> Pass {
        Pass { errors: [Some(error); 2], ..self }
    }

    /// The CLIENT span alone tells this error.
    #[must_use]
    pub fn client_error(self, error: &'static str) -> Pass {
        Pass { errors: [None, Some(error)], ..self }
    }

    /// Both spans last at least so long.
    #[must_use]
    pub fn lasts(self, time: Duration) -> Pass {
        Pass { lasts: time, ..self }
    }
}

/// When an exchange began and ended, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// What the spans of one trace have to be: a row of passes below `parent`.
pub(super) struct Expected<'a> {
    pub(super) passes: &'a [Pass],
    pub(super) parent: &'a str,
    /// The status that the client got.
    pub(super) answered: Option<u16>,
    pub(super) times: Times,
}

impl Expected<'_> {
    /// Holds all spans of the trace against this; the CLIENT spans' ids.
    pub(super) fn check(&self, spans: &[Span]) -> Result<Vec<String>, String> {
        let chain = chain(spans, self.parent).map_err(|why| format!("{why}: {}", told(spans)))?;
        if chain.len() != 2 * self.passes.len() {
            return Err(format!("{} passes expected, spans are {}", self.passes.len(), told(spans)));
        }
        for (pass, pair) in self.passes.iter().zip(chain.chunks(2)) {
            let [server, client] = [pair[0], pair[1]];
            self.check_span(pass, server, SERVER, pass.errors[0])?;
            self.check_span(pass, client, CLIENT, pass.errors[1])?;
            let is_within = client.start_time_unix_nano >= server.start_time_unix_nano
                && client.end_time_unix_nano <= server.end_time_unix_nano;
            if !is_within {
                return Err(format!("the CLIENT span is not within the SERVER span: {client:?} {server:?}"));
            }
        }
        Ok(chain.iter().skip(1).step_by(2).map(|span| hex(&span.span_id)).collect())
    }

    fn check_span(&self, pass: &Pass, span: &Span, kind: u8, error: Option<&str>) -> Result<(), String> {
        let expected = Told {
            name: pass.name.clone(),
            kind: i32::from(kind),
            status: pass.status.unwrap_or(self.answered).map(|status| status.to_string()),
            grpc: pass.grpc.map(str::to_owned),
            error: error.map(str::to_owned),
        };
        let told = Told::of(span);
        if told != expected {
            return Err(format!("a span is {told:?}\n    and not {expected:?}"));
        }
        check_times(span, pass, self.times)
    }
}

fn check_times(span: &Span, pass: &Pass, times: Times) -> Result<(), String> {
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let slack = u64::try_from(SLACK.as_nanos()).expect("a short time");
    let lasted = Duration::from_nanos(end.saturating_sub(start));
    if start + slack < times.begin || end > times.end + slack || lasted < pass.lasts {
        let (early, late) =
            (start.wrapping_sub(times.begin).cast_signed(), times.end.wrapping_sub(end).cast_signed());
        return Err(format!(
            "a span of {lasted:?} where at least {:?} are expected, began {early} ns after the exchange and ended \
             {late} ns before its end",
            pass.lasts
        ));
    }
    Ok(())
}

/// What a span says of what is expected of it.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    name: String,
    kind: i32,
    status: Option<String>,
    grpc: Option<String>,
    /// `error.type`; only there, and always, where the span's status is an error.
    error: Option<String>,
}

impl Told {
    fn of(span: &Span) -> Told {
        let attributes: BTreeMap<&str, String> = span
            .attributes
            .iter()
            .filter_map(|attribute| {
                let text = match attribute.value.as_ref()?.value.as_ref()? {
                    Value::StringValue(text) => text.clone(),
                    Value::IntValue(number) => number.to_string(),
                    other => format!("{other:?}"),
                };
                Some((attribute.key.as_str(), text))
            })
            .collect();
        let is_error = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        let error = attributes.get("error.type").cloned();
        Told {
            name: span.name.clone(),
            kind: span.kind,
            status: attributes.get("http.response.status_code").cloned(),
            grpc: attributes.get("rpc.response.status_code").cloned(),
            error: match (is_error, error) {
                (false, Some(error)) => Some(format!("{error}, but the span is none")),
                (true, None) => Some("an error without error.type".to_owned()),
                (_, error) => error,
            },
        }
    }
}

/// The spans from the one below `parent` on, each the only child of the one before.
fn chain<'a>(spans: &'a [Span], parent: &str) -> Result<Vec<&'a Span>, String> {
    let mut chain = Vec::new();
    let mut parent = parent.to_owned();
    loop {
        let children: Vec<_> = spans.iter().filter(|span| hex(&span.parent_span_id) == parent).collect();
        match children[..] {
            [] if chain.len() == spans.len() => return Ok(chain),
            [] => return Err("spans that hang on nothing".to_owned()),
            [child] => chain.push(child),
            _ => return Err(format!("several spans below {parent}")),
        }
        parent = hex(&children[0].span_id);
    }
}

fn told(spans: &[Span]) -> String {
    let told = spans.iter().map(|span| format!("\n    {:?}", Told::of(span)));
    if spans.is_empty() { "none".to_owned() } else { told.collect() }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
