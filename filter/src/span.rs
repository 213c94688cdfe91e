//! A span while it lasts ([`ActiveSpan`]) and once it has ended ([`FinishedSpan`]).
//! What its attributes are called is `attributes`' affair, how it is spelt on the wire `otlp`'s.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/api/#span>

use std::borrow::Cow;

use crate::attributes::Attributes;
use crate::context::SpanContext;
use crate::ids::SpanId;
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

/// A span that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveSpan {
    /// Its identity.
    pub context: SpanContext,
    /// Its parent; none for the root of a trace.
    pub parent: Option<Parent>,
    /// Its role.
    pub kind: SpanKind,
    /// Its name, of low cardinality.
    pub name: Cow<'static, str>,
    /// When it began.
    pub start: Timestamp,
    /// What is known of it so far.
    pub attributes: Attributes,
}

impl ActiveSpan {
    /// Ends the span at `end`, or at its start if `end` is earlier (rule of OTLP: end ≥ start).
    pub fn end(self, end: Timestamp, status: Status) -> FinishedSpan {
        let end = end.max(self.start);
        FinishedSpan { span: self, end, status }
    }
}

/// A span that has ended, ready to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedSpan {
    /// All that was known before it ended.
    pub span: ActiveSpan,
    /// When it ended, never before its start.
    pub end: Timestamp,
    /// How it ended.
    pub status: Status,
}
