//! The grammar and the limits of `tracestate`: a list of vendors' entries, most recent first.
//! When it is read at all is `w3c`'s affair; what our own entry says is the sampler's.
//! Spec: <https://www.w3.org/TR/trace-context-2/#tracestate-header>
//!
//! `rojo=00f067aa0ba902b7, congo=t61rcWkgMzE` → `rojo=00f067aa0ba902b7,congo=t61rcWkgMzE`

use super::trim;
use crate::context::TraceState;

/// Most entries that a list may have.
pub const MAX_MEMBERS: usize = 32;
/// Longest list sent onward, in characters: what the specification asks everyone to propagate. A
/// caller's list is copied into every span, so it may not be as long as its sender likes.
pub const MAX_LEN: usize = 512;

/// Entries longer than this many characters go first when a list is too long.
const LONG_MEMBER: usize = 128;
/// Longest key and longest value.
const MAX_PART: usize = 256;

/// Why a `tracestate` is invalid. The whole list is dropped; `traceparent` is unharmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceStateError {
    /// More than [`MAX_MEMBERS`] entries.
    #[error("tracestate has more than 32 entries")]
    TooMany,
    /// An entry without `=`.
    #[error("tracestate entry has no `=`")]
    NoValue,
    /// A key outside the grammar.
    #[error("tracestate key is not 1 to 256 of a-z 0-9 _ - * / @, the first of a-z 0-9")]
    Key,
    /// A value outside the grammar.
    #[error("tracestate value is not 1 to 256 printable characters but `,` and `=`, the last no space")]
    Value,
}

/// Parses the values of all `tracestate` headers, in order, as one list. White space around entries
/// and empty entries go; of entries with one key the first stays, the most recent; a list longer than
/// [`MAX_LEN`] loses whole entries, long ones first, then from the end.
///
/// # Errors
/// [`TraceStateError`] names the rule broken. W3C Trace Context Level 2 §3.3.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<TraceState, TraceStateError> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    let entries = values.into_iter().flat_map(|value| value.split(|byte| *byte == b',')).map(trim);
    for (count, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
        if count == MAX_MEMBERS {
            return Err(TraceStateError::TooMany);
        }
        let (key, value) = member(entry)?;
        if members.iter().all(|(earlier, _)| *earlier != key) {
            members.push((key, value));
        }
    }
    Ok(join(members))
}

impl TraceState {
    /// The value of `key`, if it is in the list.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.members().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The list with `key` set to `value` and at its head, where a modified entry belongs. If there
    /// are too many entries then, the last goes; if it is too long, as [`parse`] says.
    ///
    /// # Errors
    /// [`TraceStateError`] if `key` or `value` is outside the grammar. W3C Trace Context Level 2 §3.5.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, TraceStateError> {
        let own = (check_key(key.as_bytes())?, check_value(value.as_bytes())?);
        let others = self.members().filter(|(name, _)| *name != key);
        Ok(join(std::iter::once(own).chain(others).take(MAX_MEMBERS).collect()))
    }

    fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split(',').filter_map(|member| member.split_once('='))
    }
}

fn member(entry: &[u8]) -> Result<(&str, &str), TraceStateError> {
    let mut parts = entry.splitn(2, |byte| *byte == b'=');
    let key = check_key(parts.next().unwrap_or_default())?;
    Ok((key, check_value(parts.next().ok_or(TraceStateError::NoValue)?)?))
}

fn check_key(key: &[u8]) -> Result<&str, TraceStateError> {
    let starts_well = key.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let valid = starts_well && key.len() <= MAX_PART && key.iter().all(allowed);
    ascii(key).filter(|_| valid).ok_or(TraceStateError::Key)
}

fn check_value(value: &[u8]) -> Result<&str, TraceStateError> {
    let ends_well = value.last().is_some_and(|byte| *byte != b' ');
    let allowed = |byte: &u8| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'=');
    let valid = ends_well && value.len() <= MAX_PART && value.iter().all(allowed);
    ascii(value).filter(|_| valid).ok_or(TraceStateError::Value)
}

fn ascii(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

fn join(mut members: Vec<(&str, &str)>) -> TraceState {
    let size = |(key, value): &(&str, &str)| key.len() + 1 + value.len();
    let mut len = members.iter().map(size).sum::<usize>() + members.len().saturating_sub(1);
    while len > MAX_LEN {
        let long = members.iter().rposition(|member| size(member) > LONG_MEMBER);
        let Some(last) = long.or(members.len().checked_sub(1)) else { break };
        len = len.saturating_sub(size(&members.remove(last)) + 1);
    }
    let mut list = String::with_capacity(len);
    for (key, value) in members {
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(key);
        list.push('=');
        list.push_str(value);
    }
    TraceState(list)
}
