//! A span that has ended, as its parts lie where they were noted, ready to be encoded.
//! What its attributes are called is `attributes`' affair, how it is spelt on the wire `otlp`'s.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/api/#span>

use crate::attributes::Attributes;
use crate::context::{TraceFlags, TraceState};
use crate::ids::{SpanId, TraceId};
use crate::time::Timestamp;

/// What a span stands for. The numbers are OTLP's `Span.SpanKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The proxy received the request.
    Server = 2,
    /// The proxy sent the request onward.
    Client = 3,
}

/// How a span ended. The numbers are OTLP's `Status.StatusCode`; `Ok` (1) is for applications only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing went wrong that this kind of span answers for.
    #[default]
    Unset = 0,
    /// The operation failed; `error.type` says how.
    Error = 2,
}

/// The span that another span is a child of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its id, in the same trace.
    pub span_id: SpanId,
    /// Whether it came in a request's headers, that is from another process.
    pub is_remote: bool,
}

/// Something that happened while a span lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub name: &'static str,
    /// When.
    pub time: Timestamp,
}

impl Event {
    /// The last byte of the request was there; no semantic convention names it.
    pub const REQUEST_END: &str = "request.end";
    /// The response's head was there; no semantic convention names it.
    pub const RESPONSE_START: &str = "response.start";
}

/// A span that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishedSpan<'a> {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// Sampled and random bits.
    pub flags: TraceFlags,
    /// Vendors' state.
    pub trace_state: &'a TraceState,
    /// Its parent; none for the root of a trace.
    pub parent: Option<Parent>,
    /// Its role.
    pub kind: SpanKind,
    /// Its name, of low cardinality.
    pub name: &'a str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; an end before the start counts as one at the start.
    pub end: Timestamp,
    /// What is known of it.
    pub attributes: &'a Attributes,
    /// How many attributes were more than a span may have.
    pub dropped_attributes: u32,
    /// What happened meanwhile.
    pub events: [Option<Event>; 2],
    /// How it ended.
    pub status: Status,
}
