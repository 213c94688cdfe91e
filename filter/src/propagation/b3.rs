//! B3 propagation: the `b3` header and the `x-b3-*` family.
//! Knows nothing of precedence between the two; `Propagator` does.
//! Spec: <https://github.com/openzipkin/b3-propagation>
//!
//! `b3: 80f1…-e457…-1` → trace 80f1…, parent e457…, accept

use super::{Carrier, Injector, Reading, Values, concat, trim};
use crate::context::{Format, IncomingDecision, RemoteParent, SpanContext, TraceContext, TraceState};
use crate::ids::{IdError, SpanId, TraceId};

/// The single header.
pub const B3: &str = "b3";
/// The trace id, 32 or 16 digits.
pub const TRACE_ID: &str = "x-b3-traceid";
/// The caller's span, 16 digits.
pub const SPAN_ID: &str = "x-b3-spanid";
/// The caller's parent, which we never read nor send.
pub const PARENT_SPAN_ID: &str = "x-b3-parentspanid";
/// The sampling decision, `1` or `0`.
pub const SAMPLED: &str = "x-b3-sampled";
/// `1` is debug; everything else says nothing.
pub const FLAGS: &str = "x-b3-flags";

/// Characters of the `b3` that we write: two ids and a state.
pub const LEN: usize = 32 + 1 + 16 + 1 + 1;

/// Why B3 headers are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum B3Error {
    /// One field that is no decision, or more than four fields.
    #[error("b3 is neither a decision alone nor two to four fields divided by `-`")]
    Fields,
    /// The trace id is not one.
    #[error("b3 trace id, where 16 hex digits are allowed too: {0}")]
    TraceId(#[source] IdError),
    /// The span id is not one.
    #[error("b3 span id: {0}")]
    SpanId(#[source] IdError),
    /// The parent span id is not one.
    #[error("b3 parent span id: {0}")]
    ParentSpanId(#[source] IdError),
    /// The sampling state is not one.
    #[error("b3 sampling state is none of 0, 1, d, true and false")]
    State,
}

/// What B3 headers say: ids or a decision or both.
pub type B3Context = (Option<RemoteParent>, IncomingDecision);

/// Parses the value of `b3` without surrounding white space: a decision alone, or trace id and span
/// id, optionally followed by a sampling state, then by a parent span id, which is checked and dropped.
///
/// # Errors
/// [`B3Error`] names the rule broken. B3 propagation, "Single Header".
pub fn parse_single(value: &[u8]) -> Result<B3Context, B3Error> {
    let mut fields = value.split(|byte| *byte == b'-');
    let first = fields.next().unwrap_or_default();
    let Some(span_id) = fields.next() else {
        return Ok((None, parse_state(first).map_err(|_| B3Error::Fields)?));
    };
    let parent = parse_ids(first, span_id)?;
    let decision = fields.next().map_or(Ok(IncomingDecision::Defer), parse_state)?;
    match fields.next().map(SpanId::parse) {
        // A root span's parent is sent as zeros by some.
        None | Some(Ok(_) | Err(IdError::Zero)) => {}
        Some(Err(error)) => return Err(B3Error::ParentSpanId(error)),
    }
    match fields.next() {
        None => Ok((Some(parent), decision)),
        Some(_) => Err(B3Error::Fields),
    }
}

/// The `b3` that names `span` as parent; `d` if `debug`.
pub fn format_single(span: &SpanContext, debug: bool) -> [u8; LEN] {
    let state: &[u8] = if debug { b"d" } else { state(span) };
    concat(&[&span.trace_id.to_hex(), b"-", &span.span_id.to_hex(), b"-", state])
}

fn state(span: &SpanContext) -> &'static [u8] {
    if span.flags.sampled() { b"1" } else { b"0" }
}

fn parse_ids(trace_id: &[u8], span_id: &[u8]) -> Result<RemoteParent, B3Error> {
    Ok(RemoteParent {
        trace_id: parse_trace_id(trace_id).map_err(B3Error::TraceId)?,
        span_id: SpanId::parse(span_id).map_err(B3Error::SpanId)?,
        random: false,
    })
}

/// Parses 32 digits, or 16 that are padded with zeros on the left.
fn parse_trace_id(hex: &[u8]) -> Result<TraceId, IdError> {
    if hex.len() == 2 * SpanId::SIZE {
        let low = SpanId::parse(hex)?;
        TraceId::from_bytes(concat(&[&[0; 8], low.as_bytes()]))
    } else {
        TraceId::parse(hex)
    }
}

/// Parses a decision; `true` and `false` are what tracers sent before B3 was written down.
fn parse_state(state: &[u8]) -> Result<IncomingDecision, B3Error> {
    match state {
        b"1" => Ok(IncomingDecision::Accept),
        b"0" => Ok(IncomingDecision::Deny),
        b"d" => Ok(IncomingDecision::Debug),
        word if word.eq_ignore_ascii_case(b"true") => Ok(IncomingDecision::Accept),
        word if word.eq_ignore_ascii_case(b"false") => Ok(IncomingDecision::Deny),
        _ => Err(B3Error::State),
    }
}

fn reading(format: Format, parsed: Result<B3Context, B3Error>) -> Reading {
    parsed.map_or(Reading::Invalid, |(parent, decision)| {
        Reading::Valid(TraceContext { format, parent, decision, trace_state: TraceState::default() })
    })
}

/// A request's `b3`.
#[derive(Clone, Debug, Default)]
pub(super) struct Single<'a>(Values<'a>);

impl<'a> Carrier<'a> for Single<'a> {
    fn offer(&mut self, name: &[u8], value: &'a [u8]) {
        self.0.offer(B3, name, value);
    }

    fn read(&self) -> Reading {
        match self.0.only() {
            _ if self.0.is_absent() => Reading::Absent,
            Some(value) => reading(Format::B3, parse_single(value)),
            None => Reading::Invalid,
        }
    }

    fn write(&self, span: &SpanContext, debug: bool, out: &mut dyn Injector) {
        self.0.set(B3, &format_single(span, debug), out);
    }

    fn remove(&self, out: &mut dyn Injector) {
        self.0.remove(B3, out);
    }
}

/// A request's `x-b3-*` headers.
#[derive(Clone, Debug, Default)]
pub(super) struct Multi<'a> {
    trace_id: Values<'a>,
    span_id: Values<'a>,
    parent_span_id: Values<'a>,
    sampled: Values<'a>,
    flags: Values<'a>,
}

impl Multi<'_> {
    /// The decision; of repeated state headers the first counts (B3 propagation, "Multiple Headers").
    fn decision(&self) -> Result<IncomingDecision, B3Error> {
        match (self.flags.first.map(trim), self.sampled.first.map(trim)) {
            (Some(b"1"), _) => Ok(IncomingDecision::Debug),
            (_, None | Some(b"")) => Ok(IncomingDecision::Defer),
            (_, Some(sampled)) => parse_state(sampled),
        }
    }
}

impl<'a> Carrier<'a> for Multi<'a> {
    fn offer(&mut self, name: &[u8], value: &'a [u8]) {
        self.trace_id.offer(TRACE_ID, name, value);
        self.span_id.offer(SPAN_ID, name, value);
        self.parent_span_id.offer(PARENT_SPAN_ID, name, value);
        self.sampled.offer(SAMPLED, name, value);
        self.flags.offer(FLAGS, name, value);
    }

    /// Without ids and without a decision the family says nothing, as if it were absent.
    fn read(&self) -> Reading {
        let decision = self.decision();
        if self.trace_id.is_absent() && self.span_id.is_absent() {
            return match decision {
                Ok(IncomingDecision::Defer) => Reading::Absent,
                decision => reading(Format::B3Multi, decision.map(|decision| (None, decision))),
            };
        }
        let (Some(trace_id), Some(span_id)) = (self.trace_id.only(), self.span_id.only()) else {
            return Reading::Invalid;
        };
        let parsed = parse_ids(trace_id, span_id).and_then(|parent| Ok((Some(parent), decision?)));
        reading(Format::B3Multi, parsed)
    }

    fn write(&self, span: &SpanContext, debug: bool, out: &mut dyn Injector) {
        self.trace_id.set(TRACE_ID, &span.trace_id.to_hex(), out);
        self.span_id.set(SPAN_ID, &span.span_id.to_hex(), out);
        self.parent_span_id.remove(PARENT_SPAN_ID, out);
        if debug {
            self.flags.set(FLAGS, b"1", out);
            self.sampled.remove(SAMPLED, out);
        } else {
            self.flags.remove(FLAGS, out);
            self.sampled.set(SAMPLED, state(span), out);
        }
    }

    fn remove(&self, out: &mut dyn Injector) {
        self.trace_id.remove(TRACE_ID, out);
        self.span_id.remove(SPAN_ID, out);
        self.parent_span_id.remove(PARENT_SPAN_ID, out);
        self.sampled.remove(SAMPLED, out);
        self.flags.remove(FLAGS, out);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use IncomingDecision::{Accept, Debug, Defer, Deny};

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn expand(text: &str) -> String {
        text.replace("{T}", TRACE).replace("{S}", SPAN)
    }

    #[test]
    fn rules_16_to_19_single_is_read() {
        let low = format!("0000000000000000{SPAN}");
        let rows = [
            ("{T}-{S}", Some(TRACE), Defer, "rule 17: no state leaves it to us"),
            ("{T}-{S}-1", Some(TRACE), Accept, "the specification's own example"),
            ("{T}-{S}-0", Some(TRACE), Deny, "deny"),
            ("{T}-{S}-d", Some(TRACE), Debug, "rule 18: debug"),
            ("{T}-{S}-true", Some(TRACE), Accept, "rule 17: what old tracers send"),
            ("{T}-{S}-False", Some(TRACE), Deny, "rule 17: in any case"),
            ("{T}-{S}-1-05e3ac9a4f6e3b90", Some(TRACE), Accept, "with a parent span id"),
            ("{T}-{S}-1-0000000000000000", Some(TRACE), Accept, "a root's parent as some write it"),
            ("{S}-{S}-1", Some(low.as_str()), Accept, "rule 16: 64 bits"),
            ("0", None, Deny, "rule 19: a decision alone"),
            ("1", None, Accept, "rule 19: a decision alone"),
            ("d", None, Debug, "rule 19: a decision alone"),
        ];
        for (text, trace_id, decision, reason) in rows {
            let (parent, found) = parse_single(expand(text).as_bytes()).expect(reason);
            assert_eq!(parent.map(|parent| parent.trace_id.to_string()).as_deref(), trace_id, "{reason}");
            assert!(
                parent.is_none_or(|parent| parent.span_id.to_string() == SPAN && !parent.random),
                "{reason}"
            );
            assert_eq!(found, decision, "{reason}");
        }
    }

    #[test]
    fn rules_16_to_19_single_is_read_strictly() {
        let length = |expected, found| IdError::Length { expected, found };
        let rows = [
            ("", B3Error::Fields, "empty"),
            ("2", B3Error::Fields, "no decision"),
            ("{T}", B3Error::Fields, "a trace id alone"),
            ("D", B3Error::Fields, "states are lower case"),
            ("1-", B3Error::TraceId(length(32, 1)), "a decision and a dash"),
            ("{T}-", B3Error::SpanId(length(16, 0)), "no span id"),
            ("-{S}-1", B3Error::TraceId(length(32, 0)), "no trace id"),
            ("{T}0-{S}", B3Error::TraceId(length(32, 33)), "a trace id too long"),
            ("{S}0-{S}", B3Error::TraceId(length(32, 17)), "neither 16 nor 32 digits"),
            ("80F198EE56343BA864FE8B2A57D3EFF7-{S}", B3Error::TraceId(IdError::Alphabet), "B3 is lower-hex"),
            ("E457B5A2E4D86BD1-{S}", B3Error::TraceId(IdError::Alphabet), "B3 is lower-hex, 64 bits too"),
            ("{T}-E457B5A2E4D86BD1", B3Error::SpanId(IdError::Alphabet), "B3 is lower-hex"),
            ("00000000000000000000000000000000-{S}", B3Error::TraceId(IdError::Zero), "zero trace id"),
            ("0000000000000000-{S}", B3Error::TraceId(IdError::Zero), "zero trace id of 64 bits"),
            ("{T}-0000000000000000", B3Error::SpanId(IdError::Zero), "zero span id"),
            ("{T}-{S}-", B3Error::State, "an empty state"),
            ("{T}-{S}-2", B3Error::State, "an unknown state"),
            ("{T}-{S}-11", B3Error::State, "a state too long"),
            ("{T}-{S}-{S}", B3Error::State, "a parent in the state's place"),
            ("{T}-{S}-1-{S}0", B3Error::ParentSpanId(length(16, 17)), "a parent too long"),
            ("{T}-{S}-1-{S}-1", B3Error::Fields, "a fifth field"),
            ("{T}-{S}-\u{e9}", B3Error::State, "not ASCII"),
        ];
        for (text, error, reason) in rows {
            assert_eq!(parse_single(expand(text).as_bytes()), Err(error), "{reason}");
        }
    }

    #[test]
    fn rules_17_to_19_multi_is_read() {
        let ids = [(TRACE_ID, TRACE), (SPAN_ID, SPAN)];
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<IncomingDecision>, &'a str);
        let rows: [Row<'_>; 12] = [
            (&[], Some(Defer), "no state leaves it to us"),
            (&[(SAMPLED, "")], Some(Defer), "an empty state says as much as none"),
            (&[(SAMPLED, "1")], Some(Accept), "accept"),
            (&[(SAMPLED, " 0\t")], Some(Deny), "white space around"),
            (&[(SAMPLED, "TRUE")], Some(Accept), "rule 17: in any case"),
            (&[(SAMPLED, "d")], Some(Debug), "rule 17: the single header's word"),
            (&[(SAMPLED, "2")], None, "an unknown state"),
            (&[(FLAGS, "1")], Some(Debug), "rule 18"),
            (&[(SAMPLED, "0"), (FLAGS, "1")], Some(Debug), "rule 18: debug implies accept"),
            (&[(SAMPLED, "0"), (FLAGS, "0")], Some(Deny), "other flags say nothing"),
            (&[(PARENT_SPAN_ID, "x")], Some(Defer), "the parent's parent is not read"),
            (&[(SPAN_ID, SPAN)], None, "two span ids name no one parent"),
        ];
        for (more, expected, reason) in rows {
            let mut multi = Multi::default();
            for (name, value) in ids.iter().chain(more) {
                multi.offer(name.as_bytes(), value.as_bytes());
            }
            let found = match multi.read() {
                Reading::Valid(context) => Some(context.decision),
                Reading::Invalid | Reading::Absent => None,
            };
            assert_eq!(found, expected, "{reason}");
        }
    }
}
