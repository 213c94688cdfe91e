//! Trace context in headers: which formats are there, which one counts, what goes onward.
//! One module below per format; none knows where headers come from.
//! Spec: <https://www.w3.org/TR/trace-context-2/>, <https://github.com/openzipkin/b3-propagation>
//!
//! `traceparent: 00-4bf9…-00f0…-01` beside `b3: 80f1…-e457…-1` → trace 4bf9…, accept; `b3` goes.

pub mod b3;
pub mod baggage;
pub mod grpc_bin;
pub mod tracestate;
pub mod w3c;

use crate::context::{Format, SpanContext, TraceContext};
use crate::headers::Headers;
use crate::ids::TraceId;

/// Where propagation writes. The plugin writes to the proxy's map, tests to a list.
pub trait Injector {
    /// Makes `value` the only value of `name` (lower case), which may be there several times already.
    fn set(&mut self, name: &str, value: &[u8], is_repeated: bool);
    /// Removes every value of `name` (lower case), which is there.
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

/// What becomes of headers of a format in `extract` that is not the one written.
///
/// A format that is in neither `extract` nor `inject` is none of ours and never touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LosingHeaders {
    /// Forward those that name the same trace, remove those that name another, so that no request
    /// carries two traces.
    ///
    /// Invalid headers may name anything, so they go too, and a `tracestate` without `traceparent`
    /// belongs to no trace. A decision alone (`b3: 0`) names no trace, so it stays.
    RemoveOtherTrace,
    /// Leave them all, as Linkerd does.
    Leave,
    /// Advance every format that is there together, valid or not.
    Rewrite,
}

/// What the headers said.
#[derive(Clone, Debug, Default)]
pub struct Extraction<'a> {
    /// The context that counts, if any.
    pub context: Option<TraceContext>,
    /// How many formats were there and invalid (metric `meshspan_context_invalid`).
    pub invalid: u32,
    /// The headers themselves.
    found: Found<'a>,
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
    /// Reads the context that counts: that of the first format in `extract` that is there and valid.
    pub fn extract<'a>(&self, headers: &Headers<'a>) -> Extraction<'a> {
        let mut extraction = Extraction { found: Found::new(headers), ..Extraction::default() };
        for format in &self.extract {
            match extraction.found.carrier(*format).read() {
                Reading::Absent => {}
                Reading::Invalid => extraction.invalid += 1,
                Reading::Valid(context) => {
                    extraction.context.get_or_insert(context);
                }
            }
        }
        extraction
    }

    /// Writes `span` as the parent of whatever comes next; `debug` keeps B3's `d`. Only what differs
    /// from the headers that `extraction` was read from is written.
    pub fn inject(
        &self,
        extraction: &Extraction<'_>,
        span: &SpanContext,
        debug: bool,
        out: &mut impl Injector,
    ) {
        for format in FORMATS {
            let carrier = extraction.found.carrier(format);
            match self.fate(format, extraction, carrier, span.trace_id) {
                Fate::Write => carrier.write(span, debug, out),
                Fate::Remove => carrier.remove(out),
                Fate::Leave => {}
            }
        }
    }

    /// Whether `format` is one that goes onward for `extraction`.
    pub fn goes_onward(&self, format: Format, extraction: &Extraction<'_>) -> bool {
        match &self.inject {
            Inject::Formats(formats) => formats.contains(&format),
            Inject::Same => {
                let counted = extraction.context.as_ref().map(|context| context.format);
                counted.or(self.extract.first().copied()) == Some(format)
            }
        }
    }

    fn fate(
        &self,
        format: Format,
        extraction: &Extraction<'_>,
        carrier: &dyn Carrier<'_>,
        trace_id: TraceId,
    ) -> Fate {
        if self.goes_onward(format, extraction) {
            return Fate::Write;
        }
        if !self.extract.contains(&format) {
            return Fate::Leave;
        }
        match self.losing_headers {
            LosingHeaders::Leave => Fate::Leave,
            LosingHeaders::Rewrite if matches!(carrier.read(), Reading::Absent) => Fate::Leave,
            LosingHeaders::Rewrite => Fate::Write,
            LosingHeaders::RemoveOtherTrace if may_stay(format, &carrier.read(), trace_id) => Fate::Leave,
            LosingHeaders::RemoveOtherTrace => Fate::Remove,
        }
    }
}

/// Whether a losing format's headers may stand beside `trace_id` ([`LosingHeaders::RemoveOtherTrace`]).
fn may_stay(format: Format, reading: &Reading, trace_id: TraceId) -> bool {
    match reading {
        Reading::Absent => format != Format::TraceContext,
        Reading::Invalid => false,
        Reading::Valid(context) => context.parent.is_none_or(|parent| parent.trace_id == trace_id),
    }
}

/// What becomes of one format's headers.
enum Fate {
    Write,
    Remove,
    Leave,
}

const FORMATS: [Format; 4] = [Format::TraceContext, Format::GrpcTraceBin, Format::B3, Format::B3Multi];

/// What one format's headers say.
enum Reading {
    Absent,
    Invalid,
    Valid(TraceContext),
}

/// One format's headers in one request.
trait Carrier<'a> {
    /// Keeps `value` if `name`, in any case, is one of the format's.
    fn offer(&mut self, name: &[u8], value: &'a [u8]);
    /// What the headers kept say.
    fn read(&self) -> Reading;
    /// Makes the format name `span`.
    fn write(&self, span: &SpanContext, debug: bool, out: &mut dyn Injector);
    /// Removes all headers of the format that are there.
    fn remove(&self, out: &mut dyn Injector);
}

/// Every format's headers, collected in one pass.
#[derive(Clone, Debug, Default)]
struct Found<'a> {
    w3c: w3c::Carried<'a>,
    grpc_bin: grpc_bin::Carried<'a>,
    b3: b3::Single<'a>,
    b3_multi: b3::Multi<'a>,
}

impl<'a> Found<'a> {
    fn new(headers: &Headers<'a>) -> Self {
        let mut found = Self::default();
        for (name, value) in headers.iter().filter(|(name, _)| is_likely(name)) {
            found.w3c.offer(name, value);
            found.grpc_bin.offer(name, value);
            found.b3.offer(name, value);
            found.b3_multi.offer(name, value);
        }
        found
    }

    fn carrier(&self, format: Format) -> &dyn Carrier<'a> {
        match format {
            Format::TraceContext => &self.w3c,
            Format::GrpcTraceBin => &self.grpc_bin,
            Format::B3 => &self.b3,
            Format::B3Multi => &self.b3_multi,
        }
    }
}

/// Whether `name` may be one of any format's, by its length and first letter: most are not, and need
/// not be compared with each of them.
fn is_likely(name: &[u8]) -> bool {
    let letter = name.first().map(u8::to_ascii_lowercase);
    matches!(
        (name.len(), letter),
        (2, Some(b'b')) | (10 | 11, Some(b't')) | (14, Some(b'g')) | (10 | 11 | 12 | 17, Some(b'x'))
    )
}

/// The values of one header name.
#[derive(Clone, Copy, Debug, Default)]
struct Values<'a> {
    first: Option<&'a [u8]>,
    repeated: bool,
}

impl<'a> Values<'a> {
    /// Keeps `value` if `name` is `wanted` (lower case) in any case.
    #[inline]
    fn offer(&mut self, wanted: &str, name: &[u8], value: &'a [u8]) {
        // Most headers are none of ours: length and last byte say so before the rest is compared.
        let last = name.last().map(u8::to_ascii_lowercase);
        let likely = name.len() == wanted.len() && last.as_ref() == wanted.as_bytes().last();
        if likely && name.eq_ignore_ascii_case(wanted.as_bytes()) {
            self.repeated = self.first.is_some();
            self.first.get_or_insert(value);
        }
    }

    fn is_absent(&self) -> bool {
        self.first.is_none()
    }

    /// The value without surrounding white space, if there is exactly one.
    fn only(&self) -> Option<&'a [u8]> {
        self.first.filter(|_| !self.repeated).map(trim)
    }

    /// Sets `name` unless it has just this value already.
    fn set(&self, name: &str, value: &[u8], out: &mut dyn Injector) {
        if self.repeated || self.first != Some(value) {
            out.set(name, value, self.repeated);
        }
    }

    /// Removes `name` if it is there.
    fn remove(&self, name: &str, out: &mut dyn Injector) {
        if self.first.is_some() {
            out.remove(name);
        }
    }
}

/// `text` without leading and trailing spaces and tabs: HTTP's optional white space (RFC 9110 §5.6.3).
fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `parts`, which are `N` bytes together, one after the other.
fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let mut rest = out.as_mut_slice();
    for part in parts {
        let Some((slot, after)) = rest.split_at_mut_checked(part.len()) else { break };
        slot.copy_from_slice(part);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests;
