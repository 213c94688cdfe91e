//! W3C Trace Context: the `traceparent` header, and the care of its companion `tracestate`.
//! The grammar of `tracestate` is `tracestate`'s affair.
//! Spec: <https://www.w3.org/TR/trace-context-2/#traceparent-header>
//!
//! `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03` → trace 4bf9…, parent 00f0…, accept, random

use super::{Carrier, Injector, Reading, Values, concat, tracestate};
use crate::context::{Format, IncomingDecision, RemoteParent, SpanContext, TraceContext, TraceFlags};
use crate::ids::{IdError, SpanId, TraceId};

/// The header that names trace, parent and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The header of vendors' state.
pub const TRACESTATE: &str = "tracestate";

/// Characters of a `traceparent` of version 00; later versions have at least as many.
pub const LEN: usize = 55;

/// Why a `traceparent` is invalid. A new trace has to be started instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceparentError {
    /// Too short for its fields, or too long for version 00.
    #[error("traceparent has {0} characters, version 00 has 55 and later versions at least that")]
    Length(usize),
    /// The version is not two lower-case hex digits, or is `ff`.
    #[error("traceparent's version is not two lower-case hex digits below ff")]
    Version,
    /// Fields are not divided by `-`, or something other than `-` follows the flags.
    #[error("traceparent's fields are not divided by `-`")]
    Delimiter,
    /// The trace id is not one.
    #[error("traceparent's trace id: {0}")]
    TraceId(#[source] IdError),
    /// The parent id is not one.
    #[error("traceparent's parent id: {0}")]
    ParentId(#[source] IdError),
    /// The flags are not two lower-case hex digits.
    #[error("traceparent's flags are not two lower-case hex digits")]
    Flags,
}

/// Parses a `traceparent` without surrounding white space: exactly 55 characters for version 00,
/// 55 or more with a `-` after the flags for a later one. Flags we do not know are dropped.
///
/// # Errors
/// [`TraceparentError`] names the rule broken. W3C Trace Context Level 2 §3.2.
pub fn parse(value: &[u8]) -> Result<(TraceId, SpanId, TraceFlags), TraceparentError> {
    let (known, rest) = value.split_at_checked(LEN).ok_or(TraceparentError::Length(value.len()))?;
    let (version, known) = field::<2>(known)?;
    let version = hex_byte(version).filter(|version| *version != 0xff).ok_or(TraceparentError::Version)?;
    let (trace_id, known) = field::<32>(after_dash(known)?)?;
    let (parent_id, known) = field::<16>(after_dash(known)?)?;
    let (flags, _) = field::<2>(after_dash(known)?)?;
    if version == 0 && !rest.is_empty() {
        return Err(TraceparentError::Length(value.len()));
    }
    if !rest.is_empty() && !rest.starts_with(b"-") {
        return Err(TraceparentError::Delimiter);
    }
    Ok((
        TraceId::parse(trace_id).map_err(TraceparentError::TraceId)?,
        SpanId::parse(parent_id).map_err(TraceparentError::ParentId)?,
        TraceFlags::from_byte(hex_byte(flags).ok_or(TraceparentError::Flags)?),
    ))
}

/// The `traceparent` that names `span` as parent: version 00, only the flags that we know.
pub fn format(span: &SpanContext) -> [u8; LEN] {
    let flags = [b'0', b'0' + span.flags.as_byte()];
    concat(&[b"00-", &span.trace_id.to_hex(), b"-", &span.span_id.to_hex(), b"-", &flags])
}

fn field<const N: usize>(text: &[u8]) -> Result<(&[u8], &[u8]), TraceparentError> {
    text.split_at_checked(N).ok_or(TraceparentError::Delimiter)
}

fn after_dash(text: &[u8]) -> Result<&[u8], TraceparentError> {
    text.strip_prefix(b"-").ok_or(TraceparentError::Delimiter)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let mut byte = [0];
    let lower_case = !digits.iter().any(u8::is_ascii_uppercase);
    (lower_case && hex::decode_to_slice(digits, &mut byte).is_ok()).then_some(u8::from_be_bytes(byte))
}

/// A request's `traceparent` and `tracestate`.
#[derive(Default)]
pub(super) struct Carried<'a> {
    traceparent: Values<'a>,
    tracestate: Values<'a>,
    later_tracestates: Vec<&'a [u8]>,
}

impl<'a> Carrier<'a> for Carried<'a> {
    fn offer(&mut self, name: &[u8], value: &'a [u8]) {
        self.traceparent.offer(TRACEPARENT, name, value);
        self.tracestate.offer(TRACESTATE, name, value);
        if self.tracestate.repeated && name.eq_ignore_ascii_case(TRACESTATE.as_bytes()) {
            self.later_tracestates.push(value);
        }
    }

    fn read(&self) -> Reading {
        if self.traceparent.is_absent() {
            return Reading::Absent;
        }
        let Some(Ok((trace_id, span_id, flags))) = self.traceparent.only().map(parse) else {
            return Reading::Invalid;
        };
        let states = self.tracestate.first.into_iter().chain(self.later_tracestates.iter().copied());
        Reading::Valid(TraceContext {
            format: Format::TraceContext,
            parent: Some(RemoteParent { trace_id, span_id, random: flags.random() }),
            decision: if flags.sampled() { IncomingDecision::Accept } else { IncomingDecision::Deny },
            trace_state: tracestate::parse(states).unwrap_or_default(),
        })
    }

    fn write(&self, span: &SpanContext, _debug: bool, out: &mut dyn Injector) {
        self.traceparent.set(TRACEPARENT, &format(span), out);
        if span.trace_state.is_empty() {
            self.tracestate.remove(TRACESTATE, out);
        } else {
            self.tracestate.set(TRACESTATE, span.trace_state.as_str().as_bytes(), out);
        }
    }

    fn remove(&self, out: &mut dyn Injector) {
        self.traceparent.remove(TRACEPARENT, out);
        self.tracestate.remove(TRACESTATE, out);
    }
}
