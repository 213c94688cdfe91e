//! One span's identity ([`SpanContext`]), and all that a request's headers said about the trace
//! that it belongs to ([`TraceContext`]). How headers spell it is `propagation`'s affair.

use crate::ids::{SpanId, TraceId};

/// The trace flags byte. W3C Trace Context Level 2 §3.2.2.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// The caller may have recorded the trace.
    pub const SAMPLED: u8 = 0x01;
    /// At least the low 56 bits of the trace id are random (Level 2).
    pub const RANDOM: u8 = 0x02;

    /// Flags with only the known bits of `byte`.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte & (Self::SAMPLED | Self::RANDOM))
    }

    /// Flags from their two known bits.
    pub const fn new(sampled: bool, random: bool) -> Self {
        Self((sampled as u8 * Self::SAMPLED) | (random as u8 * Self::RANDOM))
    }

    /// The byte as it goes onto the wire.
    pub const fn as_byte(self) -> u8 {
        self.0
    }

    /// Whether the sampled bit is set.
    pub const fn sampled(self) -> bool {
        self.0 & Self::SAMPLED != 0
    }

    /// Whether the random bit is set.
    pub const fn random(self) -> bool {
        self.0 & Self::RANDOM != 0
    }
}

/// A validated `tracestate`: the list as it goes onto the wire, possibly empty.
/// `propagation::tracestate` owns the grammar and makes these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState(pub(crate) String);

impl TraceState {
    /// The header's value; empty if there is nothing to send.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The identity of one span: what a child, here or in another process, needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace that the span belongs to.
    pub trace_id: TraceId,
    /// The span itself.
    pub span_id: SpanId,
    /// Sampled and random bits.
    pub flags: TraceFlags,
    /// Vendors' state, validated.
    pub trace_state: TraceState,
}

/// The sampling decision that a request's headers carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingDecision {
    /// Record: W3C sampled bit, B3 `1`.
    Accept,
    /// Record, and do not let any sampler say otherwise: B3 `d` or `x-b3-flags: 1`.
    Debug,
    /// Do not record: W3C bit clear, B3 `0`.
    Deny,
    /// The caller leaves the decision to us: B3 with no sampling state.
    Defer,
}

/// Ids that a caller sent: its trace, and the span that is to be our parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteParent {
    /// The caller's trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    /// Whether the caller says that the trace id's low 56 bits are random.
    pub random: bool,
}

/// All that a request's headers said about tracing, in the one format that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The format that counts.
    pub format: Format,
    /// The caller's ids; B3 may carry a decision alone.
    pub parent: Option<RemoteParent>,
    /// The caller's sampling decision.
    pub decision: IncomingDecision,
    /// Vendors' state; only W3C has any.
    pub trace_state: TraceState,
}

/// A wire format of trace context. The names are those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// W3C `traceparent` and `tracestate`.
    TraceContext,
    /// OpenCensus `grpc-trace-bin`.
    GrpcTraceBin,
    /// B3 in one header, `b3`.
    B3,
    /// B3 in several headers, `x-b3-*`.
    B3Multi,
}
