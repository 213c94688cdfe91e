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
#[derive(Clone, Debug, Default)]
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

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::propagation::trim;

    const VALID: &[u8; LEN] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// `VALID` with `patch` written over it at `at`.
    fn patched(at: usize, patch: &[u8]) -> Vec<u8> {
        let mut value = VALID.to_vec();
        value[at..at + patch.len()].copy_from_slice(patch);
        value
    }

    #[test]
    fn rules_02_to_05_traceparent_is_read_strictly() {
        use TraceparentError::*;
        let alphabet = IdError::Alphabet;
        let rows: [(Vec<u8>, TraceparentError, &str); 24] = [
            (vec![], Length(0), "empty"),
            (VALID[..54].to_vec(), Length(54), "one character short"),
            ([VALID.as_slice(), b"0"].concat(), Length(56), "rule 3: one character more"),
            ([VALID.as_slice(), b"-"].concat(), Length(56), "rule 3: a trailing dash"),
            ([VALID.as_slice(), b"-x"].concat(), Length(57), "rule 3: a fifth field"),
            ([VALID.as_slice(), b"\n"].concat(), Length(56), "a line end is no white space here"),
            (patched(0, b"ff"), Version, "rule 4: ff"),
            (patched(0, b"FF"), Version, "upper case"),
            (patched(0, b"0x"), Version, "not hex"),
            (patched(0, b"CC"), Version, "a later version in upper case"),
            (patched(2, b"_"), Delimiter, "after the version"),
            (patched(35, b"_"), Delimiter, "after the trace id"),
            (patched(52, b"_"), Delimiter, "after the parent id"),
            ([&patched(0, b"cc")[..], b"."].concat(), Delimiter, "rule 5: after a later version's flags"),
            (patched(3, b"4BF9"), TraceId(alphabet), "rule 2: upper case"),
            (patched(3, b"-"), TraceId(alphabet), "a dash within"),
            (patched(3, b"\xff\xfe"), TraceId(alphabet), "not ASCII"),
            (patched(3, &[b'0'; 32]), TraceId(IdError::Zero), "rule 2: zeros"),
            (patched(36, b"+1"), ParentId(alphabet), "a sign is not a digit"),
            (patched(36, b"00F0"), ParentId(alphabet), "rule 2: upper case"),
            (patched(36, &[b'0'; 16]), ParentId(IdError::Zero), "rule 2: zeros"),
            (patched(53, b"0A"), Flags, "upper case"),
            (patched(53, b".0"), Flags, "not hex"),
            (
                [&patched(0, b"cc")[..54], b"-x"].concat(),
                Delimiter,
                "rule 5: a later version's flags too short",
            ),
        ];
        for (value, error, reason) in rows {
            assert_eq!(parse(&value), Err(error), "{reason}");
        }
    }

    #[test]
    fn rules_05_07_08_traceparent_of_any_version_is_read_by_bit() {
        let rows: [(Vec<u8>, u8, &str); 7] = [
            (VALID.to_vec(), 1, "the specification's own example"),
            (patched(53, b"00"), 0, "not sampled"),
            (patched(53, b"02"), 2, "rule 8: random"),
            (patched(53, b"fd"), 1, "rule 7: unknown bits are dropped"),
            (patched(0, b"01"), 1, "rule 5: the next version"),
            (patched(0, b"fe"), 1, "rule 5: the last version"),
            ([&patched(0, b"cc")[..], b"-and \xff more"].concat(), 1, "rule 5: fields of the future"),
        ];
        for (value, flags, reason) in rows {
            let (trace_id, span_id, found) = parse(&value).expect(reason);
            assert_eq!(trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736", "{reason}");
            assert_eq!(span_id.to_string(), "00f067aa0ba902b7", "{reason}");
            assert_eq!(found.as_byte(), flags, "{reason}");
        }
    }

    #[test]
    fn rule_06_white_space_around_is_spaces_and_tabs() {
        let rows: [(&[u8], &[u8]); 5] =
            [(b" \t a\t ", b"a"), (b"a b", b"a b"), (b" \t", b""), (b"", b""), (b"\na\r", b"\na\r")];
        for (text, expected) in rows {
            assert_eq!(trim(text), expected);
        }
    }
}
