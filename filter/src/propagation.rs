//! Trace context in headers: which formats are there, which one counts, what goes onward.
//! One module below per format; none knows where headers come from.
//! Spec: <https://www.w3.org/TR/trace-context-2/>, <https://github.com/openzipkin/b3-propagation>

pub mod b3;
pub mod baggage;
pub mod grpc_bin;
pub mod tracestate;
pub mod w3c;

use crate::context::{Format, SpanContext, TraceContext};
use crate::headers::Headers;

/// Where propagation writes. The plugin writes to the proxy's map, tests to a list.
pub trait Injector {
    /// Makes `value` the only value of `name` (lower case).
    fn set(&mut self, name: &str, value: &[u8]);
    /// Removes every value of `name` (lower case).
    fn remove(&mut self, name: &str);
}

/// Which formats go onward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inject {
    /// The format that counted; the first in `extract` for a new trace.
    Same,
    /// Exactly these.
    Formats(Vec<Format>),
}

/// What becomes of headers whose format was there but did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LosingHeaders {
    /// Forward those that name the same trace, remove those that name another.
    RemoveOtherTrace,
    /// Leave them all, as Linkerd does.
    Leave,
    /// Advance every format that is there together.
    Rewrite,
}

/// What the headers said, and what `inject` has to know of them.
#[derive(Clone, Debug, Default)]
pub struct Extraction {
    /// The context that counts, if any.
    pub context: Option<TraceContext>,
    /// How many formats were there and invalid (metric `meshspan_context_invalid`).
    pub invalid: u32,
}

/// Reads and writes trace context by a fixed policy.
#[derive(Clone, Debug)]
pub struct Propagator {
    /// Formats in order of precedence.
    pub extract: Vec<Format>,
    /// Formats that go onward.
    pub inject: Inject,
    /// The fate of the others.
    pub losing_headers: LosingHeaders,
}

impl Propagator {
    /// Reads the context that counts.
    pub fn extract(&self, _headers: &Headers<'_>) -> Extraction {
        Extraction::default()
    }

    /// Writes `span` as the parent of whatever comes next; `debug` keeps B3's `d`.
    pub fn inject(
        &self,
        _headers: &Headers<'_>,
        _extraction: &Extraction,
        _span: &SpanContext,
        _debug: bool,
        _out: &mut impl Injector,
    ) {
    }
}
