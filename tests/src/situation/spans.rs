//! The spans that a situation gives: what is expected of them, and whether they are so.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::spans::{CLIENT, SERVER};

/// How far clocks of two processes and their times of noticing may be apart.
const SLACK: Duration = Duration::from_secs(1);

/// `error.type` of an attempt that nothing came back for.
const NO_RESPONSE: &str = "no_response";

/// One pass through the filter: a SERVER span and, below it, a CLIENT span, or one for each attempt.
#[derive(Clone, Debug)]
pub struct Pass {
    name: String,
    /// None for the one that the client gets.
    status: Option<Option<u16>>,
    grpc: Option<&'static str>,
    /// Of the SERVER and of the CLIENT span.
    errors: [Option<&'static str>; 2],
    lasts: Duration,
    /// Of the CLIENT span that stands for all attempts.
    resends: Option<u16>,
    /// What came back for each, where each has a CLIENT span of its own.
    attempts: Vec<Option<u16>>,
}

/// A pass whose spans are called `name`, have the status that the client gets, and tell no error.
pub fn pass(name: &str) -> Pass {
    let (name, lasts) = (name.to_owned(), Duration::ZERO);
    Pass { name, status: None, grpc: None, errors: [None; 2], lasts, resends: None, attempts: Vec::new() }
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

    /// The CLIENT span stands for the first attempt and so many more.
    #[must_use]
    pub fn resends(self, count: u16) -> Pass {
        Pass { resends: Some(count), ..self }
    }

    /// A CLIENT span of its own for an attempt, to which the upstream answers with this status.
    #[must_use]
    pub fn attempt(mut self, status: u16) -> Pass {
        self.attempts.push(Some(status));
        self
    }

    /// A CLIENT span of its own for an attempt that nothing comes back for.
    #[must_use]
    pub fn lost_attempt(mut self) -> Pass {
        self.attempts.push(None);
        self
    }

    /// How many spans it gives.
    pub(super) fn spans(&self) -> usize {
        1 + self.attempts.len().max(1)
    }

    /// What the SERVER span has to tell.
    fn server(&self, answered: Option<u16>) -> Told {
        Told {
            name: self.name.clone(),
            kind: i32::from(SERVER),
            status: self.status.unwrap_or(answered).map(|status| status.to_string()),
            grpc: self.grpc.map(str::to_owned),
            resend: None,
            error: self.errors[0].map(str::to_owned),
        }
    }

    /// What the CLIENT spans have to tell, in the order of attempts.
    fn clients(&self, answered: Option<u16>) -> Vec<Told> {
        let (kind, server) = (i32::from(CLIENT), self.server(answered));
        if self.attempts.is_empty() {
            let resend = self.resends.map(|count| count.to_string());
            return vec![Told { kind, resend, error: self.errors[1].map(str::to_owned), ..server }];
        }
        let attempts = self.attempts.iter().enumerate();
        let attempt = |(place, status): (usize, &Option<u16>)| Told {
            kind,
            status: status.map(|status| status.to_string()),
            resend: (place > 0).then(|| place.to_string()),
            error: match status {
                Some(status) => (*status >= 400).then(|| status.to_string()),
                None => Some(NO_RESPONSE.to_owned()),
            },
            ..server.clone()
        };
        attempts.map(attempt).collect()
    }
}

/// When an exchange began and ended, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Just before.
    pub begin: u64,
    /// Just after.
    pub end: u64,
}

/// What the spans of one trace have to be: a row of passes below `parent`.
pub(crate) struct Expected<'a> {
    pub(crate) passes: &'a [Pass],
    pub(crate) parent: &'a str,
    /// The status that the client got.
    pub(crate) answered: Option<u16>,
    pub(crate) times: Times,
}

impl Expected<'_> {
    /// Holds all spans of the trace against this; the CLIENT spans' ids.
    pub(crate) fn check(&self, spans: &[Span]) -> Result<Vec<String>, String> {
        let expected: usize = self.passes.iter().map(Pass::spans).sum();
        if spans.len() != expected {
            return Err(format!("{expected} spans expected, they are {}", told(spans)));
        }
        let (mut parent, mut ids) = (self.parent.to_owned(), Vec::new());
        for pass in self.passes {
            let servers = below(spans, &parent);
            let [server] = servers[..] else {
                return Err(format!("{} spans below {parent}: {}", servers.len(), told(spans)));
            };
            let clients = below(spans, &hex(&server.span_id));
            check_told(&[server], &[pass.server(self.answered)])?;
            check_told(&clients, &pass.clients(self.answered))?;
            check_times(server, pass.lasts, self.times)?;
            for client in &clients {
                let lasts = if pass.attempts.is_empty() { pass.lasts } else { Duration::ZERO };
                check_times(client, lasts, self.times)?;
                check_within(client, server)?;
            }
            ids.extend(clients.iter().map(|client| hex(&client.span_id)));
            parent = ids.last().cloned().unwrap_or_default();
        }
        Ok(ids)
    }

    /// Holds the only span of a single pass that came against this; whose child it is, nobody asks.
    pub(crate) fn check_alone(&self, span: &Span) -> Result<(), String> {
        let [pass] = self.passes else { return Err("several passes".to_owned()) };
        let mut expected = pass.clients(self.answered);
        if span.kind == i32::from(SERVER) {
            expected = vec![pass.server(self.answered)];
        }
        check_told(&[span], &expected)?;
        check_times(span, pass.lasts, self.times)
    }
}

fn check_told(spans: &[&Span], expected: &[Told]) -> Result<(), String> {
    let told: Vec<_> = spans.iter().map(|span| Told::of(span)).collect();
    if told == expected { Ok(()) } else { Err(format!("spans are {told:#?}\n    and not {expected:#?}")) }
}

fn check_within(client: &Span, server: &Span) -> Result<(), String> {
    let is_within = client.start_time_unix_nano >= server.start_time_unix_nano
        && client.end_time_unix_nano <= server.end_time_unix_nano;
    is_within
        .then_some(())
        .ok_or_else(|| format!("the CLIENT span is not within the SERVER span: {client:?} {server:?}"))
}

fn check_times(span: &Span, lasts: Duration, times: Times) -> Result<(), String> {
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let slack = u64::try_from(SLACK.as_nanos()).expect("a short time");
    let lasted = Duration::from_nanos(end.saturating_sub(start));
    if start + slack < times.begin || end > times.end + slack || lasted < lasts {
        let (early, late) =
            (start.wrapping_sub(times.begin).cast_signed(), times.end.wrapping_sub(end).cast_signed());
        return Err(format!(
            "a span of {lasted:?} where at least {lasts:?} are expected, began {early} ns after the exchange and \
             ended {late} ns before its end"
        ));
    }
    Ok(())
}

/// What a span says of what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: String,
    kind: i32,
    status: Option<String>,
    grpc: Option<String>,
    /// `http.request.resend_count`.
    resend: Option<String>,
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
            resend: attributes.get("http.request.resend_count").cloned(),
            error: match (is_error, error) {
                (false, Some(error)) => Some(format!("{error}, but the span is none")),
                (true, None) => Some("an error without error.type".to_owned()),
                (_, error) => error,
            },
        }
    }
}

/// The spans whose parent this is, in the order of resends.
fn below<'a>(spans: &'a [Span], parent: &str) -> Vec<&'a Span> {
    let mut below: Vec<_> = spans.iter().filter(|span| hex(&span.parent_span_id) == parent).collect();
    below.sort_by_key(|span| Told::of(span).resend);
    below
}

fn told(spans: &[Span]) -> String {
    let told = spans.iter().map(|span| format!("\n    {:?}", Told::of(span)));
    if spans.is_empty() { "none".to_owned() } else { told.collect() }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
